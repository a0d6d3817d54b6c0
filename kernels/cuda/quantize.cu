/* mamba_cuda_quantize: one block per row; with a scale per row it reads the row twice, the second time from
 * the first cache.
 *
 * Bound: bytes in prefill, latency (two passes and a block's maximum) in decode. */
#include "mamba_cuda.h"
#include "values.cuh"

namespace mamba {
namespace {

constexpr int THREADS = 512;

__global__ void __launch_bounds__(THREADS)
    quantize(mamba_input x, int32_t d, mamba_output out, float *row_scale) {
  __shared__ float maxima[WARP];
  if (gridDim.x == 1)
    start_next();
  wait_for_previous();
  const int64_t first = (int64_t)blockIdx.x * d;
  if (row_scale) {
    float amax = 0;
    for (int32_t k = threadIdx.x; k < d; k += THREADS)
      amax = larger_magnitude(amax, load_value(x, first + k, k));
    out = row_output(out, block_max(amax, maxima), &row_scale[blockIdx.x]);
  }
  for (int32_t k = threadIdx.x; k < d; k += THREADS)
    store_value(out, first + k, k, load_value(x, first + k, k));
}

} // namespace
} // namespace mamba

cudaError_t mamba_cuda_quantize(mamba_input x, int32_t rows, int32_t d, mamba_output out, float *row_scale,
                                cudaStream_t stream) {
  using namespace mamba;
  if (rows < 0 || d <= 0 || (row_scale && out.type != MAMBA_I8))
    return cudaErrorInvalidValue;
  if (rows == 0)
    return cudaSuccess;
  return launch(quantize, dim3(rows), THREADS, 0, stream, rows, x, d, out, row_scale);
}
