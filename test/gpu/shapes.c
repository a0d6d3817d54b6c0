/* The GPU's kernels against the portable ones at the sizes of real models, byte for byte: what
 * test/kernels/kernels.c does not reach, such as every tile of the matrix product and every number of lanes
 * of the scan. With the argument "small", the least sizes that run each variant, for compute-sanitizer. */
#include <math.h>
#include "data.h"
#include "dispatch.h"
#include "bundle/sampling.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) ((int32_t)(sizeof(array) / sizeof((array)[0])))

void gpu_argmax(const float *logits, int32_t rows, int32_t n, int32_t *ids);
void gpu_draw(const float *logits, int32_t rows, int32_t n, const mamba_draw *draws, int32_t *ids);

static const mamba_worker alone = {0, 1};

static void compare_outputs(int64_t rows, mamba_output actual, mamba_output expected) {
  expect_equal("out", actual.type, rows * actual.channels, actual.data, expected.data);
  release_output(actual);
  release_output(expected);
}

static void compare_floats(const char *what, int64_t count, float *actual, float *expected) {
  expect_equal(what, MAMBA_F32, count, actual, expected);
  free(actual);
  free(expected);
}

static void test_linear_i8(int32_t rows, int32_t k, int32_t n) {
  begin_case("linear_i8 rows %d k %d n %d", rows, k, n);
  static const mamba_type types[] = {MAMBA_I8, MAMBA_F16, MAMBA_F32};
  /* Half of the time, in columns that can be stored by fours. */
  const int32_t first = n % 4 == 0 && random_below(2) == 0 ? n / 12 * 4 : n / 3 + 1;
  const int32_t channels[] = {first, n - first};
  mamba_output actual[2], expected[2];
  for (int o = 0; o < 2; ++o) {
    actual[o] = unset_output(types[random_below(3)], (int64_t)rows * channels[o], channels[o]);
    expected[o] = similar_output(actual[o], (int64_t)rows * channels[o]);
  }
  int8_t *x = random_values(MAMBA_I8, (int64_t)rows * k, DATA_EXTREME);
  int8_t *w = random_values(MAMBA_I8, (int64_t)n * k, DATA_EXTREME);
  float *multiplier = random_scales(n), *row_scale = random_scales(rows);
  float *bias = random_floats(n, DATA_PLAIN);
  mamba_linear_i8(x, row_scale, w, multiplier, bias, rows, k, n, actual, 2, alone);
  mamba_kernels_portable.linear_i8(x, row_scale, w, multiplier, bias, rows, k, n, expected, 2, alone);
  for (int o = 0; o < 2; ++o)
    compare_outputs(rows, actual[o], expected[o]);
  free(x);
  free(w);
  free(multiplier);
  free(row_scale);
  free(bias);
}

static void test_linear_float(mamba_type type, int32_t rows, int32_t k, int32_t n) {
  begin_case("linear_float type %d rows %d k %d n %d", type, rows, k, n);
  float *x = random_floats((int64_t)rows * k, DATA_PLAIN);
  void *w = random_values(type, (int64_t)n * k, DATA_PLAIN);
  float *actual = unset_values(MAMBA_F32, (int64_t)rows * n);
  float *expected = unset_values(MAMBA_F32, (int64_t)rows * n);
  mamba_linear_float(x, w, type, NULL, rows, k, n, actual, alone);
  mamba_kernels_portable.linear_float(x, w, type, NULL, rows, k, n, expected, alone);
  compare_floats("out", (int64_t)rows * n, actual, expected);
  free(x);
  free(w);
}

static void test_rms_norm(int32_t rows, int32_t d) {
  begin_case("rms_norm rows %d d %d", rows, d);
  const int64_t count = (int64_t)rows * d;
  float *x = random_floats(count, DATA_PLAIN), *delta = random_floats(count, DATA_PLAIN);
  float *gamma = random_floats(d, DATA_PLAIN);
  float *sum = unset_values(MAMBA_F32, count), *expected_sum = unset_values(MAMBA_F32, count);
  float *scale = unset_values(MAMBA_F32, rows), *expected_scale = unset_values(MAMBA_F32, rows);
  mamba_output actual = unset_output(MAMBA_I8, count, d), expected = similar_output(actual, count);
  mamba_rms_norm(x, delta, sum, gamma, 1e-5f, rows, d, actual, scale, alone);
  mamba_kernels_portable.rms_norm(x, delta, expected_sum, gamma, 1e-5f, rows, d, expected, expected_scale,
                                  alone);
  compare_floats("sum", count, sum, expected_sum);
  compare_floats("row_scale", rows, scale, expected_scale);
  compare_outputs(rows, actual, expected);
  free(x);
  free(delta);
  free(gamma);
}

static void test_hadamard(int32_t rows, int32_t d, bool transpose) {
  begin_case("hadamard rows %d d %d transpose %d", rows, d, transpose);
  const int64_t count = (int64_t)rows * d;
  float *x = random_floats(count, DATA_PLAIN), *scratch = unset_values(MAMBA_F32, d);
  float *scale = unset_values(MAMBA_F32, rows), *expected_scale = unset_values(MAMBA_F32, rows);
  mamba_output actual = unset_output(MAMBA_I8, count, d), expected = similar_output(actual, count);
  mamba_hadamard(x, transpose, rows, d, scratch, actual, scale, alone);
  mamba_kernels_portable.hadamard(x, transpose, rows, d, scratch, expected, expected_scale, alone);
  compare_floats("row_scale", rows, scale, expected_scale);
  compare_outputs(rows, actual, expected);
  free(x);
  free(scratch);
}

static void test_quantize(int32_t rows, int32_t d) {
  begin_case("quantize rows %d d %d", rows, d);
  const int64_t count = (int64_t)rows * d;
  const mamba_input x = random_input(MAMBA_F16, count, d, DATA_PLAIN);
  float *scale = unset_values(MAMBA_F32, rows), *expected_scale = unset_values(MAMBA_F32, rows);
  mamba_output actual = unset_output(MAMBA_I8, count, d), expected = similar_output(actual, count);
  mamba_quantize(x, rows, d, actual, scale, alone);
  mamba_kernels_portable.quantize(x, rows, d, expected, expected_scale, alone);
  compare_floats("row_scale", rows, scale, expected_scale);
  compare_outputs(rows, actual, expected);
  release_input(x);
}

static void test_conv1d(mamba_type type, int32_t batch, int32_t tokens, int32_t d, int32_t width) {
  begin_case("conv1d type %d batch %d tokens %d d %d width %d", type, batch, tokens, d, width);
  const int64_t rows = (int64_t)batch * tokens, count = rows * d, past = (int64_t)batch * (width - 1) * d;
  const mamba_type w_type = type == MAMBA_I8 ? MAMBA_I8 : MAMBA_F32;
  const mamba_input x = random_input(type, count, d, DATA_PLAIN);
  void *w = random_values(w_type, (int64_t)width * d, DATA_PLAIN);
  float *multiplier = random_scales(d), *bias = random_floats(d, DATA_PLAIN);
  void *state = random_values(type, past, DATA_PLAIN), *expected_state = copy_values(type, past, state);
  mamba_output actual[2] = {unset_output(MAMBA_F16, count, d), unset_output(MAMBA_I8, count, d)};
  mamba_output expected[2] = {similar_output(actual[0], count), similar_output(actual[1], count)};
  mamba_conv1d(x, w, w_type, multiplier, bias, true, state, batch, tokens, d, width, actual, 2, alone);
  mamba_kernels_portable.conv1d(x, w, w_type, multiplier, bias, true, expected_state, batch, tokens, d, width,
                                expected, 2, alone);
  expect_equal("state", type, past, state, expected_state);
  for (int o = 0; o < 2; ++o)
    compare_outputs(rows, actual[o], expected[o]);
  release_input(x);
  free(w);
  free(multiplier);
  free(bias);
  free(state);
  free(expected_state);
}

/* u and z of one type, B and C of another. */
static void test_scan(int32_t batch, int32_t tokens, int32_t d, int32_t n, mamba_type type, mamba_type bc) {
  begin_case("selective_scan batch %d tokens %d d %d n %d types %d %d", batch, tokens, d, n, type, bc);
  const int64_t rows = (int64_t)batch * tokens, count = rows * d, states = (int64_t)batch * n * d;
  const mamba_input u = random_input(type, count, d, DATA_PLAIN);
  const mamba_input dt = random_input(MAMBA_F32, count, d, DATA_PLAIN);
  const mamba_input b = random_input(bc, rows * n, n, DATA_PLAIN);
  const mamba_input c = random_input(bc, rows * n, n, DATA_PLAIN);
  const mamba_input z = random_input(type, count, d, DATA_PLAIN);
  float *a = random_floats((int64_t)n * d, DATA_PLAIN), *d_skip = random_floats(d, DATA_PLAIN);
  for (int64_t i = 0; i < (int64_t)n * d; ++i)
    a[i] = a[i] > 0 ? -a[i] : a[i];
  float *state = random_floats(states, DATA_PLAIN);
  float *expected_state = copy_values(MAMBA_F32, states, state);
  mamba_output actual = unset_output(MAMBA_F32, count, d), expected = similar_output(actual, count);
  mamba_selective_scan(u, dt, true, a, b, c, d_skip, z, state, batch, tokens, d, n, actual, alone);
  mamba_kernels_portable.selective_scan(u, dt, true, a, b, c, d_skip, z, expected_state, batch, tokens, d, n,
                                        expected, alone);
  compare_floats("state", states, state, expected_state);
  compare_outputs(rows, actual, expected);
  release_input(u);
  release_input(dt);
  release_input(b);
  release_input(c);
  release_input(z);
  free(a);
  free(d_skip);
}

/* Of row 0 only the last `found` values are not NaN, and they are -infinity. */
static void test_argmax(int32_t rows, int32_t n, data_kind kind, int32_t found) {
  begin_case("argmax rows %d n %d data %d found %d", rows, n, kind, found);
  float *logits = random_floats((int64_t)rows * n, kind);
  for (int32_t i = 0; i < n && found < n; ++i)
    logits[i] = i < n - found ? NAN : -INFINITY;
  int32_t *ids = unset_values(MAMBA_F32, rows), *expected = unset_values(MAMBA_F32, rows);
  for (int32_t row = 0; row < rows; ++row) {
    const float *values = logits + (int64_t)row * n;
    int32_t best = 0;
    for (int32_t i = 0; i < n; ++i)
      if (values[i] > values[best] || (values[best] != values[best] && values[i] == values[i]))
        best = i;
    expected[row] = best;
  }
  gpu_argmax(logits, rows, n, ids);
  expect_equal("ids", MAMBA_F32, rows, ids, expected); /* ids are positive: not the bits of a NaN */
  free(logits);
  free(ids);
  free(expected);
}

/* Every row is drawn in another way; row 0 is nothing but NaN. */
static void test_draw(int32_t rows, int32_t n, data_kind kind) {
  begin_case("draw rows %d n %d data %d", rows, n, kind);
  float *logits = random_floats((int64_t)rows * n, kind);
  mamba_draw *draws = malloc((size_t)rows * sizeof *draws);
  int32_t *ids = unset_values(MAMBA_F32, rows), *expected = unset_values(MAMBA_F32, rows);
  for (int32_t i = 0; i < n; ++i)
    logits[i] = NAN;
  for (int32_t row = 0; row < rows; ++row) {
    mamba_sampler sampler = mamba_sampler_start((mamba_sampling){
        .temperature = row % 3 == 0 ? 1.0 : row % 3 == 1 ? 0.05 : 50.0,
        .top_k = row % 4 == 0 ? 0 : row % 4 == 1 ? 1 : 1 + n / row,
        .top_p = row % 2 == 0 ? 1 : 0.9,
        .seed = (uint64_t)row,
    });
    draws[row] = mamba_sampler_draw(&sampler);
    expected[row] = mamba_draw_token(&draws[row], logits + (int64_t)row * n, n);
  }
  gpu_draw(logits, rows, n, draws, ids);
  expect_equal("ids", MAMBA_F32, rows, ids, expected);
  free(logits);
  free(draws);
  free(ids);
  free(expected);
}

/* Every variant once: rows of the decode kernel, lanes of k, tiles of prefill, lanes of the scan. */
static void test_variants(void) {
  static const int32_t ks[] = {16, 160, 272, 33};
  for (int k = 0; k < COUNT(ks); ++k) {
    for (int32_t rows = 1; rows <= 8; rows += 1 + rows / 3)
      test_linear_i8(rows, ks[k], 67);
    test_linear_i8(12, ks[k], 70);    /* small tile */
    test_linear_i8(34, ks[k], 17100); /* medium, on up to 134 multiprocessors */
    test_linear_i8(130, ks[k], 8800); /* large, on up to 138 */
  }
  /* Every width of a tile on Hopper's 132 multiprocessors. */
  static const int32_t widths[] = {1700, 4224, 6300, 8400, 10500};
  for (int i = 0; i < COUNT(widths); ++i)
    test_linear_i8(130, 144 + 16 * i, widths[i]);
  test_linear_i8(65, 3088, 400); /* and every number of blocks there that divide k */
  test_linear_i8(65, 4112, 800);
  test_linear_i8(65, 1552, 1560);
  test_linear_float(MAMBA_F16, 1, 80, 19);
  test_linear_float(MAMBA_F16, 1, 1600, 19); /* decode */
  test_linear_float(MAMBA_BF16, 1, 64, 1070);
  test_linear_float(MAMBA_F32, 1, 1024, 3);
  test_linear_float(MAMBA_BF16, 5, 80, 19);
  test_linear_float(MAMBA_F32, 3, 81, 19);
  test_rms_norm(2, 700);
  test_rms_norm(2, 701);
  test_rms_norm(1, 12500); /* does not fit in shared memory */
  test_hadamard(2, 64, false);
  test_hadamard(256, 96, true);
  test_hadamard(2, 768, false);
  test_hadamard(1, 5120, true);
  test_hadamard(1, 28 * 32, true);
  test_quantize(2, 700);
  test_conv1d(MAMBA_F16, 2, 35, 130, 4);
  test_conv1d(MAMBA_I8, 1, 2, 130, 4);
  test_conv1d(MAMBA_I8, 2, 9, 130, 4);
  test_conv1d(MAMBA_F32, 2, 12, 131, 4);
  test_conv1d(MAMBA_F32, 1, 19, 66, 3);
  /* Every tiling on 132 multiprocessors; chunks that end in the middle, and whole ones. */
  static const int32_t channels[] = {70, 1500, 2001, 3000, 4000, 4999, 9000};
  for (int i = 0; i < COUNT(channels); ++i) {
    test_scan(1, 89 - 7 * i, channels[i], 16, MAMBA_F16, MAMBA_F32);
    test_scan(1, 2 + 3 * i, channels[i], 16, MAMBA_I8, MAMBA_I8);
    test_scan(1, 84, channels[i], 16, MAMBA_F32, MAMBA_F32);
  }
  test_scan(2, 48, 2501, 16, MAMBA_F16, MAMBA_F32);
  test_scan(2, 37, 99, 16, MAMBA_F16, MAMBA_I8);
  test_scan(1, 9, 20, 5, MAMBA_F16, MAMBA_F32);
  test_scan(1, 9, 20, 40, MAMBA_I8, MAMBA_F16);
  test_argmax(2, 3000, DATA_EXTREME, 3000);
  test_argmax(2, 3001, DATA_EXTREME, 3001);
  test_argmax(2, 5000, DATA_PLAIN, 0);
  test_argmax(2, 5001, DATA_PLAIN, 700);
  test_draw(12, 3001, DATA_PLAIN);
  test_draw(12, 700, DATA_EXTREME);
  test_draw(5, 1, DATA_PLAIN);
}

static void test_models(void) {
  static const int32_t widths[] = {768, 1024, 1536, 2048, 2560};
  for (int i = 0; i < COUNT(widths); ++i) {
    const int32_t d = widths[i], inner = 2 * d, rank = (d + 15) / 16;
    for (int32_t rows = 1; rows <= 40; rows = rows == 1 ? 8 : rows + 32) {
      test_linear_i8(rows, d, 2 * inner);
      test_linear_i8(rows, inner, rank + 32);
      test_linear_i8(rows, rank, inner);
      test_linear_i8(rows, inner, d);
    }
    test_linear_float(MAMBA_F16, 1, d, 5028);
    test_linear_float(MAMBA_BF16, 9, d, 503);
    test_linear_float(MAMBA_F32, 2, d, 503);
    test_rms_norm(3, d);
    test_hadamard(3, inner, i % 2 != 0);
    test_hadamard(2, d, i % 2 == 0);
    test_quantize(3, inner);
    test_conv1d(MAMBA_F16, 2, 40, inner, 4);
    test_conv1d(MAMBA_I8, 1, 1, inner, 4);
    test_scan(1, 1, inner, 16, MAMBA_F16, MAMBA_F32);
    test_scan(2, 67, inner, 16, MAMBA_F16, MAMBA_F32);
    test_draw(8, 50280, i % 2 == 0 ? DATA_PLAIN : DATA_ZERO);
    test_argmax(2, 50280, i % 2 == 0 ? DATA_PLAIN : DATA_ZERO, 50280);
  }
  test_linear_i8(515, 2560, 1288);
  test_linear_i8(512, 5120, 2560);
  test_linear_i8(700, 1040, 2560);
  test_hadamard(300, 5120, false);
  test_hadamard(300, 1536, true);
  test_hadamard(257, 28 * 128, false);
  test_hadamard(256, 28 * 256, true);
  test_rms_norm(300, 2560);
  test_linear_i8(300, 2561, 700);
}

int main(int argc, char **argv) {
  test_variants();
  if (argc < 2 || strcmp(argv[1], "small") != 0)
    test_models();
  return finish();
}
