/* The int8 product of 2 to 32 rows, of decode of several sequences, on tensor cores; where it has so few
 * columns that the tiles of the prefill kernel would leave most of the GPU idle.
 *
 * mma.m16n8k32 takes 16 columns of the result (rows of w) and 8 rows of x. Which 32 values of k it multiplies
 * does not matter, as long as w and x agree and every value comes once: lane t of four has 16 consecutive
 * bytes, its share of two instructions, so that w and x are read by 16-byte loads alone. The warps of a block
 * divide k, each with all of the block's columns and rows: x, too, is read once a block. A lane's weights
 * pass through a ring in shared memory that only itself fills and reads, by cp.async; before the previous
 * kernel has ended (see launch.h) the ring is filled. int32 sums are exact, so their order is free: warps add
 * theirs up in shared memory.
 *
 * Bound: latency. Reaches on an H200, 32 rows: x_proj of 2.8b 5.4 us (9.0 by the prefill kernel), of 130m 2.5
 * (4.0). (Blocks of 32 to 80 columns for the wide products were slower than the prefill kernel.) */
#include "instructions.cuh"
#include "linear.cuh"

namespace mamba {
namespace {

constexpr int WARPS = 8, THREADS = WARPS * WARP;
constexpr int COLUMNS = 16, TILE_ROWS = 8, STEP = 64; /* STEP: of k, that a warp takes at once */
constexpr int LOADS = 2,
              LOAD_BYTES = THREADS * CHUNK; /* LOADS: of w, of a lane and step: columns 0 to 7, 8 to 15 */
constexpr int DEPTH = 8, STEP_BYTES = LOADS * LOAD_BYTES; /* DEPTH: steps in the ring */

/* TILES_ROWS * TILE_ROWS rows. */
template <int TILES_ROWS>
__global__ void __launch_bounds__(THREADS) linear_rows(const __grid_constant__ linear l) {
  constexpr int ROWS = TILES_ROWS * TILE_ROWS;
  constexpr int PITCH = ROWS <= 8 ? 8 : ROWS + 8; /* few lanes of a store share a bank */
  int8_t *const ring = dynamic_shared<int8_t>();
  __shared__ int32_t total[COLUMNS * PITCH];
  start_next();
  const int32_t warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
  const int32_t in_tile = lane / 4, chunk = lane % 4 * CHUNK, first = blockIdx.x * COLUMNS;
  const uint32_t slots = (uint32_t)__cvta_generic_to_shared(ring) + threadIdx.x * CHUNK;
  /* Rows of w and x past the end repeat the last, and their sums are not stored. */
  const int8_t *w[LOADS], *x[TILES_ROWS];
#pragma unroll
  for (int i = 0; i < LOADS; ++i)
    w[i] = l.w + (int64_t)min(first + i * 8 + in_tile, l.n - 1) * l.k + chunk;
#pragma unroll
  for (int r = 0; r < TILES_ROWS; ++r)
    x[r] = l.x + (int64_t)min(r * TILE_ROWS + in_tile, l.rows - 1) * l.k + chunk;
  const auto copy = [&](uint32_t slot, int32_t k) {
#pragma unroll
    for (int i = 0; i < LOADS; ++i)
      if (k + chunk < l.k)
        copy_async(slot + i * LOAD_BYTES, w[i] + k, true);
    commit_copies();
  };
  const int32_t begin = warp * STEP;
#pragma unroll
  for (int s = 0; s < DEPTH; ++s)
    copy(slots + s * STEP_BYTES, begin + s * WARPS * STEP);
  for (int32_t i = threadIdx.x; i < COLUMNS * PITCH; i += THREADS)
    total[i] = 0;
  const int32_t in_block = threadIdx.x % COLUMNS, column = first + in_block; /* in the epilogue */
  const column_scales scales = load_scales(l, min(column, l.n - 1));
  wait_for_previous();

  int4 now[TILES_ROWS], next[TILES_ROWS];
  const auto load = [&](int32_t k) { /* zeros past the end, whatever w is there */
#pragma unroll
                                     for (int r = 0; r < TILES_ROWS; ++r)
                                       next[r] = k + chunk < l.k ? *(const int4 *)(x[r] + k)
                                                                 : make_int4(0, 0, 0, 0);
  };
  load(begin);
  int32_t sums[TILES_ROWS][4] = {};
  uint32_t slot = slots;
#pragma unroll 1
  for (int32_t k = begin; k < l.k; k += WARPS * STEP) {
#pragma unroll
    for (int r = 0; r < TILES_ROWS; ++r)
      now[r] = next[r];
    load(k + WARPS * STEP);
    wait_copies<DEPTH - 1>();
    const int4 low = load_shared(slot), high = load_shared(slot + LOAD_BYTES);
#pragma unroll
    for (int r = 0; r < TILES_ROWS; ++r) {
      multiply_add(sums[r], low.x, high.x, low.y, high.y, now[r].x, now[r].y);
      multiply_add(sums[r], low.z, high.z, low.w, high.w, now[r].z, now[r].w);
    }
    copy(slot, k + DEPTH * WARPS * STEP);
    slot = slot == slots + (DEPTH - 1) * STEP_BYTES ? slots : slot + STEP_BYTES;
  }
  __syncthreads();
#pragma unroll
  for (int r = 0; r < TILES_ROWS; ++r)
#pragma unroll
    for (int s = 0; s < 4; ++s)
      atomicAdd(&total[(s / 2 * 8 + in_tile) * PITCH + r * TILE_ROWS + lane % 4 * 2 + s % 2], sums[r][s]);
  __syncthreads();
  const linear_column own = find_column(l, column, scales);
  for (int32_t row = threadIdx.x / COLUMNS; row < l.rows && column < l.n; row += THREADS / COLUMNS)
    store_accumulator(l, own, row, total[in_block * PITCH + row]);
}

} // namespace

cudaError_t launch_linear_rows(const linear &l, bool *taken, cudaStream_t stream) {
  device_info info;
  const cudaError_t error = get_device_info(&info);
  const int32_t blocks = ceil_div(l.n, COLUMNS);
  *taken =
      error == cudaSuccess && l.rows > 1 && l.rows <= 4 * TILE_ROWS && blocks <= 2 * info.multiprocessors;
  if (!*taken)
    return error;
  const auto kernel = l.rows <= TILE_ROWS       ? linear_rows<1>
                      : l.rows <= 2 * TILE_ROWS ? linear_rows<2>
                                                : linear_rows<4>;
  return launch(kernel, dim3(blocks), THREADS, DEPTH * STEP_BYTES, stream, l.rows, l);
}

} // namespace mamba
