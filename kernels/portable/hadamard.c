/* mamba_hadamard: butterflies on each inner block of 2^k, then the sums of order m across blocks. */
#include "../hadamard_matrices.h"
#include "common.h"

enum { MAX_ORDER = 28 };

/* One stage of butterflies on 16 values; strides are constants where this is inlined. */
static inline void short_stage(const float *restrict from, float *restrict to, int stride) {
  for (int i = 0; i < LANES; ++i)
    to[i] = i & stride ? from[i - stride] - from[i] : from[i] + from[i + stride];
}

/* values[0, inner) becomes its Sylvester-Hadamard transform: strides 1, 2, 4, ... The strides below LANES
 * are done for a whole block of LANES at once. */
static void butterflies(float *values, int32_t inner) {
  int32_t stride = 1;
  if (inner >= LANES) {
    for (int32_t base = 0; base < inner; base += LANES) {
      float a[LANES], b[LANES];
      short_stage(values + base, a, 1);
      short_stage(a, b, 2);
      short_stage(b, a, 4);
      short_stage(a, values + base, 8);
    }
    stride = LANES;
  }
  for (; stride < inner; stride *= 2)
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

/* The matrix of order m, or its transpose, as +-1. */
static void hadamard_signs(const uint32_t *matrix, int32_t order, bool transpose, float (*signs)[MAX_ORDER]) {
  for (int32_t i = 0; i < order; ++i)
    for (int32_t j = 0; j < order; ++j)
      signs[i][j] = (transpose ? matrix[j] >> i : matrix[i] >> j) & 1 ? -1.0f : 1.0f;
}

/* values [order, inner] becomes H values for the matrix of signs: sums in increasing j, begun with the first
 * term. A sign is a multiplication by +-1, which is exact. Four rows of H at a time (4 divides m), in
 * arrays with names, so that compilers keep them in registers. */
static void signed_sums(float *values, float (*signs)[MAX_ORDER], int32_t order, int32_t inner) {
  for (int32_t at = 0; at < inner; at += LANES) {
    const size_t size = (size_t)smaller(LANES, inner - at) * sizeof(float);
    float x[MAX_ORDER][LANES] = {{0}};
    for (int32_t j = 0; j < order; ++j)
      memcpy(x[j], values + j * inner + at, size);
    for (int32_t i = 0; i < order; i += 4) {
      float s0[LANES], s1[LANES], s2[LANES], s3[LANES];
      for (int l = 0; l < LANES; ++l) {
        s0[l] = signs[i][0] * x[0][l];
        s1[l] = signs[i + 1][0] * x[0][l];
        s2[l] = signs[i + 2][0] * x[0][l];
        s3[l] = signs[i + 3][0] * x[0][l];
      }
      for (int32_t j = 1; j < order; ++j)
        for (int l = 0; l < LANES; ++l) {
          s0[l] = s0[l] + signs[i][j] * x[j][l];
          s1[l] = s1[l] + signs[i + 1][j] * x[j][l];
          s2[l] = s2[l] + signs[i + 2][j] * x[j][l];
          s3[l] = s3[l] + signs[i + 3][j] * x[j][l];
        }
      float *out = values + i * inner + at;
      memcpy(out, s0, size);
      memcpy(out + inner, s1, size);
      memcpy(out + 2 * inner, s2, size);
      memcpy(out + 3 * inner, s3, size);
    }
  }
}

/* values[i] = transformed[i] / sqrt(d). */
static void scale_values(const float *restrict transformed, float norm, int32_t count,
                         float *restrict values) {
  for (int32_t i = 0; i < count; ++i)
    values[i] = transformed[i] * norm;
}

static void hadamard(const float *x, bool transpose, int32_t rows, int32_t d, float *scratch,
                     mamba_output out, float *row_scale, mamba_worker worker) {
  const int32_t order = mambaHadamardOrder(d);
  const int32_t inner = d / order;
  const float norm = (float)(1.0 / sqrt((double)d));
  float *transformed = scratch + (int64_t)worker.index * d;
  float signs[MAX_ORDER][MAX_ORDER];
  if (order > 1)
    hadamard_signs(mambaHadamardSigns(order), order, transpose, signs);
  const int32_t end = share_begin(rows, worker.index + 1, worker.count);
  for (int32_t row = share_begin(rows, worker.index, worker.count); row < end; ++row) {
    const int64_t first = (int64_t)row * d;
    memcpy(transformed, x + first, (size_t)d * sizeof(float));
    for (int32_t i = 0; i < order; ++i)
      butterflies(transformed + i * inner, inner);
    if (order > 1)
      signed_sums(transformed, signs, order, inner);
    float values[CHUNK];
    mamba_output row_out = out;
    if (row_scale) {
      float amax = 0;
      for (int32_t k = 0; k < d; k += CHUNK) {
        const int32_t count = smaller(CHUNK, d - k);
        scale_values(transformed + k, norm, count, values);
        amax = absmax_of(values, count, amax);
      }
      row_out = row_output(out, amax, &row_scale[row]);
    }
    for (int32_t k = 0; k < d; k += CHUNK) {
      const int32_t count = smaller(CHUNK, d - k);
      scale_values(transformed + k, norm, count, values);
      store_values(row_out, first + k, k, count, values);
    }
  }
}
