/* What the three kernels of a layer share (mamba_cuda.h). */
#ifndef MAMBA_CUDA_LAYER_CUH
#define MAMBA_CUDA_LAYER_CUH

#include "functions.cuh"
#include "instructions.cuh"
#include "mamba_cuda.h"
#include "values.cuh"

namespace mamba {

constexpr int STATES = MAMBA_CUDA_LAYER_STATES, WIDTH = MAMBA_CUDA_LAYER_WIDTH;

/* Neighbouring channels of which one block of the scan's kernel transforms y before it stores it: butterflies
 * of strides below. */
constexpr int SCAN_CHANNELS = MAMBA_CUDA_SCAN_CHANNELS;

inline bool is_matrix(const mamba_cuda_matrix &m) {
  return m.w && m.multiplier && is_aligned(m.w, 16);
}

/* Whether a layer's weights take so long to read that a kernel which begins by asking for its own must not
 * start before the input of the one before it has come: that would wait behind them. Of small weights there
 * is no queue, and an early start is worth more. On an H200, ms a token with early and late starts: 2.8b 1.40
 * and 1.28, 130m 0.24 and 0.26. */
inline bool reads_long(const mamba_cuda_layer &l, const device_info &info) {
  const int64_t bytes = 64 << 10; /* in flight in one multiprocessor at full bandwidth */
  return (int64_t)2 * l.inner * l.d > bytes * info.multiprocessors;
}

/* Hands out dynamic shared memory. */
struct shared_layout {
  int32_t bytes = 0;
  int32_t take(int32_t count) {
    const int32_t at = bytes;
    bytes += (count + 15) / 16 * 16;
    return at;
  }
};

__host__ __device__ inline mamba_input input_of(const mamba_cuda_tensor &t) {
  return {t.data, t.type, t.scale, t.scales};
}

__host__ __device__ inline mamba_output output_of(const mamba_cuda_tensor &t, int32_t channels) {
  return {t.data, t.type, channels, t.inv_scale, t.inv_scales};
}

/* The same where the type is known, so that no other type's code is made. */
template <mamba_type T>
__device__ inline mamba_output output_of(const mamba_cuda_tensor &t, int32_t channels) {
  return {t.data, T, channels, t.inv_scale, t.inv_scales};
}

template <mamba_type T> __device__ inline mamba_input input_of(const mamba_cuda_tensor &t) {
  return {t.data, T, t.scale, t.scales};
}

/* A value that is stored in memory in the single kernels: as it is read again. */
__device__ inline float reread(const mamba_cuda_tensor &t, int32_t channel, float v) {
  if (t.type == MAMBA_F32)
    return v;
  if (t.type == MAMBA_F16)
    return half_value(half_bits(v));
  return value_of(input_of<MAMBA_I8>(t), stored_bits(output_of<MAMBA_I8>(t, 0), channel, v), channel);
}

/* The value of an element of a column whose integer sum is `acc`: mamba_linear_i8 without the conversion. */
struct column_factors {
  float multiplier, bias;
  bool has_bias;
};

__device__ inline column_factors factors_of(const mamba_cuda_matrix &matrix, int32_t column) {
  const bool has_bias = matrix.bias != NULL;
  return {matrix.multiplier[column], has_bias ? matrix.bias[column] : 0.0f, has_bias};
}

/* Has them brought to the second cache. */
__device__ inline void prefetch_factors(const mamba_cuda_matrix &matrix, int32_t column) {
  prefetch(matrix.multiplier + column);
  if (matrix.bias)
    prefetch(matrix.bias + column);
}

__device__ inline float column_value(const column_factors &factors, int32_t acc) {
  const float v = (float)acc * factors.multiplier;
  return factors.has_bias ? v + factors.bias : v;
}

__device__ inline float column_value(const column_factors &factors, int32_t acc, bool per_row,
                                     float row_scale) {
  float v = (float)acc * factors.multiplier;
  if (per_row)
    v = v * row_scale;
  return factors.has_bias ? v + factors.bias : v;
}

} // namespace mamba

#endif
