/* The int8 matrix-vector product of decode, up to 8 rows: weights pass through registers once.
 *
 * Weights are row-major. LANES lanes read one column's 16 * LANES consecutive bytes of k, 16 each, so a
 * warp's load is whole lines; each lane multiplies its 16 values by the same 16 of every row of x with dp4a,
 * four products an instruction. A lane works on COLUMNS columns, which share the loads of x, and keeps a ring
 * of DEPTH steps of weights in registers: COLUMNS * DEPTH loads in flight. Where n is small, several warps
 * share a column and divide k. int32 sums are exact, so their order is free: lanes are folded with shuffles,
 * warps through shared memory, and one thread per (row, column) runs the epilogue.
 * Before the previous kernel has ended (see launch.h) a warp loads its first ring and the scales, and asks
 * for the rest of its weights to be brought to the second cache: memory works while small kernels compute.
 * (Weights of more than few_bytes are not asked for: that took in_proj of 2.8b from 8.1 to 9.5 us.) Deeper
 * rings, fewer columns a lane and x in shared memory were measured too, and were slower. The layout of 16
 * columns x 4 k that CPUs use would save loads of x, which hit the first cache, and cost predication for odd
 * sizes; the bytes that bound the kernel are the same, and the prefill kernel needs row-major weights for its
 * fragments.
 *
 * Bound: bytes of w.
 *
 * Reaches on an H200 (read 4.56 TB/s), weights of 2.8b: in_proj 8.2 us, 70% of that;
 * out_proj 5.2 us, 55%; the int8 head 34 us, 83%. Launch, first loads and the last blocks cost 2 to 3 us. */
#include "linear.cuh"

namespace mamba {
namespace {

constexpr int THREADS = 256, WARPS = THREADS / WARP;

template <bool VECTOR> __device__ inline int4 load_weights(const int8_t *from, int32_t left) {
  if (left <= 0)
    return make_int4(0, 0, 0, 0);
  return VECTOR ? load_once(from) : gather_bytes(from, min(left, CHUNK));
}

template <bool VECTOR> __device__ inline int4 load_x(const int8_t *from, int32_t left) {
  if (left <= 0)
    return make_int4(0, 0, 0, 0);
  return VECTOR ? *(const int4 *)from : gather_bytes(from, min(left, CHUNK));
}

/* `sharers` (a power of two, at most WARPS) warps divide the k of their columns. A kernel with few weights
 * lets the next one start `early`, which then prefetches; one with many keeps memory for itself until its
 * end. */
template <int ROWS, int COLUMNS, int DEPTH, int LANES_OF_K, bool VECTOR>
__global__ void __launch_bounds__(THREADS, ROWS == 1 ? 4 : 2)
    linear_decode(linear l, int32_t sharers, bool early) {
  constexpr int GROUPS = WARP / LANES_OF_K; /* column groups of a warp */
  constexpr int MOST_COLUMNS = WARPS * GROUPS * COLUMNS;
  __shared__ int32_t partial[WARPS][ROWS][GROUPS * COLUMNS];
  if (early)
    start_next();
  const int32_t warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
  const int32_t part = warp % sharers, team = warp / sharers;
  const int32_t group = lane / LANES_OF_K, lane_of_k = lane % LANES_OF_K;
  const int32_t block_columns = MOST_COLUMNS / sharers;
  const int32_t block_first = blockIdx.x * block_columns;
  const int32_t first = block_first + (team * GROUPS + group) * COLUMNS;
  const int32_t step = LANES_OF_K * CHUNK * sharers;
  const int32_t begin = (part * LANES_OF_K + lane_of_k) * CHUNK;

  const int8_t *columns[COLUMNS];
#pragma unroll
  for (int c = 0; c < COLUMNS; ++c) /* columns past the end repeat the last and are not stored */
    columns[c] = l.w + (int64_t)min(first + c, l.n - 1) * l.k;
  int4 ring[DEPTH][COLUMNS];
#pragma unroll
  for (int s = 0; s < DEPTH; ++s)
#pragma unroll
    for (int c = 0; c < COLUMNS; ++c)
      ring[s][c] = load_weights<VECTOR>(columns[c] + begin + s * step, l.k - (begin + s * step));
  /* In the epilogue a thread has one column. */
  const int32_t in_block = threadIdx.x % block_columns, column = block_first + in_block;
  const column_scales scales = load_scales(l, min(column, l.n - 1));
  if (VECTOR && dependent_code() && early)
    for (int32_t at = begin + DEPTH * step; at < l.k; at += step)
#pragma unroll
      for (int c = 0; c < COLUMNS; ++c)
        if (lane_of_k % 8 == 0) /* one in a line of 128 bytes */
          prefetch(columns[c] + at);
  wait_for_previous();
  const int8_t *rows[ROWS];
#pragma unroll
  for (int r = 0; r < ROWS; ++r)
    rows[r] = l.x + (int64_t)min(r, l.rows - 1) * l.k;

  int32_t acc[ROWS][COLUMNS] = {};
  for (int32_t k = begin; k < l.k; k += DEPTH * step)
#pragma unroll
    for (int s = 0; s < DEPTH; ++s) {
      const int32_t at = k + s * step, next = at + DEPTH * step;
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
        const int4 values = load_x<VECTOR>(rows[r] + at, l.k - at);
#pragma unroll
        for (int c = 0; c < COLUMNS; ++c)
          acc[r][c] = dot16(values, ring[s][c], acc[r][c]);
      }
#pragma unroll
      for (int c = 0; c < COLUMNS; ++c)
        ring[s][c] = load_weights<VECTOR>(columns[c] + next, l.k - next);
    }

  if (!early)
    start_next();
#pragma unroll
  for (int r = 0; r < ROWS; ++r)
#pragma unroll
    for (int c = 0; c < COLUMNS; ++c) {
      for (int distance = LANES_OF_K / 2; distance > 0; distance /= 2)
        acc[r][c] += __shfl_xor_sync(ALL_LANES, acc[r][c], distance);
      if (lane_of_k == 0)
        partial[warp][r][group * COLUMNS + c] = acc[r][c];
    }
  __syncthreads();
  const int32_t owner = in_block / (GROUPS * COLUMNS) * sharers, in_warp = in_block % (GROUPS * COLUMNS);
  const linear_column own = find_column(l, column, scales);
  for (int32_t row = threadIdx.x / block_columns; row < l.rows && column < l.n;
       row += THREADS / block_columns) {
    int32_t sum = 0;
    for (int32_t p = 0; p < sharers; ++p)
      sum += partial[owner + p][row][in_warp];
    store_accumulator(l, own, row, sum);
  }
}

template <int ROWS, int COLUMNS, int DEPTH, int LANES_OF_K, bool VECTOR>
cudaError_t launch_variant(const linear &l, cudaStream_t stream) {
  const int warp_columns = WARP / LANES_OF_K * COLUMNS;
  const int warps_wanted = 16; /* per multiprocessor: enough loads in flight to hide memory's latency */
  const int64_t few_bytes = 4 << 20;
  device_info info;
  const cudaError_t error = get_device_info(&info);
  if (error != cudaSuccess)
    return error;
  int sharers = 1;
  while (sharers < WARPS && ceil_div(l.n, warp_columns) * sharers < warps_wanted * info.multiprocessors &&
         sharers * LANES_OF_K * CHUNK < l.k)
    sharers *= 2;
  return launch(linear_decode<ROWS, COLUMNS, DEPTH, LANES_OF_K, VECTOR>,
                dim3(ceil_div(l.n, warp_columns * WARPS / sharers)), THREADS, 0, stream, l.rows, l, sharers,
                (int64_t)l.n * l.k <= few_bytes);
}

/* Eight weight loads in flight per lane; more rows leave registers for fewer columns. */
template <int LANES_OF_K, bool VECTOR> cudaError_t launch_rows(const linear &l, cudaStream_t stream) {
  if (l.rows == 1)
    return launch_variant<1, 4, 2, LANES_OF_K, VECTOR>(l, stream);
  if (l.rows == 2)
    return launch_variant<2, 4, 2, LANES_OF_K, VECTOR>(l, stream);
  if (l.rows <= 4)
    return launch_variant<4, 2, 4, LANES_OF_K, VECTOR>(l, stream);
  return launch_variant<DECODE_ROWS, 2, 4, LANES_OF_K, VECTOR>(l, stream);
}

} // namespace

cudaError_t launch_linear_decode(const linear &l, bool vector, cudaStream_t stream) {
  if (!vector)
    return launch_rows<WARP, false>(l, stream);
  if (l.k <= 8 * CHUNK)
    return launch_rows<8, true>(l, stream);
  if (l.k <= 16 * CHUNK)
    return launch_rows<16, true>(l, stream);
  return launch_rows<WARP, true>(l, stream);
}

} // namespace mamba
