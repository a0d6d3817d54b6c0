/* mamba_cuda_draw: a block draws a row's token, as mamba_draw_token does: the sums of integers have no order,
 * so they go through bins in shared memory, one for each value of a digit of the key.
 *
 * Bound: latency; a row of 200 KB is read from the second cache 6 to 17 times. */
#include "mamba_cuda.h"
#include "values.cuh"

namespace mamba {
namespace {

typedef unsigned long long u64; /* what atomicAdd takes */

constexpr int THREADS = 1024, WARPS = THREADS / WARP, DIGIT = 11, BINS = 1 << DIGIT,
              OF_THREAD = BINS / THREADS;

struct shared_places {
  u64 bins[BINS], totals[WARPS];
  u64 left, weight; /* of the target, in its bin; of the bin */
  uint32_t digit;
};

/* Of a draw: the tokens whose keys are at most `limit`. */
struct tokens {
  const float *logits;
  int32_t count; /* of all */
  float best, inv_temperature;
  u64 limit;

  __device__ u64 key(int32_t id) const { return mambaDrawKey(logits[id], id); }
  __device__ u64 mass(int32_t id) const { return mambaDrawMass(logits[id], best, inv_temperature); }
};

/* The sum of the values of threads 0 to this one. */
__device__ u64 scan_block(u64 value, u64 *totals) {
  const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  const auto scan_warp = [&](u64 sum) {
    for (int distance = 1; distance < WARP; distance *= 2) {
      const u64 other = __shfl_up_sync(ALL_LANES, sum, distance);
      sum += lane >= distance ? other : 0;
    }
    return sum;
  };
  const u64 sum = scan_warp(value);
  if (lane == WARP - 1)
    totals[warp] = sum;
  __syncthreads();
  if (warp == 0)
    totals[lane] = scan_warp(totals[lane]);
  __syncthreads();
  return sum + (warp > 0 ? totals[warp - 1] : 0);
}

__device__ u64 smallest(u64 key, u64 *minima) {
  const auto of_warp = [](u64 k) {
    for (int distance = WARP / 2; distance > 0; distance /= 2) {
      const u64 other = __shfl_xor_sync(ALL_LANES, k, distance);
      k = other < k ? other : k;
    }
    return k;
  };
  key = of_warp(key);
  if (threadIdx.x % WARP == 0)
    minima[threadIdx.x / WARP] = key;
  __syncthreads();
  key = of_warp(minima[threadIdx.x % WARP]);
  __syncthreads();
  return key;
}

/* As find() of sampling.c, in all threads. */
__device__ u64 find(const tokens &t, bool by_mass, u64 target, u64 *reached, shared_places &shared) {
  u64 prefix = 0, left = target;
  for (int shift = 32 + MAMBA_DRAW_ID_BITS - DIGIT; shift >= 0; shift -= DIGIT) {
    for (int i = threadIdx.x; i < BINS; i += THREADS)
      shared.bins[i] = 0;
    __syncthreads();
    for (int32_t id = threadIdx.x; id < t.count; id += THREADS) {
      const u64 key = t.key(id);
      if (key >> shift >> DIGIT != prefix || key > t.limit)
        continue;
      const u64 weight = by_mass ? t.mass(id) : 1;
      if (weight)
        atomicAdd(&shared.bins[key >> shift & (BINS - 1)], weight);
    }
    __syncthreads();
    u64 own[OF_THREAD], sum = 0;
    for (int i = 0; i < OF_THREAD; ++i)
      sum += own[i] = shared.bins[threadIdx.x * OF_THREAD + i];
    u64 before = scan_block(sum, shared.totals) - sum;
    for (int i = 0; i < OF_THREAD; before += own[i], ++i)
      if (before <= left && left - before < own[i]) {
        shared.digit = threadIdx.x * OF_THREAD + i;
        shared.left = left - before;
        shared.weight = own[i];
      }
    __syncthreads();
    prefix = prefix << DIGIT | shared.digit;
    left = shared.left;
    __syncthreads();
  }
  *reached = target - left + shared.weight;
  return prefix;
}

__global__ void __launch_bounds__(THREADS)
    draw(const float *logits, int32_t n, const mamba_draw *draws, int32_t *ids) {
  __shared__ shared_places shared;
  start_next();
  wait_for_previous();
  const mamba_draw how = draws[blockIdx.x];
  tokens t = {logits + (int64_t)blockIdx.x * n, n, 0, how.inv_temperature, UINT64_MAX};
  u64 key = UINT64_MAX, mass = 0, sum = 0;
  for (int32_t id = threadIdx.x; id < n; id += THREADS) {
    const u64 next = t.key(id);
    key = next < key ? next : key;
  }
  key = smallest(key, shared.totals);
  t.best = t.logits[mambaDrawId(key)];
  if (how.top_k < n)
    t.limit = find(t, false, (u64)how.top_k - 1, &mass, shared);
  for (int32_t id = threadIdx.x; id < n; id += THREADS)
    sum += t.key(id) <= t.limit ? t.mass(id) : 0;
  scan_block(sum, shared.totals);
  mass = shared.totals[WARPS - 1];
  __syncthreads();
  if (mass) {
    if (how.top_p < 1)
      t.limit = find(t, true, mambaDrawNeeded(mass, how.top_p) - 1, &mass, shared);
    u64 reached;
    key = find(t, true, mambaDrawPoint(how.random, mass), &reached, shared);
  }
  if (threadIdx.x == 0)
    ids[blockIdx.x] = mambaDrawId(key);
}

} // namespace
} // namespace mamba

cudaError_t mamba_cuda_draw(const float *logits, int32_t rows, int32_t n, const mamba_draw *draws,
                            int32_t *ids, cudaStream_t stream) {
  using namespace mamba;
  if (rows < 0 || n <= 0 || n > 1 << MAMBA_DRAW_ID_BITS)
    return cudaErrorInvalidValue;
  if (rows == 0)
    return cudaSuccess;
  return launch(draw, dim3(rows), THREADS, 0, stream, rows, logits, n, draws, ids);
}
