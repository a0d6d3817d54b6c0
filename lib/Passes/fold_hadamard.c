/* Hadamard transforms of activations become transforms of weights.
 *
 * A value is a column x per token, a weight W has one row per output, linear(x, W) = W x. Along its last axis
 * `hadamard` replaces each row w by H w, that is W by W H^T; along axis 0 it replaces W by H W. Hence
 *   linear(H^T x, W)     = (W H^T) x  = linear(x, hadamard(W) along its last axis)
 *   H linear(x, W, b)    = (H W) x + H b
 *   H embedding(ids, E)  = embedding(ids, E H^T).
 * H of order 12, 20 and 28 is not symmetric, so which of the two is transposed matters.
 *
 * mamba-rotate inserts H and then H^T. The latter moves forward into the weights that read it and the former
 * backward into what produces it; were both to move the same way, they would meet in one weight and cancel.
 */
#include "mamba/passes.h"

#include "builders.h"

static void transformOperand(MlirOperation op, const char *operand, int64_t axis, bool transpose) {
  MambaBuilder builder = mambaBuilderBefore(op);
  const MlirLocation location = mambaNameFrom(builder.context, weightName(op, operand));
  mlirOperationSetOperand(op, mambaOperandIndex(op, operand),
                          mambaBuildHadamard(&builder, location, mambaOperand(op, operand), axis, transpose));
}

/* Forward: every reader must be a linear layer. */
static bool foldForward(MlirOperation hadamard) {
  const MlirValue result = mlirOperationGetResult(hadamard, 0);
  MlirOpOperand use = mlirValueGetFirstUse(result);
  for (; !mlirOpOperandIsNull(use); use = mlirOpOperandGetNextUse(use))
    if (!mambaOpIs(mlirOpOperandGetOwner(use), MAMBA_OP_LINEAR) || mlirOpOperandGetOperandNumber(use) != 0)
      return false;
  for (use = mlirValueGetFirstUse(result); !mlirOpOperandIsNull(use); use = mlirOpOperandGetNextUse(use))
    transformOperand(mlirOpOperandGetOwner(use), "weight", 1, false);
  return true;
}

/* Backward: the producer must be a linear layer or an embedding that nothing else reads. */
static bool foldBackward(MlirOperation hadamard) {
  const MlirOperation producer = mambaDefiningOp(mlirOperationGetOperand(hadamard, 0));
  if (mlirOperationIsNull(producer) || !mambaHasOneUse(mlirOperationGetResult(producer, 0)))
    return false;
  switch (mambaOpKind(producer)) {
  case MAMBA_OP_LINEAR:
    transformOperand(producer, "weight", 0, false);
    if (mambaOperandCount(producer, "bias"))
      transformOperand(producer, "bias", mambaRank(mambaOperand(producer, "bias")) - 1, false);
    return true;
  case MAMBA_OP_EMBEDDING:
    transformOperand(producer, "table", 1, false);
    return true;
  default:
    return false;
  }
}

static bool transformsChannels(MlirOperation op) {
  const MlirValue input = mlirOperationGetOperand(op, 0);
  return !mambaIsConstant(input) && mambaIntAttribute(op, "axis") == mambaRank(input) - 1;
}

bool mambaPassFoldHadamard(MlirOperation module) {
  const MlirBlock body = mambaForwardBody(module);
  if (mlirBlockIsNull(body)) {
    mambaEmitError(module, "expected a function @forward with one block");
    return false;
  }
  MlirOperation next = {NULL};
  for (MlirOperation op = mlirBlockGetFirstOperation(body); !mlirOperationIsNull(op); op = next) {
    next = mlirOperationGetNextInBlock(op);
    if (!mambaOpIs(op, MAMBA_OP_HADAMARD) || !transformsChannels(op))
      continue;
    if (mambaHasAttribute(op, "transpose") ? foldForward(op) : foldBackward(op)) {
      mlirValueReplaceAllUsesOfWith(mlirOperationGetResult(op, 0), mlirOperationGetOperand(op, 0));
      mlirOperationDestroy(op);
    }
  }
  return true;
}
