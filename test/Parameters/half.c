/* Half-precision conversions against the compiler's own type and against arithmetic in double. */
#include "mamba/half.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

static uint32_t nextRandom(uint64_t *state) { /* splitmix64, upper half */
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (uint32_t)((z ^ (z >> 31)) >> 32);
}

/* What a binary16 stands for, by its definition. */
static double halfValue(uint16_t half) {
  const int exponent = (half >> 10) & 31, mantissa = half & 1023;
  const double magnitude = exponent == 31  ? (mantissa ? NAN : INFINITY)
                           : exponent == 0 ? ldexp(mantissa, -24)
                                           : ldexp(1024 + mantissa, exponent - 25);
  return half & 0x8000 ? -magnitude : magnitude;
}

static void testHalfWidensExactly(void **state) {
  (void)state;
  for (uint32_t i = 0; i < 65536; i++) {
    const float value = mambaHalfToFloat((uint16_t)i);
    const double expected = halfValue((uint16_t)i);
    if (isnan(expected)) { /* quiet; sign and payload kept */
      assert_int_equal(mambaFloatBits(value), (i & 0x8000) << 16 | 0x7fc00000 | (i & 0x3ff) << 13);
    } else {
      assert_true(value == expected);
      assert_true(!signbit(value) == !signbit(expected));
    }
  }
}

static void testHalfRoundTrips(void **state) {
  (void)state;
  for (uint32_t i = 0; i < 65536; i++) {
    const bool nan = (i & 0x7c00) == 0x7c00 && (i & 0x3ff);
    assert_int_equal(mambaFloatToHalf(mambaHalfToFloat((uint16_t)i)), nan ? i | 0x200 : i);
  }
}

/* At every midpoint between neighbours: down just below, up just above, to even on it. */
static void testHalfRoundsToNearestEven(void **state) {
  (void)state;
  for (uint32_t i = 0; i < 0x7c00; i++) {
    const double low = halfValue((uint16_t)i);
    const double high = i == 0x7bff ? 65536.0 : halfValue((uint16_t)(i + 1));
    const float middle = (float)((low + high) / 2); /* exact: one more bit than a binary16 */
    const uint32_t even = i & 1 ? i + 1 : i;
    assert_int_equal(mambaFloatToHalf(nextafterf(middle, 0.0f)), i);
    assert_int_equal(mambaFloatToHalf(middle), even);
    assert_int_equal(mambaFloatToHalf(nextafterf(middle, INFINITY)), i + 1);
    assert_int_equal(mambaFloatToHalf(-middle), even | 0x8000);
  }
}

static void testHalfSpecialValues(void **state) {
  (void)state;
  assert_int_equal(mambaFloatToHalf(INFINITY), 0x7c00);
  assert_int_equal(mambaFloatToHalf(-INFINITY), 0xfc00);
  assert_int_equal(mambaFloatToHalf(3.4e38f), 0x7c00);
  assert_int_equal(mambaFloatToHalf(-0.0f), 0x8000);
  assert_int_equal(mambaFloatToHalf(1e-45f), 0);
  assert_int_equal(mambaFloatToHalf(mambaFloatFromBits(0x7f800001)), 0x7e00); /* a signaling NaN */
  assert_int_equal(mambaFloatToHalf(mambaFloatFromBits(0xffa46000)), 0xff23);
}

static void testHalfAgainstCompiler(void **state) {
  (void)state;
#ifdef __FLT16_MAX__
  uint64_t seed = 1;
  for (int i = 0; i < 4000000; i++) {
    const float value = mambaFloatFromBits(nextRandom(&seed));
    const _Float16 expected = (_Float16)value;
    uint16_t bits;
    memcpy(&bits, &expected, sizeof bits);
    assert_int_equal(mambaFloatToHalf(value), bits);
  }
#else
  print_message("this compiler has no _Float16\n");
  skip();
#endif
}

static void testBfloatWidensExactly(void **state) {
  (void)state;
  for (uint32_t i = 0; i < 65536; i++) {
    const bool nan = (i & 0x7f80) == 0x7f80 && (i & 0x7f);
    assert_int_equal(mambaFloatBits(mambaBfloatToFloat((uint16_t)i)), (nan ? i | 0x40 : i) << 16);
    assert_int_equal(mambaFloatToBfloat(mambaBfloatToFloat((uint16_t)i)), nan ? i | 0x40 : i);
  }
}

static void testBfloatRoundsToNearestEven(void **state) {
  (void)state;
  for (uint32_t i = 0; i < 0x7f80; i++) {
    const float middle = mambaFloatFromBits(i << 16 | 0x8000);
    const uint32_t even = i & 1 ? i + 1 : i;
    assert_int_equal(mambaFloatToBfloat(nextafterf(middle, 0.0f)), i);
    assert_int_equal(mambaFloatToBfloat(middle), even);
    assert_int_equal(mambaFloatToBfloat(nextafterf(middle, INFINITY)), i + 1);
    assert_int_equal(mambaFloatToBfloat(-middle), even | 0x8000);
  }
  assert_int_equal(mambaFloatToBfloat(INFINITY), 0x7f80);
  assert_int_equal(mambaFloatToBfloat(mambaFloatFromBits(0xff800001)), 0xffc0);
}

/* The result is the nearer of the two neighbours, measured in double. */
static void testBfloatAgainstDistances(void **state) {
  (void)state;
  uint64_t seed = 2;
  for (int i = 0; i < 1000000; i++) {
    const uint32_t bits = nextRandom(&seed) & 0x7fffffff;
    if (bits >= 0x7f7f0000) /* from the largest finite value on, the upper neighbour is no number */
      continue;
    const double value = mambaFloatFromBits(bits);
    const double low = mambaFloatFromBits(bits & 0xffff0000);
    const double high = mambaFloatFromBits((bits & 0xffff0000) + 0x10000);
    const double result = mambaBfloatToFloat(mambaFloatToBfloat((float)value));
    assert_true(result == low || result == high);
    assert_true(fabs(result - value) <= fmin(value - low, high - value));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testHalfWidensExactly),         cmocka_unit_test(testHalfRoundTrips),
      cmocka_unit_test(testHalfRoundsToNearestEven),   cmocka_unit_test(testHalfSpecialValues),
      cmocka_unit_test(testHalfAgainstCompiler),       cmocka_unit_test(testBfloatWidensExactly),
      cmocka_unit_test(testBfloatRoundsToNearestEven), cmocka_unit_test(testBfloatAgainstDistances),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
