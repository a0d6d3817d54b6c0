/* mamba_rms_norm: residual addition, sum of squares, then normalised values chunk by chunk. */
#include "common.h"

/* values[i] = (s[k + i] * r) * gamma[k + i]. */
static void normalise(const float *s, const float *gamma, float r, int32_t k, int32_t count,
                      float *restrict values) {
  if (gamma)
    for (int32_t i = 0; i < count; ++i)
      values[i] = (s[k + i] * r) * gamma[k + i];
  else
    for (int32_t i = 0; i < count; ++i)
      values[i] = s[k + i] * r;
}

static float sum_of_squares(const float *restrict s, int32_t d) {
  float p[LANES] = {0};
  int32_t k = 0;
  for (; k + LANES <= d; k += LANES)
    for (int l = 0; l < LANES; ++l)
      p[l] = fmaf(s[k + l], s[k + l], p[l]);
  for (int l = 0; k + l < d; ++l)
    p[l] = fmaf(s[k + l], s[k + l], p[l]);
  return fold_lanes(p);
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
    const float r = 1.0f / sqrtf(sum_of_squares(s, d) / (float)d + epsilon);
    float values[CHUNK];
    mamba_output row_out = out;
    if (row_scale) {
      float amax = 0;
      for (int32_t k = 0; k < d; k += CHUNK) {
        const int32_t count = smaller(CHUNK, d - k);
        normalise(s, gamma, r, k, count, values);
        amax = absmax_of(values, count, amax);
      }
      row_out = row_output(out, amax, &row_scale[row]);
    }
    for (int32_t k = 0; k < d; k += CHUNK) {
      const int32_t count = smaller(CHUNK, d - k);
      normalise(s, gamma, r, k, count, values);
      store_values(row_out, first + k, k, count, values);
    }
  }
}
