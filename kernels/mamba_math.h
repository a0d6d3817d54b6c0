/* The functions of the numerics contract, in C11 and CUDA C++ (docs/numerics.md has their measured
 * errors). Every float operation is written out: a rounding happens where an operator or an fmaf
 * stands and nowhere else, so the compiler must not contract (gcc and clang: -ffp-contract=off;
 * nvcc: -fmad=false). Nothing branches, so loops over channels become vector code. */
#ifndef MAMBA_MATH_H
#define MAMBA_MATH_H

#include "half.h"

#include <math.h>

/* e^x where -87.33654 <= x <= 88.72283: x = n ln 2 + r with n = rne(x log2 e); e^r = q(r), of degree 6,
 * |r| <= ln2 / 2; the exponent bits are then moved by n. */
MAMBA_INLINE float mambaExpInside(float x) {
  /* Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits. */
  const float shifted = fmaf(x, 0x1.715476p+0f, 12582912.0f);
  const float n = shifted - 12582912.0f;
  float r = fmaf(n, -0x1.62e400p-1f, x); /* exact: ln 2's upper part has 15 bits */
  r = fmaf(n, -0x1.7f7d1cp-20f, r);
  float q = fmaf(0x1.685352p-10f, r, 0x1.123bd0p-7f);
  q = fmaf(q, r, 0x1.555b96p-5f);
  q = fmaf(q, r, 0x1.55548ep-3f);
  q = fmaf(q, r, 0x1.fffff8p-2f);
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
  float q = fmaf(0x1.1ee9d6p-2f, z, 0x1.1eb84cp-2f);
  q = fmaf(q, z, 0x1.99d26ep-2f);
  q = fmaf(q, z, 0x1.555500p-1f);
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
  return (int8_t)(int32_t)((v + 12582912.0f) - 12582912.0f);
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
