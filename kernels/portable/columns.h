/* From the int32 sums of columns to stored values: what all int8 products share. */
#ifndef MAMBA_PORTABLE_COLUMNS_H
#define MAMBA_PORTABLE_COLUMNS_H

#include "common.h"

/* What turns the sums of one row into its values. */
typedef struct linear_scales {
  const float *multiplier, *bias; /* [n]; bias may be NULL */
  const float *row_scale;         /* of the row, or NULL */
} linear_scales;

/* values[j] from acc[j] for the columns [column, column + count). */
static inline void scale_columns(const int32_t *restrict acc, linear_scales scales, int32_t column,
                                 int32_t count, float *restrict values) {
  for (int32_t j = 0; j < count; ++j)
    values[j] = (float)acc[j] * scales.multiplier[column + j];
  if (scales.row_scale)
    for (int32_t j = 0; j < count; ++j)
      values[j] = values[j] * *scales.row_scale;
  if (scales.bias)
    for (int32_t j = 0; j < count; ++j)
      values[j] = values[j] + scales.bias[column + j];
}

/* Stores values of columns [column, column + count), which may belong to several outputs. */
static inline void store_columns(const mamba_output *outputs, int32_t output_count, int64_t row,
                                 int32_t column, int32_t count, const float *values) {
  int32_t begin = 0; /* the first column of the output */
  for (int32_t o = 0; o < output_count; ++o) {
    const int32_t from = column > begin ? column : begin;
    const int32_t to = smaller(column + count, begin + outputs[o].channels);
    if (from < to)
      store_values(outputs[o], row * outputs[o].channels + (from - begin), from - begin, to - from,
                   values + (from - column));
    begin += outputs[o].channels;
  }
}

#endif
