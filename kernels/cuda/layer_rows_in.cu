/* in_proj of several rows, with the convolution: a block has the columns of x and of z of the same channels,
 * all of k and all rows, so that the convolution needs nothing of other blocks, and x goes to no memory.
 *
 * Bound: bytes of in_proj, then what a block does with its sums, which nothing overlaps. */
#include "conv_step.cuh"
#include "layer_rows.h"
#include "row_product.cuh"

namespace mamba {
namespace {

constexpr int GROUP = TILE_COLUMNS / 2; /* channels of a tile: its first columns are of x, the others of z */

struct rows_in_args {
  mamba_cuda_layer l;
  int32_t rows;
  bool gentle; /* the norm before this kernel would wait behind many weights at once */
  product_shape shape;
};

/* A thread has a channel of the block, and every so many rows. */
template <int TILES, int ROW_TILES> struct rows_of_thread {
  static constexpr int CHANNELS = TILES * GROUP, AT_ONCE = PRODUCT_THREADS / CHANNELS;
  static constexpr int MOST = (ROW_TILES * TILE_ROWS - 1) / AT_ONCE + 1;
};

/* Adds the block's sums and makes values of them. What that needs is on its way while they are added. */
template <int TILES, int ROW_TILES, mamba_type T>
__device__ inline void finish(const rows_in_args &args, const row_product<TILES, ROW_TILES> &in_proj,
                              int32_t *total, int32_t first, int32_t channels) {
  typedef rows_of_thread<TILES, ROW_TILES> own;
  constexpr int PITCH = row_product<TILES, ROW_TILES>::PITCH;
  const mamba_cuda_layer &l = args.l;
  const int32_t in_block = threadIdx.x % own::CHANNELS, first_row = threadIdx.x / own::CHANNELS;
  const bool works = first_row < own::AT_ONCE && in_block < channels;
  const int32_t c = first + min(in_block, channels - 1);
  const channel_parameters p = load_parameters<T>(l, c);
  const column_factors z_factors = factors_of(l.in_proj, l.inner + c);
  history past[own::MOST];
  float scale[own::MOST];
#pragma unroll
  for (int i = 0; i < own::MOST; ++i) {
    const int32_t row = first_row + i * own::AT_ONCE;
    if (works && row < args.rows) {
      past[i] = load_history<T>(l, row, c);
      scale[i] = l.in_per_row ? l.in_scale[row] : 1.0f;
    }
  }
  in_proj.add(total);
  __syncthreads();
  const mamba_output z = output_of<T>(l.z, l.inner);
#pragma unroll
  for (int i = 0; i < own::MOST; ++i) {
    const int32_t row = first_row + i * own::AT_ONCE;
    if (!works || row >= args.rows)
      break;
    const int64_t at = (int64_t)row * l.inner + c;
    const int32_t *sum = total + row * PITCH + in_block / GROUP * TILE_COLUMNS + in_block % GROUP;
    const convolved u =
        convolve<T>(l, row, c, p, past[i], column_value(p.factors, sum[0], l.in_per_row, scale[i]));
    if (!reads_blocked_u(l)) /* else u_i8 is u */
      store_bits(l.u.data, T, at, u.u);
    ((int8_t *)l.u_i8.data)[blocked_place(row, c, args.rows)] = u.u_i8;
    store_value(z, at, c, column_value(z_factors, sum[GROUP], l.in_per_row, scale[i]));
  }
}

template <int TILES, int ROW_TILES>
__global__ void __launch_bounds__(PRODUCT_THREADS, 1)
    layer_rows_in(const __grid_constant__ rows_in_args args) {
  typedef row_product<TILES, ROW_TILES> product;
  int8_t *const shared = dynamic_shared<int8_t>();
  start_next();
  const mamba_cuda_layer &l = args.l;
  const int32_t first = first_tile(args.shape, blockIdx.x) * GROUP, thread = threadIdx.x;
  const int32_t channels = min(first_tile(args.shape, blockIdx.x + 1) * GROUP, l.inner) - first;
  const mamba_type type = l.x.type;
  product in_proj(l.in_proj.w, l.d, 0, l.d, args.shape.slots, shared, [&](int32_t column) {
    const int32_t c = first + min(column / TILE_COLUMNS * GROUP + column % GROUP, channels - 1);
    return column / GROUP % 2 == 0 ? c : l.inner + c;
  });
  if (!dependent_code()) /* what is waited for is asked for first */
    in_proj.start_rows((const int8_t *)l.in.data, args.rows);
  if (dependent_code() && args.gentle)
    in_proj.template start<4>();
  else
    in_proj.template start<12>();
  int32_t *const total = (int32_t *)(shared + product_ring_bytes(args.shape));
  for (int32_t i = thread; i < product::ROWS * product::PITCH; i += PRODUCT_THREADS)
    total[i] = 0;
  const int32_t size = stored_size(type);
  for (int32_t i = thread; i < args.rows * HISTORY; i += PRODUCT_THREADS) {
    const char *const from = (const char *)l.conv_state + ((int64_t)i * l.inner + first) * size;
    prefetch(from);
    prefetch(from + channels * size - 1);
  }
  if (thread < WIDTH)
    prefetch((const char *)l.conv_w + (thread * l.inner + first) * stored_size(l.conv_w_type));
  else if (thread < WIDTH + 2) /* the others of finish() */
    prefetch(l.in_proj.multiplier + (thread - WIDTH) * l.inner + first);
  else if (thread == WIDTH + 2 && l.conv_bias)
    prefetch(l.conv_bias + first);
  else if (thread == WIDTH + 3 && l.conv_multiplier)
    prefetch(l.conv_multiplier + first);
  __syncthreads();
  in_proj.start_rest();
  wait_for_previous();
  in_proj.template multiply<dependent_code()>((const int8_t *)l.in.data, args.rows);
  if (type == MAMBA_I8)
    finish<TILES, ROW_TILES, MAMBA_I8>(args, in_proj, total, first, channels);
  else if (type == MAMBA_F16)
    finish<TILES, ROW_TILES, MAMBA_F16>(args, in_proj, total, first, channels);
  else
    finish<TILES, ROW_TILES, MAMBA_F32>(args, in_proj, total, first, channels);
}

typedef void (*rows_in_kernel)(rows_in_args);

template <int ROW_TILES> rows_in_kernel choose(int32_t tiles) {
  if constexpr (ROW_TILES <= 4)
    if (tiles > 2)
      return tiles == 4 ? layer_rows_in<4, ROW_TILES> : layer_rows_in<5, ROW_TILES>;
  return tiles == 1 ? layer_rows_in<1, ROW_TILES> : layer_rows_in<2, ROW_TILES>;
}

} // namespace

cudaError_t launch_rows_in(const mamba_cuda_layer &l, int32_t rows, cudaStream_t stream) {
  device_info info;
  const cudaError_t error = get_device_info(&info);
  if (error != cudaSuccess)
    return error;
  const rows_in_args args = {l, rows, reads_long(l, info), shape_product(info, rows, 2 * l.inner, l.d, 1, 0)};
  const product_shape &s = args.shape;
  const rows_in_kernel kernel = s.row_tiles == 1   ? choose<1>(s.tiles)
                                : s.row_tiles == 4 ? choose<4>(s.tiles)
                                                   : choose<8>(s.tiles);
  return launch(kernel, dim3(s.groups), PRODUCT_THREADS, product_bytes(s), stream, rows, args);
}

} // namespace mamba
