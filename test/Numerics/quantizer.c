/* The quantizers of weights: the contract's formula, and the same bytes as the kernel's. */
#include "mamba/quantizer.h"

#include "mamba_kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void testTiesGoToEven(void **state) {
  (void)state;
  const float values[] = {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f, -126.5f, 127, -127};
  const int8_t expected[] = {0, 2, 2, 0, -2, -2, 126, -126, 127, -127};
  int8_t quantized[10];
  assert_true(mambaGetScale(mambaGetAbsmax(values, 10)) == 1.0f);
  mambaQuantizeValues(values, 10, 1.0f, quantized);
  assert_memory_equal(quantized, expected, sizeof expected);
}

static void testSaturationAndNaN(void **state) {
  (void)state;
  const float values[] = {1e30f, -1e30f, INFINITY, -INFINITY, NAN, 127.4f, -127.6f};
  const int8_t expected[] = {127, -127, 127, -127, 127, 127, -127};
  int8_t quantized[7];
  mambaQuantizeValues(values, 7, 1.0f, quantized);
  assert_memory_equal(quantized, expected, sizeof expected);
  assert_true(isinf(mambaGetAbsmax(values, 7)));
  assert_true(mambaGetAbsmax(values + 4, 1) == 0.0f); /* a NaN does not count */
  assert_true(mambaGetAbsmax(values, 0) == 0.0f);
}

static void testTinyRowsBecomeZero(void **state) {
  (void)state;
  const float values[] = {0x1p-95f, -0x1p-95f, 0x1p-93f, 0};
  float scales[2];
  int8_t quantized[4] = {1, 1, 1, 1};
  const int8_t expected[] = {0, 0, 127, 0};
  mambaGetRowScales(values, 2, 2, scales);
  assert_true(scales[0] == 0.0f);
  assert_true(scales[1] == 0x1p-93f / 127.0f);
  assert_true(mambaGetInverseScale(0.0f) == 0.0f);
  mambaQuantizeRows(values, 2, 2, scales, quantized);
  assert_memory_equal(quantized, expected, sizeof expected);
}

static void testSameBytesAsTheKernel(void **state) {
  (void)state;
  enum { ROWS = 7, COLUMNS = 333 };
  static float values[ROWS * COLUMNS];
  static int8_t quantized[ROWS * COLUMNS], expected[ROWS * COLUMNS];
  float scales[ROWS], expectedScales[ROWS];
  for (int i = 0; i < ROWS * COLUMNS; ++i)
    values[i] = (float)((i * 7919 + i * i % 1009) % 4001 - 2000) * 0x1.3p-9f * (float)(1 + i / COLUMNS);
  mambaGetRowScales(values, ROWS, COLUMNS, scales);
  mambaQuantizeRows(values, ROWS, COLUMNS, scales, quantized);
  const mamba_input input = {.data = values, .type = MAMBA_F32};
  const mamba_output output = {.data = expected, .type = MAMBA_I8, .channels = COLUMNS};
  mamba_quantize(input, ROWS, COLUMNS, output, expectedScales, (mamba_worker){0, 1});
  assert_memory_equal(quantized, expected, sizeof expected);
  assert_memory_equal(scales, expectedScales, sizeof scales);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testTiesGoToEven),
      cmocka_unit_test(testSaturationAndNaN),
      cmocka_unit_test(testTinyRowsBecomeZero),
      cmocka_unit_test(testSameBytesAsTheKernel),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
