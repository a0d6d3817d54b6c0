/* The same for x86-64-v3: AVX2 and FMA. */
#include "elementwise_variants.h"

#ifdef MAMBA_ELEMENTWISE_X86_64_V3
#include <math.h>
#include <string.h>

#define FUNCTION mambaElementwiseX8664V3
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,bmi2"))), apply_to = function)
#include "mamba_math.h"

#include "elementwise_f32.inc"
#pragma clang attribute pop
#else
#pragma GCC target("avx2,fma,f16c,bmi2")
#include "mamba_math.h"

#include "elementwise_f32.inc"
#endif
#endif
