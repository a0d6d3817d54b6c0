/* The products of packed weights with NEON. */
#include "dispatch.h"

#ifdef MAMBA_HAS_AARCH64_VECTORS
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#define MAMBA_LINEAR mamba_linear_i8_packed_neon
#define MAMBA_LINEAR_I4 mamba_linear_i4_neon
#define MAMBA_VECTOR "vector_neon.h"
#define MAMBA_DOT "dot_neon.h"
#include "cpu/linear_i8_set.c"
#endif
