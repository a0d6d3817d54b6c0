/* One block's share of an int8 product of 2 to 64 rows, on tensor cores: the fused kernels of decode of
 * several sequences.
 *
 * What limits such a product is bytes: weights from memory, and x from the second cache, which every block
 * reads for itself. So a block has up to 80 columns and all of its weights are asked for at once, before the
 * previous kernel has ended (see launch.h): there is one round of waiting for memory, not one for each step.
 * mma.m16n8k32 takes 16 columns of the result (rows of w) and 8 rows of x. Which 32 values of k it multiplies
 * does not matter, as long as w and x agree and every value comes once: lane t of four has 16 consecutive
 * bytes, its share of two instructions, so that w and x are read by 16-byte loads alone. The warps of a block
 * divide k, each with all of the block's columns and rows: x is read once a block, into registers, several
 * steps ahead. A lane's weights lie in shared memory where only itself writes and reads them, by cp.async: no
 * barriers. int32 sums are exact, so their order is free: warps add theirs up in shared memory. */
#ifndef MAMBA_CUDA_ROW_PRODUCT_CUH
#define MAMBA_CUDA_ROW_PRODUCT_CUH

#include "instructions.cuh"
#include "linear.cuh"

namespace mamba {

constexpr int PRODUCT_WARPS = 8, PRODUCT_THREADS = PRODUCT_WARPS * WARP;
constexpr int TILE_COLUMNS = 16, TILE_ROWS = 8,
              PRODUCT_STEP = 64; /* PRODUCT_STEP: of k, that a warp takes at once */
constexpr int PRODUCT_STRIDE = PRODUCT_WARPS * PRODUCT_STEP; /* from one step of a warp to its next */

/* How a product is cut: `tiles` tiles of columns a block; k in `parts` parts of part_k; how many steps of
 * weights a warp keeps (`slots`), 4 or 8 where it has more than that. */
struct product_shape {
  int32_t tiles, row_tiles, parts, part_k, slots;
};

/* Bytes of shared memory: weights, then the sums. */
__host__ __device__ inline int32_t product_ring_bytes(const product_shape &s) {
  return s.slots * 2 * s.tiles * PRODUCT_THREADS * CHUNK;
}
__host__ __device__ inline int32_t product_bytes(const product_shape &s) {
  return product_ring_bytes(s) +
         s.row_tiles * TILE_ROWS * (s.tiles * TILE_COLUMNS + 4) * (int32_t)sizeof(int32_t);
}

/* The shape for n columns, which a block takes `tiles` tiles of, on this GPU; k in at most most_parts parts,
 * in at most most_blocks blocks where parts are asked for. */
product_shape shape_product(const device_info &info, int32_t rows, int32_t n, int32_t k, int32_t most_parts,
                            int32_t most_blocks);

template <int TILES, int ROW_TILES> class row_product {
public:
  static constexpr int COLUMNS = TILES * TILE_COLUMNS, ROWS = ROW_TILES * TILE_ROWS;
  static constexpr int PITCH = COLUMNS + 4; /* of the sums: the lanes of an addition lie in different banks */

  /* w: [.., k], 16-byte aligned, k a multiple of 16; the product is over its columns `begin` to `end`.
   * row_of(i): the row of w that is the block's column i. */
  template <typename F>
  __device__ row_product(const int8_t *w_, int32_t k_, int32_t begin, int32_t end_, int32_t slots_,
                         void *ring, F row_of)
      : w(w_), k(k_), end(end_), slots(slots_) {
    const int32_t lane = threadIdx.x % WARP;
    chunk = lane % 4 * CHUNK;
    first = begin + (int32_t)threadIdx.x / WARP * PRODUCT_STEP;
#pragma unroll
    for (int i = 0; i < LOADS; ++i)
      from[i] = row_of(i * 8 + lane / 4) * k + chunk;
    places = (uint32_t)__cvta_generic_to_shared(ring) + threadIdx.x * CHUNK;
  }

  /* Asks for the weights, never for more at once than keeps memory busy: what other kernels read meanwhile
   * would wait behind them. */
  __device__ void start() {
    for (int32_t s = 0; s < slots; ++s) {
      copy(places + s * SLOT_BYTES, first + s * PRODUCT_STRIDE);
      if (s + 1 < slots)
        wait_copies<AT_ONCE - 1>();
    }
    for (int32_t s = slots; s < (slots <= 4 ? 4 : 8); ++s)
      commit_copies();
  }

  /* The products with the rows of x, [rows, k]; by all threads of the block. */
  __device__ void multiply(const int8_t *x, int32_t rows) {
    if (slots <= 4)
      run<4>(x, rows);
    else
      run<8>(x, rows);
  }

  /* total[row * PITCH + column] += them. The sums are in shared memory and 0; a barrier is needed before and
   * after. */
  __device__ void add(int32_t *total) const {
    const int32_t lane = threadIdx.x % WARP;
#pragma unroll
    for (int i = 0; i < TILES; ++i)
#pragma unroll
      for (int r = 0; r < ROW_TILES; ++r)
#pragma unroll
        for (int s = 0; s < 4; ++s)
          atomicAdd(&total[(r * TILE_ROWS + lane % 4 * 2 + s % 2) * PITCH + i * TILE_COLUMNS + s / 2 * 8 +
                           lane / 4],
                    sums[i][r][s]);
  }

private:
  static constexpr int LOADS = 2 * TILES, LOAD_BYTES = PRODUCT_THREADS * CHUNK,
                       SLOT_BYTES = LOADS * LOAD_BYTES;
  static constexpr int AT_ONCE = TILES > 2 ? 2 : 8; /* steps of weights on their way */
  static constexpr int AHEAD = ROW_TILES == 1 ? 6 : ROW_TILES <= 4 ? 5 : 2; /* steps of x in registers */
  const int8_t *const w;
  const int32_t k, end, slots;
  int32_t chunk, first, from[LOADS];
  uint32_t places;
  int32_t sums[TILES][ROW_TILES][4];

  __device__ void copy(uint32_t slot, int32_t at) const {
    if (at + chunk < end)
#pragma unroll
      for (int i = 0; i < LOADS; ++i)
        copy_async_once(slot + i * LOAD_BYTES, w + from[i] + at);
    commit_copies();
  }

  /* DEPTH: groups of copies in flight, of which the last may be empty. */
  template <int DEPTH> __device__ void run(const int8_t *x, int32_t rows) {
    int4 ahead[AHEAD][ROW_TILES];
    int32_t row_at[ROW_TILES]; /* rows past the end repeat the last, and their sums are not used */
#pragma unroll
    for (int r = 0; r < ROW_TILES; ++r)
      row_at[r] = min(r * TILE_ROWS + (int32_t)threadIdx.x % WARP / 4, rows - 1) * k + chunk;
    /* Zeros past the end, whatever w is there. */
    const auto load = [&](int4(&to)[ROW_TILES], int32_t at) {
#pragma unroll
      for (int r = 0; r < ROW_TILES; ++r)
        to[r] = at + chunk < end ? *(const int4 *)(x + row_at[r] + at) : make_int4(0, 0, 0, 0);
    };
#pragma unroll
    for (int a = 0; a < AHEAD; ++a)
      load(ahead[a], first + a * PRODUCT_STRIDE);
#pragma unroll
    for (int i = 0; i < TILES; ++i)
#pragma unroll
      for (int r = 0; r < ROW_TILES; ++r)
#pragma unroll
        for (int s = 0; s < 4; ++s)
          sums[i][r][s] = 0;
    int32_t slot = 0;
#pragma unroll 1
    for (int32_t begin = first; begin < end; begin += AHEAD * PRODUCT_STRIDE)
#pragma unroll
      for (int a = 0; a < AHEAD; ++a) {
        const int32_t at = begin + a * PRODUCT_STRIDE;
        if (at >= end)
          break;
        wait_copies<DEPTH - 1>();
        const uint32_t place = places + slot * SLOT_BYTES;
#pragma unroll
        for (int i = 0; i < TILES; ++i) {
          const int4 low = load_shared(place + 2 * i * LOAD_BYTES),
                     high = load_shared(place + (2 * i + 1) * LOAD_BYTES);
#pragma unroll
          for (int r = 0; r < ROW_TILES; ++r)
            multiply_add(sums[i][r], low.x, high.x, low.y, high.y, ahead[a][r].x, ahead[a][r].y);
#pragma unroll
          for (int r = 0; r < ROW_TILES; ++r) /* none waits for the one before it */
            multiply_add(sums[i][r], low.z, high.z, low.w, high.w, ahead[a][r].z, ahead[a][r].w);
        }
        copy(place, at + slots * PRODUCT_STRIDE);
        load(ahead[a], at + AHEAD * PRODUCT_STRIDE);
        slot = slot + 1 == slots ? 0 : slot + 1;
      }
  }
};

} // namespace mamba

#endif
