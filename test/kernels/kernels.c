/* Every kernel against test/kernels/reference.c, byte for byte: all combinations of storage types, odd
 * sizes, extreme values, several numbers of workers, and prefill against other splits of time. Exits 77
 * when the processor lacks the instruction set that MAMBA_ISA names. */
#include "cases.h"
#include "hadamard_matrices.h"
#include "paley.h"
#include "reference.h"

#include <math.h>

static const int32_t sizes[] = {1, 2, 3, 15, 16, 17, 31, 33, 63, 65, 127, 255, 256, 257, 511, 1000};
static const mamba_type input_types[] = {MAMBA_I8, MAMBA_F16, MAMBA_BF16, MAMBA_F32};
static const mamba_type output_types[] = {MAMBA_I8, MAMBA_F16, MAMBA_F32};
static const mamba_type float_types[] = {MAMBA_F32, MAMBA_F16, MAMBA_BF16};
static int32_t random_size(void) {
  return sizes[random_below(COUNT(sizes))];
}

static void test_embedding(void) {
  for (int t = 0; t < COUNT(float_types); ++t)
    for (int s = 0; s < COUNT(sizes); ++s) {
      const int32_t d = sizes[s], rows = 1 + random_below(7), vocabulary = 9;
      begin_case("embedding type %d rows %d d %d", float_types[t], rows, d);
      void *table = random_values(float_types[t], (int64_t)vocabulary * d, DATA_EXTREME);
      int32_t ids[8];
      for (int i = 0; i < rows; ++i)
        ids[i] = random_below(vocabulary);
      float *actual = unset_values(MAMBA_F32, rows * d), *expected = unset_values(MAMBA_F32, rows * d);
      ALL_WORKERS(mamba_embedding(ids, table, float_types[t], rows, d, actual, worker));
      reference_embedding(ids, table, float_types[t], rows, d, expected);
      expect_equal("out", MAMBA_F32, rows * d, actual, expected);
      free(table);
      free(actual);
      free(expected);
    }
}

/* The common end of the kernels that write rows. */
static void compare_rows(int32_t rows, int32_t d, mamba_output actual, mamba_output expected,
                         float *row_scale, float *expected_scale) {
  expect_equal("out", actual.type, (int64_t)rows * d, actual.data, expected.data);
  if (row_scale)
    expect_equal("row_scale", MAMBA_F32, rows, row_scale, expected_scale);
  release_output(actual);
  release_output(expected);
  free(row_scale);
  free(expected_scale);
}

static void test_rms_norm_once(data_kind kind, mamba_type type, int32_t d, int sums, bool per_row) {
  const int32_t rows = 1 + random_below(6);
  const bool has_gamma = random_bool();
  begin_case("rms_norm data %d out %d rows %d d %d sums %d gamma %d per row %d", kind, type, rows, d, sums,
             has_gamma, per_row);
  const int32_t count = rows * d;
  float *x = random_floats(count, kind);
  float *reference_x = copy_values(MAMBA_F32, count, x);
  float *delta = sums > 0 ? random_floats(count, kind) : NULL;
  float *gamma = has_gamma ? random_floats(d, DATA_PLAIN) : NULL;
  float *sum = unset_values(MAMBA_F32, count), *reference_sum = unset_values(MAMBA_F32, count);
  float *actual_sum = sums == 0 ? NULL : sums == 1 ? sum : x;
  float *expected_sum = sums == 0 ? NULL : sums == 1 ? reference_sum : reference_x;
  mamba_output actual = unset_output(type, count, d), expected = similar_output(actual, count);
  float *row_scale = per_row ? unset_values(MAMBA_F32, rows) : NULL;
  float *expected_scale = per_row ? unset_values(MAMBA_F32, rows) : NULL;
  ALL_WORKERS(mamba_rms_norm(x, delta, actual_sum, gamma, 1e-5f, rows, d, actual, row_scale, worker));
  reference_rms_norm(reference_x, delta, expected_sum, gamma, 1e-5f, rows, d, expected, expected_scale);
  if (sums > 0)
    expect_equal("sum", MAMBA_F32, count, actual_sum, expected_sum);
  compare_rows(rows, d, actual, expected, row_scale, expected_scale);
  free(x);
  free(reference_x);
  free(delta);
  free(gamma);
  free(sum);
  free(reference_sum);
}

/* Every number of blocks of 128 up to a second round of four, in whole vectors and not, and long rows. */
static void test_rms_norm_blocks(void) {
  static const int32_t rests[] = {-16, -1, 0, 1, 16, 20, 64, 80};
  static const int32_t longer[] = {1280, 1536, 2560, 4095, 4096, 4099, 4112, 5120};
  for (int kind = 0; kind < DATA_KINDS; ++kind)
    for (int t = 0; t < COUNT(output_types); ++t) {
      for (int blocks = 1; blocks <= 6; ++blocks)
        for (int i = 0; i < COUNT(rests); ++i)
          test_rms_norm_once((data_kind)kind, output_types[t], 128 * blocks + rests[i], random_below(3),
                             output_types[t] == MAMBA_I8);
      for (int i = 0; i < COUNT(longer); ++i)
        test_rms_norm_once((data_kind)kind, output_types[t], longer[i], random_below(3),
                           output_types[t] == MAMBA_I8);
    }
}

/* A row with one special value, and a row of nothing else: the largest value of s * gamma, times r, has to be
 * that of the values where r is 0, infinite or NaN, too. */
static void test_rms_norm_special_once(float special, int32_t d, float epsilon) {
  begin_case("rms_norm of %g, d %d, epsilon %g", (double)special, d, (double)epsilon);
  const int32_t rows = 2;
  float *x = random_floats(rows * d, DATA_PLAIN), *gamma = random_floats(d, DATA_PLAIN);
  x[random_below(d)] = special;
  for (int32_t k = 0; k < d; ++k)
    x[d + k] = special;
  mamba_output actual = unset_output(MAMBA_I8, rows * d, d), expected = similar_output(actual, rows * d);
  float *row_scale = unset_values(MAMBA_F32, rows), *expected_scale = unset_values(MAMBA_F32, rows);
  ALL_WORKERS(mamba_rms_norm(x, NULL, NULL, gamma, epsilon, rows, d, actual, row_scale, worker));
  reference_rms_norm(x, NULL, NULL, gamma, epsilon, rows, d, expected, expected_scale);
  compare_rows(rows, d, actual, expected, row_scale, expected_scale);
  free(x);
  free(gamma);
}

static void test_rms_norm_special(void) {
  static const float specials[] = {0.0f,      -0.0f,      INFINITY, -INFINITY, NAN,       0x1p-149f,
                                   0x1p-120f, -0x1p-126f, 0x1p+60f, 0x1p+63f,  -0x1p+64f, 0x1.fffffep+127f};
  static const int32_t widths[] = {1, 16, 17, 144, 257, 640};
  for (int i = 0; i < COUNT(specials); ++i)
    for (int w = 0; w < COUNT(widths); ++w)
      for (int has_epsilon = 0; has_epsilon < 2; ++has_epsilon)
        test_rms_norm_special_once(specials[i], widths[w], has_epsilon ? 1e-5f : 0.0f);
}

static void test_rms_norm(void) {
  for (int kind = 0; kind < DATA_KINDS; ++kind)
    for (int t = 0; t < COUNT(output_types); ++t)
      for (int s = 0; s < COUNT(sizes); ++s)
        for (int sums = 0; sums < 3; ++sums)
          test_rms_norm_once((data_kind)kind, output_types[t], sizes[s], sums,
                             output_types[t] == MAMBA_I8 && random_bool());
  test_rms_norm_blocks();
  test_rms_norm_special();
}

static void test_quantize_once(data_kind kind, mamba_type from, mamba_type to, int32_t d, bool per_row) {
  const int32_t rows = 1 + random_below(6);
  begin_case("quantize data %d from %d to %d rows %d d %d per row %d", kind, from, to, rows, d, per_row);
  const mamba_input x = random_input(from, rows * d, d, kind);
  mamba_output actual = unset_output(to, rows * d, d), expected = similar_output(actual, rows * d);
  float *row_scale = per_row ? unset_values(MAMBA_F32, rows) : NULL;
  float *expected_scale = per_row ? unset_values(MAMBA_F32, rows) : NULL;
  ALL_WORKERS(mamba_quantize(x, rows, d, actual, row_scale, worker));
  reference_quantize(x, rows, d, expected, expected_scale);
  compare_rows(rows, d, actual, expected, row_scale, expected_scale);
  release_input(x);
}

static void test_quantize(void) {
  for (int kind = 0; kind < DATA_KINDS; ++kind)
    for (int from = 0; from < COUNT(input_types); ++from)
      for (int to = 0; to < COUNT(output_types); ++to)
        for (int s = 0; s < COUNT(sizes); ++s)
          test_quantize_once((data_kind)kind, input_types[from], output_types[to], sizes[s],
                             output_types[to] == MAMBA_I8 && random_bool());
}

static void test_linear_i8_once(data_kind kind, int32_t rows, int32_t k, int32_t n) {
  mamba_output actual[3], expected[3];
  const int32_t output_count = 1 + random_below(n < 3 ? n : 3);
  begin_case("linear_i8 data %d rows %d k %d n %d outputs %d", kind, rows, k, n, output_count);
  int32_t left = n;
  for (int32_t o = 0; o < output_count; ++o) {
    const int32_t rest = output_count - 1 - o;
    const int32_t channels = rest == 0 ? left : 1 + random_below(left - rest);
    actual[o] = unset_output(output_types[random_below(3)], rows * channels, channels);
    expected[o] = similar_output(actual[o], rows * channels);
    left -= channels;
  }
  int8_t *x = random_values(MAMBA_I8, (int64_t)rows * k, kind);
  int8_t *w = random_values(MAMBA_I8, (int64_t)n * k, kind);
  float *multiplier = random_scales(n);
  float *bias = random_bool() ? random_floats(n, kind) : NULL;
  float *row_scale = random_bool() ? random_scales(rows) : NULL;
  ALL_WORKERS(mamba_linear_i8(x, row_scale, w, multiplier, bias, rows, k, n, actual, output_count, worker));
  reference_linear_i8(x, row_scale, w, multiplier, bias, rows, k, n, expected, output_count);
  for (int32_t o = 0; o < output_count; ++o) {
    expect_equal("out", actual[o].type, rows * actual[o].channels, actual[o].data, expected[o].data);
    release_output(actual[o]);
    release_output(expected[o]);
  }
  free(x);
  free(w);
  free(multiplier);
  free(bias);
  free(row_scale);
}

/* The longest sum of the largest products, both ways, does not overflow. */
static void test_largest_accumulator(void) {
  enum { K = MAMBA_LINEAR_I8_MAX_K, COLUMNS = 5 };
  begin_case("linear_i8 with the largest accumulator");
  int8_t *x = unset_values(MAMBA_I8, K), *w = unset_values(MAMBA_I8, (int64_t)COLUMNS * K);
  memset(x, 127, K);
  for (int32_t column = 0; column < COLUMNS; ++column)
    memset(w + (int64_t)column * K, column % 2 == 0 ? 127 : -127, K);
  const float ones[COLUMNS] = {1, 1, 1, 1, 1}, largest = 127.0f * 127.0f * K;
  const float expected[COLUMNS] = {largest, -largest, largest, -largest, largest};
  float actual[COLUMNS];
  const mamba_output out = {actual, MAMBA_F32, COLUMNS, 1, NULL};
  ALL_WORKERS(mamba_linear_i8(x, NULL, w, ones, NULL, 1, K, COLUMNS, &out, 1, worker));
  expect_equal("out", MAMBA_F32, COLUMNS, actual, expected);
  free(x);
  free(w);
}

static void test_linear_i8(void) {
  for (int kind = 0; kind < DATA_KINDS; ++kind)
    for (int s = 0; s < COUNT(sizes); ++s)
      for (int32_t rows = 1; rows <= 9; rows += 1 + rows / 3)
        test_linear_i8_once((data_kind)kind, rows, sizes[s], random_size());
  test_linear_i8_once(DATA_EXTREME, 3, 5000, 17); /* more than one chunk of k */
  test_largest_accumulator();
}

static void test_linear_float_once(data_kind kind, mamba_type type, int32_t k) {
  const int32_t rows = 1 + random_below(11);
  const int32_t n = 1 + random_below(70);
  begin_case("linear_float data %d type %d rows %d k %d n %d", kind, type, rows, k, n);
  float *x = random_floats((int64_t)rows * k, kind);
  void *w = random_values(type, (int64_t)n * k, kind);
  float *bias = random_bool() ? random_floats(n, DATA_PLAIN) : NULL;
  float *actual = unset_values(MAMBA_F32, rows * n), *expected = unset_values(MAMBA_F32, rows * n);
  ALL_WORKERS(mamba_linear_float(x, w, type, bias, rows, k, n, actual, worker));
  reference_linear_float(x, w, type, bias, rows, k, n, expected);
  expect_equal("out", MAMBA_F32, rows * n, actual, expected);
  free(x);
  free(w);
  free(bias);
  free(actual);
  free(expected);
}

static void test_linear_float(void) {
  for (int kind = 0; kind < DATA_KINDS; ++kind)
    for (int t = 0; t < COUNT(float_types); ++t)
      for (int s = 0; s < COUNT(sizes); ++s)
        test_linear_float_once((data_kind)kind, float_types[t], sizes[s]);
}

/* Splits [0, tokens) at random, so that one call's state is the next one's start. */
static int32_t random_part(int32_t left) {
  return random_bool() ? left : 1 + random_below(left);
}

static void *at_row(mamba_type type, const void *data, int64_t row, int32_t channels) {
  return (char *)data + (size_t)row * (size_t)channels * type_size(type);
}

static void test_conv1d_once(data_kind kind, mamba_type type, mamba_type w_type, int32_t d, int32_t width) {
  const bool split = random_bool(); /* parts of one sequence, or several sequences at once */
  const int32_t batch = split ? 1 : 1 + random_below(3), tokens = 1 + random_below(6);
  const int32_t output_count = 1 + random_below(2), count = batch * tokens * d,
                past = batch * (width - 1) * d;
  const bool apply_silu = random_bool();
  begin_case("conv1d data %d type %d %d batch %d tokens %d d %d width %d outputs %d silu %d", kind, type,
             w_type, batch, tokens, d, width, output_count, apply_silu);
  const mamba_input x = random_input(type, count, d, kind);
  void *w = random_values(w_type, width * d, DATA_PLAIN);
  float *multiplier = w_type == MAMBA_I8 ? random_scales(d) : NULL;
  float *bias = random_bool() ? random_floats(d, DATA_PLAIN) : NULL;
  void *state = random_values(type, past, kind), *expected_state = copy_values(type, past, state);
  mamba_output actual[2], expected[2];
  for (int32_t o = 0; o < output_count; ++o) {
    actual[o] = unset_output(output_types[random_below(3)], count, d);
    expected[o] = similar_output(actual[o], count);
  }
  for (int32_t t = 0; t < tokens;) {
    const int32_t part = split ? random_part(tokens - t) : tokens;
    mamba_input part_x = x;
    mamba_output part_out[2];
    part_x.data = at_row(type, x.data, t, d);
    for (int32_t o = 0; o < output_count; ++o) {
      part_out[o] = actual[o];
      part_out[o].data = at_row(actual[o].type, actual[o].data, t, d);
    }
    ALL_WORKERS(mamba_conv1d(part_x, w, w_type, multiplier, bias, apply_silu, state, batch, part, d, width,
                             part_out, output_count, worker));
    t += part;
  }
  reference_conv1d(x, w, w_type, multiplier, bias, apply_silu, expected_state, batch, tokens, d, width,
                   expected, output_count);
  expect_equal("state", type, past, state, expected_state);
  for (int32_t o = 0; o < output_count; ++o) {
    expect_equal("out", actual[o].type, count, actual[o].data, expected[o].data);
    release_output(actual[o]);
    release_output(expected[o]);
  }
  release_input(x);
  free(w);
  free(multiplier);
  free(bias);
  free(state);
  free(expected_state);
}

static void test_conv1d(void) {
  static const int32_t widths[] = {1, 2, 4, 5};
  for (int kind = 0; kind < DATA_KINDS; ++kind)
    for (int s = 0; s < COUNT(sizes); ++s)
      for (int w = 0; w < COUNT(widths); ++w) {
        test_conv1d_once((data_kind)kind, MAMBA_I8, MAMBA_I8, sizes[s], widths[w]);
        for (int t = 0; t < COUNT(input_types); ++t)
          test_conv1d_once((data_kind)kind, input_types[t], MAMBA_F32, sizes[s], widths[w]);
      }
}

static void test_scan_once(data_kind kind, mamba_type u_type, mamba_type z_type, mamba_type out_type,
                           int32_t d, int32_t n) {
  const bool split = random_bool(), has_z = random_below(4) > 0, apply_softplus = random_below(4) > 0;
  const int32_t batch = split ? 1 : 1 + random_below(3), tokens = 1 + random_below(6), rows = batch * tokens;
  const mamba_type dt_type = random_bool() ? MAMBA_F32 : MAMBA_F16;
  const mamba_type b_type = input_types[random_below(4)], c_type = input_types[random_below(4)];
  begin_case("selective_scan data %d types u %d dt %d b %d c %d z %d out %d batch %d tokens %d d %d n %d",
             kind, u_type, dt_type, b_type, c_type, has_z ? (int)z_type : -1, out_type, batch, tokens, d, n);
  const mamba_input u = random_input(u_type, rows * d, d, kind),
                    dt = random_input(dt_type, rows * d, d, kind);
  const mamba_input b = random_input(b_type, rows * n, n, kind), c = random_input(c_type, rows * n, n, kind);
  mamba_input z = random_input(z_type, rows * d, d, kind);
  if (!has_z) {
    release_input(z);
    z = (mamba_input){0};
  }
  float *a = random_floats(n * d, DATA_PLAIN);
  for (int32_t i = 0; i < n * d; ++i)
    a[i] = a[i] > 0 ? -a[i] : a[i];
  float *d_skip = random_bool() ? random_floats(d, DATA_PLAIN) : NULL;
  float *state = random_floats(batch * n * d, DATA_PLAIN);
  float *expected_state = copy_values(MAMBA_F32, batch * n * d, state);
  mamba_output actual = unset_output(out_type, rows * d, d), expected = similar_output(actual, rows * d);
  for (int32_t t = 0; t < tokens;) {
    const int32_t part = split ? random_part(tokens - t) : tokens;
    mamba_input u1 = u, dt1 = dt, b1 = b, c1 = c, z1 = z;
    mamba_output out1 = actual;
    u1.data = at_row(u_type, u.data, t, d);
    dt1.data = at_row(dt_type, dt.data, t, d);
    b1.data = at_row(b_type, b.data, t, n);
    c1.data = at_row(c_type, c.data, t, n);
    z1.data = has_z ? at_row(z_type, z.data, t, d) : NULL;
    out1.data = at_row(out_type, actual.data, t, d);
    ALL_WORKERS(mamba_selective_scan(u1, dt1, apply_softplus, a, b1, c1, d_skip, z1, state, batch, part, d, n,
                                     out1, worker));
    t += part;
  }
  reference_selective_scan(u, dt, apply_softplus, a, b, c, d_skip, z, expected_state, batch, tokens, d, n,
                           expected);
  expect_equal("state", MAMBA_F32, batch * n * d, state, expected_state);
  expect_equal("out", out_type, rows * d, actual.data, expected.data);
  release_input(u);
  release_input(dt);
  release_input(b);
  release_input(c);
  release_input(z);
  release_output(actual);
  release_output(expected);
  free(a);
  free(d_skip);
  free(state);
  free(expected_state);
}

static void test_selective_scan(void) {
  static const int32_t states[] = {1, 3, 16, 17};
  static const int32_t channels[] = {1, 2, 3, 15, 16, 17, 31, 33, 63, 65, 257};
  for (int kind = 0; kind < DATA_KINDS; ++kind)
    for (int from = 0; from < COUNT(input_types); ++from)
      for (int z = 0; z < COUNT(input_types); ++z)
        for (int to = 0; to < COUNT(output_types); ++to)
          for (int n = 0; n < COUNT(states); ++n)
            test_scan_once((data_kind)kind, input_types[from], input_types[z], output_types[to],
                           channels[random_below(COUNT(channels))], states[n]);
  test_scan_once(DATA_PLAIN, MAMBA_F32, MAMBA_F32, MAMBA_F32, 17, 256); /* the most states */
}

static void test_hadamard_once(mamba_type type, int32_t d, bool transpose) {
  const data_kind kind = (data_kind)random_below(DATA_KINDS);
  const bool per_row = type == MAMBA_I8 && random_bool();
  const int32_t rows = 1 + random_below(4), order = mambaHadamardOrder(d);
  begin_case("hadamard data %d out %d rows %d d %d transpose %d per row %d", kind, type, rows, d, transpose,
             per_row);
  int8_t matrix[28 * 28];
  paley_matrix(order, matrix);
  float *x = random_floats(rows * d, kind);
  float *scratch = unset_values(MAMBA_F32, 5 * d), *reference_scratch = unset_values(MAMBA_F32, 2 * d);
  mamba_output actual = unset_output(type, rows * d, d), expected = similar_output(actual, rows * d);
  float *row_scale = per_row ? unset_values(MAMBA_F32, rows) : NULL;
  float *expected_scale = per_row ? unset_values(MAMBA_F32, rows) : NULL;
  ALL_WORKERS(mamba_hadamard(x, transpose, rows, d, scratch, actual, row_scale, worker));
  reference_hadamard(x, matrix, order, transpose, rows, d, reference_scratch, expected, expected_scale);
  compare_rows(rows, d, actual, expected, row_scale, expected_scale);
  free(x);
  free(scratch);
  free(reference_scratch);
}

static void test_hadamard(void) {
  static const int32_t orders[] = {1, 12, 20, 28};
  for (int o = 0; o < COUNT(orders); ++o)
    for (int32_t d = orders[o]; d <= 4096; d *= 2)
      for (int t = 0; t < COUNT(output_types); ++t)
        for (int transpose = 0; transpose < 2; ++transpose)
          test_hadamard_once(output_types[t], d, transpose);
}

int main(void) {
  const int status = begin();
  if (status)
    return status;
  test_embedding();
  test_rms_norm();
  test_quantize();
  test_linear_i8();
  test_linear_float();
  test_conv1d();
  test_selective_scan();
  test_hadamard();
  return finish();
}
