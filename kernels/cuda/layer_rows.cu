/* mamba_cuda_layer_in, _out and _end for several rows: the kernels that each of them is. */
#include "layer.cuh"
#include "layer_rows.h"

namespace mamba {

cudaError_t rows_layer_in(const mamba_cuda_layer &l, int32_t rows, cudaStream_t stream) {
  device_info info;
  cudaError_t error = get_device_info(&info);
  if (error != cudaSuccess)
    return error;
  /* Beside long reads a small product is fastest when it is short; else it leaves most of the GPU to the
   * scan, which has more to read. */
  const bool late = starts_late(l, info);
  const int32_t x_proj_blocks = late ? info.multiprocessors / 4 : info.multiprocessors;
  error = launch_rows_norm(l, rows, late, stream);
  if (error == cudaSuccess)
    error = launch_rows_in(l, rows, stream);
  return error != cudaSuccess ? error
                              : launch_rows_product((const int8_t *)l.u_i8.data, l.x_proj.w, rows,
                                                    l.rank + 2 * MAMBA_CUDA_LAYER_STATES, l.inner, l.sums,
                                                    NULL, 0, x_proj_blocks, late, stream);
}

cudaError_t rows_layer_out(const mamba_cuda_layer &l, int32_t rows, cudaStream_t stream) {
  const mamba_cuda_tensor &x = l.rotate ? l.rotated : l.y;
  device_info info;
  cudaError_t error = get_device_info(&info);
  if (error == cudaSuccess && l.rotate)
    error = launch_rows_transform(l, rows, starts_late(l, info), stream);
  return error != cudaSuccess
             ? error
             : launch_rows_product((const int8_t *)x.data, l.out_proj.w, rows, l.d, l.inner, l.out_sums,
                                   l.sums, rows * (l.rank + 2 * MAMBA_CUDA_LAYER_STATES), INT32_MAX, false,
                                   stream);
}

} // namespace mamba

cudaError_t mamba_cuda_layer_end(const mamba_cuda_layer *layer, int32_t rows, cudaStream_t stream) {
  if (mamba_cuda_layer_problem(layer, rows))
    return cudaErrorNotSupported;
  return rows > 1 ? mamba::launch_rows_end(*layer, rows, stream) : cudaSuccess;
}
