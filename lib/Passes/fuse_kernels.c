/* Level 2 to 3: one op per kernel, in program order. Each kernel takes over how its results are stored and
 * how its operands are read (fuse_stores.h), so that the function is valid IR after every step. */
#include "fuse_kernels.h"

#include "mamba/passes.h"

#include "kernel_ops.h"

/* Attributes that led to scales and types, which now have what counts. */
static const char *const kSettled[] = {"mamba.stats", "mamba.choices", "mamba.search", "mamba.error"};

/* True when nothing reads any result and there is no state to carry: left over from an earlier step. */
static bool isUnused(MlirOperation op) {
  const intptr_t results = mlirOperationGetNumResults(op);
  for (intptr_t i = 0; i < results; i++)
    if (mambaHasUses(mlirOperationGetResult(op, i)))
      return false;
  return results > 0 && !mambaHasAttribute(op, "state");
}

static MlirOperation fuse(MlirOperation op) {
  if (isUnused(op))
    return op;
  switch (mambaOpKind(op)) {
  case MAMBA_OP_RMS_NORM:
    return fuseNorm(op);
  case MAMBA_OP_LINEAR:
    return fuseLinear(op);
  case MAMBA_OP_CAUSAL_CONV1D:
    return fuseConv(op);
  case MAMBA_OP_SELECTIVE_SCAN:
    return fuseScan(op);
  case MAMBA_OP_HADAMARD:
    return fuseHadamard(op);
  case MAMBA_OP_QUANTIZE:
    return fuseQuantize(op);
  default:
    return op;
  }
}

bool mambaPassFuseKernels(MlirOperation module) {
  const MlirBlock body = mambaForwardBody(module);
  if (mlirBlockIsNull(body)) {
    mambaEmitError(module, "expected a function @forward with one block");
    return false;
  }
  MlirOperation op = mlirBlockGetFirstOperation(body);
  while (!mlirOperationIsNull(op)) {
    op = fuse(op);
    if (mlirOperationIsNull(op))
      return false;
    op = mlirOperationGetNextInBlock(op);
  }
  MambaError error;
  if (mambaEraseUnused(body, &error) != MAMBA_OK) {
    mambaEmitError(module, "%s", error.message);
    return false;
  }
  bool ok = true;
  for (op = mlirBlockGetFirstOperation(body); ok && !mlirOperationIsNull(op);
       op = mlirOperationGetNextInBlock(op)) {
    for (size_t i = 0; i < sizeof kSettled / sizeof *kSettled; i++)
      mlirOperationRemoveDiscardableAttributeByName(op, mambaRef(kSettled[i]));
    ok = checkKernelLevel(op);
  }
  return ok;
}
