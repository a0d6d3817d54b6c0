/* x_proj and out_proj of several rows: products of few columns, whose k is shared by several blocks, too, so
 * that many have a part and little of x is read twice. Blocks add their integer sums in memory, and the
 * kernel that reads them makes values of them; so does nobody wait for the last block. And how such products
 * are cut.
 *
 * Bound: latency; bytes of w. */
#include "layer_rows.h"
#include "row_product.cuh"

namespace mamba {

product_shape shape_product(const device_info &info, int32_t rows, int32_t n, int32_t k, int32_t most_parts,
                            int32_t most_blocks) {
  const int32_t reserved = 1 << 10; /* of shared memory, by the system */
  const int64_t overhead = 8 << 10; /* of a block, in bytes that it could read */
  product_shape best = {};
  int64_t least = INT64_MAX;
  const int32_t row_tiles = rows <= TILE_ROWS ? 1 : rows <= 4 * TILE_ROWS ? 4 : 8;
  for (int32_t tiles = 1; tiles <= (row_tiles == 8 ? 2 : 5); ++tiles) {
    if (tiles == 3)
      continue; /* has no kernel */
    const int32_t all_tiles = ceil_div(n, TILE_COLUMNS), across = ceil_div(all_tiles, tiles);
    for (int32_t parts = 1; parts <= most_parts; ++parts) {
      product_shape s = {tiles, row_tiles, all_tiles, across, parts, 0, 0};
      s.part_k = round_up(ceil_div(k, parts), PRODUCT_STEP);
      s.parts = ceil_div(k, s.part_k);
      for (s.slots = ceil_div(s.part_k, PRODUCT_STRIDE);
           s.slots > 1 && product_bytes(s) > info.shared_bytes - reserved;)
        --s.slots;
      if (product_bytes(s) > info.shared_bytes - reserved || (s.parts > 1 && across * s.parts > most_blocks))
        continue;
      const int64_t sums =
          (int64_t)rows * tiles * TILE_COLUMNS * sizeof(int32_t) * 10; /* an addition counts ten times */
      const int64_t block = (int64_t)(tiles * TILE_COLUMNS + rows) * s.part_k + sums + overhead;
      const int64_t cost = ceil_div(across * s.parts, info.multiprocessors) * block;
      if (cost < least) {
        least = cost;
        best = s;
        /* Blocks of the next kernel would all go to the few multiprocessors that are left. */
        const int32_t left = info.multiprocessors - across * s.parts;
        if (left > 0 && left * 8 < info.multiprocessors)
          best.groups = min(info.multiprocessors / s.parts, all_tiles);
      }
    }
  }
  return best;
}

namespace {

constexpr int IN_FLIGHT = 12; /* no kernel beside this one reads much */

struct rows_product_args {
  const int8_t *x, *w;
  int32_t rows, n, k;
  int32_t *sums, *cleared;
  int32_t count; /* of `cleared` */
  product_shape shape;
  bool late; /* the next kernel starts when this one has its input */
};

template <int TILES, int ROW_TILES>
__global__ void __launch_bounds__(PRODUCT_THREADS, 1)
    layer_rows_product(const __grid_constant__ rows_product_args args) {
  typedef row_product<TILES, ROW_TILES> product;
  int8_t *const shared = dynamic_shared<int8_t>();
  if (!args.late)
    start_next();
  const int32_t thread = threadIdx.x, first = first_tile(args.shape, blockIdx.x) * TILE_COLUMNS;
  const int32_t last = min(first_tile(args.shape, blockIdx.x + 1) * TILE_COLUMNS, args.n) - 1;
  const int32_t begin = blockIdx.y * args.shape.part_k, end = min(begin + args.shape.part_k, args.k);
  product part(args.w, args.k, begin, end, args.shape.slots, shared,
               [&](int32_t column) { return min(first + column, last); });
  if (!dependent_code()) /* what is waited for is asked for first */
    part.start_rows(args.x, args.rows);
  part.template start<IN_FLIGHT>();
  int32_t *const total = (int32_t *)(shared + product_ring_bytes(args.shape));
  for (int32_t i = thread; i < product::ROWS * product::PITCH; i += PRODUCT_THREADS)
    total[i] = 0;
  __syncthreads();
  wait_for_previous();
  if (args.late)
    start_next();
  part.template multiply<dependent_code()>(args.x, args.rows);
  part.add(total);
  const int32_t block = blockIdx.y * gridDim.x + blockIdx.x;
  for (int32_t i = block * PRODUCT_THREADS + thread; i < args.count;
       i += gridDim.x * gridDim.y * PRODUCT_THREADS)
    args.cleared[i] = 0;
  __syncthreads();
  for (int32_t i = thread; i < args.rows * product::COLUMNS; i += PRODUCT_THREADS) {
    const int32_t row = i / product::COLUMNS, column = i % product::COLUMNS;
    if (first + column <= last)
      atomicAdd(&args.sums[row * args.n + first + column], total[row * product::PITCH + column]);
  }
}

typedef void (*rows_product_kernel)(rows_product_args);

template <int ROW_TILES> rows_product_kernel choose(int32_t tiles) {
  if constexpr (ROW_TILES <= 4)
    if (tiles > 2)
      return tiles == 4 ? layer_rows_product<4, ROW_TILES> : layer_rows_product<5, ROW_TILES>;
  return tiles == 1 ? layer_rows_product<1, ROW_TILES> : layer_rows_product<2, ROW_TILES>;
}

} // namespace

cudaError_t launch_rows_product(const int8_t *x, const int8_t *w, int32_t rows, int32_t n, int32_t k,
                                int32_t *sums, int32_t *cleared, int32_t count, int32_t most_blocks,
                                bool late, cudaStream_t stream) {
  device_info info;
  const cudaError_t error = get_device_info(&info);
  if (error != cudaSuccess)
    return error;
  const int32_t most_parts = 64;
  const product_shape s = shape_product(info, rows, n, k, most_parts, most_blocks);
  const rows_product_args args = {x, w, rows, n, k, sums, cleared, count, s, late};
  const rows_product_kernel kernel = s.row_tiles == 1   ? choose<1>(s.tiles)
                                     : s.row_tiles == 4 ? choose<4>(s.tiles)
                                                        : choose<8>(s.tiles);
  return launch(kernel, dim3(s.groups, s.parts), PRODUCT_THREADS, product_bytes(s), stream, rows, args);
}

} // namespace mamba
