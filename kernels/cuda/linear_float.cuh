/* What the two kernels of mamba_cuda_linear_float share. */
#ifndef MAMBA_CUDA_LINEAR_FLOAT_CUH
#define MAMBA_CUDA_LINEAR_FLOAT_CUH

#include "mamba_cuda.h"
#include "values.cuh"

namespace mamba {

template <mamba_type TYPE> struct storage { typedef uint16_t type; };
template <> struct storage<MAMBA_F32> { typedef float type; };

__device__ inline float widen(float value, mamba_type) {
  return value;
}

__device__ inline float widen(uint16_t bits, mamba_type type) {
  return type == MAMBA_F16 ? half_value(bits) : mambaBfloatToFloat(bits);
}

struct linear_float_args {
  const float *x, *bias;
  const void *w;
  float *out;
  int32_t rows, k, n;
};

/* One row, k a multiple of DECODE_MULTIPLE up to DECODE_MOST_K (x lies in shared memory), x and w aligned to
 * 16 bytes. */
cudaError_t launch_linear_float_decode(const linear_float_args &l, mamba_type type, cudaStream_t stream);
constexpr int32_t DECODE_MULTIPLE = 64, DECODE_MOST_K = 8192;

} // namespace mamba

#endif
