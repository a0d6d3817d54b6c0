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

/* p = fmaf(s, s, p) over `count` adjacent values, in order; s is 16-byte aligned. The next values are loaded
 * while a batch is added, so that nothing but the additions' own latency remains. */
__device__ inline float chain(const float *s, int32_t count) {
  constexpr int BATCH = 4; /* fours */
  float4 next[BATCH];
  float p = 0;
  int32_t i = 0;
  const int32_t fours = count / 4;
#pragma unroll
  for (int j = 0; j < BATCH; ++j)
    next[j] = ((const float4 *)s)[min(j, max(fours - 1, 0))];
  for (; i + BATCH <= fours; i += BATCH) {
    float4 now[BATCH];
#pragma unroll
    for (int j = 0; j < BATCH; ++j) {
      now[j] = next[j];
      next[j] = ((const float4 *)s)[min(i + BATCH + j, fours - 1)];
    }
#pragma unroll
    for (int j = 0; j < BATCH; ++j) {
      p = fmaf(now[j].x, now[j].x, p);
      p = fmaf(now[j].y, now[j].y, p);
      p = fmaf(now[j].z, now[j].z, p);
      p = fmaf(now[j].w, now[j].w, p);
    }
  }
  for (i *= 4; i < count; ++i)
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
