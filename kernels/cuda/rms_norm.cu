/* mamba_cuda_rms_norm: one block per row.
 *
 * A thread adds and keeps PER_THREAD values of the row in registers and puts them into shared memory too,
 * where those of one partial sum are adjacent; 16 lanes of the first warp then take the contract's 16 partial
 * sums, each a chain of d / 16 fused multiply-adds, which no more threads can shorten, four values a load;
 * then all threads normalise, find the row's maximum and quantize. Rows longer than MOST_KEPT are read again
 * instead.
 *
 * Bound: in decode (one row) latency: the chain, 4 cycles a step, is 0.37 us at d = 2560; in prefill the
 * bytes of the row, since blocks of one multiprocessor overlap each other's chains.
 *
 * Reaches on an H200: 2.5 us for a row of 2560, 13 us for 1024 rows. */
#include "mamba_cuda.h"
#include "norm.cuh"

namespace mamba {
namespace {

constexpr int THREADS = 512, PER_THREAD = 8, MOST_KEPT = THREADS * PER_THREAD;
constexpr int CHAIN = MOST_KEPT / LANES + 4; /* floats of a partial sum; + 4: other banks for the next */

struct norm_args {
  const float *x, *delta, *gamma;
  float *sum, *row_scale; /* row_scale may be NULL */
  float epsilon;
  int32_t d;
  mamba_output out;
};

/* Rows of at most MOST_KEPT values. */
__global__ void __launch_bounds__(THREADS) rms_norm(norm_args n) {
  __shared__ __align__(16) float staging[LANES * CHAIN + CHAIN_AHEAD];
  __shared__ float root, maxima[WARP];
  if (gridDim.x == 1)
    start_next();
  const int64_t first = (int64_t)blockIdx.x * n.d;
  const bool scaled = n.gamma != NULL;
  float s[PER_THREAD], delta[PER_THREAD], gamma[PER_THREAD];
#pragma unroll
  for (int i = 0; i < PER_THREAD; ++i) {
    const int32_t k = threadIdx.x + i * THREADS;
    gamma[i] = scaled && k < n.d ? n.gamma[k] : 0.0f;
  }
  wait_for_previous();
#pragma unroll
  for (int i = 0; i < PER_THREAD; ++i) {
    const int32_t k = threadIdx.x + i * THREADS;
    s[i] = k < n.d ? n.x[first + k] : 0.0f;
    delta[i] = n.delta && k < n.d ? n.delta[first + k] : 0.0f;
  }
#pragma unroll
  for (int i = 0; i < PER_THREAD; ++i) {
    const int32_t k = threadIdx.x + i * THREADS;
    if (k >= n.d)
      break;
    if (n.delta) {
      s[i] = s[i] + delta[i];
      n.sum[first + k] = s[i];
    }
    staging[k % LANES * CHAIN + k / LANES] = s[i];
  }
  __syncthreads();
  if (threadIdx.x < LANES) {
    const int32_t count = (n.d - 1 - (int32_t)threadIdx.x + LANES) / LANES;
    const float squares = fold_sums(chain(staging + threadIdx.x * CHAIN, count));
    if (threadIdx.x == 0)
      root = root_of(squares, n.d, n.epsilon);
  }
  __syncthreads();
  mamba_output out = n.out;
  float amax = 0;
#pragma unroll
  for (int i = 0; i < PER_THREAD; ++i) {
    s[i] = normalised(s[i], root, scaled, gamma[i]);
    if (threadIdx.x + i * THREADS < n.d)
      amax = larger_magnitude(amax, s[i]);
  }
  if (n.row_scale)
    out = row_output(out, block_max(amax, maxima), &n.row_scale[blockIdx.x]);
#pragma unroll
  for (int i = 0; i < PER_THREAD; ++i) {
    const int32_t k = threadIdx.x + i * THREADS;
    if (k < n.d)
      store_value(out, first + k, k, s[i]);
  }
}

/* Rows of any length, read several times. */
__global__ void __launch_bounds__(THREADS) rms_norm_long(norm_args n) {
  __shared__ float root, maxima[WARP];
  wait_for_previous();
  const int64_t first = (int64_t)blockIdx.x * n.d;
  for (int32_t k = threadIdx.x; n.delta && k < n.d; k += THREADS)
    n.sum[first + k] = n.x[first + k] + n.delta[first + k];
  const float *s = (n.delta ? n.sum : n.x) + first;
  __syncthreads();
  if (threadIdx.x < LANES) {
    float p = 0;
#pragma unroll 16
    for (int32_t k = threadIdx.x; k < n.d; k += LANES)
      p = fmaf(s[k], s[k], p);
    p = fold_sums(p);
    if (threadIdx.x == 0)
      root = root_of(p, n.d, n.epsilon);
  }
  __syncthreads();
  const auto value = [&](int32_t k) {
    return normalised(s[k], root, n.gamma != NULL, n.gamma ? n.gamma[k] : 0.0f);
  };
  mamba_output out = n.out;
  if (n.row_scale) {
    float amax = 0;
    for (int32_t k = threadIdx.x; k < n.d; k += THREADS)
      amax = larger_magnitude(amax, value(k));
    out = row_output(out, block_max(amax, maxima), &n.row_scale[blockIdx.x]);
  }
  for (int32_t k = threadIdx.x; k < n.d; k += THREADS)
    store_value(out, first + k, k, value(k));
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
  const norm_args n = {x, delta, gamma, sum, row_scale, epsilon, d, out};
  return launch(d <= MOST_KEPT ? rms_norm : rms_norm_long, dim3(rows), THREADS, 0, stream, rows, n);
}
