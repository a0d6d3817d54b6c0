/* IEEE binary16 and bfloat16 as bit patterns: exact widening, narrowing to nearest-even.
 *
 * Written without branches, so that a compiler turns a loop over values into vector code. The only
 * float operations are multiplications and additions whose results are exact, or whose rounding is
 * the wanted one; the rounding mode must be to nearest and subnormals kept, which the contract
 * demands anyway. A NaN comes out quiet, with its sign and the top bits of its payload. */
#ifndef MAMBA_HALF_H
#define MAMBA_HALF_H

#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define MAMBA_INLINE static __host__ __device__ inline
#else
#define MAMBA_INLINE static inline
#endif

MAMBA_INLINE uint32_t mambaFloatBits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

MAMBA_INLINE float mambaFloatFromBits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* Exact: every binary16 value is a float. */
MAMBA_INLINE float mambaHalfToFloat(uint16_t half) {
  const uint32_t magnitude = half & 0x7fffu;
  const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
  const uint32_t normal = (magnitude << 13) + 0x38000000u; /* exponent bias 15 -> 127 */
  const uint32_t special = magnitude << 13 | 0x7f800000u | (magnitude > 0x7c00u ? 0x400000u : 0);
  /* 2^-14 + mantissa * 2^-24 holds a subnormal's mantissa in its low bits: subtract what is too much. */
  const uint32_t subnormal = mambaFloatBits(mambaFloatFromBits((magnitude << 13) + 0x38800000u) - 0x1p-14f);
  uint32_t bits = magnitude < 0x0400u ? subnormal : normal;
  bits = magnitude >= 0x7c00u ? special : bits;
  return mambaFloatFromBits(sign | bits);
}

/* Round to nearest, ties to even; magnitudes of 65520 and more become infinity. */
MAMBA_INLINE uint16_t mambaFloatToHalf(float value) {
  const uint32_t bits = mambaFloatBits(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  /* A carry out of the mantissa goes into the exponent, which is the right result. */
  const uint32_t normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1)) >> 13;
  /* Below 2^-14 the addition of 0.5, whose last place is 2^-24, rounds to the subnormal's grid. */
  const uint32_t subnormal = mambaFloatBits(mambaFloatFromBits(magnitude) + 0.5f) - 0x3f000000u;
  const uint32_t nan = 0x7e00u | ((magnitude >> 13) & 0x3ffu);
  uint32_t half = magnitude < 0x38800000u ? subnormal : normal;
  half = magnitude >= 0x477ff000u ? 0x7c00u : half; /* 65520: halfway from the largest value to 2^16 */
  half = magnitude > 0x7f800000u ? nan : half;
  return (uint16_t)(sign | half);
}

/* Exact: a bfloat16 is the upper half of a float. */
MAMBA_INLINE float mambaBfloatToFloat(uint16_t bfloat) {
  const uint32_t bits = (uint32_t)bfloat << 16;
  return mambaFloatFromBits((bits & 0x7fffffffu) > 0x7f800000u ? bits | 0x400000u : bits);
}

/* Round to nearest, ties to even; values beyond the largest bfloat16 become infinity. */
MAMBA_INLINE uint16_t mambaFloatToBfloat(float value) {
  const uint32_t bits = mambaFloatBits(value);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1)) >> 16;
  const uint32_t nan = bits >> 16 | 0x40u;
  return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

#endif
