/* mamba_cuda_layer_scan of several rows: a thread has a channel of ROWS rows, with all their states, so that
 * the recurrence exchanges nothing, and reads its row of dt_proj once for all of them. States and weights are
 * asked for before the previous kernel has ended. Every block turns x_proj's sums into dt, B and C of its
 * rows. Where y is to be transformed, the channels of a block take the butterflies among them.
 *
 * Bound: bytes of the state, read and written; nearly as much instructions, some 400 a channel and row. */
#include "hadamard.cuh"
#include "layer.cuh"
#include "layer_rows.h"
#include "row_product.cuh"

namespace mamba {
namespace {

constexpr int MOST_RANK = 256, CHANNELS = ROWS_CHANNELS;

struct rows_scan_args {
  mamba_cuda_layer l;
  int32_t rows, block; /* block: of the transform, or 0 */
  bool prefetches;     /* out_proj */
};

/* Asks for the block's share of out_proj's weights to be brought to the second cache. */
__device__ inline void prefetch_out_proj(const rows_scan_args &args) {
  const mamba_cuda_layer &l = args.l;
  if (!args.prefetches || threadIdx.x != 0)
    return;
  const int64_t chunks = (int64_t)l.d * l.inner / CHUNK, index = blockIdx.y * gridDim.x + blockIdx.x;
  const int64_t parts = gridDim.x * gridDim.y, begin = chunks * index / parts,
                end = chunks * (index + 1) / parts;
  prefetch_block(l.out_proj.w + begin * CHUNK, (uint32_t)(end - begin) * CHUNK);
}

/* What a block needs of x_proj's result, for its rows: as the scan reads it. */
template <int ROWS> struct rows_inputs {
  __align__(16) int8_t dt[ROWS][MOST_RANK];
  float b[ROWS][STATES], c[ROWS][STATES];
};

/* Values of x_proj from its sums, by all threads: all loads first, then one copy of what is done with each.
 */
template <int ROWS>
__device__ inline void project(const mamba_cuda_layer &l, int32_t first_row, int32_t last_row,
                               rows_inputs<ROWS> *to) {
  constexpr int MOST = (ROWS * (MOST_RANK + 2 * STATES) - 1) / CHANNELS + 1; /* values of a thread */
  __shared__ float values[MOST][CHANNELS];
  const int32_t projections = l.rank + 2 * STATES, thread = threadIdx.x;
#pragma unroll
  for (int i = 0; i < MOST; ++i) {
    const int32_t item = thread + i * CHANNELS, r = ROWS > 1 && item >= projections,
                  n = item - r * projections;
    if (item < ROWS * projections)
      values[i][thread] =
          column_value(factors_of(l.x_proj, n), l.sums[min(first_row + r, last_row) * projections + n]);
  }
#pragma unroll 1
  for (int32_t i = 0, item = thread; item < ROWS * projections; ++i, item += CHANNELS) {
    const int32_t r = ROWS > 1 && item >= projections, n = item - r * projections;
    const float v = values[i][thread];
    if (n < l.rank)
      to->dt[r][n] = (int8_t)stored_bits(output_of<MAMBA_I8>(l.dt, l.rank), n, v);
    else if (n < l.rank + STATES)
      to->b[r][n - l.rank] = reread(l.b, n - l.rank, v);
    else
      to->c[r][n - l.rank - STATES] = reread(l.c, n - l.rank - STATES, v);
  }
}

/* T: the type of z and u. */
template <int ROWS, mamba_type T>
__global__ void __launch_bounds__(CHANNELS, 5) layer_rows_scan(const __grid_constant__ rows_scan_args args) {
  static_assert(ROWS <= 2, "project()");
  int4 *const w = dynamic_shared<int4>(); /* [CHANNELS][pitch]: the block's rows of dt_proj */
  __shared__ rows_inputs<ROWS> in;
  __shared__ float y[ROWS][CHANNELS];
  start_next();
  const mamba_cuda_layer &l = args.l;
  const int32_t thread = threadIdx.x, channel = blockIdx.x * CHANNELS + thread, first_row = blockIdx.y * ROWS;
  const int32_t chunks = l.rank / CHUNK,
                pitch = chunks | 1; /* odd: neighbours' chunks lie in different banks */
  const auto row_of = [&](int r) {
    return min(first_row + r, args.rows - 1);
  }; /* past the end the last again */
  float h[ROWS][STATES], a[STATES];
#pragma unroll
  for (int r = 0; r < ROWS; ++r)
#pragma unroll
    for (int s = 0; s < STATES; ++s)
      h[r][s] = l.ssm_state[((int64_t)row_of(r) * STATES + s) * l.inner + channel];
#pragma unroll 2
  for (int32_t i = thread; i < CHANNELS * chunks; i += CHANNELS)
    copy_async((uint32_t)__cvta_generic_to_shared(w + i / chunks * pitch + i % chunks),
               l.dt_proj.w + ((int64_t)blockIdx.x * CHANNELS * chunks + i) * CHUNK, true);
  commit_copies();
#pragma unroll
  for (int s = 0; s < STATES; ++s)
    a[s] = l.a[(int64_t)s * l.inner + channel];
  const column_factors dt_factors = factors_of(l.dt_proj, channel);
  const float skip = l.d_skip ? l.d_skip[channel] : 0.0f;
  wait_for_previous();
  uint32_t u_bits[ROWS], z_bits[ROWS];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    const int64_t at = (int64_t)row_of(r) * l.inner + channel;
    u_bits[r] =
        load_bits(input_of<T>(l.u), reads_blocked_u(l) ? blocked_place(row_of(r), channel, args.rows) : at);
    z_bits[r] = load_bits(input_of<T>(l.z), at);
  }
  if (ROWS == 1) /* small models, in which it does nothing: behind the barrier the code is 2% slower */
    prefetch_out_proj(args);
  project(l, first_row, args.rows - 1, &in);
  wait_copies<0>();
  __syncthreads();
  if (ROWS > 1) /* earlier the block's own values would wait behind it */
    prefetch_out_proj(args);

  int32_t acc[ROWS] = {};
#pragma unroll 4
  for (int32_t i = 0; i < chunks; ++i) {
    const int4 weights = w[thread * pitch + i];
#pragma unroll
    for (int r = 0; r < ROWS; ++r)
      acc[r] = dot16(*(const int4 *)&in.dt[r][i * CHUNK], weights, acc[r]);
  }
  float v[ROWS];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    const bool inside = first_row + r < args.rows;
    const float raw = column_value(dt_factors, acc[r]), delta = l.softplus ? softplus(raw) : raw;
    const float u = value_of(input_of<T>(l.u), u_bits[r], channel), du = delta * u;
    float sums[STATES];
#pragma unroll
    for (int s = 0; s < STATES; ++s) {
      h[r][s] = fmaf(mambaExp(delta * a[s]), h[r][s], du * in.b[r][s]);
      if (inside)
        l.ssm_state[((int64_t)(first_row + r) * STATES + s) * l.inner + channel] = h[r][s];
      sums[s] = fmaf(h[r][s], in.c[r][s], 0.0f);
    }
    v[r] = fold_array(sums);
    if (l.d_skip)
      v[r] = fmaf(skip, u, v[r]);
    v[r] = v[r] * silu(value_of(input_of<T>(l.z), z_bits[r], channel));
    if (!l.rotate && inside)
      store_value(output_of<MAMBA_I8>(l.y, l.inner), blocked_place(first_row + r, channel, args.rows),
                  channel, v[r]);
  }
  if (!l.rotate)
    return;
  for (int stride = 1; stride < WARP && stride < args.block; stride *= 2)
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      const float other = __shfl_xor_sync(ALL_LANES, v[r], stride);
      v[r] = thread & stride ? other - v[r] : v[r] + other;
    }
#pragma unroll
  for (int r = 0; r < ROWS; ++r)
    y[r][thread] = v[r];
  __syncthreads();
  for (int stride = WARP; stride < CHANNELS && stride < args.block; stride *= 2) {
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      const float other = y[r][thread ^ stride];
      v[r] = thread & stride ? other - v[r] : v[r] + other;
    }
    __syncthreads();
#pragma unroll
    for (int r = 0; r < ROWS; ++r)
      y[r][thread] = v[r];
    __syncthreads();
  }
#pragma unroll
  for (int r = 0; r < ROWS; ++r)
    if (first_row + r < args.rows)
      ((float *)l.y.data)[(int64_t)(first_row + r) * l.inner + channel] = v[r];
}

typedef void (*rows_scan_kernel)(rows_scan_args);

template <int ROWS> rows_scan_kernel choose(mamba_type type) {
  return type == MAMBA_I8    ? layer_rows_scan<ROWS, MAMBA_I8>
         : type == MAMBA_F16 ? layer_rows_scan<ROWS, MAMBA_F16>
                             : layer_rows_scan<ROWS, MAMBA_F32>;
}

} // namespace

cudaError_t rows_layer_scan(const mamba_cuda_layer &l, int32_t rows, cudaStream_t stream) {
  const int32_t enough = 4; /* blocks for every multiprocessor */
  device_info info;
  const cudaError_t error = get_device_info(&info);
  if (error != cudaSuccess)
    return error;
  const int32_t across = l.inner / CHANNELS;
  const bool pairs = across * ceil_div(rows, 2) >= enough * info.multiprocessors;
  const rows_scan_args args = {l, rows, l.rotate ? l.inner / mambaHadamardOrder(l.inner) : 0,
                               reads_long(l, info)};
  return launch(pairs ? choose<2>(l.x.type) : choose<1>(l.x.type),
                dim3(across, ceil_div(rows, pairs ? 2 : 1)), CHANNELS,
                (l.rank / CHUNK | 1) * CHUNK * CHANNELS, stream, rows, args);
}

} // namespace mamba
