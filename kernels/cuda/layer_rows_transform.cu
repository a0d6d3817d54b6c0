/* The Hadamard transform and quantization of y of several rows, a block a row, through shared memory once in
 * each direction: the scan has done the butterflies among ROWS_CHANNELS neighbours. What is left of them are
 * those of values that one thread has, and at most one stride between two threads, which both compute.
 *
 * These blocks run on multiprocessors that seldom have their code in the cache, and wait long for the scan:
 * they run once on nothing before it is there (turn 0), unless the weights are small (late), where that was
 * no gain, or kernels do not start early.
 *
 * Bound: latency. */
#include "hadamard.cuh"
#include "layer.cuh"
#include "layer_rows.h"
#include "row_product.cuh"

#include <math.h>

namespace mamba {
namespace {

struct rows_transform_args {
  const float *x; /* [rows, d] */
  int32_t d, rows;
  float norm;       /* 1 / sqrt(d) */
  mamba_output out; /* a product's input */
  float *row_scale; /* or NULL */
  bool late;        /* see layer_rows.h */
};

__device__ inline void await_row(const rows_transform_args &args) {
  if (!args.late)
    start_next();
  wait_for_previous();
  if (args.late)
    start_next();
}

/* A row of d floats to shared memory, four at a time; by all threads, between barriers. */
template <int MOST_QUADS>
__device__ inline void stage_row(const rows_transform_args &args, float *row, bool counts) {
  const float4 *const from = (const float4 *)(args.x + (int64_t)blockIdx.x * args.d);
  const int32_t quads = counts ? args.d / QUAD : 0, threads = blockDim.x;
  float4 v[MOST_QUADS];
#pragma unroll
  for (int i = 0; i < MOST_QUADS; ++i)
    if ((int32_t)threadIdx.x + i * threads < quads)
      v[i] = from[threadIdx.x + i * threads];
  __syncthreads();
#pragma unroll
  for (int i = 0; i < MOST_QUADS; ++i)
    if ((int32_t)threadIdx.x + i * threads < quads)
      ((float4 *)row)[threadIdx.x + i * threads] = v[i];
  __syncthreads();
}

/* Quantizes the block's row in shared memory; amax: of what this thread has put there. */
__device__ inline void finish_row(const rows_transform_args &args, float amax, const float *row,
                                  bool counts) {
  __shared__ float maxima[WARP];
  mamba_output out = args.out;
  float scale;
  amax = block_max(amax, maxima); /* behind a barrier */
  if (args.row_scale) {
    out = scaled_output(out, amax, &scale);
    if (counts && threadIdx.x == 0)
      args.row_scale[blockIdx.x] = scale;
  }
#pragma unroll 1
  for (int32_t k = threadIdx.x * QUAD; k < args.d; k += blockDim.x * QUAD) {
    const float4 v = *(const float4 *)(row + k);
    float4 inverse = make_float4(out.inv_scale, out.inv_scale, out.inv_scale, out.inv_scale);
    if (out.inv_scales)
      inverse =
          make_float4(out.inv_scales[k], out.inv_scales[k + 1], out.inv_scales[k + 2], out.inv_scales[k + 3]);
    const uint32_t bytes = quantize_quad({v.x, v.y, v.z, v.w}, {inverse.x, inverse.y, inverse.z, inverse.w});
    if (counts)
      *(uint32_t *)((int8_t *)out.data + blocked_place(blockIdx.x, k, args.rows)) = bytes;
  }
}

constexpr int COLUMN_THREADS = 512; /* two for each column of the order-m matrix: each has half of its rows */
constexpr int POWER_THREADS = 2 * ROWS_CHANNELS;
static_assert(COLUMN_THREADS == 4 * ROWS_CHANNELS, "one stride is left of a column's butterflies");

/* d = ORDER * inner, inner at most 2 ROWS_CHANNELS. */
template <int ORDER, bool TRANSPOSE>
__global__ void __launch_bounds__(COLUMN_THREADS)
    transform_columns(const __grid_constant__ rows_transform_args args) {
  constexpr int HALF = ORDER / 2;
  float *const row = dynamic_shared<float>();
  const int32_t inner = args.d / ORDER, thread = threadIdx.x, part = thread >= inner;
  const int32_t at = thread - part * inner;
  const bool last = inner > ROWS_CHANNELS;
  const float sign = at & ROWS_CHANNELS ? -1.0f : 1.0f;
  float *const to = row + part * HALF * inner + at;
#pragma unroll 1
  for (int turn = dependent_code() ? args.late : 1; turn < 2; ++turn) {
    if (turn == 1)
      await_row(args);
    stage_row<(ORDER / 2 + QUAD - 1) / QUAD>(args, row, turn == 1);
    float v[ORDER], amax = 0;
#pragma unroll
    for (int j = 0; j < ORDER; ++j) {
      v[j] = row[j * inner + at];
      if (last)
        v[j] = fmaf(sign, v[j], row[j * inner + (at ^ ROWS_CHANNELS)]);
    }
    __syncthreads();
    const auto keep = [&](int i, float sum) {
      sum = sum * args.norm;
      amax = larger_magnitude(amax, sum);
      to[i * inner] = sum;
    };
    if (part == 0)
      signed_sums<ORDER, TRANSPOSE, 0, HALF>(v, keep);
    else
      signed_sums<ORDER, TRANSPOSE, HALF, HALF>(v, keep);
    finish_row(args, amax, row, turn == 1);
  }
}

/* d = COUNT * POWER_THREADS, or COUNT 1 and d below. */
template <int COUNT>
__global__ void __launch_bounds__(POWER_THREADS)
    transform_powers(const __grid_constant__ rows_transform_args args) {
  float *const row = dynamic_shared<float>();
  const int32_t thread = threadIdx.x;
  const bool works = thread < args.d;
  const float sign = thread & ROWS_CHANNELS ? -1.0f : 1.0f;
#pragma unroll 1
  for (int turn = dependent_code() ? args.late : 1; turn < 2; ++turn) {
    if (turn == 1)
      await_row(args);
    stage_row<(COUNT + QUAD - 1) / QUAD>(args, row, turn == 1);
    float v[COUNT], amax = 0;
    if (works) {
#pragma unroll
      for (int i = 0; i < COUNT; ++i) {
        v[i] = row[i * POWER_THREADS + thread];
        if (args.d > ROWS_CHANNELS)
          v[i] = fmaf(sign, v[i], row[i * POWER_THREADS + (thread ^ ROWS_CHANNELS)]);
      }
      if constexpr (COUNT > 1)
        butterflies(v);
    }
    __syncthreads();
    if (works)
#pragma unroll
      for (int i = 0; i < COUNT; ++i) {
        v[i] = v[i] * args.norm;
        amax = larger_magnitude(amax, v[i]);
        row[i * POWER_THREADS + thread] = v[i];
      }
    finish_row(args, amax, row, turn == 1);
  }
}

typedef void (*rows_transform_kernel)(rows_transform_args);

template <bool TRANSPOSE> rows_transform_kernel choose_columns(int32_t order) {
  return order == 12   ? transform_columns<12, TRANSPOSE>
         : order == 20 ? transform_columns<20, TRANSPOSE>
                       : transform_columns<28, TRANSPOSE>;
}

rows_transform_kernel choose_powers(int32_t d) {
  return d <= POWER_THREADS        ? transform_powers<1>
         : d == 2 * POWER_THREADS  ? transform_powers<2>
         : d == 4 * POWER_THREADS  ? transform_powers<4>
         : d == 8 * POWER_THREADS  ? transform_powers<8>
         : d == 16 * POWER_THREADS ? transform_powers<16>
                                   : transform_powers<32>;
}

} // namespace

cudaError_t launch_rows_transform(const mamba_cuda_layer &l, int32_t rows, bool late, cudaStream_t stream) {
  const int32_t d = l.inner, order = mambaHadamardOrder(d);
  const rows_transform_args args = {(const float *)l.y.data,
                                    d,
                                    rows,
                                    (float)(1.0 / sqrt((double)d)),
                                    output_of(l.rotated, d),
                                    l.rotated_per_row ? l.out_scale : NULL,
                                    late};
  const rows_transform_kernel kernel = order == 1    ? choose_powers(d)
                                       : l.transpose ? choose_columns<true>(order)
                                                     : choose_columns<false>(order);
  return launch(kernel, dim3(rows), order == 1 ? POWER_THREADS : 2 * (d / order), d * sizeof(float), stream,
                rows, args);
}

} // namespace mamba
