/* The int8 matrix-matrix product of prefill, on tensor cores (mma.m16n8k32, s8 x s8 -> s32, exact).
 *
 * A block computes TILE_M rows x TILE_N columns; STAGES tiles of 64 bytes of k circle through shared memory,
 * filled by cp.async (which writes zeros past the ends, so any size works) while earlier ones are used. Both
 * operands are k-major, as mma wants them: fragments come with ldmatrix, four 8 x 16-byte matrices at a time.
 * Sixteen-byte chunks of a row are permuted by (row / 2) % 4, so that the eight rows of a matrix lie in
 * different banks. Blocks that share weights are neighbours (M varies fastest): weights come from memory
 * once. Accumulators then pass through shared memory, so that a thread has one column and the epilogue
 * (scale, bias, split, quantize) stores whole lines. Where there are few tiles, the warps of a block share
 * one small tile and divide k.
 *
 * Bound: tensor cores for many rows, bytes of w for few.
 *
 * Reaches on an H200, 1024 rows of 2.8b: in_proj 520 TOP/s, out_proj 430, where wgmma (linear_i8_wgmma.cu)
 * has 1180 and 980. */
#include "instructions.cuh"
#include "linear_result.cuh"

namespace mamba {
namespace {

constexpr int TILE_K = 64, CHUNKS = TILE_K / CHUNK;

/* Where chunk `chunk` of row `row` of a tile is, in bytes. */
__device__ inline uint32_t tile_offset(int row, int chunk) {
  return (uint32_t)(row * TILE_K + (chunk ^ (row >> 1 & 3)) * CHUNK);
}

/* SHARERS groups of warps divide k: each computes the whole tile from its own part of a stage. */
template <int TILE_M_, int TILE_N_, int WARP_M_, int WARP_N_, int SHARERS_, int STAGES_> struct shape {
  static constexpr int TILE_M = TILE_M_, TILE_N = TILE_N_, WARP_M = WARP_M_, WARP_N = WARP_N_;
  static constexpr int SHARERS = SHARERS_, STAGES = STAGES_;
  static constexpr int WARPS_M = TILE_M / WARP_M, WARPS_N = TILE_N / WARP_N;
  static constexpr int THREADS = WARPS_M * WARPS_N * SHARERS * WARP;
  static constexpr int A_BYTES = TILE_M * TILE_K, PART_BYTES = (TILE_M + TILE_N) * TILE_K;
  static constexpr int STAGE_BYTES = SHARERS * PART_BYTES;
  typedef result_shape<TILE_M, TILE_N, SHARERS, THREADS> result; /* takes the place of the stages */
  static constexpr int SHARED_BYTES =
      STAGES * STAGE_BYTES > result::BYTES ? STAGES *STAGE_BYTES : result::BYTES;
};

/* Starts copying ROWS rows x TILE_K bytes at k of a matrix of `count` rows to a tile. THREADS / CHUNKS rows
 * are copied at a time; a thread copies the same chunk of each. */
template <int ROWS, int THREADS, bool VECTOR>
__device__ inline void load_tile(const int8_t *matrix, int32_t first, int32_t count, int32_t row_bytes,
                                 int32_t k, uint32_t tile) {
  constexpr int AT_ONCE = THREADS / CHUNKS;
  static_assert(ROWS % AT_ONCE == 0 && AT_ONCE % 8 == 0, "all threads copy, and the swizzle repeats");
  const int chunk = threadIdx.x % CHUNKS, row = threadIdx.x / CHUNKS;
  const int32_t left = row_bytes - (k + chunk * CHUNK);
  const int8_t *from = matrix + (int64_t)(first + row) * row_bytes + k + chunk * CHUNK;
  const uint32_t to = tile + tile_offset(row, chunk);
#pragma unroll
  for (int i = 0; i < ROWS / AT_ONCE; ++i) {
    const bool inside = first + row + i * AT_ONCE < count && left > 0;
    const int8_t *source = inside ? from + (int64_t)i * AT_ONCE * row_bytes : matrix;
    if (VECTOR)
      copy_async(to + i * AT_ONCE * TILE_K, source, inside);
    else
      store_shared(to + i * AT_ONCE * TILE_K, gather_bytes(source, inside ? min(left, CHUNK) : 0));
  }
}

template <typename S, bool VECTOR>
__device__ inline void load_stage(const linear &l, uint32_t stage, int32_t m0, int32_t n0, int32_t k) {
#pragma unroll
  for (int part = 0; part < S::SHARERS; ++part) {
    const uint32_t tile = stage + part * S::PART_BYTES;
    load_tile<S::TILE_M, S::THREADS, VECTOR>(l.x, m0, l.rows, l.k, k + part * TILE_K, tile);
    load_tile<S::TILE_N, S::THREADS, VECTOR>(l.w, n0, l.n, l.k, k + part * TILE_K, tile + S::A_BYTES);
  }
}

template <typename S, bool VECTOR> __global__ void __launch_bounds__(S::THREADS) linear_prefill(linear l) {
  constexpr int MS = S::WARP_M / 16, NS = S::WARP_N / 8; /* mma tiles of a warp */
  int32_t *const tiles = dynamic_shared<int32_t>();
  wait_for_previous();
  const int32_t m0 = blockIdx.x * S::TILE_M, n0 = blockIdx.y * S::TILE_N;
  const int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
  const int warp_m = warp % S::WARPS_M * S::WARP_M;
  const int warp_n = warp / S::WARPS_M % S::WARPS_N * S::WARP_N;
  const int part = warp / (S::WARPS_M * S::WARPS_N);
  const uint32_t shared = (uint32_t)__cvta_generic_to_shared(tiles);
  constexpr int STEP = S::SHARERS * TILE_K;
  const int32_t steps = ceil_div(l.k, STEP);

#pragma unroll
  for (int s = 0; s < S::STAGES - 1; ++s) {
    if (s < steps)
      load_stage<S, VECTOR>(l, shared + s * S::STAGE_BYTES, m0, n0, s * STEP);
    commit_copies();
  }

  int32_t acc[MS][NS][4] = {};
  int stage = 0, free_stage = S::STAGES - 1;
  for (int32_t step = 0; step < steps; ++step) {
    wait_copies<S::STAGES - 2>();
    __syncthreads(); /* so the stage that the previous step used is free now */
    const int32_t next = step + S::STAGES - 1;
    if (next < steps)
      load_stage<S, VECTOR>(l, shared + free_stage * S::STAGE_BYTES, m0, n0, next * STEP);
    commit_copies();

    const uint32_t a_tile = shared + stage * S::STAGE_BYTES + part * S::PART_BYTES;
    const uint32_t b_tile = a_tile + S::A_BYTES;
#pragma unroll
    for (int half = 0; half < TILE_K / 32; ++half) {
      uint32_t a[MS][4], b[NS / 2][4];
#pragma unroll
      for (int m = 0; m < MS; ++m)
        load_matrices(a[m], a_tile + tile_offset(warp_m + m * 16 + lane % 16, half * 2 + lane / 16));
#pragma unroll
      for (int n = 0; n < NS / 2; ++n)
        load_matrices(
            b[n], b_tile + tile_offset(warp_n + n * 16 + lane % 8 + lane / 16 * 8, half * 2 + lane / 8 % 2));
#pragma unroll
      for (int m = 0; m < MS; ++m)
#pragma unroll
        for (int n = 0; n < NS; ++n)
          multiply_add(acc[m][n], a[m][0], a[m][1], a[m][2], a[m][3], b[n / 2][n % 2 * 2],
                       b[n / 2][n % 2 * 2 + 1]);
    }
    free_stage = stage;
    stage = stage + 1 == S::STAGES ? 0 : stage + 1;
  }

  start_next();
  wait_copies<0>();
  __syncthreads();
#pragma unroll
  for (int m = 0; m < MS; ++m)
#pragma unroll
    for (int n = 0; n < NS; ++n)
      keep_accumulators<typename S::result>(tiles + part * S::result::SIZE, warp_m + m * 16, warp_n + n * 8,
                                            acc[m][n]);
  __syncthreads();
  store_result<typename S::result>(l, tiles, m0, n0);
}

template <typename S> cudaError_t launch_shape(const linear &l, bool vector, cudaStream_t stream) {
  return launch(vector ? linear_prefill<S, true> : linear_prefill<S, false>,
                dim3(ceil_div(l.rows, S::TILE_M), ceil_div(l.n, S::TILE_N)), S::THREADS, S::SHARED_BYTES,
                stream, l.rows, l);
}

} // namespace

cudaError_t launch_linear_prefill(const linear &l, bool vector, cudaStream_t stream) {
  typedef shape<128, 128, 64, 64, 1, 4> large;
  typedef shape<64, 128, 32, 64, 1, 4> medium;
  typedef shape<32, 32, 32, 32, 4, 4> small;
  device_info info;
  const cudaError_t error = get_device_info(&info);
  if (error != cudaSuccess)
    return error;
  /* The largest tile that still gives every multiprocessor one. */
  const int64_t enough = info.multiprocessors;
  if (l.rows > 64 && (int64_t)ceil_div(l.rows, 128) * ceil_div(l.n, 128) >= enough)
    return launch_shape<large>(l, vector, stream);
  if (l.rows > 32 && (int64_t)ceil_div(l.rows, 64) * ceil_div(l.n, 128) >= enough)
    return launch_shape<medium>(l, vector, stream);
  return launch_shape<small>(l, vector, stream);
}

} // namespace mamba
