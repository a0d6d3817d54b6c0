/* mamba_quantize with vectors, for rows of whole vectors. */

static void vector_quantize(mamba_input x, int32_t rows, int32_t d, mamba_output out, float *row_scale,
                            mamba_worker worker) {
  if (d % LANES != 0) {
    quantize(x, rows, d, out, row_scale, worker);
    return;
  }
  const int32_t end = share_begin(rows, worker.index + 1, worker.count);
  for (int32_t row = share_begin(rows, worker.index, worker.count); row < end; ++row) {
    const int64_t first = (int64_t)row * d;
    mamba_output row_out = out;
    if (row_scale) {
      vfloat amax = v_splat(0.0f);
      for (int32_t k = 0; k < d; k += LANES)
        amax = v_absmax(v_load_values(x, first + k, k), amax);
      row_out = row_output(out, v_largest(amax), &row_scale[row]);
    }
    for (int32_t k = 0; k < d; k += LANES)
      v_store_values(row_out, first + k, k, v_load_values(x, first + k, k));
  }
}
