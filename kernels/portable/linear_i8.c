/* mamba_linear_i8: tiles of ROWS x COLUMNS int32 accumulators over chunks of k.
 *
 * The integer sum is exact in any order, so the compiler may vectorise along k as it likes. x is
 * widened to int16 once per tile row and chunk; a product of two int8 values then is the multiply-add
 * of int16 pairs that SSE2, AVX2 and AVX-512 have (pmaddwd), and smlal on Arm. */
#include "columns.h"

enum {
  LINEAR_ROWS = 2,
  LINEAR_COLUMNS = 4,
  LINEAR_CHUNK = 2048, /* k values of LINEAR_ROWS rows held as int16 */
};

/* acc[j] += sum_k x[k] * w[j][k] for one row and four columns. */
static void dot_1x4(const int16_t *restrict x, const int8_t *restrict w, int64_t stride, int32_t count,
                    int32_t *restrict acc) {
  const int8_t *restrict w0 = w, *restrict w1 = w + stride, *restrict w2 = w + 2 * stride,
                         *restrict w3 = w + 3 * stride;
  int32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0;
  for (int32_t k = 0; k < count; ++k) {
    a0 += x[k] * (int16_t)w0[k];
    a1 += x[k] * (int16_t)w1[k];
    a2 += x[k] * (int16_t)w2[k];
    a3 += x[k] * (int16_t)w3[k];
  }
  acc[0] += a0;
  acc[1] += a1;
  acc[2] += a2;
  acc[3] += a3;
}

/* The same for two rows, which share each widened w. */
static void dot_2x4(const int16_t *restrict x0, const int16_t *restrict x1, const int8_t *restrict w,
                    int64_t stride, int32_t count, int32_t *restrict acc0, int32_t *restrict acc1) {
  const int8_t *restrict w0 = w, *restrict w1 = w + stride, *restrict w2 = w + 2 * stride,
                         *restrict w3 = w + 3 * stride;
  int32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
  for (int32_t k = 0; k < count; ++k) {
    a0 += x0[k] * (int16_t)w0[k];
    a1 += x0[k] * (int16_t)w1[k];
    a2 += x0[k] * (int16_t)w2[k];
    a3 += x0[k] * (int16_t)w3[k];
    b0 += x1[k] * (int16_t)w0[k];
    b1 += x1[k] * (int16_t)w1[k];
    b2 += x1[k] * (int16_t)w2[k];
    b3 += x1[k] * (int16_t)w3[k];
  }
  acc0[0] += a0;
  acc0[1] += a1;
  acc0[2] += a2;
  acc0[3] += a3;
  acc1[0] += b0;
  acc1[1] += b1;
  acc1[2] += b2;
  acc1[3] += b3;
}

static int32_t dot_1x1(const int16_t *restrict x, const int8_t *restrict w, int32_t count) {
  int32_t acc = 0;
  for (int32_t k = 0; k < count; ++k)
    acc += x[k] * (int16_t)w[k];
  return acc;
}

/* Adds columns [column, column + columns) of `rows` rows (at most LINEAR_ROWS) over a chunk of k. */
static void dot_tile(int16_t (*wide)[LINEAR_CHUNK], int32_t rows, const int8_t *w, int64_t stride,
                     int32_t columns, int32_t count, int32_t (*acc)[LANES]) {
  int32_t j = 0;
  for (; j + LINEAR_COLUMNS <= columns; j += LINEAR_COLUMNS) {
    if (rows == LINEAR_ROWS)
      dot_2x4(wide[0], wide[1], w + j * stride, stride, count, acc[0] + j, acc[1] + j);
    else
      dot_1x4(wide[0], w + j * stride, stride, count, acc[0] + j);
  }
  for (; j < columns; ++j)
    for (int32_t r = 0; r < rows; ++r)
      acc[r][j] += dot_1x1(wide[r], w + j * stride, count);
}

static void linear_i8(const int8_t *x, const float *row_scale, const int8_t *w, const float *multiplier,
                      const float *bias, int32_t rows, int32_t k, int32_t n, const mamba_output *outputs,
                      int32_t output_count, mamba_worker worker) {
  int32_t begin, end;
  share_channels(n, worker, &begin, &end);
  int16_t wide[LINEAR_ROWS][LINEAR_CHUNK];
  for (int32_t column = begin; column < end; column += LANES) {
    const int32_t columns = smaller(LANES, end - column);
    for (int32_t row = 0; row < rows; row += LINEAR_ROWS) {
      const int32_t tile_rows = smaller(LINEAR_ROWS, rows - row);
      int32_t acc[LINEAR_ROWS][LANES] = {{0}};
      for (int32_t at = 0; at < k; at += LINEAR_CHUNK) {
        const int32_t count = smaller(LINEAR_CHUNK, k - at);
        for (int32_t r = 0; r < tile_rows; ++r)
          for (int32_t i = 0; i < count; ++i)
            wide[r][i] = x[(int64_t)(row + r) * k + at + i];
        dot_tile(wide, tile_rows, w + (int64_t)column * k + at, k, columns, count, acc);
      }
      for (int32_t r = 0; r < tile_rows; ++r) {
        const linear_scales scales = {multiplier, bias, row_scale ? &row_scale[row + r] : NULL};
        float values[LANES] = {0};
        scale_columns(acc[r], scales, column, columns, values);
        store_columns(outputs, output_count, row + r, column, columns, values);
      }
    }
  }
}
