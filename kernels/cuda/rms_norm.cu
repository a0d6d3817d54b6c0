/* mamba_cuda_rms_norm: one block per row.
 *
 * A thread adds and keeps PER_THREAD values of the row in registers, four adjacent ones at a time where rows
 * are aligned, and puts them into shared memory too, where those of one partial sum are adjacent; 16 lanes of
 * the first warp then take the contract's 16 partial sums, each a chain of d / 16 fused multiply-adds, which
 * no more threads can shorten, four values a load; then all threads normalise, find the row's maximum and
 * quantize. A block has no more threads than the row needs, so that many rows are on their way at once. Rows
 * longer than MOST_KEPT are read again instead.
 *
 * Bound: in decode (one row) latency: the chain, 4 cycles a step, is 0.37 us at d = 2560; in prefill the
 * bytes of the row, since blocks of one multiprocessor overlap each other's chains.
 *
 * Reaches on an H200: 2.5 us for a row of 2560, 9.2 us for 1024 rows. */
#include "mamba_cuda.h"
#include "norm.cuh"

namespace mamba {
namespace {

constexpr int THREADS = 512, PER_THREAD = 8, MOST_KEPT = THREADS * PER_THREAD;

/* Floats between two partial sums' values; + 4: other banks for the next. */
__host__ __device__ inline int chain_stride(int32_t d) {
  return round_up(ceil_div(d, LANES), 4) + 4;
}

struct norm_args {
  const float *x, *delta, *gamma;
  float *sum, *row_scale; /* row_scale may be NULL */
  float epsilon;
  int32_t d;
  mamba_output out;
};

constexpr int QUAD = 4;

/* Values i, ..., i + 3 of a row of d. VECTOR: they are all inside, or none is, and they are aligned. */
template <bool VECTOR>
__device__ inline void load_quad(const float *row, int32_t k, int32_t stride, int32_t d, float *v) {
  if constexpr (VECTOR) {
    const float4 quad = k < d ? *(const float4 *)(row + k) : make_float4(0, 0, 0, 0);
    v[0] = quad.x, v[1] = quad.y, v[2] = quad.z, v[3] = quad.w;
  } else {
#pragma unroll
    for (int j = 0; j < QUAD; ++j)
      v[j] = k + j * stride < d ? row[k + j * stride] : 0.0f;
  }
}

/* Rows of at most MOST_KEPT values; PER_THREAD * blockDim.x is at least d. A thread has quads of values,
 * `stride` apart: adjacent ones if VECTOR. */
template <bool VECTOR> __global__ void __launch_bounds__(THREADS) rms_norm(norm_args n) {
  float *const staging = dynamic_shared<float>();
  __shared__ float root, maxima[WARP];
  constexpr int QUADS = PER_THREAD / QUAD;
  if (gridDim.x == 1)
    start_next();
  const int32_t threads = blockDim.x, stride = VECTOR ? 1 : threads, chain_floats = chain_stride(n.d);
  const int32_t own = VECTOR ? QUAD * threadIdx.x : threadIdx.x;
  const auto index = [&](int i) { return own + i / QUAD * QUAD * threads + i % QUAD * stride; };
  const int64_t first = (int64_t)blockIdx.x * n.d;
  const bool scaled = n.gamma != NULL;
  float s[PER_THREAD], delta[PER_THREAD] = {}, gamma[PER_THREAD] = {};
#pragma unroll
  for (int q = 0; q < QUADS; ++q)
    if (scaled)
      load_quad<VECTOR>(n.gamma, index(q * QUAD), stride, n.d, &gamma[q * QUAD]);
  wait_for_previous();
#pragma unroll
  for (int q = 0; q < QUADS; ++q) {
    load_quad<VECTOR>(n.x + first, index(q * QUAD), stride, n.d, &s[q * QUAD]);
    if (n.delta)
      load_quad<VECTOR>(n.delta + first, index(q * QUAD), stride, n.d, &delta[q * QUAD]);
  }
#pragma unroll
  for (int i = 0; i < PER_THREAD; ++i) {
    const int32_t k = index(i);
    if (n.delta)
      s[i] = s[i] + delta[i];
    if (k < n.d)
      staging[k % LANES * chain_floats + k / LANES] = s[i];
    if (!VECTOR && n.delta && k < n.d)
      n.sum[first + k] = s[i];
  }
  if (VECTOR && n.delta)
#pragma unroll
    for (int q = 0; q < QUADS; ++q)
      if (index(q * QUAD) < n.d)
        *(float4 *)(n.sum + first + index(q * QUAD)) =
            make_float4(s[q * QUAD], s[q * QUAD + 1], s[q * QUAD + 2], s[q * QUAD + 3]);
  __syncthreads();
  if (threadIdx.x < LANES) {
    const int32_t count = (n.d - 1 - (int32_t)threadIdx.x + LANES) / LANES;
    const float squares = fold_sums(chain(staging + threadIdx.x * chain_floats, count));
    if (threadIdx.x == 0)
      root = root_of(squares, n.d, n.epsilon);
  }
  __syncthreads();
  mamba_output out = n.out;
  float amax = 0;
#pragma unroll
  for (int i = 0; i < PER_THREAD; ++i) {
    s[i] = normalised(s[i], root, scaled, gamma[i]);
    if (index(i) < n.d)
      amax = larger_magnitude(amax, s[i]);
  }
  if (n.row_scale)
    out = row_output(out, block_max(amax, maxima), &n.row_scale[blockIdx.x]);
#pragma unroll
  for (int q = 0; q < QUADS; ++q) {
    const int32_t k = index(q * QUAD);
    const float *v = &s[q * QUAD];
    if (VECTOR && out.type == MAMBA_I8 && !out.inv_scales) {
      if (k < n.d)
        *(uint32_t *)((int8_t *)out.data + first + k) = quantize_quad(v[0], v[1], v[2], v[3], out.inv_scale);
    } else {
#pragma unroll
      for (int j = 0; j < QUAD; ++j)
        if (k + j * stride < n.d)
          store_value(out, first + k + j * stride, k + j * stride, v[j]);
    }
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
  if (d > MOST_KEPT)
    return launch(rms_norm_long, dim3(rows), THREADS, 0, stream, rows, n);
  const bool vector = d % QUAD == 0 && is_aligned(x, 16) && is_aligned(delta, 16) && is_aligned(sum, 16) &&
                      is_aligned(gamma, 16) && is_aligned(out.data, 4);
  const unsigned threads = round_up(ceil_div(d, PER_THREAD), WARP);
  const size_t shared = ((size_t)LANES * chain_stride(d) + CHAIN_AHEAD) * sizeof(float);
  return launch(vector ? rms_norm<true> : rms_norm<false>, dim3(rows), threads, shared, stream, rows, n);
}
