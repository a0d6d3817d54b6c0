/* The arithmetic of the normalisation of a row, for the kernels that contain it. */
#ifndef MAMBA_CUDA_NORM_CUH
#define MAMBA_CUDA_NORM_CUH

#include "values.cuh"

namespace mamba {

/* The contract's fold of the partial sums of the threads 0 .. 15, in all of them. */
__device__ inline float fold_sums(float p) {
  for (int distance = LANES / 2; distance > 0; distance /= 2)
    p += __shfl_xor_sync((1u << LANES) - 1, p, distance);
  return p;
}

/* p = fmaf(s, s, p) over `count` adjacent values, in order. */
__device__ inline float chain(const float *s, int32_t count) {
  float p = 0;
  int32_t i = 0;
#pragma unroll 8
  for (; i + 4 <= count; i += 4) {
    const float4 four = *(const float4 *)(s + i);
    p = fmaf(four.x, four.x, p);
    p = fmaf(four.y, four.y, p);
    p = fmaf(four.z, four.z, p);
    p = fmaf(four.w, four.w, p);
  }
  for (; i < count; ++i)
    p = fmaf(s[i], s[i], p);
  return p;
}

__device__ inline float root_of(float squares, int32_t d, float epsilon) {
  return 1.0f / sqrtf(squares / (float)d + epsilon);
}

__device__ inline float normalised(float s, float r, bool scaled, float gamma) {
  const float v = s * r;
  return scaled ? v * gamma : v;
}

} // namespace mamba

#endif
