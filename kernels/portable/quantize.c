/* mamba_quantize: one conversion, with a scale found per row where row_scale is given. */
#include "common.h"

static void quantize(mamba_input x, int32_t rows, int32_t d, mamba_output out, float *row_scale,
                     mamba_worker worker) {
  const int32_t end = share_begin(rows, worker.index + 1, worker.count);
  for (int32_t row = share_begin(rows, worker.index, worker.count); row < end; ++row) {
    const int64_t first = (int64_t)row * d;
    float values[CHUNK];
    mamba_output row_out = out;
    if (row_scale) {
      float amax = 0;
      for (int32_t k = 0; k < d; k += CHUNK) {
        const int32_t count = smaller(CHUNK, d - k);
        load_values(x, first + k, k, count, values);
        amax = absmax_of(values, count, amax);
      }
      row_out = row_output(out, amax, &row_scale[row]);
    }
    for (int32_t k = 0; k < d; k += CHUNK) {
      const int32_t count = smaller(CHUNK, d - k);
      load_values(x, first + k, k, count, values);
      store_values(row_out, first + k, k, count, values);
    }
  }
}
