#include "fuse_kernels.h"

#include "builders.h"
#include "fuse_stores.h"

static const MlirOperation kNone = {NULL};

static MlirValue hoistedF32(MlirValue constant, MlirOperation before) {
  if (mlirValueIsNull(constant))
    return constant;
  hoist(constant, before);
  MambaBuilder builder = mambaBuilderBefore(before);
  return asF32(&builder, constant);
}

MlirOperation fuseNorm(MlirOperation norm) {
  const MlirOperation source = mambaDefiningOp(mambaOperand(norm, "input"));
  const bool adds = mambaOpIs(source, MAMBA_OP_ADD);
  const MlirOperation first = adds ? source : norm;
  const MlirValue gamma = mambaOperand(norm, "gamma");
  if (!mlirValueIsNull(gamma) && !mambaIsConstant(gamma)) {
    mambaEmitError(norm, "gamma: expected a weight");
    return kNone;
  }
  Store store;
  int count;
  if (!findStores(first, mlirOperationGetResult(norm, 0), true, &store, 1, &count))
    return kNone;

  const MlirValue weights = hoistedF32(gamma, first);
  Kernel kernel = {.state = {.kind = adds ? MAMBA_OP_ADD_RMS_NORM_QUANT : MAMBA_OP_RMS_NORM_QUANT,
                             .location = mlirOperationGetLocation(norm)}};
  const MlirValue plain[] = {mambaOperand(norm, "input"), weights, store.inv_scale};
  const MlirValue sum[] = {mambaOperand(first, "lhs"), mambaOperand(first, "rhs"), weights, store.inv_scale};
  for (int i = 0; i < (adds ? 4 : 3); i++)
    kernel.state.operands[i] = adds ? sum[i] : plain[i];
  mambaSetFloat(&kernel.state, "epsilon", mambaFloatAttribute(norm, "epsilon"));
  if (adds)
    addResult(&kernel, mlirValueGetType(mlirOperationGetResult(first, 0)), mambaOpName(first));
  addStore(&kernel, &store);
  const MlirOperation op = buildKernel(&kernel, first);
  takeStore(&store, op, adds);
  if (adds)
    mlirValueReplaceAllUsesOfWith(mlirOperationGetResult(first, 0), mlirOperationGetResult(op, 0));
  eraseReplaced(norm);
  if (adds)
    eraseReplaced(first);
  return op;
}

MlirOperation fuseHadamard(MlirOperation hadamard) {
  const MlirValue input = mambaOperand(hadamard, "input");
  if (mambaIsConstant(input))
    return hadamard;
  if (mambaIntAttribute(hadamard, "axis") != mambaRank(input) - 1 ||
      mambaElementOf(loadOf(input).value) != MAMBA_ELEMENT_F32) {
    mambaEmitError(hadamard,
                   "expected a transform of an f32 value's channels, found one of a stored value: run "
                   "mamba-fold-hadamard first");
    return kNone;
  }
  Store store;
  int count;
  if (!findStores(hadamard, mlirOperationGetResult(hadamard, 0), true, &store, 1, &count))
    return kNone;
  Kernel kernel = {.state = {.kind = MAMBA_OP_HADAMARD_QUANT,
                             .location = mlirOperationGetLocation(hadamard),
                             .operands = {input, store.inv_scale}}};
  if (mambaHasAttribute(hadamard, "transpose"))
    mambaSetUnit(&kernel.state, "transpose");
  addStore(&kernel, &store);
  const MlirOperation op = buildKernel(&kernel, hadamard);
  takeStore(&store, op, 0);
  eraseReplaced(hadamard);
  return op;
}

MlirOperation fuseQuantize(MlirOperation quantize) {
  const MlirValue input = mambaOperand(quantize, "input");
  const MlirOperation scale = mambaDefiningOp(mambaOperand(quantize, "scale"));
  if (mambaIsConstant(input) || !mambaOpIs(scale, MAMBA_OP_ABSMAX_SCALE) ||
      !mlirValueEqual(mambaOperand(scale, "input"), input))
    return quantize;
  const MlirValue integers = mlirOperationGetResult(quantize, 0),
                  row_scale = mlirOperationGetResult(scale, 0);
  const Store store = {.value = integers,
                       .row_scale = row_scale,
                       .name = withoutSuffix(mambaValueName(integers), ".q"),
                       .type = mlirValueGetType(integers)};
  Kernel kernel = {.state = {.kind = MAMBA_OP_QUANTIZE_ROWS,
                             .location = mlirOperationGetLocation(quantize),
                             .operands = {input}}};
  addStore(&kernel, &store);
  const MlirOperation op = buildKernel(&kernel, scale);
  takeStore(&store, op, 0);
  eraseReplaced(quantize);
  eraseReplaced(scale);
  return op;
}
