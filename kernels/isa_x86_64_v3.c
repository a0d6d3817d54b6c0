/* The same kernels for x86-64-v3: AVX2, and FMA, without which fmaf is a call of the C library. */
#include "dispatch.h"

#ifdef MAMBA_HAS_X86_64_SETS
#include <immintrin.h>
#include <math.h>
#include <string.h>

#define MAMBA_TABLE mamba_kernels_x86_64_v3
#ifdef MAMBA_HAS_X86_64_VECTORS
#define MAMBA_VECTOR "../cpu/vector_avx2.h"
#endif
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,bmi2"))), apply_to = function)
#include "portable/kernels.c"
#pragma clang attribute pop
#else
#pragma GCC target("avx2,fma,f16c,bmi2")
#include "portable/kernels.c"
#endif
#endif
