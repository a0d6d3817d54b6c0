#include "fuse_kernels.h"

#include "builders.h"
#include "fuse_stores.h"

static const MlirOperation kNone = {NULL};
static const MlirValue kNoValue = {NULL};

MlirValue buildMultiplier(MlirOperation op, MlirValue weight, MlirValue scale, MlirValue input_scale) {
  const MlirType rows = perRowType(weight);
  if (mambaRank(scale) && !mlirTypeEqual(mlirValueGetType(scale), rows)) {
    mambaEmitError(op, "weight: expected one scale, or one per row");
    return kNoValue;
  }
  MambaBuilder builder = mambaBuilderBefore(op);
  const MlirLocation location = suffixed(builder.context, mambaOpName(op), ".multiplier");
  MlirValue multiplier = scale;
  if (!mlirValueIsNull(input_scale))
    multiplier = buildMul(&builder, location, mlirValueGetType(scale), scale, input_scale);
  if (!mambaRank(multiplier))
    multiplier = mambaBuildSimple(&builder, MAMBA_OP_BROADCAST, location, rows, multiplier, kNoValue);
  return multiplier;
}

/* ---- Results ---------------------------------------------------------------------------------------- */

static bool isSliced(MlirValue value) {
  MlirOpOperand use = mlirValueGetFirstUse(value);
  bool only = !mlirOpOperandIsNull(use);
  for (; only && !mlirOpOperandIsNull(use); use = mlirOpOperandGetNextUse(use))
    only = mambaOpIs(mlirOpOperandGetOwner(use), MAMBA_OP_SLICE);
  return only;
}

static int64_t offsetOf(MlirOperation slice) {
  return mambaIntAttribute(slice, "offset");
}
static int64_t sizeOf(MlirOperation slice) {
  return mambaChannels(mlirOperationGetResult(slice, 0));
}

/* The slices of a value in the order of their channels. They must cover all channels once. */
static bool findSlices(MlirOperation op, MlirOperation slices[MAMBA_MAX_RESULTS], int *count) {
  const MlirValue value = mlirOperationGetResult(op, 0);
  int n = 0;
  MlirOpOperand use = mlirValueGetFirstUse(value);
  for (; !mlirOpOperandIsNull(use) && n < MAMBA_MAX_RESULTS; use = mlirOpOperandGetNextUse(use)) {
    const MlirOperation slice = mlirOpOperandGetOwner(use);
    int at = n++;
    for (; at > 0 && offsetOf(slices[at - 1]) > offsetOf(slice); at--)
      slices[at] = slices[at - 1];
    slices[at] = slice;
  }
  int64_t end = 0;
  for (int i = 0; i < n && offsetOf(slices[i]) == end; i++)
    end += sizeOf(slices[i]);
  if (!mlirOpOperandIsNull(use) || end != mambaChannels(value)) {
    mambaEmitError(op, "expected slices that cover its %lld channels once and in at most %d parts",
                   (long long)mambaChannels(value), MAMBA_MAX_RESULTS);
    return false;
  }
  *count = n;
  return true;
}

/* The stored form of each slice, or of the whole. */
static bool findOutputs(MlirOperation op, Store stores[MAMBA_MAX_RESULTS], int *count) {
  MlirOperation slices[MAMBA_MAX_RESULTS];
  int forms;
  if (!isSliced(mlirOperationGetResult(op, 0))) {
    *count = 1;
    return findStores(op, mlirOperationGetResult(op, 0), false, stores, 1, &forms);
  }
  if (!findSlices(op, slices, count))
    return false;
  for (int i = 0; i < *count; i++)
    if (!findStores(op, mlirOperationGetResult(slices[i], 0), false, &stores[i], 1, &forms))
      return false;
  return true;
}

/* ---- The layer -------------------------------------------------------------------------------------- */

/* The part of a weight or bias that computes one slice, named for what it computes. Null stays null. */
static MlirValue rowsFor(MambaBuilder *builder, MlirOperation slice, MlirValue whole, const char *suffix) {
  int64_t shape[MAMBA_MAX_RANK];
  if (mlirValueIsNull(whole))
    return whole;
  if (mambaDefiningKind(whole) == MAMBA_OP_SCALE_GROUPS) { /* stays 4-bit weights with scales */
    const MlirOperation scaled = mambaDefiningOp(whole);
    const MlirValue weights = rowsFor(builder, slice, mambaOperand(scaled, "input"), suffix);
    const MlirValue scales = rowsFor(builder, slice, mambaOperand(scaled, "scales"), ".group_scale");
    return buildScaleGroups(builder, suffixed(builder->context, mambaValueName(weights), ".q"), weights,
                            scales);
  }
  const int rank = mambaRank(whole);
  for (int i = 0; i < rank; i++)
    shape[i] = i ? mambaDim(whole, i) : sizeOf(slice);
  MambaOpState state = {.kind = MAMBA_OP_SLICE_ROWS,
                        .location = suffixed(builder->context, mambaOpName(slice), suffix),
                        .operands = {whole},
                        .results = {mambaTensorType(builder->context, mambaElementOf(whole), rank, shape)},
                        .result_count = 1};
  mambaSetInt(&state, "offset", offsetOf(slice));
  return mlirOperationGetResult(mambaBuild(builder, &state), 0);
}

/* What a layer of float activations multiplies by: the multiplier is null where the weight is in floats too.
 */
typedef struct FloatLayer {
  MlirValue weight, multiplier, bias;
} FloatLayer;

static MlirOperation buildFloatLayer(MambaBuilder *builder, MlirOperation op, MlirValue result,
                                     const FloatLayer *layer) {
  const bool integers = !mlirValueIsNull(layer->multiplier);
  MambaOpState state = {.kind = integers ? MAMBA_OP_LINEAR_W8 : MAMBA_OP_LINEAR,
                        .location = mlirOperationGetLocation(mambaDefiningOp(result)),
                        .operands = {mambaOperand(op, "input"), layer->weight,
                                     integers ? layer->multiplier : layer->bias,
                                     integers ? layer->bias : kNoValue},
                        .results = {mlirValueGetType(result)},
                        .result_count = 1};
  const MlirOperation built = mambaBuild(builder, &state);
  mlirValueReplaceAllUsesOfWith(result, mlirOperationGetResult(built, 0));
  return built;
}

/* A layer whose activations stay floats: mamba_linear_float computes it, or _w8 where its weight is in
 * integers. It has one result, so that a layer whose result is split becomes one layer for each slice, with
 * its rows of the weight. */
static MlirOperation fuseFloat(MlirOperation op, MlirValue weight, MlirValue multiplier) {
  MambaBuilder builder = mambaBuilderBefore(op);
  const MlirValue bias = asF32(&builder, mambaOperand(op, "bias"));
  MlirOperation slices[MAMBA_MAX_RESULTS], layer = op;
  int count;
  if (!isSliced(mlirOperationGetResult(op, 0))) {
    const FloatLayer whole = {weight, multiplier, bias};
    layer = buildFloatLayer(&builder, op, mlirOperationGetResult(op, 0), &whole);
    mlirOperationDestroy(op);
    return layer;
  }
  if (!findSlices(op, slices, &count))
    return kNone;
  for (int i = 0; i < count; i++) {
    const FloatLayer part = {rowsFor(&builder, slices[i], weight, ".weight"),
                             rowsFor(&builder, slices[i], multiplier, ".multiplier"),
                             rowsFor(&builder, slices[i], bias, ".bias")};
    layer = buildFloatLayer(&builder, op, mlirOperationGetResult(slices[i], 0), &part);
  }
  eraseReplaced(op);
  return layer;
}

MlirOperation fuseLinear(MlirOperation op) {
  const Load input = loadOf(mambaOperand(op, "input")), weight = loadOf(mambaOperand(op, "weight"));
  const bool input_i8 = !mlirValueIsNull(input.scale), weight_i8 = !mlirValueIsNull(weight.scale);
  if (!input_i8) {
    const MlirValue multiplier =
        weight_i8 ? buildMultiplier(op, weight.value, weight.scale, kNoValue) : kNoValue;
    if (weight_i8 && mlirValueIsNull(multiplier))
      return kNone;
    return fuseFloat(op, weight_i8 ? weight.value : mambaOperand(op, "weight"), multiplier);
  }
  if (!weight_i8) {
    mambaEmitError(op, "expected the weight to come from `dequantize`, as the input does");
    return kNone;
  }
  const bool constant = mambaIsConstant(input.scale);
  if (constant ? mambaRank(input.scale) != 0
               : !mlirTypeEqual(mlirValueGetType(input.scale), perTokenType(input.value))) {
    mambaEmitError(op, "input: expected one scale, or one per token");
    return kNone;
  }
  const MlirValue multiplier =
      buildMultiplier(op, weight.value, weight.scale, constant ? input.scale : kNoValue);
  Store stores[MAMBA_MAX_RESULTS];
  int count;
  if (mlirValueIsNull(multiplier) || !findOutputs(op, stores, &count))
    return kNone;

  MambaBuilder builder = mambaBuilderBefore(op);
  Kernel kernel = {
      .state = {.kind = MAMBA_OP_LINEAR_I8,
                .location = mlirOperationGetLocation(op),
                .operands = {input.value, weight.value, multiplier, constant ? kNoValue : input.scale,
                             asF32(&builder, mambaOperand(op, "bias"))}}};
  for (int i = 0; i < count; i++)
    addStore(&kernel, &stores[i]);
  const MlirOperation linear = buildKernel(&kernel, op);
  for (int i = 0; i < count; i++)
    takeStore(&stores[i], linear, i);
  eraseReplaced(op);
  return linear;
}
