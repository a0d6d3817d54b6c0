/* The pieces of the Hadamard transform of a row in shared memory, for the kernels that contain it. */
#ifndef MAMBA_CUDA_HADAMARD_CUH
#define MAMBA_CUDA_HADAMARD_CUH

#include "../hadamard_matrices.h"
#include "values.cuh"

namespace mamba {

/* Row i of H_m or its transpose: bit j set for -1, as in hadamard_matrices.h. A kernel's parameter. */
struct hadamard_signs {
  uint32_t rows[28];
};

inline hadamard_signs signs_of(int32_t order, bool transpose) {
  hadamard_signs signs = {};
  const uint32_t *matrix = mambaHadamardSigns(order);
  for (int32_t i = 0; matrix && i < order; ++i)
    for (int32_t j = 0; j < order; ++j)
      signs.rows[transpose ? j : i] |= (matrix[i] >> j & 1) << (transpose ? i : j);
  return signs;
}

/* values[i * ORDER + j] = +-1, by all threads of the block. */
template <int ORDER> __device__ inline void spread_signs(const hadamard_signs &signs, float *values) {
  for (int32_t i = threadIdx.x; i < ORDER * ORDER; i += blockDim.x)
    values[i] = signs.rows[i / ORDER] >> i % ORDER & 1 ? -1.0f : 1.0f;
}

/* Where value i of a row is: one float in 32 is left out, so that strides of 8 and 64 do not share a bank. */
__host__ __device__ inline int padded(int i) {
  return i + (i >> 5);
}

/* The butterflies of all strides in COUNT values. */
template <int COUNT> __device__ inline void butterflies(float (&v)[COUNT]) {
#pragma unroll
  for (int half = 1; half < COUNT; half *= 2)
#pragma unroll
    for (int i = 0; i < COUNT; ++i)
      if ((i & half) == 0) {
        const float a = v[i], b = v[i + half];
        v[i] = a + b;
        v[i + half] = a - b;
      }
}

/* BITS strides, `stride` and up, over the whole row. `low` and `high` are the bits of the index below and
 * above those that change. */
template <int BITS> __device__ inline void pass(float *row, int32_t d, int32_t stride) {
  constexpr int COUNT = 1 << BITS;
  for (int32_t item = threadIdx.x; item < d >> BITS; item += blockDim.x) {
    const int32_t low = item & (stride - 1), high = item - low;
    const int32_t base = (high << BITS) + low;
    float v[COUNT];
#pragma unroll
    for (int i = 0; i < COUNT; ++i)
      v[i] = row[padded(base + i * stride)];
    butterflies(v);
#pragma unroll
    for (int i = 0; i < COUNT; ++i)
      row[padded(base + i * stride)] = v[i];
  }
  __syncthreads();
}

/* The butterflies of strides `stride` and up of the inner blocks; ends with a barrier where it did any. */
__device__ inline void passes(float *row, int32_t d, int32_t stride, int32_t inner) {
  for (; stride * 4 < inner; stride *= 8)
    pass<3>(row, d, stride);
  if (stride * 2 < inner)
    pass<2>(row, d, stride);
  else if (stride < inner)
    pass<1>(row, d, stride);
}

} // namespace mamba

#endif
