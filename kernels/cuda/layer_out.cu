/* mamba_cuda_layer_out: one block a multiprocessor.
 *
 * Bound: bytes of out_proj, after the latency of the transform.
 *
 * Reaches on an H200: 6.6 us at 2.8b, of which the bytes are 2.8; 2.4 us at 130m. */
#include "layer_out.cuh"
#include "layer_rows.h"

namespace mamba {
namespace {

constexpr int RING = 8; /* units, where shared memory is large */
constexpr bool IN_REGISTERS = true;

struct layer_out_args {
  mamba_cuda_layer l;
  layer_out_shape shape;
  bool late;
};

/* ORDER 0: no transform. */
template <int ORDER, bool TRANSPOSE>
__global__ void __launch_bounds__(STREAM_THREADS, 2) layer_out(const __grid_constant__ layer_out_args args) {
  if (!args.late)
    start_next();
  layer_out_part<weight_stream<4, RING>> part(args.l.d, args.l.inner, args.shape, dynamic_shared<int8_t>());
  const kernel_exchange<MAMBA_F32> exchange(args.l); /* u and z are not wanted */
  part.prepare(args.l);
  if (dependent_code() || ORDER == 0)
    part.weights.start();
  part.ask();
  wait_for_previous();
  if (args.late)
    start_next();
  part.quantize<ORDER, TRANSPOSE, IN_REGISTERS>(exchange, [&] {
    if (!dependent_code() && ORDER != 0)
      part.weights.start();
  });
  part.multiply();
  part.finish(exchange);
  if (blockIdx.x == 0)
    for (int32_t i = threadIdx.x; i < args.l.rank + 2 * STATES; i += STREAM_THREADS)
      args.l.sums[i] = 0;
}

typedef void (*layer_out_kernel)(layer_out_args);

template <int ORDER> layer_out_kernel choose(bool transpose) {
  return transpose ? layer_out<ORDER, true> : layer_out<ORDER, false>;
}

layer_out_kernel choose(const mamba_cuda_layer &l) {
  const int32_t order = l.rotate ? mambaHadamardOrder(l.inner) : 0;
  switch (order) {
  case 0:
    return layer_out<0, false>;
  case 1:
    return layer_out<1, false>;
  case 12:
    return choose<12>(l.transpose);
  case 20:
    return choose<20>(l.transpose);
  default:
    return choose<28>(l.transpose);
  }
}

} // namespace
} // namespace mamba

cudaError_t mamba_cuda_layer_out(const mamba_cuda_layer *layer, int32_t rows, cudaStream_t stream) {
  using namespace mamba;
  if (mamba_cuda_layer_problem(layer, rows))
    return cudaErrorNotSupported;
  if (rows > 1)
    return rows_layer_out(*layer, rows, stream);
  device_info info;
  const cudaError_t error = get_device_info(&info);
  if (error != cudaSuccess)
    return error;
  const int32_t blocks = min(info.multiprocessors, layer->d);
  layer_out_args args = {*layer, shape_layer_out(*layer, info, blocks, RING), reads_long(*layer, info)};
  shared_layout layout;
  args.shape.ring = layout.take(ring_bytes(args.shape.stream));
  place_row(*layer, layout, &args.shape);
  place_sums(layout, &args.shape);
  return launch(choose(*layer), dim3(blocks), STREAM_THREADS, layout.bytes, stream, rows, args);
}
