// Verifiers and folders. A verifier names the operand, what was expected and what was found.
#include "mamba/Dialect/MambaDialect.h"

#include "mamba/suggest.h"
#include "mamba_kernels.h"
#include "pack_i4.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace mamba;

//===----------------------------------------------------------------------===//
// What the verifiers share
//===----------------------------------------------------------------------===//

namespace {
using Shape = SmallVector<int64_t, 4>;
constexpr int64_t kAny = ShapedType::kDynamic;

std::string spell(ArrayRef<int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); i++)
    text += (i ? ", " : "") + (shape[i] == kAny ? std::string("?") : std::to_string(shape[i]));
  return text + "]";
}

ArrayRef<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }
Type elementOf(Value value) { return cast<RankedTensorType>(value.getType()).getElementType(); }
int64_t channelsOf(Value value) { return shapeOf(value).empty() ? 1 : shapeOf(value).back(); }

// Sizes agree when they are equal or one of them is not known before run time.
bool agree(int64_t a, int64_t b) { return a == b || a == kAny || b == kAny; }

bool agree(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  return a.size() == b.size() && llvm::all_of(llvm::zip(a, b), [](auto pair) {
           return agree(std::get<0>(pair), std::get<1>(pair));
         });
}

LogicalResult expectShape(Operation *op, StringRef what, Value value, ArrayRef<int64_t> expected) {
  if (agree(shapeOf(value), expected))
    return success();
  return op->emitOpError() << what << ": expected shape " << spell(expected) << ", found "
                           << spell(shapeOf(value));
}

LogicalResult expectElement(Operation *op, StringRef what, Value value, Type expected) {
  if (elementOf(value) == expected)
    return success();
  return op->emitOpError() << what << ": expected elements of type " << expected << ", found "
                           << elementOf(value);
}

LogicalResult expectRank(Operation *op, StringRef what, Value value, size_t rank) {
  if (shapeOf(value).size() == rank)
    return success();
  return op->emitOpError() << what << ": expected rank " << rank << ", found shape " << spell(shapeOf(value));
}

// `value`'s leading dimensions (batch, tokens) with `channels` as the last.
Shape withChannels(Value value, int64_t channels) {
  Shape shape(shapeOf(value));
  if (!shape.empty())
    shape.back() = channels;
  return shape;
}

// One value per channel: n elements along one dimension, every other dimension 1.
LogicalResult expectVector(Operation *op, StringRef what, Value value, int64_t n) {
  int64_t elements = 1;
  int larger = 0;
  for (int64_t size : shapeOf(value)) {
    elements = size == kAny || elements == kAny ? kAny : elements * size;
    larger += size != 1;
  }
  if (!shapeOf(value).empty() && larger <= 1 && agree(elements, n))
    return success();
  return op->emitOpError() << what << ": expected " << n << " values along one dimension, found shape "
                           << spell(shapeOf(value));
}

// A scale of rank 0, of one value per channel, or with the value's rank and every dimension equal or 1.
bool isScaleOf(ArrayRef<int64_t> scale, ArrayRef<int64_t> value) {
  if (scale.empty())
    return true;
  if (scale.size() == 1)
    return !value.empty() && agree(scale[0], value.back());
  return scale.size() == value.size() && llvm::all_of(llvm::zip(scale, value), [](auto pair) {
           return std::get<0>(pair) == 1 || agree(std::get<0>(pair), std::get<1>(pair));
         });
}

LogicalResult expectScale(Operation *op, StringRef what, Value scale, Value value) {
  if (isScaleOf(shapeOf(scale), shapeOf(value)))
    return success();
  return op->emitOpError() << what << ": expected a scale of shape [], [" << channelsOf(value)
                           << "], or that of the value with 1 where a scale is shared; found "
                           << spell(shapeOf(scale)) << " for a value of shape " << spell(shapeOf(value));
}

// A kernel's scale or reciprocal: one value, or one per channel.
LogicalResult expectKernelScale(Operation *op, StringRef what, Value scale, int64_t channels) {
  if (!scale || shapeOf(scale).empty())
    return success();
  return expectVector(op, what, scale, channels);
}

// "@name is not declared", with the op that does it, or with the one that was probably meant.
template <typename Declaration> LogicalResult failUndeclared(Operation *op, StringRef what, StringAttr name) {
  MambaSuggestion suggestion = mambaSuggestFor(name.data(), name.size());
  Operation *nearest = nullptr;
  for (Declaration declared : op->getParentOfType<ModuleOp>().getOps<Declaration>()) {
    const char *before = suggestion.nearest;
    mambaSuggestConsider(&suggestion, declared.getSymName().data(), declared.getSymName().size());
    nearest = suggestion.nearest == before ? nearest : declared.getOperation();
  }
  InFlightDiagnostic diagnostic = op->emitOpError() << what << " @" << name.getValue() << " is not declared: expected `"
                                                    << Declaration::getOperationName() << " @" << name.getValue() << "`";
  if (nearest)
    diagnostic.attachNote(nearest->getLoc()) << "did you mean @" << StringRef(suggestion.nearest, suggestion.nearest_length) << ", which is declared here?";
  return diagnostic;
}

LogicalResult expectState(Operation *op, SymbolTableCollection &symbols, FlatSymbolRefAttr name,
                          ArrayRef<int64_t> shape, Type element) {
  auto state = symbols.lookupNearestSymbolFrom<StateOp>(op, name);
  if (!state)
    return failUndeclared<StateOp>(op, "state", name.getRootReference());
  auto type = cast<RankedTensorType>(state.getType());
  if (agree(type.getShape(), shape) && type.getElementType() == element)
    return success();
  return op->emitOpError() << "state " << name << ": expected " << spell(shape) << " of " << element
                           << ", found " << spell(type.getShape()) << " of " << type.getElementType();
}

// A scan's state: f32, or i8 with rows of scales behind it.
LogicalResult expectScanState(Operation *op, SymbolTableCollection &symbols, FlatSymbolRefAttr name, int64_t states,
                              int64_t channels) {
  auto state = symbols.lookupNearestSymbolFrom<StateOp>(op, name);
  Type i8 = IntegerType::get(op->getContext(), 8);
  if (state && cast<RankedTensorType>(state.getType()).getElementType() == i8)
    return expectState(op, symbols, name, {states + MAMBA_STATE_SCALE_ROWS, channels}, i8);
  return expectState(op, symbols, name, {states, channels}, Float32Type::get(op->getContext()));
}

// `value` holds weights [rows, columns] as mamba_pack_i8 packs them.
LogicalResult expectPacked(Operation *op, StringRef what, Value value, int64_t rows, int64_t columns) {
  if (rows < 1 || columns < 1 || rows > INT32_MAX || columns > INT32_MAX)
    return op->emitOpError() << what << ": expected weights of 1 to 2^31 - 1 rows and columns, found "
                             << spell({rows, columns});
  size_t bytes = mamba_packed_i8_bytes(static_cast<int32_t>(rows), static_cast<int32_t>(columns));
  return expectShape(op, what, value,
                     {static_cast<int64_t>(bytes / MAMBA_PACK_BLOCK), MAMBA_PACK_ROWS, MAMBA_PACK_DEPTH});
}

// Weights [rows, columns] in 4 bits have `groups` scales a row.
LogicalResult expectGroups(Operation *op, int64_t rows, int64_t columns, int64_t groups) {
  if (groups >= 1 && mamba_pack_i4_is_possible(rows, columns, columns / groups) && columns % groups == 0)
    return success();
  return op->emitOpError() << "groups: expected a multiple of " << static_cast<int>(MAMBA_I4_GROUP)
                           << " columns to each, found " << groups << " for a weight of shape "
                           << spell({rows, columns});
}

LogicalResult expectGroupScales(Operation *op, Value weight, Value scales) {
  if (failed(expectRank(op, "input", weight, 2)) || failed(expectRank(op, "scales", scales, 2)))
    return failure();
  int64_t rows = shapeOf(weight)[0], columns = shapeOf(weight)[1], groups = shapeOf(scales)[1];
  if (failed(expectShape(op, "scales", scales, {rows, groups})))
    return failure();
  return expectGroups(op, rows, columns, groups);
}

// `value` holds 4-bit weights [rows, columns] as mamba_pack_i4_rows packs them, or _blocks when `blocks`.
LogicalResult expectPackedI4(Operation *op, StringRef what, Value value, int64_t rows, int64_t columns, bool blocks) {
  int64_t groups = shapeOf(value)[1];
  if (failed(expectGroups(op, rows, columns, groups)))
    return failure();
  int64_t packed = blocks ? mamba_pack_groups(static_cast<int32_t>(rows)) * int64_t(MAMBA_PACK_ROWS) : rows;
  return expectShape(op, what, value, {packed, groups, columns / groups / 2 + 1});
}

bool isPackedI4(Value weight) {
  return shapeOf(weight).size() == 3 && shapeOf(weight)[2] > MAMBA_PACK_DEPTH;
}

// [from, from + size) of what has `all`.
LogicalResult expectRange(Operation *op, StringRef what, int64_t from, int64_t size, int64_t all) {
  if (all != kAny && size != kAny && from >= 0 && from <= all && size <= all - from)
    return success();
  return op->emitOpError() << "expected " << what << " within [0, " << all << "), found [" << from << ", "
                           << from + size << ")";
}

LogicalResult expectPositive(Operation *op, StringRef what, const APFloat &value) {
  if (value.isFinite() && !value.isNegative() && !value.isZero())
    return success();
  return op->emitOpError() << what << ": expected a positive number, found " << value.convertToDouble();
}

// Sizes 2^k times 1, 12, 20, 28 or 40: those for which the kernels know a Hadamard matrix.
LogicalResult expectHadamardSize(Operation *op, int64_t size) {
  for (int64_t order : {1, 12, 20, 28})
    if (size > 0 && size % order == 0 && llvm::isPowerOf2_64(size / order))
      return success();
  return op->emitOpError() << "no Hadamard matrix for size " << spell({size})
                           << ": expected 2^k times 1, 12, 20, 28 or 40";
}

// i8 results need a quantizer each; the others must have none.
LogicalResult expectInvScales(Operation *op, ValueRange outputs, OperandRange invScales) {
  size_t wanted = 0;
  for (Value output : outputs) {
    if (!elementOf(output).isInteger(8))
      continue;
    if (wanted < invScales.size() &&
        failed(expectKernelScale(op, "inv_scales", invScales[wanted], channelsOf(output))))
      return failure();
    wanted++;
  }
  if (wanted == invScales.size())
    return success();
  return op->emitOpError() << "inv_scales: expected one per i8 result, " << wanted << ", found "
                           << invScales.size();
}

// The common end of rms_norm_quant, add_rms_norm_quant and hadamard_quant.
LogicalResult verifyQuantized(Operation *op, Value input, Value result, Value invScale, ValueRange rowScale) {
  if (failed(expectShape(op, "result", result, shapeOf(input))) ||
      failed(expectKernelScale(op, "inv_scale", invScale, channelsOf(input))))
    return failure();
  if (rowScale.size() > 1)
    return op->emitOpError() << "expected at most one row scale, found " << rowScale.size();
  bool integers = elementOf(result).isInteger(8);
  if (integers != (invScale || !rowScale.empty()) || (invScale && !rowScale.empty()))
    return op->emitOpError() << "expected " << (integers ? "either inv_scale or a row scale result" : "no scale")
                             << " for a result of " << elementOf(result);
  if (!rowScale.empty())
    return expectShape(op, "row scale", rowScale[0], withChannels(input, 1));
  return success();
}

// One state space layer's shapes, the same at levels 1 and 3 but for A's layout.
LogicalResult verifyScan(Operation *op, Value u, Value dt, Value b, Value c, Value d, Value result) {
  if (failed(expectRank(op, "u", u, 3)) || failed(expectRank(op, "b", b, 3)))
    return failure();
  int64_t channels = channelsOf(u), states = channelsOf(b);
  return success(succeeded(expectShape(op, "dt", dt, shapeOf(u))) &&
                 succeeded(expectShape(op, "b", b, withChannels(u, states))) &&
                 succeeded(expectShape(op, "c", c, shapeOf(b))) &&
                 succeeded(expectVector(op, "d", d, channels)) &&
                 succeeded(expectShape(op, "result", result, shapeOf(u))));
}
} // namespace

//===----------------------------------------------------------------------===//
// Symbols
//===----------------------------------------------------------------------===//

LogicalResult CheckpointOp::verify() {
  if (getPath().empty())
    return emitOpError() << "path: expected a file or folder, found an empty string";
  return success();
}

LogicalResult StateOp::verify() {
  auto type = cast<RankedTensorType>(getType());
  if (type.getRank() == 2 && type.hasStaticShape())
    return success();
  return emitOpError() << "type: expected [steps, channels] with static sizes, found " << spell(type.getShape());
}

//===----------------------------------------------------------------------===//
// Weights and scales
//===----------------------------------------------------------------------===//

LogicalResult WeightOp::verify() {
  if (getKey().getNestedReferences().size() != 1)
    return emitOpError() << "key: expected @checkpoint::@\"name\", found " << getKey();
  if (!cast<RankedTensorType>(getType()).hasStaticShape())
    return emitOpError() << "result: expected a static shape, found " << spell(shapeOf(getResult()));
  return success();
}

LogicalResult WeightOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (symbols.lookupNearestSymbolFrom<CheckpointOp>(*this, getKey().getRootReference()))
    return success();
  return failUndeclared<CheckpointOp>(*this, "checkpoint", getKey().getRootReference());
}

LogicalResult ScaleOp::verify() { return expectPositive(*this, "value", getValue()); }
LogicalResult ReciprocalOp::verify() { return success(); }

LogicalResult AbsmaxScaleOp::verify() {
  ArrayRef<int64_t> in = shapeOf(getInput()), out = shapeOf(getResult());
  if (out.empty() || (out.size() == in.size() && isScaleOf(out, in)))
    return success();
  return emitOpError() << "result: expected rank 0, or the input's rank with every dimension equal or 1; found "
                       << spell(out) << " for " << spell(in);
}

LogicalResult QuantizeOp::verify() {
  return success(succeeded(expectShape(*this, "result", getResult(), shapeOf(getInput()))) &&
                 succeeded(expectScale(*this, "scale", getScale(), getInput())));
}

LogicalResult DequantizeOp::verify() {
  return success(succeeded(expectShape(*this, "result", getResult(), shapeOf(getInput()))) &&
                 succeeded(expectScale(*this, "scale", getScale(), getInput())));
}

LogicalResult SmoothingOp::verify() {
  const int64_t channels = channelsOf(getAbsmax());
  if (failed(expectRank(*this, "absmax", getAbsmax(), 1)) ||
      failed(expectShape(*this, "weight_absmax", getWeightAbsmax(), {1, channels})) ||
      failed(expectShape(*this, "result", getResult(), {channels})))
    return failure();
  const float strength = getStrength().convertToFloat();
  if (strength >= 0 && strength <= 1)
    return success();
  return emitOpError() << "strength: expected a number from 0 to 1, found " << strength;
}

LogicalResult CastOp::verify() { return expectShape(*this, "result", getResult(), shapeOf(getInput())); }
OpFoldResult CastOp::fold(FoldAdaptor) {
  return getInput().getType() == getType() ? OpFoldResult(getInput()) : OpFoldResult();
}

LogicalResult BroadcastOp::verify() {
  if (isScaleOf(shapeOf(getInput()), shapeOf(getResult())))
    return success();
  return emitOpError() << "cannot repeat " << spell(shapeOf(getInput())) << " to " << spell(shapeOf(getResult()));
}

LogicalResult ChannelsLastOp::verify() {
  ArrayRef<int64_t> in = shapeOf(getInput());
  if (in.size() < 2 || llvm::any_of(in.drop_front().drop_back(), [](int64_t size) { return size != 1; }))
    return emitOpError() << "input: expected [channels, 1..., n], found " << spell(in);
  if (failed(expectElement(*this, "result", getResult(), elementOf(getInput()))))
    return failure();
  return expectShape(*this, "result", getResult(), {in.back(), in.front()});
}

LogicalResult SliceRowsOp::verify() {
  if (shapeOf(getInput()).empty())
    return emitOpError() << "input: expected rows, found a tensor of rank 0";
  Shape expected(shapeOf(getInput()));
  const int64_t all = expected[0];
  if (!shapeOf(getResult()).empty())
    expected[0] = shapeOf(getResult())[0];
  if (failed(expectElement(*this, "result", getResult(), elementOf(getInput()))) ||
      failed(expectShape(*this, "result", getResult(), expected)))
    return failure();
  return expectRange(*this, "rows", getOffset(), expected[0], all);
}

LogicalResult PackOp::verify() {
  if (failed(expectRank(*this, "input", getInput(), 2)))
    return failure();
  return expectPacked(*this, "result", getResult(), shapeOf(getInput())[0], shapeOf(getInput())[1]);
}

LogicalResult ScaleGroupsOp::verify() {
  if (failed(expectGroupScales(*this, getInput(), getScales())))
    return failure();
  return expectShape(*this, "result", getResult(), shapeOf(getInput()));
}

LogicalResult PackI4Op::verify() {
  if (failed(expectGroupScales(*this, getInput(), getScales())) || failed(expectRank(*this, "result", getResult(), 3)))
    return failure();
  if (getLayout() != "blocks" && getLayout() != "rows")
    return emitOpError() << "layout: expected blocks or rows, found " << getLayout();
  if (failed(expectShape(*this, "result", getResult(), {kAny, shapeOf(getScales())[1], kAny})))
    return failure();
  return expectPackedI4(*this, "result", getResult(), shapeOf(getInput())[0], shapeOf(getInput())[1],
                        getLayout() == "blocks");
}

LogicalResult NegExpOp::verify() { return expectShape(*this, "result", getResult(), shapeOf(getInput())); }

//===----------------------------------------------------------------------===//
// Level 1
//===----------------------------------------------------------------------===//

LogicalResult EmbeddingOp::verify() {
  if (failed(expectRank(*this, "table", getTable(), 2)))
    return failure();
  Shape expected(shapeOf(getIds()));
  expected.push_back(channelsOf(getTable()));
  return expectShape(*this, "result", getResult(), expected);
}

LogicalResult RmsNormOp::verify() {
  if (failed(expectShape(*this, "result", getResult(), shapeOf(getInput()))) ||
      (getGamma() && failed(expectVector(*this, "gamma", getGamma(), channelsOf(getInput())))))
    return failure();
  return expectPositive(*this, "epsilon", getEpsilon());
}

LogicalResult LinearOp::verify() {
  if (failed(expectRank(*this, "weight", getWeight(), 2)))
    return failure();
  int64_t rows = shapeOf(getWeight())[0];
  if (failed(expectShape(*this, "weight", getWeight(), {rows, channelsOf(getInput())})) ||
      (getBias() && failed(expectVector(*this, "bias", getBias(), rows))))
    return failure();
  return expectShape(*this, "result", getResult(), withChannels(getInput(), rows));
}

LogicalResult SliceOp::verify() {
  int64_t from = getOffset(), size = channelsOf(getResult()), all = channelsOf(getInput());
  if (failed(expectElement(*this, "result", getResult(), elementOf(getInput()))) ||
      failed(expectShape(*this, "result", getResult(), withChannels(getInput(), size))))
    return failure();
  return expectRange(*this, "channels", from, size, all);
}
OpFoldResult SliceOp::fold(FoldAdaptor) {
  return getInput().getType() == getType() ? OpFoldResult(getInput()) : OpFoldResult();
}

LogicalResult CausalConv1dOp::verify() {
  int64_t channels = channelsOf(getInput());
  if (failed(expectRank(*this, "input", getInput(), 3)) || failed(expectRank(*this, "weight", getWeight(), 3)) ||
      failed(expectShape(*this, "weight", getWeight(), {channels, 1, channelsOf(getWeight())})) ||
      (getBias() && failed(expectVector(*this, "bias", getBias(), channels))))
    return failure();
  return expectShape(*this, "result", getResult(), shapeOf(getInput()));
}
LogicalResult CausalConv1dOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return expectState(*this, symbols, getStateAttr(), {channelsOf(getWeight()) - 1, channelsOf(getInput())},
                     Float32Type::get(getContext()));
}

LogicalResult SiluOp::verify() { return expectShape(*this, "result", getResult(), shapeOf(getInput())); }
LogicalResult SoftplusOp::verify() { return expectShape(*this, "result", getResult(), shapeOf(getInput())); }

LogicalResult SelectiveScanOp::verify() {
  if (failed(verifyScan(*this, getU(), getDt(), getB(), getC(), getD(), getResult())))
    return failure();
  return expectShape(*this, "a", getA(), {channelsOf(getU()), channelsOf(getB())});
}
LogicalResult SelectiveScanOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return expectScanState(*this, symbols, getStateAttr(), channelsOf(getB()), channelsOf(getU()));
}

LogicalResult MulOp::verify() {
  ArrayRef<int64_t> l = shapeOf(getLhs()), r = shapeOf(getRhs()), out = shapeOf(getResult());
  if ((isScaleOf(r, l) && agree(out, l)) || (isScaleOf(l, r) && agree(out, r)))
    return success();
  return emitOpError() << "cannot multiply " << spell(l) << " by " << spell(r) << " to " << spell(out);
}

LogicalResult AddOp::verify() {
  return success(succeeded(expectShape(*this, "rhs", getRhs(), shapeOf(getLhs()))) &&
                 succeeded(expectShape(*this, "result", getResult(), shapeOf(getLhs()))));
}

LogicalResult HadamardOp::verify() {
  ArrayRef<int64_t> shape = shapeOf(getInput());
  int64_t axis = getAxis();
  if (axis < 0 || axis >= static_cast<int64_t>(shape.size()))
    return emitOpError() << "axis: expected within [0, " << shape.size() << "), found " << axis;
  if (failed(expectShape(*this, "result", getResult(), shape)))
    return failure();
  return expectHadamardSize(*this, shape[axis]);
}

LogicalResult ClampOp::verify() {
  if (failed(expectPositive(*this, "limit", getLimit())))
    return failure();
  return expectShape(*this, "result", getResult(), shapeOf(getInput()));
}

//===----------------------------------------------------------------------===//
// Level 3
//===----------------------------------------------------------------------===//

LogicalResult QuantizeRowsOp::verify() {
  return success(succeeded(expectShape(*this, "result", getResult(), shapeOf(getInput()))) &&
                 succeeded(expectShape(*this, "row scale", getRowScale(), withChannels(getInput(), 1))));
}

LogicalResult RmsNormQuantOp::verify() {
  if ((getGamma() && failed(expectVector(*this, "gamma", getGamma(), channelsOf(getInput())))) ||
      failed(expectPositive(*this, "epsilon", getEpsilon())))
    return failure();
  return verifyQuantized(*this, getInput(), getResult(), getInvScale(), getRowScale());
}

LogicalResult AddRmsNormQuantOp::verify() {
  if ((getGamma() && failed(expectVector(*this, "gamma", getGamma(), channelsOf(getInput())))) ||
      failed(expectPositive(*this, "epsilon", getEpsilon())) ||
      failed(expectShape(*this, "delta", getDelta(), shapeOf(getInput()))) ||
      failed(expectShape(*this, "sum", getSum(), shapeOf(getInput()))))
    return failure();
  return verifyQuantized(*this, getInput(), getResult(), getInvScale(), getRowScale());
}

LogicalResult LinearI8Op::verify() {
  bool packed = shapeOf(getWeight()).size() == 3;
  if (!packed && failed(expectRank(*this, "weight", getWeight(), 2)))
    return failure();
  int64_t columns = 0;
  for (Value output : getOutputs())
    columns += channelsOf(output);
  int64_t rows = packed ? columns : shapeOf(getWeight())[0];
  if (failed(isPackedI4(getWeight()) ? expectPackedI4(*this, "weight", getWeight(), rows, channelsOf(getInput()), true)
             : packed ? expectPacked(*this, "weight", getWeight(), rows, channelsOf(getInput()))
                      : expectShape(*this, "weight", getWeight(), {rows, channelsOf(getInput())})) ||
      failed(expectVector(*this, "multiplier", getMultiplier(), rows)) ||
      (getRowScale() && failed(expectShape(*this, "row_scale", getRowScale(), withChannels(getInput(), 1)))) ||
      (getBias() && failed(expectVector(*this, "bias", getBias(), rows))))
    return failure();
  if (channelsOf(getInput()) > MAMBA_LINEAR_I8_MAX_K)
    return emitOpError() << "input: expected at most " << static_cast<int>(MAMBA_LINEAR_I8_MAX_K)
                         << " channels, so that int32 sums cannot overflow, found " << channelsOf(getInput());
  for (Value output : getOutputs())
    if (failed(expectShape(*this, "result", output, withChannels(getInput(), channelsOf(output)))))
      return failure();
  if (columns != rows)
    return emitOpError() << "results: expected " << rows << " columns in all, the weight's rows, found " << columns;
  return expectInvScales(*this, getOutputs(), getInvScales());
}

LogicalResult LinearW8Op::verify() {
  bool packed = isPackedI4(getWeight());
  if (!packed && failed(expectRank(*this, "weight", getWeight(), 2)))
    return failure();
  int64_t rows = channelsOf(getResult());
  if (failed(packed ? expectPackedI4(*this, "weight", getWeight(), rows, channelsOf(getInput()), false)
                    : expectShape(*this, "weight", getWeight(), {rows, channelsOf(getInput())})) ||
      failed(expectVector(*this, "multiplier", getMultiplier(), rows)) ||
      (getBias() && failed(expectVector(*this, "bias", getBias(), rows))))
    return failure();
  return expectShape(*this, "result", getResult(), withChannels(getInput(), rows));
}

LogicalResult Conv1dSiluQuantOp::verify() {
  int64_t channels = channelsOf(getInput());
  if (failed(expectRank(*this, "input", getInput(), 3)) || failed(expectRank(*this, "weight", getWeight(), 2)) ||
      failed(expectShape(*this, "weight", getWeight(), {shapeOf(getWeight())[0], channels})) ||
      (getBias() && failed(expectVector(*this, "bias", getBias(), channels))) ||
      (getMultiplier() && failed(expectVector(*this, "multiplier", getMultiplier(), channels))) ||
      failed(expectKernelScale(*this, "input_scale", getInputScale(), channels)))
    return failure();
  bool inputI8 = elementOf(getInput()).isInteger(8), weightI8 = elementOf(getWeight()).isInteger(8);
  if (weightI8 && !inputI8)
    return emitOpError() << "weight: expected f32 for an input of " << elementOf(getInput()) << ", found i8";
  if (static_cast<bool>(getMultiplier()) != weightI8)
    return emitOpError() << "multiplier: expected " << (weightI8 ? "one for an i8 weight" : "none for an f32 weight");
  if (static_cast<bool>(getInputScale()) != (inputI8 && !weightI8))
    return emitOpError() << "input_scale: expected exactly for an i8 input with a float weight";
  if (getOutputs().empty() || getOutputs().size() > 2)
    return emitOpError() << "expected one or two results, found " << getOutputs().size();
  for (Value output : getOutputs())
    if (failed(expectShape(*this, "result", output, shapeOf(getInput()))))
      return failure();
  return expectInvScales(*this, getOutputs(), getInvScales());
}
LogicalResult Conv1dSiluQuantOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return expectState(*this, symbols, getStateAttr(), {shapeOf(getWeight())[0] - 1, channelsOf(getInput())},
                     elementOf(getInput()));
}

LogicalResult SelectiveScanQuantOp::verify() {
  if (failed(verifyScan(*this, getU(), getDt(), getB(), getC(), getD(), getResult())) ||
      failed(expectShape(*this, "a", getA(), {channelsOf(getB()), channelsOf(getU())})) ||
      failed(expectShape(*this, "gate", getZ(), shapeOf(getU()))))
    return failure();
  struct {
    StringRef name;
    Value value, scale;
  } inputs[] = {{"u_scale", getU(), getUScale()},
                {"dt_scale", getDt(), getDtScale()},
                {"b_scale", getB(), getBScale()},
                {"c_scale", getC(), getCScale()},
                {"z_scale", getZ(), getZScale()}};
  for (auto &input : inputs) {
    bool integers = elementOf(input.value).isInteger(8);
    if (integers != static_cast<bool>(input.scale))
      return emitOpError() << input.name << ": expected " << (integers ? "a scale" : "no scale")
                           << " for an operand of " << elementOf(input.value);
    if (failed(expectKernelScale(*this, input.name, input.scale, channelsOf(input.value))))
      return failure();
  }
  return verifyQuantized(*this, getU(), getResult(), getInvScale(), {});
}
LogicalResult SelectiveScanQuantOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return expectScanState(*this, symbols, getStateAttr(), channelsOf(getB()), channelsOf(getU()));
}

LogicalResult HadamardQuantOp::verify() {
  if (failed(expectHadamardSize(*this, channelsOf(getInput()))))
    return failure();
  return verifyQuantized(*this, getInput(), getResult(), getInvScale(), getRowScale());
}

#define GET_OP_CLASSES
#include "mamba/Dialect/MambaOps.cpp.inc"
