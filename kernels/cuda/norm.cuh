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

constexpr int CHAIN_AHEAD = 16; /* floats that chain() may read past its values, and ignores */

/* p = fmaf(s, s, p) over `count` adjacent values, in order; s is 16-byte aligned. The next batch is loaded
 * while one is added, so that nothing but the additions' own latency remains. */
__device__ inline float chain(const float *s, int32_t count) {
  constexpr int BATCH = CHAIN_AHEAD / 4;
  const float4 *fours = (const float4 *)s;
  float4 next[BATCH];
  float p = 0;
#pragma unroll
  for (int j = 0; j < BATCH; ++j)
    next[j] = fours[j];
  int32_t left = count;
  for (; left >= CHAIN_AHEAD; left -= CHAIN_AHEAD) {
    float4 now[BATCH];
    fours += BATCH;
#pragma unroll
    for (int j = 0; j < BATCH; ++j) {
      now[j] = next[j];
      next[j] = fours[j];
    }
#pragma unroll
    for (int j = 0; j < BATCH; ++j) {
      p = fmaf(now[j].x, now[j].x, p);
      p = fmaf(now[j].y, now[j].y, p);
      p = fmaf(now[j].z, now[j].z, p);
      p = fmaf(now[j].w, now[j].w, p);
    }
  }
  for (const float *rest = (const float *)fours; left > 0; --left, ++rest)
    p = fmaf(*rest, *rest, p);
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
