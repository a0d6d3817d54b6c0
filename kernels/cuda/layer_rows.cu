/* mamba_cuda_layer_in, _out and _end for several rows: the kernels that each of them is. */
#include "hadamard.cuh"
#include "layer.cuh"
#include "layer_rows.h"

namespace mamba {

/* Whether kernels between two products start late: in their place an early one's reads would delay others'.
 * Long reads are worth it: on an H200, ms a step of 32 sequences with early and late starts, 2.8b 2.74 and
 * 2.78, 130m 0.41 and 0.37. */
static cudaError_t starts_late(const mamba_cuda_layer &l, bool *late) {
  device_info info;
  const cudaError_t error = get_device_info(&info);
  *late = error == cudaSuccess && !reads_long(l, info);
  return error;
}

cudaError_t rows_layer_in(const mamba_cuda_layer &l, int32_t rows, cudaStream_t stream) {
  bool late;
  cudaError_t error = starts_late(l, &late);
  if (error == cudaSuccess)
    error = launch_rows_norm(l, rows, late, stream);
  if (error == cudaSuccess)
    error = launch_rows_in(l, rows, stream);
  return error != cudaSuccess ? error
                              : launch_rows_product((const int8_t *)l.u_i8.data, l.x_proj.w, rows,
                                                    l.rank + 2 * MAMBA_CUDA_LAYER_STATES, l.inner, l.sums,
                                                    NULL, 0, late, stream);
}

cudaError_t rows_layer_out(const mamba_cuda_layer &l, int32_t rows, cudaStream_t stream) {
  const mamba_cuda_tensor &x = l.rotate ? l.rotated : l.y;
  bool late;
  cudaError_t error = starts_late(l, &late);
  if (error == cudaSuccess && l.rotate)
    error = launch_hadamard((const float *)l.y.data, l.transpose, rows, l.inner, ROWS_CHANNELS,
                            {x.data, MAMBA_I8, l.inner, x.inv_scale, x.inv_scales},
                            l.rotated_per_row ? l.out_scale : NULL, late, stream);
  return error != cudaSuccess
             ? error
             : launch_rows_product((const int8_t *)x.data, l.out_proj.w, rows, l.d, l.inner, l.out_sums,
                                   l.sums, rows * (l.rank + 2 * MAMBA_CUDA_LAYER_STATES), false, stream);
}

} // namespace mamba

cudaError_t mamba_cuda_layer_end(const mamba_cuda_layer *layer, int32_t rows, cudaStream_t stream) {
  if (mamba_cuda_layer_problem(layer, rows))
    return cudaErrorNotSupported;
  return rows > 1 ? mamba::launch_rows_end(*layer, rows, stream) : cudaSuccess;
}
