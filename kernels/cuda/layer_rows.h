/* The kernels of a layer for one token of each of 2 to MAMBA_CUDA_LAYER_ROWS sequences; mamba_cuda.h says
 * what mamba_cuda_layer_in, _scan, _out and _end do. */
#ifndef MAMBA_CUDA_LAYER_ROWS_H
#define MAMBA_CUDA_LAYER_ROWS_H

#include "layer.cuh"
#include "mamba_cuda.h"

namespace mamba {

/* The functions of mamba_cuda.h for 2 rows and more. */
cudaError_t rows_layer_in(const mamba_cuda_layer &l, int32_t rows, cudaStream_t stream);
cudaError_t rows_layer_scan(const mamba_cuda_layer &l, int32_t rows, cudaStream_t stream);
cudaError_t rows_layer_out(const mamba_cuda_layer &l, int32_t rows, cudaStream_t stream);

/* Whether kernels between two products start late: when the one before has its input, not earlier. In their
 * place an early one's reads would delay others'; long reads are worth it. On an H200, ms a step of 32
 * sequences with early and late starts: 2.8b 2.23 and 2.41 (the norm late), 130m 0.41 and 0.37. */
inline bool starts_late(const mamba_cuda_layer &l, const device_info &info) {
  return !reads_long(l, info);
}

/* layer_in: the residual's norm, behind the addition of the previous layer's result; in_proj with the
 * convolution; x_proj's sums. late: the next kernel starts late. */
cudaError_t launch_rows_norm(const mamba_cuda_layer &l, int32_t rows, bool late, cudaStream_t stream);
cudaError_t launch_rows_in(const mamba_cuda_layer &l, int32_t rows, cudaStream_t stream);

/* layer_out: the transform, where there is one. */
cudaError_t launch_rows_transform(const mamba_cuda_layer &l, int32_t rows, bool late, cudaStream_t stream);

/* sums[rows, n] += x w of x [rows, k], blocked (row_product.cuh), w [n, k], by at most most_blocks blocks;
 * clears `count` integers elsewhere, which kernels before read. */
cudaError_t launch_rows_product(const int8_t *x, const int8_t *w, int32_t rows, int32_t n, int32_t k,
                                int32_t *sums, int32_t *cleared, int32_t count, int32_t most_blocks,
                                bool late, cudaStream_t stream);

/* layer_end: adds the layer's result to the residual. */
cudaError_t launch_rows_end(const mamba_cuda_layer &l, int32_t rows, cudaStream_t stream);

/* Whether x_proj and the scan read the same tensor, which is then blocked (row_product.cuh) for both. */
__host__ __device__ inline bool reads_blocked_u(const mamba_cuda_layer &l) {
  return l.u.data == l.u_i8.data;
}

/* The neighbouring channels whose butterflies the scan does. */
constexpr int ROWS_CHANNELS = 128;

} // namespace mamba

#endif
