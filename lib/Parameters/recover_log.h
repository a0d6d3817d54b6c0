/* A_log from A. */
#ifndef MAMBA_LIB_PARAMETERS_RECOVER_LOG_H
#define MAMBA_LIB_PARAMETERS_RECOVER_LOG_H

#include "mamba/tensor.h"

/* Where every element of A is the image -exp(x), as near as float functions are, of a number x in 16 bits, a model was
 * stored with those: then *a becomes a tensor in F16 of them, in *memory, which the caller frees. Else *a is as
 * it was and *memory NULL. */
MAMBA_MUST_CHECK MambaStatus recoverLog(MambaTensorView *a, uint16_t **memory, MambaError *error);

#endif
