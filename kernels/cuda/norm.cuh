/* The arithmetic of the normalisation of a row, for the kernels that contain it. */
#ifndef MAMBA_CUDA_NORM_CUH
#define MAMBA_CUDA_NORM_CUH

#include "values.cuh"

namespace mamba {

/* The contract's sum of squares: blocks of a warp's quads, whose sums are added at the end. */
constexpr int NORM_QUAD = 4, SQUARES_BLOCK = WARP * NORM_QUAD;

__device__ inline float square_quad(float4 v) {
  return fmaf(v.z, v.z, v.x * v.x) + fmaf(v.w, v.w, v.y * v.y);
}

/* The sum of a block, of which every lane gives a quad; in all lanes. */
__device__ inline float fold_quads(float q) {
  for (int distance = WARP / 2; distance > 0; distance /= 2)
    q += __shfl_xor_sync(ALL_LANES, q, distance);
  return q;
}

/* Continues the four sums of blocks by `count` of them, 16-byte aligned, with zeros behind them up to a
 * multiple of BLOCKS_STEP. */
constexpr int BLOCKS_STEP = 8;

__device__ inline float4 add_blocks(float4 p, const float *sums, int32_t count) {
#pragma unroll 1
  for (int32_t i = 0; i < count; i += BLOCKS_STEP) {
    const float4 a = *(const float4 *)(sums + i), b = *(const float4 *)(sums + i + 4);
    p = make_float4(p.x + a.x + b.x, p.y + a.y + b.y, p.z + a.z + b.z, p.w + a.w + b.w);
  }
  return p;
}

__device__ inline float fold_blocks(float4 p) {
  return (p.x + p.z) + (p.y + p.w);
}

/* The sum of all blocks of a row. */
__device__ inline float add_blocks(const float *sums, int32_t count) {
  return fold_blocks(add_blocks(make_float4(0, 0, 0, 0), sums, count));
}

/* The factor of a row; inverse_d: 1 / d. */
__device__ inline float root_of(float squares, float inverse_d, float epsilon) {
  return inverse_root(squares * inverse_d + epsilon);
}

/* A quad of a row times gamma, where there is one. */
__device__ inline float4 scaled(float4 v, bool has_gamma, float4 gamma) {
  return has_gamma ? make_float4(v.x * gamma.x, v.y * gamma.y, v.z * gamma.z, v.w * gamma.w) : v;
}

__device__ inline float larger_magnitude(float amax, float4 v) {
  return larger_magnitude(larger_magnitude(larger_magnitude(larger_magnitude(amax, v.x), v.y), v.z), v.w);
}

/* The largest magnitude of a normalised row, from that of the row times gamma: rounding keeps the order. */
__device__ inline float normalised_absmax(float amax, float root) {
  return larger_magnitude(0.0f, amax * root);
}

} // namespace mamba

#endif
