/* What a block does for mamba_cuda_layer_in; the kernel of that name and the persistent one of decode.cu run
 * it.
 *
 * Every block normalises the whole row, from the second cache: that costs less than a kernel of its own,
 * whose result would have to go round. It then has the columns of x and of z of its channels, so that the
 * convolution needs nothing of other blocks, and neither does its state. Its channels' part of x_proj's
 * integer sums is added to those of other blocks in memory. */
#ifndef MAMBA_CUDA_LAYER_IN_CUH
#define MAMBA_CUDA_LAYER_IN_CUH

#include "block_norm.cuh"
#include "conv_step.cuh"
#include "exchange.cuh"

namespace mamba {

/* Two lanes share a row of x_proj, each with every second word of four channels. Where a block has few
 * channels a thread keeps its words in a place of its own in shared memory; they travel before the others. */
constexpr int WORD = 4, ROW_LANES = 2, WORDS_STEP = STREAM_THREADS * WORD;

__host__ __device__ inline int32_t kept_words(int32_t channels, int32_t rows) {
  return ceil_div(ROW_LANES * rows, STREAM_THREADS) * ceil_div(channels, ROW_LANES * WORD);
}

/* How the work is dealt to blocks. */
struct layer_in_shape {
  stream_shape stream;
  int32_t most_channels;            /* of a block */
  float inverse_d;                  /* 1 / d */
  bool keeps_x_proj;                /* the block's part of it in shared memory */
  int32_t ring, x, sums, u, x_proj; /* places in dynamic shared memory */
};

/* With a ring of `most` units; without places. */
inline layer_in_shape shape_layer_in(const mamba_cuda_layer &l, const device_info &info, int32_t blocks,
                                     int32_t most) {
  const int32_t most_kept = 16 << 10; /* bytes */
  layer_in_shape s = {};
  s.most_channels = 4 * ceil_div(l.inner / 4, blocks);
  s.inverse_d = 1.0f / (float)l.d;
  s.keeps_x_proj = kept_words(s.most_channels, l.rank + 2 * STATES) * WORDS_STEP <= most_kept;
  s.stream = shape_stream(info, 2 * s.most_channels, l.d, most);
  return s;
}

/* Places for what lives as long as the product and after it. */
inline void place_sums(const mamba_cuda_layer &l, shared_layout &layout, layer_in_shape *s) {
  s->sums = layout.take(2 * s->most_channels * (int32_t)sizeof(int32_t));
  s->u = layout.take(s->most_channels);
  s->x_proj =
      s->keeps_x_proj ? layout.take(kept_words(s->most_channels, l.rank + 2 * STATES) * WORDS_STEP) : 0;
}

/* Places for what lives until the product. */
inline void place_row(const mamba_cuda_layer &l, shared_layout &layout, layer_in_shape *s) {
  s->x = layout.take(round_up(l.d, UNIT));
}

/* STREAM: the weight_stream. IN_REGISTERS: parameters are asked for before the product, else after it. */
template <mamba_type T, typename STREAM, bool IN_REGISTERS> class layer_in_part {
public:
  __device__ layer_in_part(int32_t d, int32_t inner, const layer_in_shape &s, int8_t *shared_memory)
      : shape(&s), shared(shared_memory), first(4 * share(inner / 4, blockIdx.x, gridDim.x)),
        channels(4 * share(inner / 4, blockIdx.x + 1, gridDim.x) - first),
        weights(d, {first, 2 * channels, channels, inner + first - channels}, shared + s.ring, s.stream) {}

  __device__ void prepare(const mamba_cuda_layer &layer) {
    l = &layer;
    weights.prepare(layer.in_proj.w);
  }

  /* Asks for weights: `units` of the stream's ring, or all. */
  __device__ void ask(int32_t units = INT32_MAX) {
    const int32_t thread = thread_number(), projections = l->rank + 2 * STATES;
    if (shape->keeps_x_proj) {
      uint32_t word = kept_word();
      for (int32_t item = thread; item < ROW_LANES * projections; item += STREAM_THREADS)
        for (int32_t c = item % ROW_LANES * WORD; c < channels; c += ROW_LANES * WORD, word += WORDS_STEP)
          copy_async_4(word, l->x_proj.w + first + (int64_t)(item / ROW_LANES) * l->inner + c);
    }
    weights.fill(min(units, shape->stream.depth));
    int32_t *const sums = (int32_t *)(shared + shape->sums);
    for (int32_t i = thread; i < 2 * channels; i += STREAM_THREADS)
      sums[i] = 0;
    norm.prepare(l->d, shape->inverse_d, shared + shape->x);
  }

  /* Has what finish() needs brought to the second cache. */
  __device__ void prefetch_parameters() const {
    const int32_t thread = thread_number(), c = first + thread;
    if (thread < channels) {
      prefetch_channel<T>(*l, c);
      prefetch_factors(l->in_proj, l->inner + c);
    }
  }

  __device__ void ask_gamma() { norm.load_gamma(l->gamma, l->d); }

  /* What finish() needs: IN_REGISTERS. */
  __device__ void ask_parameters() {
    const int32_t thread = thread_number();
    if (thread < channels)
      own = load_parameters<T>(*l, first + thread);
    else
      own.factors = factors_of(l->in_proj, column_of(weights.columns, min(thread, 2 * channels - 1)));
    past = load_history<T>(*l, 0, first + min(thread, channels - 1));
  }

  template <typename X> __device__ void load_row(const X &exchange) { norm.take_row(exchange, l->d); }

  /* Asks for what ask() has left of the ring. */
  __device__ void ask_rest() { weights.start(); }

  /* The row's norm and in_proj; the ring is free when it returns, and so is what is placed until then. */
  __device__ void multiply() {
    int8_t *const x = shared + shape->x;
    norm.quantize(output_of<MAMBA_I8>(l->in, l->d), l->in_per_row, l->d, l->epsilon, x, &row_scale);
    weights.multiply(x, (int32_t *)(shared + shape->sums));
    __syncthreads();
  }

  /* z, the convolution, and the block's part of x_proj's sums. */
  template <typename X> __device__ void finish(const X &exchange) {
    const int32_t thread = thread_number(), projections = l->rank + 2 * STATES;
    const int32_t *const sums = (const int32_t *)(shared + shape->sums);
    int8_t *const u = shared + shape->u;
    for (int32_t i = thread; i < 2 * channels; i += STREAM_THREADS) {
      const int32_t c = first + (i < channels ? i : i - channels);
      if (i < channels) {
        const bool has = IN_REGISTERS && i == thread;
        const channel_parameters p = has ? own : load_parameters<T>(*l, c);
        const convolved v = convolve<T>(*l, 0, c, p, has ? past : load_history<T>(*l, 0, c),
                                        column_value(p.factors, sums[i], l->in_per_row, row_scale));
        exchange.put_u(c, v.u);
        u[i] = v.u_i8;
      } else {
        const column_factors factors =
            IN_REGISTERS && i == thread ? own.factors : factors_of(l->in_proj, l->inner + c);
        exchange.put_z(c, stored_bits(output_of<T>(l->z, l->inner), c,
                                      column_value(factors, sums[i], l->in_per_row, row_scale)));
      }
    }
    __syncthreads();

    /* Rows of x_proj past the end, where a warp's last lanes are, repeat the last. */
    const int8_t *const x_proj = l->x_proj.w + first;
    uint32_t word = kept_word();
    for (int32_t item = thread; item < round_up(ROW_LANES * projections, WARP); item += STREAM_THREADS) {
      const int32_t n = min(item / ROW_LANES, projections - 1);
      int32_t acc = 0;
#pragma unroll 4
      for (int32_t c = item % ROW_LANES * WORD; c < channels; c += ROW_LANES * WORD, word += WORDS_STEP)
        acc = __dp4a(shape->keeps_x_proj ? load_shared_4(word)
                                         : *(const int32_t *)(x_proj + (int64_t)n * l->inner + c),
                     *(const int32_t *)(u + c), acc);
      acc += __shfl_xor_sync(ALL_LANES, acc, 1);
      if (item % ROW_LANES == 0 && item < ROW_LANES * projections)
        exchange.add_sum(n, acc);
    }
  }

private:
  const mamba_cuda_layer *l;
  const layer_in_shape *shape;
  int8_t *shared;
  int32_t first, channels;
  STREAM weights;
  block_norm norm;
  channel_parameters own; /* of the first column that this thread finishes */
  history past;
  float row_scale;

  __device__ uint32_t kept_word() const {
    return (uint32_t)__cvta_generic_to_shared(shared + shape->x_proj) + thread_number() * WORD;
  }
};

} // namespace mamba

#endif
