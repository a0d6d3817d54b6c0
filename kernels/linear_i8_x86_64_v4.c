/* The products of packed weights with AVX-512. */
#include "dispatch.h"

#ifdef MAMBA_HAS_X86_64_VECTORS
#include <immintrin.h>
#include <math.h>
#include <string.h>

#define MAMBA_LINEAR mamba_linear_i8_packed_x86_64_v4
#define MAMBA_LINEAR_I4 mamba_linear_i4_x86_64_v4
#define MAMBA_VECTOR "vector_avx512.h"
#define MAMBA_DOT "dot_avx512.h"
#if defined(__clang__)
#pragma clang attribute push(                                                                                \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi2"))), apply_to = function)
#include "cpu/linear_i8_set.c"
#pragma clang attribute pop
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi2,prefer-vector-width=512")
#include "cpu/linear_i8_set.c"
#endif
#endif
