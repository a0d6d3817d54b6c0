/* mamba_cuda_layer_in: one block a multiprocessor.
 *
 * Every block normalises the whole row, from the second cache: that costs less than a kernel of its own,
 * whose result would have to go round. It then has the columns of x and of z of its channels, so that the
 * convolution needs nothing of other blocks, and neither does its state. Its channels' part of x_proj's
 * integer sums is added to those of other blocks in memory.
 *
 * Bound: bytes of in_proj, after the latency of the norm.
 *
 * Reaches on an H200: 11.3 us at 2.8b, of which the bytes are 5.6; 3.8 us at 130m. */
#include "block_norm.cuh"
#include "conv_step.cuh"
#include "layer_rows.h"

namespace mamba {
namespace {

/* Two lanes share a row of x_proj, each with every second word of four channels. Where a block has few
 * channels a thread keeps its words in a place of its own in shared memory; they travel before the others. */
constexpr int WORD = 4, ROW_LANES = 2, WORDS_STEP = STREAM_THREADS * WORD;

__host__ __device__ inline int32_t kept_words(int32_t channels, int32_t rows) {
  return ceil_div(ROW_LANES * rows, STREAM_THREADS) * ceil_div(channels, ROW_LANES * WORD);
}

/* Places in dynamic shared memory. */
struct places {
  int32_t staging, x, sums, u, x_proj, bytes;
};

/* ring: bytes; channels: the most of a block; rows: of x_proj, or 0 where they are not kept. */
__host__ __device__ inline places place_all(int32_t ring, int32_t d, int32_t channels, int32_t rows) {
  places p;
  p.staging = ring;
  p.x = p.staging + block_norm::staging_bytes(d);
  p.sums = p.x + round_up(d, UNIT);
  p.u = p.sums + 2 * channels * (int32_t)sizeof(int32_t);
  p.x_proj = p.u + channels;
  p.bytes = p.x_proj + kept_words(channels, rows) * WORDS_STEP;
  return p;
}

struct layer_in_args {
  mamba_cuda_layer l;
  stream_shape shape;
  int32_t ring, most_channels; /* ring: bytes */
  bool keeps_x_proj;           /* the block's part of it in shared memory */
};

template <mamba_type T>
__global__ void __launch_bounds__(STREAM_THREADS, 2) layer_in(const __grid_constant__ layer_in_args args) {
  int8_t *const shared = dynamic_shared<int8_t>();
  start_next();
  const mamba_cuda_layer &l = args.l;
  const places at = place_all(args.ring, l.d, args.most_channels, 0);
  int8_t *const x = shared + at.x, *const u = shared + at.u;
  int32_t *const sums = (int32_t *)(shared + at.sums);
  const int32_t thread = threadIdx.x, fours = l.inner / 4;
  block_norm norm;
  if (!dependent_code()) /* what is waited for longest is asked for first */
    norm.load_row(l.residual, l.d);
  const int32_t first = 4 * share(fours, blockIdx.x, gridDim.x);
  const int32_t channels = 4 * share(fours, blockIdx.x + 1, gridDim.x) - first;

  const int32_t projections = l.rank + 2 * STATES;
  const int8_t *const x_proj = l.x_proj.w + first;
  const uint32_t kept = (uint32_t)__cvta_generic_to_shared(shared + at.x_proj) + thread * WORD;
  if (args.keeps_x_proj) {
    uint32_t word = kept;
    for (int32_t item = thread; item < ROW_LANES * projections; item += STREAM_THREADS)
      for (int32_t c = item % ROW_LANES * WORD; c < channels; c += ROW_LANES * WORD, word += WORDS_STEP)
        copy_async_4(word, x_proj + (int64_t)(item / ROW_LANES) * l.inner + c);
  }
  weight_stream weights(l.in_proj.w, l.d, {first, 2 * channels, channels, l.inner + first - channels}, shared,
                        args.shape);
  weights.start();
  for (int32_t i = thread; i < 2 * channels; i += STREAM_THREADS)
    sums[i] = 0;
  norm.load_gamma(l.gamma, l.d);
  channel_parameters own; /* of the first column that this thread finishes */
  if (thread < channels)
    own = load_parameters<T>(l, first + thread);
  else
    own.factors = factors_of(l.in_proj, column_of(weights.columns, min(thread, 2 * channels - 1)));
  const history past = load_history<T>(l, 0, first + min(thread, channels - 1));
  wait_for_previous();

  if (dependent_code())
    norm.load_row(l.residual, l.d);
  float row_scale;
  norm.quantize(output_of<MAMBA_I8>(l.in, l.d), l.in_per_row, l.d, l.epsilon, (float *)(shared + at.staging),
                x, &row_scale);
  weights.multiply(x, sums);
  __syncthreads();

  for (int32_t i = thread; i < 2 * channels; i += STREAM_THREADS) {
    const int32_t c = first + (i < channels ? i : i - channels);
    if (i < channels) {
      const channel_parameters p = i == thread ? own : load_parameters<T>(l, c);
      u[i] = convolve<T>(l, 0, c, p, i == thread ? past : load_history<T>(l, 0, c),
                         column_value(p.factors, sums[i], l.in_per_row, row_scale));
    } else {
      const column_factors factors = i == thread ? own.factors : factors_of(l.in_proj, l.inner + c);
      store_value(output_of<T>(l.z, l.inner), c, c, column_value(factors, sums[i], l.in_per_row, row_scale));
    }
  }
  __syncthreads();

  /* Rows of x_proj past the end, where a warp's last lanes are, repeat the last. */
  uint32_t word = kept;
  for (int32_t item = thread; item < round_up(ROW_LANES * projections, WARP); item += STREAM_THREADS) {
    const int32_t n = min(item / ROW_LANES, projections - 1);
    int32_t acc = 0;
#pragma unroll 4
    for (int32_t c = item % ROW_LANES * WORD; c < channels; c += ROW_LANES * WORD, word += WORDS_STEP)
      acc = __dp4a(args.keeps_x_proj ? load_shared_4(word)
                                     : *(const int32_t *)(x_proj + (int64_t)n * l.inner + c),
                   *(const int32_t *)(u + c), acc);
    acc += __shfl_xor_sync(ALL_LANES, acc, 1);
    if (item % ROW_LANES == 0 && item < ROW_LANES * projections)
      atomicAdd(&l.sums[n], acc);
  }
}

typedef void (*layer_in_kernel)(layer_in_args);

layer_in_kernel choose(mamba_type type) {
  return type == MAMBA_I8    ? layer_in<MAMBA_I8>
         : type == MAMBA_F16 ? layer_in<MAMBA_F16>
                             : layer_in<MAMBA_F32>;
}

} // namespace
} // namespace mamba

cudaError_t mamba_cuda_layer_in(const mamba_cuda_layer *layer, int32_t rows, cudaStream_t stream) {
  using namespace mamba;
  if (mamba_cuda_layer_problem(layer, rows))
    return cudaErrorNotSupported;
  if (rows > 1)
    return rows_layer_in(*layer, rows, stream);
  device_info info;
  const cudaError_t error = get_device_info(&info);
  if (error != cudaSuccess)
    return error;
  const int32_t blocks = info.multiprocessors < layer->inner / 4 ? info.multiprocessors : layer->inner / 4;
  const int32_t channels = 4 * ceil_div(layer->inner / 4, blocks), projections = layer->rank + 2 * STATES;
  const int32_t most_kept = 16 << 10; /* bytes */
  const bool keeps = kept_words(channels, projections) * WORDS_STEP <= most_kept;
  const stream_shape shape = shape_stream(info, 2 * channels, layer->d, 12);
  const int32_t ring = ring_bytes(shape);
  const layer_in_args args = {*layer, shape, ring, channels, keeps};
  return launch(choose(layer->x.type), dim3(blocks), STREAM_THREADS,
                place_all(ring, layer->d, channels, keeps ? projections : 0).bytes, stream, rows, args);
}
