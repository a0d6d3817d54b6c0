/* The ops of level 3. */
#ifndef MAMBA_PASSES_KERNEL_OPS_H
#define MAMBA_PASSES_KERNEL_OPS_H

#include "mamba/ir.h"

/* The function of kernels/mamba_kernels.h that an op calls, or NULL when it calls none. */
const char *kernelName(MlirOperation op);

/* True when an op may stay at level 3: a kernel that can run with the types that it has, a constant
 * expression, or an op of another dialect. Else a diagnostic that says what is in the way. */
bool checkKernelLevel(MlirOperation op);

/* True when @forward returns the value. */
bool valueIsReturned(MlirValue value);

#endif
