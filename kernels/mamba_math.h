/* The functions of the numerics contract, in C11 and CUDA C++ (docs/numerics.md has their measured
 * errors). Every float operation is written out: a rounding happens where an operator or an fmaf
 * stands and nowhere else, so the compiler must not contract (gcc and clang: -ffp-contract=off;
 * nvcc: -fmad=false). Nothing branches, so loops over channels become vector code. */
#ifndef MAMBA_MATH_H
#define MAMBA_MATH_H

#include "half.h"

#include <math.h>

/* The constants of e^x and log(1 + x), which kernels/cpu/vector_math.h evaluates in the same steps. */
#define MAMBA_LOG2_E 0x1.715476p+0f
#define MAMBA_LN2_HIGH 0x1.62e400p-1f /* 15 bits: a multiple of it by an exponent is exact */
#define MAMBA_LN2_LOW 0x1.7f7d1cp-20f
#define MAMBA_EXP_6 0x1.685352p-10f
#define MAMBA_EXP_5 0x1.123bd0p-7f
#define MAMBA_EXP_4 0x1.555b96p-5f
#define MAMBA_EXP_3 0x1.55548ep-3f
#define MAMBA_EXP_2 0x1.fffff8p-2f
#define MAMBA_LOG1P_9 0x1.1ee9d6p-2f
#define MAMBA_LOG1P_7 0x1.1eb84cp-2f
#define MAMBA_LOG1P_5 0x1.99d26ep-2f
#define MAMBA_LOG1P_3 0x1.555500p-1f
/* 1.5 * 2^23: adding it rounds to an integer, ties to even, which then stands in the low bits. */
#define MAMBA_ROUND_TO_INTEGER 12582912.0f

/* e^x where -87.33654 <= x <= 88.72283: x = n ln 2 + r with n = rne(x log2 e); e^r = q(r), of degree 6,
 * |r| <= ln2 / 2; the exponent bits are then moved by n. */
MAMBA_INLINE float mambaExpInside(float x) {
  const float shifted = fmaf(x, MAMBA_LOG2_E, MAMBA_ROUND_TO_INTEGER);
  const float n = shifted - MAMBA_ROUND_TO_INTEGER;
  float r = fmaf(n, -MAMBA_LN2_HIGH, x);
  r = fmaf(n, -MAMBA_LN2_LOW, r);
  float q = fmaf(MAMBA_EXP_6, r, MAMBA_EXP_5);
  q = fmaf(q, r, MAMBA_EXP_4);
  q = fmaf(q, r, MAMBA_EXP_3);
  q = fmaf(q, r, MAMBA_EXP_2);
  q = fmaf(q, r, 1.0f);
  const float p = fmaf(q, r, 1.0f);
  return mambaFloatFromBits(mambaFloatBits(p) + (mambaFloatBits(shifted) << 23));
}

/* e^x. Results below 2^-126 (x < -87.33654) are +0, not subnormal; above the largest float
 * (x > 88.72283) +infinity; NaN gives NaN. */
MAMBA_INLINE float mambaExp(float x) {
  float y = mambaExpInside(x);
  y = x < -0x1.5d589ep+6f ? 0.0f : y;
  y = x > 0x1.62e42ep+6f ? INFINITY : y;
  return x != x ? x : y;
}

/* log(1 + x) for x in [0, 1]: 2 artanh(s) = 2 s + s^3 q(s^2) with s = x / (2 + x). */
MAMBA_INLINE float mambaLog1pUnit(float x) {
  const float s = x / (2.0f + x);
  const float z = s * s;
  float q = fmaf(MAMBA_LOG1P_9, z, MAMBA_LOG1P_7);
  q = fmaf(q, z, MAMBA_LOG1P_5);
  q = fmaf(q, z, MAMBA_LOG1P_3);
  return fmaf(s * z, q, s + s);
}

/* log(1 + e^x) as max(x, 0) + log1p(e^-|x|). For x > 20 the sum rounds to x, which is PyTorch's
 * threshold. NaN gives NaN. */
MAMBA_INLINE float mambaSoftplus(float x) {
  return (x > 0.0f ? x : 0.0f) + mambaLog1pUnit(mambaExp(-fabsf(x)));
}

/* 1 / (1 + e^-x): 0 for x < -88.72283. */
MAMBA_INLINE float mambaSigmoid(float x) {
  return 1.0f / (1.0f + mambaExp(-x));
}

/* x sigmoid(x) as x / (1 + e^-x): -0 for finite x < -88.72283; NaN for -infinity, as in PyTorch. */
MAMBA_INLINE float mambaSilu(float x) {
  return x / (1.0f + mambaExp(-x));
}

/* clamp(rne(v), -127, 127): clamped first, so that v + 1.5 * 2^23 rounds to an integer (ties to even)
 * and loses nothing else. NaN gives 127, because the first comparison picks 127 then. */
MAMBA_INLINE int8_t mambaRoundToInt8(float v) {
  v = v < 127.0f ? v : 127.0f;
  v = v > -127.0f ? v : -127.0f;
  return (int8_t)(int32_t)((v + MAMBA_ROUND_TO_INTEGER) - MAMBA_ROUND_TO_INTEGER);
}

/* q = clamp(rne(v * inv_scale), -127, 127). */
MAMBA_INLINE int8_t mambaQuantize(float v, float inv_scale) {
  return mambaRoundToInt8(v * inv_scale);
}

/* The scale of values of at most `amax` in magnitude, amax / 127, or 0 where that is below 2^-100:
 * such values are all stored as zero. */
MAMBA_INLINE float mambaScaleOfAbsmax(float amax) {
  const float scale = amax / 127.0f;
  return scale < 0x1p-100f ? 0.0f : scale;
}

/* What a value is multiplied by to be quantized with `scale`: 1 / scale, or 0 for a scale below 2^-100. */
MAMBA_INLINE float mambaInverseScale(float scale) {
  return scale < 0x1p-100f ? 0.0f : 1.0f / scale;
}

#endif
