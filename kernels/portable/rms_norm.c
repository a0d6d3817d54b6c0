/* mamba_rms_norm: residual addition, sum of squares, then normalised values chunk by chunk. */
#include "common.h"

enum {
  NORM_BLOCK = 128, /* values that are added up in a tree */
  NORM_QUADS = NORM_BLOCK / 4,
  NORM_SUMS = 4, /* to which the blocks go in turn */
};

/* The sum of the squares of one block. */
static float block_squares(const float *restrict s) {
  float q[NORM_QUADS];
  for (int i = 0; i < NORM_QUADS; ++i)
    q[i] = fmaf(s[4 * i + 2], s[4 * i + 2], s[4 * i] * s[4 * i]) +
           fmaf(s[4 * i + 3], s[4 * i + 3], s[4 * i + 1] * s[4 * i + 1]);
  for (int width = NORM_QUADS / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i)
      q[i] += q[i + width];
  return q[0];
}

static float sum_of_squares(const float *restrict s, int32_t d) {
  float p[NORM_SUMS] = {0};
  const int32_t blocks = d / NORM_BLOCK, rest = d % NORM_BLOCK;
  for (int32_t j = 0; j < blocks; ++j)
    p[j % NORM_SUMS] += block_squares(s + j * NORM_BLOCK);
  if (rest > 0) {
    float last[NORM_BLOCK] = {0};
    memcpy(last, s + blocks * NORM_BLOCK, (size_t)rest * sizeof(float));
    p[blocks % NORM_SUMS] += block_squares(last);
  }
  return (p[0] + p[2]) + (p[1] + p[3]);
}

static inline float root_of(float squares, int32_t d, float epsilon) {
  return 1.0f / sqrtf(squares * (1.0f / (float)d) + epsilon);
}

/* The largest |t * r|, from the largest |t|: rounding keeps order. 0 where that is NaN: every t * r then is 0
 * or NaN, which does not count. */
static inline float largest_normalised(float largest, float r) {
  const float amax = largest * r;
  return amax > 0 ? amax : 0;
}

/* values[i] = (s[k + i] * gamma[k + i]) * r. */
static void normalise(const float *s, const float *gamma, float r, int32_t k, int32_t count,
                      float *restrict values) {
  if (gamma)
    for (int32_t i = 0; i < count; ++i)
      values[i] = (s[k + i] * gamma[k + i]) * r;
  else
    for (int32_t i = 0; i < count; ++i)
      values[i] = s[k + i] * r;
}

static void rms_norm(const float *x, const float *delta, float *sum, const float *gamma, float epsilon,
                     int32_t rows, int32_t d, mamba_output out, float *row_scale, mamba_worker worker) {
  const int32_t end = share_begin(rows, worker.index + 1, worker.count);
  for (int32_t row = share_begin(rows, worker.index, worker.count); row < end; ++row) {
    const int64_t first = (int64_t)row * d;
    const float *s = x + first;
    if (delta) {
      for (int32_t k = 0; k < d; ++k)
        sum[first + k] = x[first + k] + delta[first + k];
      s = sum + first;
    }
    const float r = root_of(sum_of_squares(s, d), d, epsilon);
    float values[CHUNK];
    mamba_output row_out = out;
    if (row_scale) {
      float largest = 0;
      for (int32_t k = 0; k < d; k += CHUNK) {
        const int32_t count = smaller(CHUNK, d - k);
        normalise(s, gamma, 1.0f, k, count, values); /* times 1: exact */
        largest = absmax_of(values, count, largest);
      }
      row_out = row_output(out, largest_normalised(largest, r), &row_scale[row]);
    }
    for (int32_t k = 0; k < d; k += CHUNK) {
      const int32_t count = smaller(CHUNK, d - k);
      normalise(s, gamma, r, k, count, values);
      store_values(row_out, first + k, k, count, values);
    }
  }
}
