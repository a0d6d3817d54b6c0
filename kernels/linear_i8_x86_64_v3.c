/* The products of packed weights with AVX2. */
#include "dispatch.h"

#ifdef MAMBA_HAS_X86_64_VECTORS
#include <immintrin.h>
#include <math.h>
#include <string.h>

#define MAMBA_LINEAR mamba_linear_i8_packed_x86_64_v3
#define MAMBA_LINEAR_I4 mamba_linear_i4_x86_64_v3
#define MAMBA_VECTOR "vector_avx2.h"
#define MAMBA_DOT "dot_avx2.h"
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,bmi2"))), apply_to = function)
#include "cpu/linear_i8_set.c"
#pragma clang attribute pop
#else
#pragma GCC target("avx2,fma,f16c,bmi2")
#include "cpu/linear_i8_set.c"
#endif
#endif
