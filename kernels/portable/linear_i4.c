/* mamba_linear_i4: one group of 16 columns and one row at a time, a lane per column. */
#include "../pack_i4.h"
#include "columns.h"

void mamba_linear_i4_portable(const int8_t *x, const float *row_scale, const void *packed,
                              const float *multiplier, const float *bias, int32_t rows, int32_t k,
                              int32_t group, int32_t n, const mamba_output *outputs, int32_t output_count,
                              mamba_worker worker) {
  int32_t begin, end;
  share_channels(n, worker, &begin, &end);
  for (int32_t column = begin; column < end; column += LANES) {
    const int32_t columns = smaller(LANES, end - column);
    for (int32_t row = 0; row < rows; ++row) {
      const int8_t *restrict x8 = x + (int64_t)row * k;
      const uint8_t *restrict w = (const uint8_t *)packed + (int64_t)column * (k / 2);
      const uint8_t *restrict scales =
          (const uint8_t *)packed + mamba_pack_i4_blocks_offset(n, k) + (int64_t)column * (k / group);
      int32_t acc[LANES] = {0};
      for (int32_t at = 0; at < k; at += group, scales += LANES) {
        int32_t part[LANES] = {0};
        for (int32_t i = 0; i < group; i += MAMBA_I4_DEPTH, x8 += MAMBA_I4_DEPTH, w += MAMBA_PACK_BLOCK)
          for (int l = 0; l < LANES; ++l)
            for (int j = 0; j < MAMBA_PACK_DEPTH; ++j) {
              const uint8_t both = w[l * MAMBA_PACK_DEPTH + j];
              part[l] += x8[j] * ((both & 15) - 8) + x8[j + MAMBA_PACK_DEPTH] * ((both >> 4) - 8);
            }
        for (int l = 0; l < LANES; ++l)
          acc[l] += part[l] * scales[l];
      }
      const linear_scales to_values = {multiplier, bias, row_scale ? &row_scale[row] : NULL};
      float values[LANES] = {0};
      scale_columns(acc, to_values, column, columns, values);
      store_columns(outputs, output_count, row, column, columns, values);
    }
  }
}
