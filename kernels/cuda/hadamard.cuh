/* The pieces of the Hadamard transform of a row in shared memory, for the kernels that contain it. */
#ifndef MAMBA_CUDA_HADAMARD_CUH
#define MAMBA_CUDA_HADAMARD_CUH

#include "../hadamard_matrices.h"
#include "values.cuh"

#include <utility>

namespace mamba {

/* Whether entry (i, j) of the matrix of an order, or of its transpose, is -1. */
constexpr bool is_negative(int order, bool transpose, int i, int j) {
  const int row = transpose ? j : i, column = transpose ? i : j;
  const uint32_t signs = order == 12   ? mamba_hadamard_12[row]
                         : order == 20 ? mamba_hadamard_20[row]
                                       : mamba_hadamard_28[row];
  return (signs >> column & 1) != 0;
}
template <int ORDER, bool TRANSPOSE, int I, int J>
constexpr bool negative = is_negative(ORDER, TRANSPOSE, I, J);

/* Row I of the matrix times v, in increasing J. Signs are part of the instructions. */
template <int ORDER, bool TRANSPOSE, int I, int... J>
__device__ inline float signed_sum(const float (&v)[ORDER], std::integer_sequence<int, J...>) {
  float sum = negative<ORDER, TRANSPOSE, I, 0> ? -v[0] : v[0];
  ((sum = J == 0 ? sum : negative<ORDER, TRANSPOSE, I, J> ? sum - v[J] : sum + v[J]), ...);
  return sum;
}

template <int ORDER, bool TRANSPOSE, int FIRST, typename F, int... I>
__device__ inline void signed_sums(const float (&v)[ORDER], F use, std::integer_sequence<int, I...>) {
  (use(I, signed_sum<ORDER, TRANSPOSE, FIRST + I>(v, std::make_integer_sequence<int, ORDER>())), ...);
}

/* use(i, row FIRST + i of the matrix times v) for the i below COUNT. */
template <int ORDER, bool TRANSPOSE, int FIRST, int COUNT, typename F>
__device__ inline void signed_sums(const float (&v)[ORDER], F use) {
  signed_sums<ORDER, TRANSPOSE, FIRST>(v, use, std::make_integer_sequence<int, COUNT>());
}

/* Where value i of a row is: after 32 floats four are left out, so that strides of 8 and 64 do not share a
 * bank and aligned fours stay together, aligned. */
__host__ __device__ inline int padded(int i) {
  return i + (i >> 5) * 4;
}

/* padded(a + b) where no bit is set in both, in fewer instructions where b is known earlier than a. */
__device__ inline int padded_sum(int a, int b) {
  return padded(a) + padded(b);
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
  for (int32_t item = thread_number(); item < d >> BITS; item += blockDim.x) {
    const int32_t low = item & (stride - 1), high = item - low;
    const int32_t base = (high << BITS) + low;
    float v[COUNT];
#pragma unroll
    for (int i = 0; i < COUNT; ++i)
      v[i] = row[padded_sum(base, i * stride)];
    butterflies(v);
#pragma unroll
    for (int i = 0; i < COUNT; ++i)
      row[padded_sum(base, i * stride)] = v[i];
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
