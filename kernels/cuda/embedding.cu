/* mamba_cuda_embedding: one block copies one row of the table, widened. A handful of kilobytes; bounded by
 * the latency of one dependent load.
 *
 * It begins a token and is launched when everything before it has ended: what kernels of the last token
 * wrote, the states, may be read by kernels that start before their predecessors have ended. */
#include "mamba_cuda.h"
#include "values.cuh"

namespace mamba {
namespace {

constexpr int THREADS = 256;

__global__ void embedding(const int32_t *ids, mamba_input table, int32_t d, float *out) {
  start_next();
  wait_for_previous();
  const int64_t row = blockIdx.x, from = (int64_t)ids[row] * d;
  for (int32_t c = threadIdx.x; c < d; c += THREADS)
    out[row * d + c] = load_value(table, from + c, c);
}

} // namespace
} // namespace mamba

cudaError_t mamba_cuda_embedding(const int32_t *ids, const void *table, mamba_type type, int32_t rows,
                                 int32_t d, float *out, cudaStream_t stream) {
  using namespace mamba;
  if (rows < 0 || d <= 0 || type == MAMBA_I8)
    return cudaErrorInvalidValue;
  if (rows == 0)
    return cudaSuccess;
  mamba_input in = {};
  in.data = table;
  in.type = type;
  return launch(embedding, dim3(rows), THREADS, 0, stream, ORDINARY_ROWS, ids, in, d, out);
}
