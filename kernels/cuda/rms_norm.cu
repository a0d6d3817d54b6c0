/* mamba_cuda_rms_norm: one block per row.
 *
 * A thread keeps quads of the row in registers; a warp's quads are one block of the contract's sum of
 * squares, folded by shuffles. The largest magnitude is found beside it, of values that the root has still to
 * multiply, so that the threads of a row meet once. A block has no more threads than the row needs, so that
 * many rows are on their way at once. Rows longer than MOST_KEPT are read again instead.
 *
 * Bound: in decode (one row) latency; in prefill the bytes of the row.
 *
 * Reaches on an H200: 1.5 us for a row of 2560, 1.2 us for one of 768. */
#include "mamba_cuda.h"
#include "norm.cuh"

namespace mamba {
namespace {

constexpr int THREADS = 512, PER_THREAD = 8, MOST_KEPT = THREADS * PER_THREAD;

struct norm_args {
  const float *x, *delta, *gamma;
  float *sum, *row_scale; /* row_scale may be NULL */
  float epsilon, inverse_d;
  int32_t d;
  mamba_output out;
};

/* The quad of a row of d values at k. VECTOR: it is inside or outside as a whole, and aligned. */
template <bool VECTOR> __device__ inline float4 load_quad(const float *row, int32_t k, int32_t d) {
  if constexpr (VECTOR)
    return k < d ? *(const float4 *)(row + k) : make_float4(0, 0, 0, 0);
  const auto value = [&](int32_t i) { return i < d ? row[i] : 0.0f; };
  return make_float4(value(k), value(k + 1), value(k + 2), value(k + 3));
}

template <bool VECTOR> __device__ inline void store_quad(float *row, int32_t k, int32_t d, float4 v) {
  if (VECTOR && k < d)
    *(float4 *)(row + k) = v;
  const float values[] = {v.x, v.y, v.z, v.w};
#pragma unroll
  for (int j = 0; j < NORM_QUAD; ++j)
    if (!VECTOR && k + j < d)
      row[k + j] = values[j];
}

/* The quad at k of the normalised row, from values times gamma. */
template <bool VECTOR>
__device__ inline void store_normalised(const norm_args &n, const mamba_output &out, int64_t first, int32_t k,
                                        float4 v, float root) {
  const float values[] = {v.x * root, v.y * root, v.z * root, v.w * root};
  if (VECTOR && out.type == MAMBA_I8 && !out.inv_scales) {
    if (k < n.d)
      *(uint32_t *)((int8_t *)out.data + first + k) =
          quantize_quad(values[0], values[1], values[2], values[3], out.inv_scale);
    return;
  }
#pragma unroll
  for (int j = 0; j < NORM_QUAD; ++j)
    if (k + j < n.d)
      store_value(out, first + k + j, k + j, values[j]);
}

/* Rows of at most MOST_KEPT values; PER_THREAD * blockDim.x is at least d. A thread has every blockDim.x-th
 * quad. */
template <bool VECTOR> __global__ void __launch_bounds__(THREADS) rms_norm(norm_args n) {
  constexpr int QUADS = PER_THREAD / NORM_QUAD;
  __shared__ __align__(16) float squares[QUADS * THREADS / WARP + BLOCKS_STEP];
  __shared__ float maxima[WARP];
  if (gridDim.x == 1)
    start_next();
  const int32_t threads = blockDim.x, warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
  const auto place = [&](int q) { return NORM_QUAD * ((int32_t)threadIdx.x + q * threads); };
  const int64_t first = (int64_t)blockIdx.x * n.d;
  const bool has_gamma = n.gamma != NULL;
  float4 s[QUADS], delta[QUADS], gamma[QUADS];
#pragma unroll
  for (int q = 0; q < QUADS; ++q)
    gamma[q] = has_gamma ? load_quad<VECTOR>(n.gamma, place(q), n.d) : make_float4(0, 0, 0, 0);
  wait_for_previous();
#pragma unroll
  for (int q = 0; q < QUADS; ++q) {
    s[q] = load_quad<VECTOR>(n.x + first, place(q), n.d);
    if (n.delta)
      delta[q] = load_quad<VECTOR>(n.delta + first, place(q), n.d);
  }
  if (threadIdx.x < BLOCKS_STEP)
    squares[QUADS * threads / WARP + threadIdx.x] = 0; /* zeros behind the blocks */
  float amax = 0;
#pragma unroll
  for (int q = 0; q < QUADS; ++q) {
    if (n.delta) {
      s[q] = make_float4(s[q].x + delta[q].x, s[q].y + delta[q].y, s[q].z + delta[q].z, s[q].w + delta[q].w);
      store_quad<VECTOR>(n.sum + first, place(q), n.d, s[q]);
    }
    const float sum = fold_quads(square_quad(s[q]));
    if (lane == 0)
      squares[warp + q * threads / WARP] = sum;
    s[q] = scaled(s[q], has_gamma, gamma[q]);
    amax = larger_magnitude(amax, s[q]);
  }
  amax = block_max(amax, maxima); /* behind a barrier, for `squares` too */
  const float root = root_of(add_blocks(squares, ceil_div(n.d, SQUARES_BLOCK)), n.inverse_d, n.epsilon);
  mamba_output out = n.out;
  if (n.row_scale)
    out = row_output(out, normalised_absmax(amax, root), &n.row_scale[blockIdx.x]);
#pragma unroll
  for (int q = 0; q < QUADS; ++q)
    store_normalised<VECTOR>(n, out, first, place(q), s[q], root);
}

/* Rows of any length, read several times. */
__global__ void __launch_bounds__(THREADS) rms_norm_long(norm_args n) {
  constexpr int SUMS = 8 * THREADS / WARP; /* blocks of the sum at once */
  __shared__ __align__(16) float squares[SUMS];
  __shared__ float maxima[WARP];
  wait_for_previous();
  const int32_t warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
  const int64_t first = (int64_t)blockIdx.x * n.d;
  for (int32_t k = threadIdx.x; n.delta && k < n.d; k += THREADS)
    n.sum[first + k] = n.x[first + k] + n.delta[first + k];
  const float *s = (n.delta ? n.sum : n.x) + first;
  __syncthreads();
  const auto quad = [&](int32_t k) {
    return scaled(load_quad<false>(s, k, n.d), n.gamma != NULL,
                  n.gamma ? load_quad<false>(n.gamma, k, n.d) : make_float4(0, 0, 0, 0));
  };
  float4 p = make_float4(0, 0, 0, 0);
  for (int32_t begin = 0; begin < n.d; begin += SUMS * SQUARES_BLOCK) {
    for (int32_t i = warp; i < SUMS; i += THREADS / WARP) {
      const float sum =
          fold_quads(square_quad(load_quad<false>(s, begin + i * SQUARES_BLOCK + lane * NORM_QUAD, n.d)));
      if (lane == 0)
        squares[i] = sum;
    }
    __syncthreads();
    p = add_blocks(p, squares, SUMS);
    __syncthreads();
  }
  const float root = root_of(fold_blocks(p), n.inverse_d, n.epsilon);
  mamba_output out = n.out;
  if (n.row_scale) {
    float amax = 0;
    for (int32_t k = threadIdx.x * NORM_QUAD; k < n.d; k += THREADS * NORM_QUAD)
      amax = larger_magnitude(amax, quad(k));
    out = row_output(out, normalised_absmax(block_max(amax, maxima), root), &n.row_scale[blockIdx.x]);
  }
  for (int32_t k = threadIdx.x * NORM_QUAD; k < n.d; k += THREADS * NORM_QUAD)
    store_normalised<false>(n, out, first, k, quad(k), root);
}

} // namespace
} // namespace mamba

cudaError_t mamba_cuda_rms_norm(const float *x, const float *delta, float *sum, const float *gamma,
                                float epsilon, int32_t rows, int32_t d, mamba_output out, float *row_scale,
                                cudaStream_t stream) {
  using namespace mamba;
  if (rows < 0 || d <= 0 || (delta && !sum) || (row_scale && out.type != MAMBA_I8))
    return cudaErrorInvalidValue;
  if (rows == 0)
    return cudaSuccess;
  const norm_args n = {x, delta, gamma, sum, row_scale, epsilon, 1.0f / (float)d, d, out};
  if (d > MOST_KEPT)
    return launch(rms_norm_long, dim3(rows), THREADS, 0, stream, rows, n);
  const bool vector = d % NORM_QUAD == 0 && is_aligned(x, 16) && is_aligned(delta, 16) &&
                      is_aligned(sum, 16) && is_aligned(gamma, 16) && is_aligned(out.data, 4);
  const unsigned threads = round_up(ceil_div(d, PER_THREAD), WARP);
  return launch(vector ? rms_norm<true> : rms_norm<false>, dim3(rows), threads, 0, stream, rows, n);
}
