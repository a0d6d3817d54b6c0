/* mamba_cuda_layer_in: one block a multiprocessor.
 *
 * Bound: bytes of in_proj, after the latency of the norm.
 *
 * Reaches on an H200: 8.5 us at 2.8b, of which the bytes are 5.6; 3.2 us at 130m. */
#include "layer_in.cuh"
#include "layer_rows.h"

namespace mamba {
namespace {

constexpr int RING = 12; /* units, where shared memory is large */
constexpr bool IN_REGISTERS = true;

struct layer_in_args {
  mamba_cuda_layer l;
  layer_in_shape shape;
};

template <mamba_type T>
__global__ void __launch_bounds__(STREAM_THREADS, 2) layer_in(const __grid_constant__ layer_in_args args) {
  start_next();
  layer_in_part<T, weight_stream<4, 8, RING>, IN_REGISTERS> part(args.l.d, args.l.inner, args.shape,
                                                                 dynamic_shared<int8_t>());
  const kernel_exchange<T> exchange(args.l);
  part.prepare(args.l);
  if (!dependent_code()) /* what is waited for longest is asked for first */
    part.load_row(exchange);
  part.ask();
  part.ask_gamma();
  part.ask_parameters();
  wait_for_previous();
  if (dependent_code())
    part.load_row(exchange);
  part.multiply();
  part.finish(exchange);
}

typedef void (*layer_in_kernel)(layer_in_args);

layer_in_kernel choose(mamba_type type) {
  return type == MAMBA_I8    ? layer_in<MAMBA_I8>
         : type == MAMBA_F16 ? layer_in<MAMBA_F16>
                             : layer_in<MAMBA_F32>;
}

} // namespace
} // namespace mamba

cudaError_t mamba_cuda_layer_in(const mamba_cuda_layer *layer, int32_t rows, cudaStream_t stream) {
  using namespace mamba;
  if (mamba_cuda_layer_problem(layer, rows))
    return cudaErrorNotSupported;
  if (rows > 1)
    return rows_layer_in(*layer, rows, stream);
  device_info info;
  const cudaError_t error = get_device_info(&info);
  if (error != cudaSuccess)
    return error;
  const int32_t blocks = min(info.multiprocessors, layer->inner / 4);
  layer_in_args args = {*layer, shape_layer_in(*layer, info, blocks, RING)};
  shared_layout layout;
  args.shape.ring = layout.take(ring_bytes(args.shape.stream));
  place_row(*layer, layout, &args.shape);
  place_sums(*layer, layout, &args.shape);
  /* Where two blocks had room on one multiprocessor, another might get none. Small weights are not worth
   * giving up blocks of other kernels beside it. On an H200: 2.8b 1.22 ms a token, else 1.30; 130m 0.226,
   * else 0.211. */
  if (reads_long(*layer, info))
    layout.bytes = max(layout.bytes, info.shared_bytes / 2 + 1);
  return launch(choose(layer->x.type), dim3(blocks), STREAM_THREADS, layout.bytes, stream, rows, args);
}
