/* rms_norm(x) * gamma read by linear layers: gamma goes into their weights' columns. */
#include "mamba/passes.h"

#include <stdlib.h>

#include "builders.h"

static bool onlyLinearsRead(MlirValue value) {
  MlirOpOperand use = mlirValueGetFirstUse(value);
  bool only = !mlirOpOperandIsNull(use);
  for (; only && !mlirOpOperandIsNull(use); use = mlirOpOperandGetNextUse(use))
    only = mambaOpIs(mlirOpOperandGetOwner(use), MAMBA_OP_LINEAR) && mlirOpOperandGetOperandNumber(use) == 0;
  return only;
}

/* linear(norm, W) with W[n, k] * gamma[k]. */
static void foldInto(MlirOperation linear, MlirValue gamma) {
  MambaBuilder builder = mambaBuilderBefore(linear);
  const MlirValue weight = mambaOperand(linear, "weight");
  const MlirLocation location = mambaNameFrom(builder.context, weightName(linear, "weight"));
  const MlirType type = mambaWithElement(mlirValueGetType(weight), MAMBA_ELEMENT_F32);
  mlirOperationSetOperand(linear, mambaOperandIndex(linear, "weight"),
                          buildMul(&builder, location, type, weight, gamma));
}

static void fold(MlirOperation norm) {
  const MlirValue gamma = mambaOperand(norm, "gamma");
  if (mlirValueIsNull(gamma) || mambaRank(gamma) != 1 || !onlyLinearsRead(mlirOperationGetResult(norm, 0)))
    return;
  MlirOpOperand use = mlirValueGetFirstUse(mlirOperationGetResult(norm, 0));
  for (; !mlirOpOperandIsNull(use); use = mlirOpOperandGetNextUse(use))
    foldInto(mlirOpOperandGetOwner(use), gamma);
  MlirValue input = mambaOperand(norm, "input");
  mlirOperationSetOperands(norm, 1, &input);
}

bool mambaPassFoldNorm(MlirOperation module) {
  const MlirBlock body = mambaForwardBody(module);
  if (mlirBlockIsNull(body)) {
    mambaEmitError(module, "expected a function @forward with one block");
    return false;
  }
  for (MlirOperation op = mlirBlockGetFirstOperation(body); !mlirOperationIsNull(op);
       op = mlirOperationGetNextInBlock(op))
    if (mambaOpIs(op, MAMBA_OP_RMS_NORM))
      fold(op);
  return true;
}
