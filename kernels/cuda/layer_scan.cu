/* mamba_cuda_layer_scan: a block has one group of channels.
 *
 * Bound: latency; in bytes the state, read and written.
 *
 * Reaches on an H200: 2.7 us at 2.8b, 1.7 us at 130m. */
#include "layer_rows.h"
#include "layer_scan.cuh"

namespace mamba {
namespace {

template <mamba_type T> using part_of = scan_part<T, 1, kernel_exchange<T>>;
constexpr int THREADS = part_of<MAMBA_F32>::THREADS;

template <mamba_type T>
__global__ void __launch_bounds__(THREADS) layer_scan(const __grid_constant__ mamba_cuda_layer l, bool late) {
  __shared__ scan_inputs inputs;
  __shared__ scan_group group;
  if (!late)
    start_next();
  kernel_exchange<T> exchange(l);
  part_of<T> part(l, blockIdx.x);
  const column_factors factors = first_factors(l);
  wait_for_previous();
  auto ahead = part.wanted(l.rank + 2 * STATES);
  exchange.ask_scan(ahead);
  project<THREADS>(l, exchange, ahead, factors, &inputs);
  part.gate(l, ahead, &group);
  __syncthreads();
  if (late)
    start_next();
  part.step(l, exchange, ahead, inputs, &group);
  __syncthreads();
  part.rotate(l, exchange, group);
}

} // namespace
} // namespace mamba

cudaError_t mamba_cuda_layer_scan(const mamba_cuda_layer *layer, int32_t rows, cudaStream_t stream) {
  using namespace mamba;
  if (mamba_cuda_layer_problem(layer, rows))
    return cudaErrorNotSupported;
  if (rows > 1)
    return rows_layer_scan(*layer, rows, stream);
  device_info info;
  const cudaError_t error = get_device_info(&info);
  if (error != cudaSuccess)
    return error;
  const auto kernel = layer->x.type == MAMBA_I8    ? layer_scan<MAMBA_I8>
                      : layer->x.type == MAMBA_F16 ? layer_scan<MAMBA_F16>
                                                   : layer_scan<MAMBA_F32>;
  return launch(kernel, dim3(layer->inner / SCAN_CHANNELS), THREADS, 0, stream, rows, *layer,
                reads_long(*layer, info));
}
