/* One step of the convolution of a channel, for the kernels of a layer that contain it: mamba_conv1d. */
#ifndef MAMBA_CUDA_CONV_STEP_CUH
#define MAMBA_CUDA_CONV_STEP_CUH

#include "layer.cuh"

namespace mamba {

constexpr int HISTORY = WIDTH - 1;

/* The parameters of a channel: of its column of in_proj, and of its convolution. */
struct channel_parameters {
  column_factors factors;
  float w[WIDTH], multiplier, bias;
};

/* T: the type of x, z and u; int8 means a convolution of integers. */
template <mamba_type T>
__device__ inline channel_parameters load_parameters(const mamba_cuda_layer &l, int32_t c) {
  channel_parameters p;
  p.factors = factors_of(l.in_proj, c);
#pragma unroll
  for (int j = 0; j < WIDTH; ++j)
    p.w[j] = T == MAMBA_I8 ? (float)((const int8_t *)l.conv_w)[j * l.inner + c]
                           : ((const float *)l.conv_w)[j * l.inner + c];
  p.multiplier = T == MAMBA_I8 ? l.conv_multiplier[c] : 1.0f;
  p.bias = l.conv_bias ? l.conv_bias[c] : 0.0f;
  return p;
}

/* The inputs before this one, oldest first, as they are stored. */
struct history {
  uint32_t bits[HISTORY];
};

template <mamba_type T>
__device__ inline history load_history(const mamba_cuda_layer &l, int32_t row, int32_t c) {
  history h;
#pragma unroll
  for (int j = 0; j < HISTORY; ++j)
    h.bits[j] = load_bits({l.conv_state, T, 0, NULL}, ((int64_t)row * HISTORY + j) * l.inner + c);
  return h;
}

/* Has what load_parameters() and load_history() will load of row 0 brought to the second cache. */
template <mamba_type T> __device__ inline void prefetch_channel(const mamba_cuda_layer &l, int32_t c) {
  prefetch_factors(l.in_proj, c);
#pragma unroll
  for (int j = 0; j < WIDTH; ++j)
    prefetch((const char *)l.conv_w + (j * l.inner + c) * stored_size(T == MAMBA_I8 ? MAMBA_I8 : MAMBA_F32));
#pragma unroll
  for (int j = 0; j < HISTORY; ++j)
    prefetch((const char *)l.conv_state + (j * l.inner + c) * stored_size(T));
  if (T == MAMBA_I8)
    prefetch(l.conv_multiplier + c);
  if (l.conv_bias)
    prefetch(l.conv_bias + c);
}

/* The result as the scan reads it and as x_proj does. */
struct convolved {
  uint32_t u;
  int8_t u_i8;
};

/* One step of the convolution of channel c of a row, whose new input is v: mamba_conv1d. Sums of integers are
 * exact as floats. */
template <mamba_type T>
__device__ inline convolved convolve(const mamba_cuda_layer &l, int32_t row, int32_t c,
                                     const channel_parameters &p, const history &past, float v) {
  const uint32_t newest = stored_bits(output_of<T>(l.x, l.inner), c, v);
  float sum = 0;
#pragma unroll
  for (int j = 0; j < WIDTH; ++j) {
    const uint32_t bits = j < HISTORY ? past.bits[j] : newest;
    sum = fmaf(p.w[j], T == MAMBA_I8 ? (float)(int32_t)bits : value_of({NULL, T, 0, NULL}, bits, c), sum);
  }
#pragma unroll
  for (int j = 0; j < HISTORY; ++j)
    store_bits(l.conv_state, T, ((int64_t)row * HISTORY + j) * l.inner + c,
               j + 1 < HISTORY ? past.bits[j + 1] : newest);
  if (T == MAMBA_I8)
    sum = sum * p.multiplier;
  if (l.conv_bias)
    sum = sum + p.bias;
  if (l.conv_silu)
    sum = silu(sum);
  return {stored_bits(output_of<T>(l.u, l.inner), c, sum),
          (int8_t)stored_bits(output_of<MAMBA_I8>(l.u_i8, l.inner), c, sum)};
}

} // namespace mamba

#endif
