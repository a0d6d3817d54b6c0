#include "fuse_kernels.h"

#include "builders.h"
#include "fuse_stores.h"

static const MlirOperation kNone = {NULL};
static const MlirValue kNoValue = {NULL};

/* The only reader of a value, of that kind; a diagnostic otherwise. */
static MlirOperation onlyReader(MlirOperation op, MambaOp kind) {
  const MlirValue value = mlirOperationGetResult(op, 0);
  if (mambaHasOneUse(value) && mambaOpIs(mlirOpOperandGetOwner(mlirValueGetFirstUse(value)), kind))
    return mlirOpOperandGetOwner(mlirValueGetFirstUse(value));
  mambaEmitError(op, "expected one reader, a `%s`", mambaOpMnemonic(kind));
  return kNone;
}

/* The op of that kind behind an operand; a diagnostic otherwise. */
static MlirOperation producer(MlirOperation op, const char *operand, MambaOp kind) {
  const MlirValue value = mambaOperand(op, operand);
  if (mambaDefiningKind(value) == kind)
    return mambaDefiningOp(value);
  mambaEmitError(op, "%s: expected a `%s`, found a `%s`", operand, mambaOpMnemonic(kind),
                 mambaOpMnemonic(mambaDefiningKind(value)));
  return kNone;
}

static void setState(Kernel *kernel, MlirOperation op) {
  mambaSetFlatSymbol(&kernel->state, "state", mambaStringAttribute(op, "state"));
}

/* Depthwise weights as the kernels read them: [width, channels]. */
static MlirValue channelsLast(MambaBuilder *builder, MlirValue weight) {
  const int64_t shape[] = {mambaChannels(weight), mambaDim(weight, 0)};
  return mambaBuildSimple(
      builder, MAMBA_OP_CHANNELS_LAST, mambaNameFrom(builder->context, mambaValueName(weight)),
      mambaTensorType(builder->context, mambaElementOf(weight), 2, shape), weight, kNoValue);
}

/* The state holds past inputs as they are stored. */
static void setStateElement(MlirOperation op, MambaElement element) {
  const MlirOperation module = mlirOperationGetParentOperation(mlirOperationGetParentOperation(op));
  const MlirOperation state = mambaSymbol(module, mambaStringAttribute(op, "state"));
  const MlirType type =
      mlirTypeAttrGetValue(mlirOperationGetInherentAttributeByName(state, mambaRef("type")));
  mlirOperationSetInherentAttributeByName(state, mambaRef("type"),
                                          mlirTypeAttrGet(mambaWithElement(type, element)));
}

MlirOperation fuseConv(MlirOperation op) {
  const MlirOperation silu = onlyReader(op, MAMBA_OP_SILU);
  Store stores[2];
  int count;
  if (mlirOperationIsNull(silu) || !findStores(op, mlirOperationGetResult(silu, 0), false, stores, 2, &count))
    return kNone;
  const Load input = loadOf(mambaOperand(op, "input")), weight = loadOf(mambaOperand(op, "weight"));
  const bool integers = !mlirValueIsNull(input.scale) && !mlirValueIsNull(weight.scale);
  if (!mlirValueIsNull(input.scale) && (!mambaIsConstant(input.scale) || mambaRank(input.scale) != 0)) {
    mambaEmitError(op, "input: expected one constant scale");
    return kNone;
  }
  MlirValue multiplier = kNoValue;
  if (integers) {
    multiplier = buildMultiplier(op, weight.value, weight.scale, input.scale);
    if (mlirValueIsNull(multiplier))
      return kNone;
  }
  MambaBuilder builder = mambaBuilderBefore(op);
  const MlirValue kernel_weight = integers ? weight.value : asF32(&builder, mambaOperand(op, "weight"));
  Kernel kernel = {.state = {.kind = MAMBA_OP_CONV1D_SILU_QUANT,
                             .location = mlirOperationGetLocation(op),
                             .operands = {input.value, channelsLast(&builder, kernel_weight),
                                          integers ? kNoValue : input.scale, multiplier,
                                          asF32(&builder, mambaOperand(op, "bias"))}}};
  setState(&kernel, op);
  for (int i = 0; i < count; i++)
    addStore(&kernel, &stores[i]);
  setStateElement(op, mambaElementOf(input.value));
  const MlirOperation conv = buildKernel(&kernel, op);
  for (int i = 0; i < count; i++)
    takeStore(&stores[i], conv, i);
  eraseReplaced(op);
  return conv;
}

MlirOperation fuseScan(MlirOperation op) {
  const MlirOperation softplus = producer(op, "dt", MAMBA_OP_SOFTPLUS);
  const MlirOperation mul = mlirOperationIsNull(softplus) ? kNone : onlyReader(op, MAMBA_OP_MUL);
  if (mlirOperationIsNull(mul))
    return kNone;
  const bool first = mlirValueEqual(mambaOperand(mul, "lhs"), mlirOperationGetResult(op, 0));
  const MlirOperation gate = producer(mul, first ? "rhs" : "lhs", MAMBA_OP_SILU);
  Store store;
  int count;
  if (mlirOperationIsNull(gate) || !findStores(mul, mlirOperationGetResult(mul, 0), false, &store, 1, &count))
    return kNone;
  const Load u = loadOf(mambaOperand(op, "u")), dt = loadOf(mambaOperand(softplus, "input")),
             b = loadOf(mambaOperand(op, "b")), c = loadOf(mambaOperand(op, "c")),
             z = loadOf(mambaOperand(gate, "input"));
  MambaBuilder builder = mambaBuilderBefore(mul);
  const MlirValue a = channelsLast(&builder, asF32(&builder, mambaOperand(op, "a")));
  Kernel kernel = {
      .state = {.kind = MAMBA_OP_SELECTIVE_SCAN_QUANT,
                .location = mlirOperationGetLocation(op),
                .operands = {u.value, dt.value, a, b.value, c.value, asF32(&builder, mambaOperand(op, "d")),
                             z.value, u.scale, dt.scale, b.scale, c.scale, z.scale, store.inv_scale}}};
  setState(&kernel, op);
  addStore(&kernel, &store);
  const MlirOperation scan = buildKernel(&kernel, mul);
  takeStore(&store, scan, 0);
  eraseReplaced(op);
  return scan;
}
