/* Functions of mamba_math.h, with the same bits, in fewer instructions and without branches, so that several
 * are computed at once: the compiler's division tests its operands' range and has a slow path.
 * `test/gpu/functions.cu` compares them with mamba_math.h for every float. */
#ifndef MAMBA_CUDA_FUNCTIONS_CUH
#define MAMBA_CUDA_FUNCTIONS_CUH

#include "../mamba_math.h"
#include "instructions.cuh"

namespace mamba {

/* x / y, correctly rounded where y, 1 / y and x / y are normal numbers, and where y is a power of two: the
 * usual steps (Markstein, IBM J. Res. Dev. 34, 1990), from an approximate reciprocal. The sign of a zero is
 * lost. */
__device__ inline float divide_inside(float x, float y) {
  float r = reciprocal(y);
  r = fmaf(fmaf(-y, r, 1.0f), r, r);
  float q = x * r;
  q = fmaf(fmaf(-y, q, x), r, q);
  return fmaf(fmaf(-y, q, x), r, q);
}

/* 1 / sqrtf(x), each rounded: the usual steps for the root and for its reciprocal, from one approximation.
 * They miss reciprocals of numbers with all bits set, by one. */
__device__ inline float inverse_root(float x) {
  if (!(x >= 0x1p-100f && x <= 0x1p+100f))
    return 1.0f / sqrtf(x);
  const float r = reciprocal_root(x);
  const float g = x * r, root = fmaf(fmaf(-g, g, x), 0.5f * r, g);
  float q = fmaf(fmaf(-root, r, 1.0f), r, r);
  q = fmaf(fmaf(-root, q, 1.0f), q, q);
  const uint32_t bits = __float_as_uint(root) & 0x7fffff;
  return bits == 0x7fffff ? __uint_as_float(__float_as_uint(q) + 1) : q;
}

/* mambaExp(x) for x <= 88.72283. */
__device__ inline float exp_below(float x) {
  const float y = mambaExpInside(x);
  return x < -0x1.5d589ep+6f ? 0.0f : y;
}

/* mambaSoftplus(x). */
__device__ inline float softplus(float x) {
  const float e = exp_below(-fabsf(x)), s = divide_inside(e, 2.0f + e);
  const float z = s * s;
  float q = fmaf(0x1.1ee9d6p-2f, z, 0x1.1eb84cp-2f);
  q = fmaf(q, z, 0x1.99d26ep-2f);
  q = fmaf(q, z, 0x1.555500p-1f);
  return positive_part(x) + fmaf(s * z, q, s + s);
}

/* mambaSilu(x). Divided by an eighth of 1 + e^-x, whose reciprocal is a normal number. */
__device__ inline float silu(float x) {
  const float y = fmaf(mambaExpInside(-x), 0.125f, 0.125f);
  float q = copysignf(divide_inside(x, y) * 0.125f, x);
  q = x > 20.0f ? x : q; /* 1 + e^-x rounds to 1 */
  return x < -0x1.62e42ep+6f ? x * 0.0f : q;
}

/* mambaScaleOfAbsmax(amax). */
__device__ inline float scale_of_absmax(float amax) {
  float scale = divide_inside(amax, 127.0f);
  scale = fabsf(amax) <= 0x1.fffffep+127f ? scale : amax; /* infinite or NaN */
  return scale < 0x1p-100f ? 0.0f : scale;
}

/* mambaInverseScale(scale) for scales up to 2^126 and infinite ones. */
__device__ inline float inverse_scale(float scale) {
  const float inverse = divide_inside(1.0f, scale);
  return scale >= 0x1p-100f && scale <= 0x1p126f ? inverse : 0.0f;
}

/* The low byte is mambaQuantize(v, inv_scale): the addition that rounds leaves the integer in the low bits.
 */
__device__ inline uint32_t quantize_bits(float v, float inv_scale) {
  float t = v * inv_scale;
  t = t < 127.0f ? t : 127.0f;
  t = t > -127.0f ? t : -127.0f;
  return __float_as_uint(t + 12582912.0f);
}

/* Four of them, as four bytes. */
__device__ inline uint32_t quantize_quad(const float (&v)[4], const float (&inv_scale)[4]) {
  const uint32_t low =
      __byte_perm(quantize_bits(v[0], inv_scale[0]), quantize_bits(v[1], inv_scale[1]), 0x0040);
  const uint32_t high =
      __byte_perm(quantize_bits(v[2], inv_scale[2]), quantize_bits(v[3], inv_scale[3]), 0x0040);
  return __byte_perm(low, high, 0x5410);
}

__device__ inline uint32_t quantize_quad(float a, float b, float c, float d, float inv_scale) {
  return quantize_quad({a, b, c, d}, {inv_scale, inv_scale, inv_scale, inv_scale});
}

} // namespace mamba

#endif
