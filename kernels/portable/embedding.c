/* mamba_embedding: a copy of table rows, widened. */
#include "common.h"

static void embedding(const int32_t *ids, const void *table, mamba_type type, int32_t rows, int32_t d,
                      float *out, mamba_worker worker) {
  const mamba_input in = {.data = table, .type = type};
  const int32_t end = share_begin(rows, worker.index + 1, worker.count);
  for (int32_t row = share_begin(rows, worker.index, worker.count); row < end; ++row)
    load_values(in, (int64_t)ids[row] * d, 0, d, out + (int64_t)row * d);
}
