/* mamba_linear_i8_packed and mamba_linear_i4 for one instruction set: included by ../linear_i8_<set>.c, which has chosen the
 * compiler's target and defines MAMBA_LINEAR, MAMBA_LINEAR_I4, MAMBA_VECTOR and MAMBA_DOT. */
#include "../contract.h"

#include MAMBA_VECTOR

#include "vector_math.h"

#include MAMBA_DOT

#include "linear_i8_packed.c"
#include "linear_i4.c"
