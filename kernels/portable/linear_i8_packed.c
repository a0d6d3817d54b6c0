/* mamba_linear_i8_packed: one group of 16 columns and one row at a time, a lane per column. */
#include "../pack.h"
#include "columns.h"

void mamba_linear_i8_packed_portable(const int8_t *x, const float *row_scale, const void *packed,
                                     const float *multiplier, const float *bias, int32_t rows, int32_t k,
                                     int32_t n, const mamba_output *outputs, int32_t output_count,
                                     mamba_worker worker) {
  int32_t begin, end;
  share_channels(n, worker, &begin, &end);
  for (int32_t column = begin; column < end; column += LANES) {
    const int32_t columns = smaller(LANES, end - column);
    const int8_t *group = (const int8_t *)packed + mamba_pack_group_offset(column / LANES, k);
    for (int32_t row = 0; row < rows; ++row) {
      const int8_t *restrict values_of_row = x + (int64_t)row * k;
      const int8_t *restrict w = group;
      int32_t acc[LANES] = {0};
      for (int32_t i = 0; i < k; i += MAMBA_PACK_DEPTH, w += MAMBA_PACK_BLOCK) {
        int8_t x4[MAMBA_PACK_DEPTH] = {0};
        memcpy(x4, values_of_row + i, (size_t)smaller(MAMBA_PACK_DEPTH, k - i));
        for (int l = 0; l < LANES; ++l)
          for (int j = 0; j < MAMBA_PACK_DEPTH; ++j)
            acc[l] += x4[j] * w[l * MAMBA_PACK_DEPTH + j];
      }
      const linear_scales scales = {multiplier, bias, row_scale ? &row_scale[row] : NULL};
      float values[LANES] = {0};
      scale_columns(acc, scales, column, columns, values);
      store_columns(outputs, output_count, row, column, columns, values);
    }
  }
}
