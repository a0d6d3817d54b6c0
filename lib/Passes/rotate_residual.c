/* The residual stream in Hadamard space.
 *
 * Whatever is added to the stream is multiplied by H, and what leaves it through a norm by H^T. In between
 * the norms see H h instead of h: without gamma, rms_norm(H h) = H rms_norm(h), as H keeps lengths.
 * mamba-fold-hadamard then moves every one of these transforms into a weight. */
#include "rotate.h"

#include <stdlib.h>

#include "builders.h"
#include "mamba/hadamard.h"

static bool isStream(MlirValue value) {
  const MambaOp kind = mambaDefiningKind(value);
  return kind == MAMBA_OP_EMBEDDING || kind == MAMBA_OP_ADD;
}

/* Everything that reads `value` reads its transform. */
static void transform(MlirValue value, const char *suffix, bool transpose, MlirBlock body) {
  MambaBuilder builder = builderAfter(value, body);
  const MlirValue result =
      mambaBuildHadamard(&builder, suffixed(builder.context, mambaValueName(value), suffix), value,
                         mambaRank(value) - 1, transpose);
  MlirOperation itself = mambaDefiningOp(result);
  mlirValueReplaceAllUsesExcept(value, result, 1, &itself);
}

static bool checkNorm(MlirOperation norm) {
  if (mambaOperandCount(norm, "gamma")) {
    mambaEmitError(norm, "a rotation does not pass through gamma: run mamba-fold-norm first");
    return false;
  }
  return true;
}

/* Only additions and norms may read the stream. */
static bool checkStream(MlirOperation op) {
  const MlirValue value = mlirOperationGetResult(op, 0);
  MlirOpOperand use = mlirValueGetFirstUse(value);
  for (; !mlirOpOperandIsNull(use); use = mlirOpOperandGetNextUse(use)) {
    const MlirOperation user = mlirOpOperandGetOwner(use);
    if (!mambaOpIs(user, MAMBA_OP_ADD) && !mambaOpIs(user, MAMBA_OP_RMS_NORM)) {
      mambaEmitError(user, "expected only `add` and `rms_norm` to read the residual stream");
      return false;
    }
    if (mambaOpIs(user, MAMBA_OP_RMS_NORM) && !checkNorm(user))
      return false;
  }
  if (mambaHadamardIsSupported(mambaChannels(value)))
    return true;
  refuseHadamard(value);
  return false;
}

static void rotateOp(MlirOperation op, MlirBlock body) {
  const MlirValue result = mlirOperationGetResult(op, 0);
  switch (mambaOpKind(op)) {
  case MAMBA_OP_EMBEDDING:
    transform(result, "_rotated", false, body);
    break;
  case MAMBA_OP_RMS_NORM:
    transform(result, "_restored", true, body);
    break;
  case MAMBA_OP_ADD:
    for (intptr_t i = 0; i < 2; i++) {
      const MlirValue operand = mlirOperationGetOperand(op, i);
      if (!isStream(operand) && mambaDefiningKind(operand) != MAMBA_OP_HADAMARD)
        transform(operand, "_rotated", false, body);
    }
    break;
  default:
    break;
  }
}

bool rotateResidual(MlirOperation module) {
  const MlirBlock body = mambaForwardBody(module);
  MlirOperation *ops = NULL;
  intptr_t count = 0;
  MambaError error;
  if (mlirBlockIsNull(body) || mambaBlockOperations(body, &ops, &count, &error) != MAMBA_OK) {
    mambaEmitError(module, "expected a function @forward with one block");
    return false;
  }
  bool ok = true;
  for (intptr_t i = 0; i < count && ok; i++)
    if (mlirOperationGetNumResults(ops[i]) == 1 && isStream(mlirOperationGetResult(ops[i], 0)))
      ok = checkStream(ops[i]);
  for (intptr_t i = 0; i < count && ok; i++)
    rotateOp(ops[i], body);
  free(ops);
  return ok;
}
