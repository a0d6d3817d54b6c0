/* mamba_linear_i8_packed against the plain reference, byte by byte: every remainder of k modulo 64 and of n
 * modulo 16, tiles of tokens that are full, short and several, outputs that split a group of columns. Run it
 * on every instruction set (MAMBA_ISA). */
#include "cases.h"
#include "pack.h"
#include "reference.h"

static const mamba_type output_types[] = {MAMBA_I8, MAMBA_F16, MAMBA_F32};

static void test_once(data_kind kind, int32_t rows, int32_t k, int32_t n) {
  mamba_output actual[3], expected[3];
  const int32_t output_count = 1 + random_below(n < 3 ? n : 3);
  begin_case("linear_i8_packed data %d rows %d k %d n %d outputs %d", kind, rows, k, n, output_count);
  int32_t left = n;
  for (int32_t o = 0; o < output_count; ++o) {
    const int32_t rest = output_count - 1 - o;
    const int32_t channels = rest == 0 ? left : 1 + random_below(left - rest);
    actual[o] = unset_output(output_types[random_below(3)], (int64_t)rows * channels, channels);
    expected[o] = similar_output(actual[o], (int64_t)rows * channels);
    left -= channels;
  }
  int8_t *x = random_values(MAMBA_I8, (int64_t)rows * k, kind);
  int8_t *w = random_values(MAMBA_I8, (int64_t)n * k, kind);
  void *packed = aligned_memory(mamba_packed_i8_bytes(n, k));
  float *multiplier = random_scales(n);
  float *bias = random_bool() ? random_floats(n, kind) : NULL;
  float *row_scale = random_bool() ? random_scales(rows) : NULL;
  mamba_pack_i8(w, n, k, packed);
  ALL_WORKERS(mamba_linear_i8_packed(x, row_scale, packed, multiplier, bias, rows, k, n, actual, output_count,
                                     worker));
  reference_linear_i8(x, row_scale, w, multiplier, bias, rows, k, n, expected, output_count);
  for (int32_t o = 0; o < output_count; ++o) {
    expect_equal("out", actual[o].type, (int64_t)rows * actual[o].channels, actual[o].data, expected[o].data);
    release_output(actual[o]);
    release_output(expected[o]);
  }
  free(x);
  free(w);
  free(packed);
  free(multiplier);
  free(bias);
  free(row_scale);
}

int main(void) {
  static const int32_t rows[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 31, 33, 49};
  const int status = begin();
  if (status)
    return status;
  for (int32_t k = 1; k <= 130; ++k) {
    const int32_t n = 1 + random_below(180);
    test_once((data_kind)(k % DATA_KINDS), rows[random_below(COUNT(rows))], k, n);
  }
  for (int32_t n = 1; n <= 66; ++n) {
    const int32_t k = 1 + random_below(300);
    test_once((data_kind)(n % DATA_KINDS), rows[random_below(COUNT(rows))], k, n);
  }
  for (int r = 0; r < COUNT(rows); ++r)
    for (int kind = 0; kind < DATA_KINDS; ++kind)
      test_once((data_kind)kind, rows[r], 65 + 16 * kind, 161);
  test_once(DATA_PLAIN, 33, 2048 + 20, 300);             /* more than one chunk of k and one panel of n */
  test_once(DATA_EXTREME, 1, MAMBA_LINEAR_I8_MAX_K, 17); /* the largest k */
  return finish();
}
