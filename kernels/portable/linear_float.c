/* mamba_linear_float: four columns at a time, their weights widened chunk by chunk and used by a tile
 * of rows, each (row, column) with its own 16 partial sums. */
#include "common.h"

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

static void linear_float(const float *x, const void *w, mamba_type type, const float *bias, int32_t rows,
                         int32_t k, int32_t n, float *out, mamba_worker worker) {
  const mamba_input weights = {.data = w, .type = type};
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
          load_values(weights, (int64_t)(column + j) * k + at, at, count, wide[j]);
        for (int32_t r = 0; r < tile_rows; ++r)
          accumulate(x + (int64_t)(row + r) * k + at, wide, count, sums[r]);
      }
      for (int32_t r = 0; r < tile_rows; ++r)
        for (int32_t j = 0; j < columns; ++j) {
          const float v = fold_lanes(sums[r][j]);
          out[(int64_t)(row + r) * n + column + j] = bias ? v + bias[column + j] : v;
        }
    }
  }
}
