/* The products of packed weights with NEON and the dot product of Armv8.2. */
#include "dispatch.h"

#ifdef MAMBA_HAS_AARCH64_VECTORS
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#define MAMBA_LINEAR mamba_linear_i8_packed_neon_dotprod
#define MAMBA_LINEAR_I4 mamba_linear_i4_neon_dotprod
#define MAMBA_VECTOR "vector_neon.h"
#define MAMBA_DOT "dot_neon_dotprod.h"
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#include "cpu/linear_i8_set.c"
#pragma clang attribute pop
#else
#pragma GCC target("arch=armv8.2-a+dotprod")
#include "cpu/linear_i8_set.c"
#endif
#endif
