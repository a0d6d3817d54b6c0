/* mamba_linear_float, _w8 and _w4: four columns at a time, their weights widened chunk by chunk and used by a
 * tile of rows, each (row, column) with its own 16 partial sums. */
#include "float_weights.h"

enum { FLOAT_ROWS = 8, FLOAT_COLUMNS = 4 };

/* Continues the partial sums of one row and the columns of w over `count` values of k. Chunks are
 * multiples of LANES but the last, so value i always belongs to lane i % LANES. The four arrays have names,
 * so that compilers keep them in registers. */
static void accumulate(const float *restrict x, float (*restrict w)[CHUNK], int32_t count,
                       float (*restrict sums)[LANES]) {
  const float *restrict w0 = w[0], *restrict w1 = w[1], *restrict w2 = w[2], *restrict w3 = w[3];
  float p0[LANES], p1[LANES], p2[LANES], p3[LANES];
  memcpy(p0, sums[0], sizeof p0);
  memcpy(p1, sums[1], sizeof p1);
  memcpy(p2, sums[2], sizeof p2);
  memcpy(p3, sums[3], sizeof p3);
  int32_t k = 0;
  for (; k + LANES <= count; k += LANES)
    for (int l = 0; l < LANES; ++l) {
      p0[l] = fmaf(x[k + l], w0[k + l], p0[l]);
      p1[l] = fmaf(x[k + l], w1[k + l], p1[l]);
      p2[l] = fmaf(x[k + l], w2[k + l], p2[l]);
      p3[l] = fmaf(x[k + l], w3[k + l], p3[l]);
    }
  memcpy(sums[0], p0, sizeof p0);
  memcpy(sums[1], p1, sizeof p1);
  memcpy(sums[2], p2, sizeof p2);
  memcpy(sums[3], p3, sizeof p3);
  for (int j = 0; j < FLOAT_COLUMNS; ++j)
    for (int l = 0; k + l < count; ++l)
      sums[j][l] = fmaf(x[k + l], w[j][k + l], sums[j][l]);
}

/* values[i] = w[column, at + i]; for nibbles `at` and `count` are multiples of 32. */
static void load_weights(const float_weights *w, int32_t column, int32_t k, int32_t at, int32_t count,
                         float *restrict values) {
  enum { HALF = MAMBA_I4_GROUP / 2 };
  const int64_t first = (int64_t)column * k + at;
  if (!w->scales) {
    load_values(w->values, first, 0, count, values);
    return;
  }
  const uint8_t *bytes = (const uint8_t *)w->values.data + first / 2;
  const uint8_t *scales = w->scales + (int64_t)column * (k / w->group);
  for (int32_t i = 0; i < count; i += MAMBA_I4_GROUP, bytes += HALF) {
    const int32_t scale = scales[(at + i) / w->group];
    for (int j = 0; j < HALF; ++j) {
      values[i + j] = (float)(((bytes[j] & 15) - 8) * scale);
      values[i + j + HALF] = (float)(((bytes[j] >> 4) - 8) * scale);
    }
  }
}

static void linear_floats(const float *x, float_weights weights, const float *bias, int32_t rows, int32_t k,
                          int32_t n, float *out, mamba_worker worker) {
  int32_t begin, end;
  share_channels(n, worker, &begin, &end);
  float wide[FLOAT_COLUMNS][CHUNK] = {{0}};
  for (int32_t column = begin; column < end; column += FLOAT_COLUMNS) {
    const int32_t columns = smaller(FLOAT_COLUMNS, end - column);
    for (int32_t row = 0; row < rows; row += FLOAT_ROWS) {
      const int32_t tile_rows = smaller(FLOAT_ROWS, rows - row);
      float sums[FLOAT_ROWS][FLOAT_COLUMNS][LANES] = {{{0}}};
      for (int32_t at = 0; at < k; at += CHUNK) {
        const int32_t count = smaller(CHUNK, k - at);
        for (int32_t j = 0; j < columns; ++j)
          load_weights(&weights, column + j, k, at, count, wide[j]);
        for (int32_t r = 0; r < tile_rows; ++r)
          accumulate(x + (int64_t)(row + r) * k + at, wide, count, sums[r]);
      }
      for (int32_t r = 0; r < tile_rows; ++r)
        for (int32_t j = 0; j < columns; ++j)
          out[(int64_t)(row + r) * n + column + j] =
              finish_float(fold_lanes(sums[r][j]), weights.multiplier, bias, column + j);
    }
  }
}

static void linear_float(const float *x, const void *w, mamba_type type, const float *bias, int32_t rows,
                         int32_t k, int32_t n, float *out, mamba_worker worker) {
  linear_floats(x, weights_of_type(w, type, NULL), bias, rows, k, n, out, worker);
}

static void linear_w8(const float *x, const int8_t *w, const float *multiplier, const float *bias,
                      int32_t rows, int32_t k, int32_t n, float *out, mamba_worker worker) {
  linear_floats(x, weights_of_type(w, MAMBA_I8, multiplier), bias, rows, k, n, out, worker);
}

static void linear_w4(const float *x, const void *packed, const float *multiplier, const float *bias,
                      int32_t rows, int32_t k, int32_t group, int32_t n, float *out, mamba_worker worker) {
  linear_floats(x, weights_of_nibbles(packed, k, group, n, multiplier), bias, rows, k, n, out, worker);
}
