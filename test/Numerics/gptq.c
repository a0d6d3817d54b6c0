/* GPTQ: the factor, the format, and that it does better than rounding to nearest where channels are
 * correlated. */
#include "mamba/gptq.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { COLUMNS = 96, SAMPLES = 300, ROWS = 11, GROUP = 32, GROUPS = COLUMNS / GROUP };

static double uniform(uint64_t *seed) {
  *seed = *seed * 6364136223846793005u + 1442695040888963407u;
  return (double)(*seed >> 33) / 0x1p30 - 1;
}

/* Activations of which each is mostly its neighbour's, and the sum of their products. */
static double x[SAMPLES][COLUMNS], products[COLUMNS * COLUMNS], weights[ROWS * COLUMNS];

static void fill(void) {
  uint64_t seed = 7;
  for (int s = 0; s < SAMPLES; s++)
    for (int c = 0; c < COLUMNS; c++)
      x[s][c] = (c ? 0.9 * x[s][c - 1] : 0) + uniform(&seed);
  memset(products, 0, sizeof products);
  for (int s = 0; s < SAMPLES; s++)
    for (int i = 0; i < COLUMNS; i++)
      for (int j = 0; j < COLUMNS; j++)
        products[i * COLUMNS + j] += x[s][i] * x[s][j];
  for (int i = 0; i < ROWS * COLUMNS; i++)
    weights[i] = uniform(&seed) + uniform(&seed) + uniform(&seed);
}

typedef struct Quantized {
  int8_t q[ROWS * COLUMNS], group_scales[ROWS * GROUPS];
  float scales[ROWS];
} Quantized;

static void quantize(const double *factor, int rows_together, int64_t group, Quantized *out) {
  static double w[ROWS * COLUMNS];
  memcpy(w, weights, sizeof w);
  for (int row = 0; row < ROWS; row += rows_together) {
    const int rows = ROWS - row < rows_together ? ROWS - row : rows_together;
    mambaGptqQuantize(factor, w + row * COLUMNS, rows, COLUMNS, group, out->q + row * COLUMNS,
                      out->group_scales + row * (COLUMNS / group), out->scales + row);
  }
}

static double stands(const Quantized *z, int64_t group, int i) {
  return z->q[i] * (double)z->group_scales[i / group] * z->scales[i / COLUMNS];
}

/* The squared error of all products. */
static double loss(const Quantized *z, int64_t group) {
  double sum = 0;
  for (int s = 0; s < SAMPLES; s++)
    for (int row = 0; row < ROWS; row++) {
      double error = 0;
      for (int c = 0; c < COLUMNS; c++)
        error += (stands(z, group, row * COLUMNS + c) - weights[row * COLUMNS + c]) * x[s][c];
      sum += error * error;
    }
  return sum;
}

/* With both axes reversed: factor * products * factor^T is the identity. */
static void testFactor(void **state) {
  (void)state;
  static double factor[COLUMNS * COLUMNS];
  MambaError error;
  fill();
  memcpy(factor, products, sizeof factor);
  assert_int_equal(mambaGptqFactor(factor, COLUMNS, 0, &error), MAMBA_OK);
  for (int i = 0; i < COLUMNS; i++)
    for (int j = 0; j < COLUMNS; j++) {
      double sum = 0;
      for (int a = 0; a <= i; a++)
        for (int b = 0; b <= j; b++)
          sum += factor[i * COLUMNS + a] * products[(COLUMNS - 1 - a) * COLUMNS + COLUMNS - 1 - b] *
                 factor[j * COLUMNS + b];
      assert_true(fabs(sum - (i == j)) < 1e-9);
    }
}

static void testNearest(void **state) {
  (void)state;
  static Quantized z;
  fill();
  memset(weights, 0, COLUMNS * sizeof *weights); /* a row of zeros is no special case */
  quantize(NULL, 1, GROUP, &z);
  for (int i = 0; i < ROWS * COLUMNS; i++) {
    const double step = z.group_scales[i / GROUP] * (double)z.scales[i / COLUMNS];
    assert_in_range(z.group_scales[i / GROUP], 1, 15);
    assert_true(z.q[i] >= -8 && z.q[i] <= 7);
    if (z.q[i] > -8 && z.q[i] < 7)
      assert_true(fabs(stands(&z, GROUP, i) - weights[i]) <= step / 2 * (1 + 1e-9));
  }
}

static void testBetterThanNearest(void **state) {
  (void)state;
  static double factor[COLUMNS * COLUMNS];
  static Quantized nearest, better, one_by_one;
  MambaError error;
  fill();
  memcpy(factor, products, sizeof factor);
  assert_int_equal(mambaGptqFactor(factor, COLUMNS, 0.01, &error), MAMBA_OK);
  static const int64_t groups[] = {GROUP, COLUMNS};
  for (int g = 0; g < 2; g++) {
    quantize(NULL, ROWS, groups[g], &nearest);
    quantize(factor, 4, groups[g], &better);
    quantize(factor, 1, groups[g], &one_by_one);
    assert_memory_equal(&better, &one_by_one, sizeof better);
    assert_true(loss(&better, groups[g]) < loss(&nearest, groups[g]) / 2);
  }
}

/* No calibration, no correlation: rounding to nearest. */
static void testZeros(void **state) {
  (void)state;
  static double factor[COLUMNS * COLUMNS];
  static Quantized nearest, same;
  MambaError error;
  fill();
  assert_int_equal(mambaGptqFactor(factor, COLUMNS, 0.01, &error), MAMBA_OK);
  quantize(NULL, ROWS, GROUP, &nearest);
  quantize(factor, ROWS, GROUP, &same);
  assert_memory_equal(&nearest, &same, sizeof same);
}

static void testRefused(void **state) {
  (void)state;
  MambaError error;
  double nan[] = {1, 0, 0, NAN}, indefinite[] = {1, 2, 2, 1}, rescued[] = {1, 2, 2, 1};
  assert_int_equal(mambaGptqFactor(nan, 2, 0, &error), MAMBA_INVALID);
  assert_non_null(strstr(error.message, "infinities or NaNs"));
  assert_int_equal(mambaGptqFactor(indefinite, 2, 0, &error), MAMBA_INVALID);
  assert_non_null(strstr(error.message, "a larger damp"));
  assert_int_equal(mambaGptqFactor(rescued, 2, 1.5, &error), MAMBA_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testFactor), cmocka_unit_test(testNearest), cmocka_unit_test(testBetterThanNearest),
      cmocka_unit_test(testZeros),  cmocka_unit_test(testRefused),
  };
  return cmocka_run_group_tests_name("gptq", tests, NULL, NULL);
}
