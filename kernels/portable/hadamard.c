/* mamba_hadamard: butterflies on each inner block of 2^k, then the sums of order m across blocks. */
#include "../hadamard_matrices.h"
#include "common.h"

/* values[0, inner) becomes its Sylvester-Hadamard transform: strides 1, 2, 4, ... */
static void butterflies(float *values, int32_t inner) {
  for (int32_t stride = 1; stride < inner; stride *= 2)
    for (int32_t base = 0; base < inner; base += 2 * stride) {
      float *restrict low = values + base;
      float *restrict high = low + stride;
      for (int32_t i = 0; i < stride; ++i) {
        const float a = low[i], b = high[i];
        low[i] = a + b;
        high[i] = a - b;
      }
    }
}

/* sums[i] = sum_j H[j] x[j * inner + at + i] in increasing j, begun with the first term; negative(j) is
 * bit j of `signs`. */
static void signed_sum(const float *restrict x, uint32_t signs, int32_t order, int32_t inner, int32_t count,
                       float *restrict sums) {
  for (int32_t i = 0; i < count; ++i)
    sums[i] = signs & 1 ? -x[i] : x[i];
  for (int32_t j = 1; j < order; ++j) {
    const float *restrict xj = x + (int64_t)j * inner;
    if (signs >> j & 1)
      for (int32_t i = 0; i < count; ++i)
        sums[i] -= xj[i];
    else
      for (int32_t i = 0; i < count; ++i)
        sums[i] += xj[i];
  }
}

/* Row i of the matrix of order m, or of its transpose, as sign bits. */
static uint32_t sign_row(const uint32_t *matrix, int32_t order, int32_t i, bool transpose) {
  if (!matrix)
    return 0;
  if (!transpose)
    return matrix[i];
  uint32_t signs = 0;
  for (int32_t j = 0; j < order; ++j)
    signs |= (matrix[j] >> i & 1) << j;
  return signs;
}

static void hadamard(const float *x, bool transpose, int32_t rows, int32_t d, float *scratch,
                     mamba_output out, float *row_scale, mamba_worker worker) {
  const int32_t order = mambaHadamardOrder(d);
  const int32_t inner = d / order;
  const uint32_t *matrix = mambaHadamardSigns(order);
  const float norm = (float)(1.0 / sqrt((double)d));
  float *inner_done = scratch + (int64_t)worker.index * d;
  const int32_t end = share_begin(rows, worker.index + 1, worker.count);
  for (int32_t row = share_begin(rows, worker.index, worker.count); row < end; ++row) {
    const int64_t first = (int64_t)row * d;
    memcpy(inner_done, x + first, (size_t)d * sizeof(float));
    for (int32_t i = 0; i < order; ++i)
      butterflies(inner_done + (int64_t)i * inner, inner);
    /* The sums are taken twice where the row's maximum must be known first: a second scratch row would
     * cost more memory than the additions cost time. */
    float values[CHUNK];
    float amax = 0;
    mamba_output row_out = out;
    for (int pass = row_scale ? 0 : 1; pass < 2; ++pass) {
      for (int32_t i = 0; i < order; ++i) {
        const uint32_t signs = sign_row(matrix, order, i, transpose);
        for (int32_t at = 0; at < inner; at += CHUNK) {
          const int32_t count = smaller(CHUNK, inner - at);
          signed_sum(inner_done + at, signs, order, inner, count, values);
          for (int32_t v = 0; v < count; ++v)
            values[v] = values[v] * norm;
          if (pass == 0)
            amax = absmax_of(values, count, amax);
          else
            store_values(row_out, first + i * inner + at, i * inner + at, count, values);
        }
      }
      if (pass == 0)
        row_out = row_output(out, amax, &row_scale[row]);
    }
  }
}
