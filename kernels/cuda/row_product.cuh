/* One block's share of an int8 product of 2 to 64 rows, on tensor cores: the fused kernels of decode of
 * several sequences.
 *
 * What limits such a product is bytes: weights from memory, and x from the second cache, which every block
 * reads for itself. So a block has up to 80 columns, and as many of its weights as shared memory has room for
 * are asked for before the previous kernel has ended (see launch.h).
 *
 * mma.m16n8k32 takes 16 columns of the result (rows of w) and 8 rows of x. Which 32 values of k it multiplies
 * does not matter, as long as w and x agree and every value comes once: lane t of four has 16 consecutive
 * bytes, its share of two instructions, so that w and x are read by 16-byte loads alone. The warps of a block
 * divide k, each with all of the block's columns and rows: x is read once a block. It is stored in blocks
 * (blocked_place) of which a warp reads 512 consecutive bytes at once: eight rows' 64 took twice as long.
 * What a lane multiplies lies in shared memory where only itself writes and reads it, by cp.async: no
 * barriers. int32 sums are exact, so their order is free: warps add theirs up in shared memory. */
#ifndef MAMBA_CUDA_ROW_PRODUCT_CUH
#define MAMBA_CUDA_ROW_PRODUCT_CUH

#include "instructions.cuh"
#include "linear.cuh"

namespace mamba {

constexpr int PRODUCT_WARPS = 8, PRODUCT_THREADS = PRODUCT_WARPS * WARP;
constexpr int TILE_COLUMNS = 16, TILE_ROWS = 8,
              PRODUCT_STEP = 64; /* PRODUCT_STEP: of k, that a warp takes at once */
constexpr int LINE = 128;        /* bytes of the second cache */
constexpr int PRODUCT_STRIDE = PRODUCT_WARPS * PRODUCT_STEP; /* from one step of a warp to its next */

/* Where value k of a row of `rows` is in a product's input: blocks of PRODUCT_STEP of k, with all rows. */
__host__ __device__ inline int32_t blocked_place(int32_t row, int32_t k, int32_t rows) {
  return (k / PRODUCT_STEP * rows + row) * PRODUCT_STEP + k % PRODUCT_STEP;
}

/* How a product is cut: all_tiles tiles of columns among `groups` of blocks, at most `tiles` for each; k in
 * `parts` parts of part_k; for how many of a warp's steps there is room in shared memory (`slots`). */
struct product_shape {
  int32_t tiles, row_tiles, all_tiles, groups, parts, part_k, slots;
};

/* The first tile of a group; that of the next ends it. */
__device__ inline int32_t first_tile(const product_shape &s, int32_t group) {
  return s.all_tiles * group / s.groups;
}

/* Bytes of shared memory: weights and x, then the sums. */
__host__ __device__ inline int32_t product_ring_bytes(const product_shape &s) {
  return s.slots * (2 * s.tiles + s.row_tiles) * PRODUCT_THREADS * CHUNK;
}
__host__ __device__ inline int32_t product_bytes(const product_shape &s) {
  return product_ring_bytes(s) +
         s.row_tiles * TILE_ROWS * (s.tiles * TILE_COLUMNS + 4) * (int32_t)sizeof(int32_t);
}

/* The shape for n columns on this GPU; k in at most most_parts parts, in at most most_blocks blocks where
 * parts are asked for. */
product_shape shape_product(const device_info &info, int32_t rows, int32_t n, int32_t k, int32_t most_parts,
                            int32_t most_blocks);

template <int TILES, int ROW_TILES> class row_product {
public:
  static constexpr int COLUMNS = TILES * TILE_COLUMNS, ROWS = ROW_TILES * TILE_ROWS;
  static constexpr int PITCH = COLUMNS + 4; /* of the sums: the lanes of an addition lie in different banks */

  /* w: [.., k], 16-byte aligned; the product is over its columns `begin` to `end`, multiples of PRODUCT_STEP.
   * row_of(i): the row of w that is the block's column i. */
  template <typename F>
  __device__ row_product(const int8_t *w_, int32_t k, int32_t begin, int32_t end_, int32_t slots_, void *ring,
                         F row_of)
      : w(w_), end(end_), slots(slots_) {
    const int32_t lane = threadIdx.x % WARP;
    first = begin + (int32_t)threadIdx.x / WARP * PRODUCT_STEP;
#pragma unroll
    for (int i = 0; i < LOADS; ++i)
      from[i] = row_of(i * 8 + lane / 4) * k + lane % 4 * CHUNK;
    places = (uint32_t)__cvta_generic_to_shared(ring) + threadIdx.x * CHUNK;
  }

  /* Asks for the weights of the first slots, for IN_FLIGHT pairs of a thread's copies at a time: what other
   * kernels read meanwhile waits behind them. */
  template <int IN_FLIGHT> __device__ void start() {
#pragma unroll 1
    for (int32_t s = 0; s < slots; ++s) {
      const int32_t at = first + s * PRODUCT_STRIDE;
      const uint32_t slot = places + s * SLOT_BYTES;
#pragma unroll
      for (int i = 0; i < LOADS; i += 2) {
        if (at < end) {
          copy_async_once(slot + i * LOAD_BYTES, w + from[i] + at);
          copy_async_once(slot + (i + 1) * LOAD_BYTES, w + from[i + 1] + at);
        }
        commit_copies();
        wait_copies<IN_FLIGHT - 1>();
      }
    }
  }

  /* Has the weights that start() had no room for brought to the second cache. */
  __device__ void start_rest() const {
    const int32_t warp = threadIdx.x / WARP;
    if (threadIdx.x % 4 == 0) /* the columns of all lanes; a line for each warp */
      for (int32_t at = first + slots * PRODUCT_STRIDE + warp * (LINE - PRODUCT_STEP); at < end;
           at += PRODUCT_WARPS * LINE)
#pragma unroll
        for (int i = 0; i < LOADS; ++i)
          prefetch(w + from[i] + at);
  }

  /* Asks for the rows of x, which is blocked, of the first slots. */
  __device__ void start_rows(const int8_t *x, int32_t rows) const {
    int32_t row_at[ROW_TILES];
    place_rows(rows, row_at);
    start_rows(x, rows, row_at);
  }

  /* The products with the rows of x; by all threads of the block. STARTS: asks for the first of them, too. */
  template <bool STARTS> __device__ void multiply(const int8_t *x, int32_t rows) {
    int32_t row_at[ROW_TILES];
    place_rows(rows, row_at);
    if (STARTS)
      start_rows(x, rows, row_at);
    each_sum([&](int i, int r, int n) { sums[i][r][n] = 0; });
    wait_copies<0>();
    int32_t slot = 0;
#pragma unroll 1
    for (int32_t at = first; at < end; at += PRODUCT_STRIDE) {
      const uint32_t place = places + slot * SLOT_BYTES;
      int4 ahead[ROW_TILES];
#pragma unroll
      for (int r = 0; r < ROW_TILES; ++r)
        ahead[r] = load_shared(place + (LOADS + r) * LOAD_BYTES);
#pragma unroll
      for (int i = 0; i < TILES; ++i) {
        const int4 low = load_shared(place + 2 * i * LOAD_BYTES),
                   high = load_shared(place + (2 * i + 1) * LOAD_BYTES);
#pragma unroll
        for (int r = 0; r < ROW_TILES; ++r)
          multiply_add(sums[i][r], low.x, high.x, low.y, high.y, ahead[r].x, ahead[r].y);
#pragma unroll
        for (int r = 0; r < ROW_TILES; ++r) /* none waits for the one before it */
          multiply_add(sums[i][r], low.z, high.z, low.w, high.w, ahead[r].z, ahead[r].w);
      }
      const int32_t next = at + slots * PRODUCT_STRIDE;
      if (next < end) {
#pragma unroll
        for (int i = 0; i < LOADS; ++i)
          copy_async_once(place + i * LOAD_BYTES, w + from[i] + next);
        copy_rows(x, rows, row_at, place, next);
      }
      commit_copies();
      slot = slot + 1 == slots ? 0 : slot + 1;
      /* The next step's are those of slots - 1 steps ago. */
      if (slots == 1)
        wait_copies<0>();
      else if (slots == 2)
        wait_copies<1>();
      else
        wait_copies<2>();
    }
  }

  /* total[row * PITCH + column] += them. The sums are in shared memory and 0; a barrier is needed before and
   * after. */
  __device__ void add(int32_t *total) const {
    const int32_t lane = threadIdx.x % WARP;
    each_sum([&](int i, int r, int n) {
      atomicAdd(
          &total[(r * TILE_ROWS + lane % 4 * 2 + n % 2) * PITCH + i * TILE_COLUMNS + n / 2 * 8 + lane / 4],
          sums[i][r][n]);
    });
  }

private:
  static constexpr int LOADS = 2 * TILES, LOAD_BYTES = PRODUCT_THREADS * CHUNK,
                       SLOT_BYTES = (LOADS + ROW_TILES) * LOAD_BYTES;
  const int8_t *const w;
  const int32_t end, slots;
  int32_t first, from[LOADS];
  uint32_t places;
  int32_t sums[TILES][ROW_TILES][4];

  /* Where a lane's bytes of its rows are. Rows past the end repeat the last, and their sums are not used. */
  __device__ static void place_rows(int32_t rows, int32_t (&row_at)[ROW_TILES]) {
    const int32_t lane = threadIdx.x % WARP;
#pragma unroll
    for (int r = 0; r < ROW_TILES; ++r)
      row_at[r] = min(r * TILE_ROWS + lane / 4, rows - 1) * PRODUCT_STEP + lane % 4 * CHUNK;
  }

  __device__ static void copy_rows(const int8_t *x, int32_t rows, const int32_t (&row_at)[ROW_TILES],
                                   uint32_t slot, int32_t k) {
#pragma unroll
    for (int r = 0; r < ROW_TILES; ++r)
      copy_async(slot + (LOADS + r) * LOAD_BYTES, x + k * rows + row_at[r], true);
  }

  __device__ void start_rows(const int8_t *x, int32_t rows, const int32_t (&row_at)[ROW_TILES]) const {
#pragma unroll 1
    for (int32_t s = 0; s < slots && first + s * PRODUCT_STRIDE < end; ++s)
      copy_rows(x, rows, row_at, places + s * SLOT_BYTES, first + s * PRODUCT_STRIDE);
    commit_copies();
  }

  /* use(tile of columns, tile of rows, number of an instruction's sums of this lane) */
  template <typename F> __device__ static void each_sum(F use) {
#pragma unroll
    for (int i = 0; i < TILES; ++i)
#pragma unroll
      for (int r = 0; r < ROW_TILES; ++r)
#pragma unroll
        for (int n = 0; n < 4; ++n)
          use(i, r, n);
  }
};

} // namespace mamba

#endif
