/* IEEE binary16 and bfloat16 as bit patterns: exact widening, narrowing to nearest-even.
 *
 * Integer arithmetic only, so the results do not depend on the rounding mode or on the host's own
 * half-precision support. A NaN comes out quiet, with its sign and the top bits of its payload. */
#ifndef MAMBA_HALF_H
#define MAMBA_HALF_H

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline uint32_t mambaFloatBits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float mambaFloatFromBits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* Exact: every binary16 value is a float. */
static inline float mambaHalfToFloat(uint16_t half) {
  const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 0x1fu;
  const uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0x1f) /* infinity, or a NaN made quiet */
    return mambaFloatFromBits(sign | 0x7f800000u | mantissa << 13 | (mantissa ? 0x400000u : 0));
  if (exponent == 0) /* zero or subnormal: mantissa * 2^-24, exact in float */
    return mambaFloatFromBits(sign | mambaFloatBits((float)mantissa * 0x1p-24f));
  return mambaFloatFromBits(sign | (exponent + 112) << 23 | mantissa << 13);
}

/* Round to nearest, ties to even; magnitudes of 65520 and more become infinity. */
static inline uint16_t mambaFloatToHalf(float value) {
  const uint32_t bits = mambaFloatBits(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  const uint32_t exponent = magnitude >> 23;
  if (magnitude > 0x7f800000u) /* NaN */
    return (uint16_t)(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
  if (magnitude >= 0x477ff000u) /* 65520: halfway between the largest binary16 and 2^16 */
    return (uint16_t)(sign | 0x7c00u);
  if (magnitude >= 0x38800000u) { /* 2^-14: normal; a carry out of the mantissa is the right result */
    const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1);
    return (uint16_t)(sign | (rounded - 0x38000000u) >> 13);
  }
  if (exponent < 102) /* below 2^-25, half of the smallest subnormal */
    return (uint16_t)sign;
  /* Subnormal: significand * 2^(exponent - 150) in units of 2^-24. */
  const uint32_t significand = (magnitude & 0x7fffffu) | 0x800000u;
  const uint32_t shift = 126 - exponent;
  const uint32_t rest = significand & ((1u << shift) - 1);
  const uint32_t half = 1u << (shift - 1);
  uint32_t quotient = significand >> shift;
  quotient += rest > half || (rest == half && (quotient & 1));
  return (uint16_t)(sign | quotient);
}

/* Exact: a bfloat16 is the upper half of a float. */
static inline float mambaBfloatToFloat(uint16_t bfloat) {
  const uint32_t bits = (uint32_t)bfloat << 16;
  return mambaFloatFromBits((bits & 0x7fffffffu) > 0x7f800000u ? bits | 0x400000u : bits);
}

/* Round to nearest, ties to even; values beyond the largest bfloat16 become infinity. */
static inline uint16_t mambaFloatToBfloat(float value) {
  const uint32_t bits = mambaFloatBits(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u)
    return (uint16_t)(bits >> 16 | 0x40u);
  return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
}

#ifdef __cplusplus
}
#endif
#endif
