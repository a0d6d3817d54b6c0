/* The Hadamard tables and the transform of weights: orthogonality, exactness, transposes, sizes. */
#include "mamba/hadamard.h"

#include "hadamard_matrices.h"
#include "paley.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const int32_t orders[] = {12, 20, 28};

static void testTablesArePaleysMatrices(void **state) {
  (void)state;
  for (size_t o = 0; o < sizeof orders / sizeof orders[0]; ++o) {
    const int32_t m = orders[o];
    const uint32_t *table = mambaHadamardSigns(m);
    int8_t matrix[28 * 28];
    paley_matrix(m, matrix);
    for (int32_t i = 0; i < m; ++i)
      for (int32_t j = 0; j < m; ++j)
        assert_int_equal(table[i] >> j & 1 ? -1 : 1, matrix[i * m + j]);
    /* H H^T = m I */
    for (int32_t i = 0; i < m; ++i)
      for (int32_t j = 0; j < m; ++j) {
        int32_t dot = 0;
        for (int32_t k = 0; k < m; ++k)
          dot += matrix[i * m + k] * matrix[j * m + k];
        assert_int_equal(dot, i == j ? m : 0);
      }
  }
}

static void testSupportedSizes(void **state) {
  (void)state;
  for (int64_t size = -3; size <= 6000; ++size) {
    bool expected = false;
    for (int64_t power = 1; power <= size; power *= 2)
      if (size == power || size == 12 * power || size == 20 * power || size == 28 * power ||
          size == 40 * power)
        expected = true;
    assert_int_equal(mambaHadamardIsSupported(size), expected);
    double nothing = 0;
    MambaError error;
    if (!expected) {
      assert_int_equal(mambaHadamardTransform(&nothing, 0, size, 1, false, &error), MAMBA_UNSUPPORTED);
      assert_non_null(strstr(error.message, "expected 2^k times 1, 12, 20, 28 or 40"));
    }
  }
  assert_false(mambaHadamardIsSupported(INT64_C(1) << 40));
}

static void transform(double *data, int64_t outer, int64_t size, int64_t inner, bool transpose) {
  MambaError error;
  assert_int_equal(mambaHadamardTransform(data, outer, size, inner, transpose, &error), MAMBA_OK);
}

static double *randomIntegers(int64_t count) {
  double *values = malloc((size_t)count * sizeof *values);
  assert_non_null(values);
  for (int64_t i = 0; i < count; ++i)
    values[i] = (i * 7919 + i * i % 101) % 255 - 127;
  return values;
}

/* Entry (i, j) of the whole matrix, from its definition. */
static int entry(int32_t order, const int8_t *matrix, int64_t inner, int64_t i, int64_t j) {
  const int sylvester = __builtin_popcountll((unsigned long long)((i % inner) & (j % inner))) & 1 ? -1 : 1;
  return matrix[i / inner * order + j / inner] * sylvester;
}

/* Integers, so that the sums are exact; only the factor 1 / sqrt(size) rounds. */
static void testTransformIsTheMatrixProduct(void **state) {
  (void)state;
  static const int64_t sizes[] = {1, 2, 4, 64, 12, 24, 96, 20, 40, 80, 160, 28, 56, 112};
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; ++s)
    for (int transpose = 0; transpose < 2; ++transpose) {
      const int64_t size = sizes[s], outer = 2, inner = 3;
      const int32_t order = mambaHadamardOrder((int32_t)size);
      int8_t matrix[28 * 28];
      paley_matrix(order, matrix);
      double *before = randomIntegers(outer * size * inner), *after = randomIntegers(outer * size * inner);
      transform(after, outer, size, inner, transpose);
      for (int64_t o = 0; o < outer; ++o)
        for (int64_t i = 0; i < size; ++i)
          for (int64_t c = 0; c < inner; ++c) {
            double sum = 0;
            for (int64_t j = 0; j < size; ++j)
              sum +=
                  before[(o * size + j) * inner + c] * (transpose ? entry(order, matrix, size / order, j, i)
                                                                  : entry(order, matrix, size / order, i, j));
            assert_true(after[(o * size + i) * inner + c] == sum * (1 / sqrt((double)size)));
          }
      free(before);
      free(after);
    }
}

static void testTransposeIsTheInverse(void **state) {
  (void)state;
  static const int64_t sizes[] = {1, 4, 1024, 768, 1536, 2560, 5120, 28, 3584};
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; ++s) {
    const int64_t size = sizes[s];
    double *before = randomIntegers(3 * size), *after = randomIntegers(3 * size);
    transform(after, 3, size, 1, false);
    transform(after, 3, size, 1, true);
    const bool isPowerOfFour = mambaHadamardOrder((int32_t)size) == 1 && (size & 0x55555555) != 0;
    for (int64_t i = 0; i < 3 * size; ++i)
      assert_true(isPowerOfFour ? after[i] == before[i] : fabs(after[i] - before[i]) < 1e-11);
    free(before);
    free(after);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testTablesArePaleysMatrices),
      cmocka_unit_test(testSupportedSizes),
      cmocka_unit_test(testTransformIsTheMatrixProduct),
      cmocka_unit_test(testTransposeIsTheInverse),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
