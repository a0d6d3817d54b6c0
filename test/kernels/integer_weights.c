/* mamba_linear_w8, _w4 and _i4 against the plain references on the weights that they stand for, byte by byte.
 * Run it on every instruction set (MAMBA_ISA). */
#include "cases.h"
#include "pack_i4.h"
#include "reference.h"

static void test_w8(data_kind kind, int32_t rows, int32_t k, int32_t n) {
  begin_case("linear_w8 data %d rows %d k %d n %d", kind, rows, k, n);
  float *x = random_floats((int64_t)rows * k, kind);
  int8_t *w = random_values(MAMBA_I8, (int64_t)n * k, kind);
  float *multiplier = random_scales(n);
  float *bias = random_bool() ? random_floats(n, DATA_PLAIN) : NULL;
  float *actual = unset_values(MAMBA_F32, rows * n), *expected = unset_values(MAMBA_F32, rows * n);
  ALL_WORKERS(mamba_linear_w8(x, w, multiplier, bias, rows, k, n, actual, worker));
  reference_linear_w8(x, w, multiplier, bias, rows, k, n, expected);
  expect_equal("out", MAMBA_F32, rows * n, actual, expected);
  free(x);
  free(w);
  free(multiplier);
  free(bias);
  free(actual);
  free(expected);
}

/* Weights in 4 bits with a scale for each group, and the int8 weights that they stand for. */
typedef struct grouped {
  int8_t *q, *scales, *w;
} grouped;

static grouped random_grouped(int32_t n, int32_t k, int32_t group) {
  const int64_t count = (int64_t)n * k;
  const grouped made = {random_values(MAMBA_I8, count, DATA_PLAIN),
                        random_values(MAMBA_I8, count / group, DATA_PLAIN), aligned_memory((size_t)count)};
  for (int64_t i = 0; i < count / group; ++i)
    made.scales[i] = (int8_t)(i == 0 ? MAMBA_I4_MAX_SCALE : random_below(MAMBA_I4_MAX_SCALE + 1));
  for (int64_t i = 0; i < count; ++i) {
    made.q[i] = (int8_t)(i == 0 ? -8 : random_below(16) - 8);
    made.w[i] = (int8_t)(made.q[i] * made.scales[i / group]);
  }
  return made;
}

static void release_grouped(grouped weights) {
  free(weights.q);
  free(weights.scales);
  free(weights.w);
}

static void test_w4(data_kind kind, int32_t rows, int32_t groups, int32_t group, int32_t n) {
  const int32_t k = groups * group;
  begin_case("linear_w4 data %d rows %d k %d group %d n %d", kind, rows, k, group, n);
  const grouped weights = random_grouped(n, k, group);
  float *x = random_floats((int64_t)rows * k, kind);
  float *multiplier = random_scales(n);
  float *bias = random_bool() ? random_floats(n, DATA_PLAIN) : NULL;
  float *actual = unset_values(MAMBA_F32, rows * n), *expected = unset_values(MAMBA_F32, rows * n);
  void *packed = aligned_memory(mamba_packed_i4_rows_bytes(n, k, group));
  mamba_pack_i4_rows(weights.q, weights.scales, n, k, group, packed);
  ALL_WORKERS(mamba_linear_w4(x, packed, multiplier, bias, rows, k, group, n, actual, worker));
  reference_linear_w8(x, weights.w, multiplier, bias, rows, k, n, expected);
  expect_equal("out", MAMBA_F32, rows * n, actual, expected);
  release_grouped(weights);
  free(x);
  free(multiplier);
  free(bias);
  free(actual);
  free(expected);
  free(packed);
}

static void test_i4(data_kind kind, int32_t rows, int32_t groups, int32_t group, int32_t n) {
  static const mamba_type types[] = {MAMBA_I8, MAMBA_F16, MAMBA_F32};
  const int32_t k = groups * group, output_count = n > 1 && random_bool() ? 2 : 1;
  begin_case("linear_i4 data %d rows %d k %d group %d n %d", kind, rows, k, group, n);
  const grouped weights = random_grouped(n, k, group);
  mamba_output actual[2], expected[2];
  const int32_t first = output_count == 1 ? n : 1 + random_below(n - 1);
  for (int32_t o = 0; o < output_count; ++o) {
    const int32_t channels = o ? n - first : first;
    actual[o] = unset_output(types[random_below(COUNT(types))], (int64_t)rows * channels, channels);
    expected[o] = similar_output(actual[o], (int64_t)rows * channels);
  }
  int8_t *x = random_values(MAMBA_I8, (int64_t)rows * k, kind);
  float *multiplier = random_scales(n);
  float *bias = random_bool() ? random_floats(n, DATA_PLAIN) : NULL;
  float *row_scale = random_bool() ? random_scales(rows) : NULL;
  void *packed = aligned_memory(mamba_packed_i4_blocks_bytes(n, k, group));
  if (kind == DATA_EXTREME)
    memset(x, -127, (size_t)k);
  mamba_pack_i4_blocks(weights.q, weights.scales, n, k, group, packed);
  ALL_WORKERS(mamba_linear_i4(x, row_scale, packed, multiplier, bias, rows, k, group, n, actual, output_count,
                              worker));
  reference_linear_i8(x, row_scale, weights.w, multiplier, bias, rows, k, n, expected, output_count);
  for (int32_t o = 0; o < output_count; ++o) {
    expect_equal("out", actual[o].type, (int64_t)rows * actual[o].channels, actual[o].data, expected[o].data);
    release_output(actual[o]);
    release_output(expected[o]);
  }
  release_grouped(weights);
  free(x);
  free(multiplier);
  free(bias);
  free(row_scale);
  free(packed);
}

int main(void) {
  static const int32_t rows[] = {1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 17, 33, 49};
  static const int32_t groups[] = {32, 64, 96, 128};
  const int status = begin();
  if (status)
    return status;
  for (int32_t k = 1; k <= 67; ++k) {
    const int32_t n = 1 + random_below(70);
    test_w8((data_kind)(k % DATA_KINDS), rows[random_below(COUNT(rows))], k, n);
  }
  test_w8(DATA_PLAIN, 9, 1000, 33);
  for (int r = 0; r < COUNT(rows); ++r)
    for (int g = 0; g < COUNT(groups); ++g) {
      const int32_t count = 1 + random_below(4);
      const int32_t n = 1 + random_below(100);
      test_w4((data_kind)((r + g) % DATA_KINDS), rows[r], count, groups[g], n);
      test_i4((data_kind)((r + g) % DATA_KINDS), rows[r], count, groups[g], n);
    }
  test_i4(DATA_PLAIN, 1, 1, 1024 + 32, 70); /* one group, in more than one chunk of k */
  test_i4(DATA_PLAIN, 19, 1, 1024 + 32, 70);
  test_i4(DATA_PLAIN, 290, 9, 128, 33); /* more tokens than share a chunk */
  test_w4(DATA_PLAIN, 5, 3, 352, 21);
  test_i4(DATA_EXTREME, 1, 4160, 32, 17); /* the largest k */
  test_i4(DATA_EXTREME, 13, 4160, 32, 17);
  return finish();
}
