/* mamba_cuda_argmax: up to MOST_PARTS blocks a row. A pair (value, id) is one 64-bit number whose order is
 * that of the values, then of smaller ids, so that the maximum may be taken in any order. A thread keeps the
 * first of its values that is larger than those before; what that leaves out, blocks without a number above
 * -infinity, goes through all pairs. The last block of a row writes the id.
 *
 * Bound: latency; 200 KB of logits come from the second cache. */
#include "mamba_cuda.h"
#include "values.cuh"

#include <math.h>

namespace mamba {
namespace {

constexpr int THREADS = 256, MOST_PARTS = 16, PART = 4 * THREADS; /* PART: least values of a block */

/* Larger for larger values, of equal ones for smaller ids; a NaN comes below every number. */
__device__ unsigned long long key_of(float value, int32_t id) {
  return (unsigned long long)~mambaDrawRank(value) << 32 | (uint32_t)(INT32_MAX - id);
}

__device__ unsigned long long larger(unsigned long long a, unsigned long long b) {
  return a > b ? a : b;
}

__device__ unsigned long long warp_max(unsigned long long key) {
  for (int distance = WARP / 2; distance > 0; distance /= 2)
    key = larger(key, __shfl_xor_sync(ALL_LANES, key, distance));
  return key;
}

/* The block's largest key, in all threads. */
__device__ unsigned long long block_max(unsigned long long key, unsigned long long *maxima) {
  key = warp_max(key);
  if (threadIdx.x % WARP == 0)
    maxima[threadIdx.x / WARP] = key;
  __syncthreads();
  return warp_max(maxima[threadIdx.x % (THREADS / WARP)]);
}

/* vector: a row is whole fours, aligned. */
__global__ void __launch_bounds__(THREADS)
    argmax(const float *logits, int32_t n, bool vector, mamba_cuda_best *exchange, int32_t *ids) {
  __shared__ unsigned long long maxima[THREADS / WARP], all[THREADS / WARP];
  start_next();
  wait_for_previous();
  const float *row = logits + (int64_t)blockIdx.y * n;
  const int32_t first = blockIdx.x * THREADS + threadIdx.x, step = gridDim.x * THREADS;
  float largest = -INFINITY;
  int32_t at = 0;
  const auto take = [&](float value, int32_t id) {
    if (value > largest) {
      largest = value;
      at = id;
    }
  };
  if (vector) {
#pragma unroll 4
    for (int32_t i = first; i < n / 4; i += step) {
      const float4 four = ((const float4 *)row)[i];
      take(four.x, 4 * i);
      take(four.y, 4 * i + 1);
      take(four.z, 4 * i + 2);
      take(four.w, 4 * i + 3);
    }
  } else {
    for (int32_t i = first; i < n; i += step)
      take(row[i], i);
  }
  unsigned long long best = block_max(largest > -INFINITY ? key_of(largest, at) : 0, maxima);
  if (best == 0) {
    for (int32_t i = first; i < n; i += step)
      best = larger(best, key_of(row[i], i));
    best = block_max(best, all);
  }
  if (threadIdx.x != 0)
    return;
  mamba_cuda_best *const shared = exchange + blockIdx.y;
  atomicMax(&shared->key, best);
  __threadfence();
  if (atomicAdd(&shared->finished, 1) + 1 < gridDim.x)
    return;
  best = atomicExch(&shared->key, 0);
  shared->finished = 0;
  ids[blockIdx.y] = INT32_MAX - (int32_t)(uint32_t)best;
}

} // namespace
} // namespace mamba

cudaError_t mamba_cuda_argmax(const float *logits, int32_t rows, int32_t n, mamba_cuda_best *best,
                              int32_t *ids, cudaStream_t stream) {
  using namespace mamba;
  const int32_t most_rows = 65535; /* along y */
  if (rows < 0 || rows > most_rows || n <= 0)
    return cudaErrorInvalidValue;
  if (rows == 0)
    return cudaSuccess;
  const int32_t parts = min(ceil_div(n, PART), MOST_PARTS);
  return launch(argmax, dim3(parts, rows), THREADS, 0, stream, rows, logits, n,
                n % 4 == 0 && is_aligned(logits, 16), best, ids);
}
