#include "kernel_ops.h"

const char *kernelName(MlirOperation op) {
  switch (mambaOpKind(op)) {
  case MAMBA_OP_EMBEDDING:
    return "mamba_embedding";
  case MAMBA_OP_RMS_NORM_QUANT:
  case MAMBA_OP_ADD_RMS_NORM_QUANT:
    return "mamba_rms_norm";
  case MAMBA_OP_LINEAR:
    return "mamba_linear_float";
  case MAMBA_OP_LINEAR_I8:
    return mambaPackedGroup(mambaOperand(op, "weight")) ? "mamba_linear_i4"
           : mambaIsPacked(mambaOperand(op, "weight"))  ? "mamba_linear_i8_packed"
                                                        : "mamba_linear_i8";
  case MAMBA_OP_LINEAR_W8:
    return mambaPackedGroup(mambaOperand(op, "weight")) ? "mamba_linear_w4" : "mamba_linear_w8";
  case MAMBA_OP_CONV1D_SILU_QUANT:
    return "mamba_conv1d";
  case MAMBA_OP_SELECTIVE_SCAN_QUANT:
    return mambaStateElement(op) == MAMBA_ELEMENT_I8 ? "mamba_selective_scan_i8" : "mamba_selective_scan";
  case MAMBA_OP_HADAMARD_QUANT:
    return "mamba_hadamard";
  case MAMBA_OP_QUANTIZE:
  case MAMBA_OP_QUANTIZE_ROWS:
    return "mamba_quantize";
  default:
    return NULL;
  }
}

static bool isConstantOp(MlirOperation op) {
  return mlirOperationGetNumResults(op) == 1 && mambaIsConstant(mlirOperationGetResult(op, 0));
}

bool checkKernelLevel(MlirOperation op) {
  const MambaOp kind = mambaOpKind(op);
  if (kind == MAMBA_OP_NONE || isConstantOp(op))
    return true;
  if (!kernelName(op)) {
    mambaEmitError(op, "no kernel computes `%s` by itself: expected level 3, as mamba-fuse-kernels makes it",
                   mambaOpMnemonic(kind));
    return false;
  }
  if (kind == MAMBA_OP_LINEAR && mambaElementOf(mambaOperand(op, "input")) != MAMBA_ELEMENT_F32) {
    mambaEmitError(op, "a `linear` in floating point: expected an f32 input");
    return false;
  }
  if (kind == MAMBA_OP_QUANTIZE && !mambaIsConstant(mambaOperand(op, "scale"))) {
    mambaEmitError(op, "`quantize` by a scale found at run time: expected `quantize_rows`");
    return false;
  }
  return true;
}

bool valueIsReturned(MlirValue value) {
  MlirOpOperand use = mlirValueGetFirstUse(value);
  for (; !mlirOpOperandIsNull(use); use = mlirOpOperandGetNextUse(use))
    if (mambaOpKind(mlirOpOperandGetOwner(use)) == MAMBA_OP_NONE)
      return true;
  return false;
}
