/* The contract's self-check: small computations whose bits show what a compiler or a run-time set-up
 * changed. Inputs are volatile, so that nothing is decided at compile time; the arithmetic runs over
 * LANES values as in the kernels, so that vector code is what is checked. */
#include "common.h"

static void fill(float *values, float value) {
  volatile float v = value;
  for (int l = 0; l < LANES; ++l)
    values[l] = v;
}

static bool all_equal(const float *values, float expected) {
  bool equal = true;
  for (int l = 0; l < LANES; ++l)
    equal = equal && mambaFloatBits(values[l]) == mambaFloatBits(expected);
  return equal;
}

static const char *check_contract(void) {
  float a[LANES], b[LANES], c[LANES], r[LANES];
  fill(a, 0x1.001p+0f); /* 1 + 2^-12: its square, 1 + 2^-11 + 2^-24, rounds to 1 + 2^-11 */
  fill(b, -0x1.002p+0f);
  for (int l = 0; l < LANES; ++l)
    r[l] = a[l] * a[l] + b[l];
  if (!all_equal(r, 0.0f))
    return "the compiler contracts a * b + c to a fused operation; build with -ffp-contract=off";
  for (int l = 0; l < LANES; ++l)
    r[l] = fmaf(a[l], a[l], b[l]);
  if (!all_equal(r, 0x1p-24f))
    return "fmaf rounds twice; the C library's fmaf is not the fused operation";
  fill(a, 0x1p-126f);
  fill(b, 0.5f);
  for (int l = 0; l < LANES; ++l)
    r[l] = a[l] * b[l];
  if (!all_equal(r, 0x1p-127f))
    return "subnormal results are flushed to zero; do not build or link with -ffast-math";
  fill(a, 0x1p-130f);
  fill(b, 0x1p+100f);
  for (int l = 0; l < LANES; ++l)
    r[l] = a[l] * b[l];
  if (!all_equal(r, 0x1p-30f))
    return "subnormal inputs are read as zero; do not build or link with -ffast-math";
  fill(a, 1.0f);
  fill(b, 0x1.8p-24f); /* three quarters of the last place of 1 */
  fill(c, 0x1p-24f);   /* a tie */
  for (int l = 0; l < LANES; ++l)
    r[l] = a[l] + b[l];
  if (!all_equal(r, 0x1.000002p+0f))
    return "the rounding mode is not to nearest";
  for (int l = 0; l < LANES; ++l)
    r[l] = (a[l] + c[l]) + c[l];
  if (!all_equal(r, 1.0f))
    return "the compiler reorders additions or the rounding mode is not to nearest even";
  fill(a, 0x1p+127f);
  for (int l = 0; l < LANES; ++l)
    r[l] = mambaRoundToInt8((a[l] + a[l]) - (a[l] + a[l])); /* infinity - infinity */
  if (!all_equal(r, 127.0f))
    return "NaN is not respected; do not build with -ffast-math or -ffinite-math-only";
  fill(a, 2.5f);
  for (int l = 0; l < LANES; ++l)
    r[l] = mambaRoundToInt8(a[l]);
  if (!all_equal(r, 2.0f))
    return "rounding by the addition of 1.5 * 2^23 was optimised away; do not build with -ffast-math";
  return NULL;
}
