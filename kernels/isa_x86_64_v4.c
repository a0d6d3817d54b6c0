/* The same kernels for x86-64-v4: AVX-512 with vectors of 16 floats, one register per block. */
#include "dispatch.h"

#ifdef MAMBA_HAS_X86_64_SETS
#include <immintrin.h>
#include <math.h>
#include <string.h>

#define MAMBA_TABLE mamba_kernels_x86_64_v4
#ifdef MAMBA_HAS_X86_64_VECTORS
#define MAMBA_VECTOR "../cpu/vector_avx512.h"
#endif
#if defined(__clang__)
#pragma clang attribute push(                                                                                \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi2"))), apply_to = function)
#include "portable/kernels.c"
#pragma clang attribute pop
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi2,prefer-vector-width=512")
#include "portable/kernels.c"
#endif
#endif
