/* What the CUDA kernels share: loads and stores of the storage types, reductions over a block. */
#ifndef MAMBA_CUDA_VALUES_CUH
#define MAMBA_CUDA_VALUES_CUH

#include "../mamba_kernels.h"
#include "../mamba_math.h"
#include "functions.cuh"
#include "launch.h"

#include <cuda_fp16.h>

namespace mamba {

constexpr int LANES = 16; /* partial sums of the contract */
constexpr int WARP = 32;
constexpr unsigned ALL_LANES = 0xffffffffu;

__host__ __device__ inline int ceil_div(int a, int b) {
  return (a - 1) / b + 1;
}

__host__ __device__ inline int round_up(int a, int b) {
  return ceil_div(a, b) * b;
}

inline bool is_aligned(const void *pointer, size_t bytes) {
  return (uintptr_t)pointer % bytes == 0;
}

__device__ inline float half_value(uint16_t half) {
  return __half2float(__ushort_as_half(half)); /* exact, one instruction; mambaHalfToFloat takes ten */
}

/* Two are converted at once: the instruction for one has a quarter of the throughput. */
__device__ inline uint16_t half_bits(float value) {
  return __half_as_ushort(__low2half(__floats2half2_rn(value, 0.0f)));
}

/* Bytes of an element. */
__host__ __device__ constexpr int32_t stored_size(mamba_type type) {
  return type == MAMBA_I8 ? 1 : type == MAMBA_F32 ? 4 : 2;
}

/* Element i as it is stored. Apart from its conversion, so that a thread may have several in flight: the
 * conversion's branch on the type waits for the value. */
__device__ inline uint32_t load_bits(const mamba_input &in, int64_t i) {
  switch (in.type) {
  case MAMBA_I8:
    return (uint32_t)((const int8_t *)in.data)[i];
  case MAMBA_F16:
  case MAMBA_BF16:
    return ((const uint16_t *)in.data)[i];
  default:
    return ((const uint32_t *)in.data)[i];
  }
}

/* The float value of an element, whose channel is `channel`. */
__device__ inline float value_of(const mamba_input &in, uint32_t bits, int32_t channel) {
  switch (in.type) {
  case MAMBA_I8:
    return (float)(int32_t)bits * (in.scales ? in.scales[channel] : in.scale);
  case MAMBA_F16:
    return half_value((uint16_t)bits);
  case MAMBA_BF16:
    return mambaBfloatToFloat((uint16_t)bits);
  default:
    return mambaFloatFromBits(bits);
  }
}

__device__ inline float load_value(const mamba_input &in, int64_t i, int32_t channel) {
  return value_of(in, load_bits(in, i), channel);
}

/* What `out` stores for a value of channel `channel`. */
__device__ inline uint32_t stored_bits(const mamba_output &out, int32_t channel, float value) {
  switch (out.type) {
  case MAMBA_I8:
    return (uint32_t)(int8_t)quantize_bits(value, out.inv_scales ? out.inv_scales[channel] : out.inv_scale);
  case MAMBA_F16:
    return half_bits(value);
  case MAMBA_BF16:
    return mambaFloatToBfloat(value);
  default:
    return mambaFloatBits(value);
  }
}

__device__ inline void store_bits(void *data, mamba_type type, int64_t i, uint32_t bits) {
  if (type == MAMBA_I8)
    ((int8_t *)data)[i] = (int8_t)bits;
  else if (type == MAMBA_F32)
    ((uint32_t *)data)[i] = bits;
  else
    ((uint16_t *)data)[i] = (uint16_t)bits;
}

/* Element i of `out`, whose channel is `channel`, becomes `value` in out's type. */
__device__ inline void store_value(const mamba_output &out, int64_t i, int32_t channel, float value) {
  store_bits(out.data, out.type, i, stored_bits(out, channel, value));
}

/* The larger of amax and |value|; a NaN is passed over. */
__device__ inline float larger_magnitude(float amax, float value) {
  return fmaxf(amax, fabsf(value));
}

/* The largest of a warp's values, which are not negative and not NaN: their bits are ordered as they are. */
__device__ inline float warp_max(float value) {
  return __uint_as_float(__reduce_max_sync(ALL_LANES, __float_as_uint(value)));
}

/* The largest of the block's values (not negative, not NaN), in every thread. `scratch`: WARP floats of
 * shared memory that nothing else uses. Every thread of the block calls it; blockDim.x is a multiple of WARP.
 */
__device__ inline float block_max(float value, float *scratch) {
  const int lane = threadIdx.x % WARP, warps = blockDim.x / WARP;
  value = warp_max(value);
  if (lane == 0)
    scratch[threadIdx.x / WARP] = value;
  __syncthreads();
  return warp_max(lane < warps ? scratch[lane] : 0.0f);
}

/* The output of a row whose scale follows from its absolute maximum; the scale goes to *scale. */
__device__ inline mamba_output scaled_output(mamba_output out, float amax, float *scale) {
  *scale = scale_of_absmax(amax);
  out.inv_scale = inverse_scale(*scale);
  out.inv_scales = NULL;
  return out;
}

/* The same in all threads of a block, of which one stores the scale. */
__device__ inline mamba_output row_output(mamba_output out, float amax, float *row_scale) {
  float scale;
  out = scaled_output(out, amax, &scale);
  if (threadIdx.x == 0)
    *row_scale = scale;
  return out;
}

/* The end of the contract's sum: p[i] += p[i + 8], then + 4, + 2, + 1; of the partial sums that one thread
 * has. */
template <int SUMS, int WIDTH = SUMS / 2> __device__ inline float fold_array(float (&p)[SUMS]) {
#pragma unroll
  for (int i = 0; i < WIDTH; ++i)
    p[i] += p[i + WIDTH];
  if constexpr (WIDTH > 1)
    return fold_array<SUMS, WIDTH / 2>(p);
  return p[0];
}

} // namespace mamba

#endif
