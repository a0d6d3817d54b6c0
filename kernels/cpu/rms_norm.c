/* mamba_rms_norm with vectors, for rows of whole vectors: one walk for the residual and the squares, one for
 * the largest value where a scale is wanted, one for the values. */

/* (s[k] * r) * gamma[k] for 16 values from k on. */
static inline vfloat normalised(const float *s, const float *gamma, vfloat r, int32_t k) {
  const vfloat v = v_mul(v_load(s + k), r);
  return gamma ? v_mul(v, v_load(gamma + k)) : v;
}

static void vector_rms_norm(const float *x, const float *delta, float *sum, const float *gamma, float epsilon,
                            int32_t rows, int32_t d, mamba_output out, float *row_scale,
                            mamba_worker worker) {
  if (d % LANES != 0) {
    rms_norm(x, delta, sum, gamma, epsilon, rows, d, out, row_scale, worker);
    return;
  }
  const int32_t end = share_begin(rows, worker.index + 1, worker.count);
  for (int32_t row = share_begin(rows, worker.index, worker.count); row < end; ++row) {
    const int64_t first = (int64_t)row * d;
    const float *s = delta ? sum + first : x + first;
    vfloat squares = v_splat(0.0f);
    for (int32_t k = 0; k < d; k += LANES) {
      vfloat v = v_load(x + first + k);
      if (delta) {
        v = v_add(v, v_load(delta + first + k));
        v_store(sum + first + k, v);
      }
      squares = v_fma(v, v, squares);
    }
    const vfloat r = v_splat(1.0f / sqrtf(v_fold(squares) / (float)d + epsilon));
    mamba_output row_out = out;
    if (row_scale) {
      vfloat amax = v_splat(0.0f);
      for (int32_t k = 0; k < d; k += LANES)
        amax = v_absmax(normalised(s, gamma, r, k), amax);
      row_out = row_output(out, v_largest(amax), &row_scale[row]);
    }
    for (int32_t k = 0; k < d; k += LANES)
      v_store_values(row_out, first + k, k, normalised(s, gamma, r, k));
  }
}
