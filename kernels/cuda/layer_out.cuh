/* What a block does for mamba_cuda_layer_out; the kernel of that name and the persistent one of decode.cu run
 * it.
 *
 * Every block finishes the Hadamard transform of the whole row (the scan took the strides below
 * SCAN_CHANNELS) and quantizes it; in the meantime its weights arrive. Then a thread adds its column's result
 * to the residual: a single norm kernel would do that addition, in the same order, as its first step. */
#ifndef MAMBA_CUDA_LAYER_OUT_CUH
#define MAMBA_CUDA_LAYER_OUT_CUH

#include "exchange.cuh"
#include "hadamard.cuh"
#include "weight_stream.cuh"

#include <math.h>

namespace mamba {

/* How the work is dealt to blocks. */
struct layer_out_shape {
  stream_shape stream;
  int32_t most_columns;       /* of a block */
  float norm;                 /* 1 / sqrt(inner) */
  int32_t ring, row, x, sums; /* places in dynamic shared memory */
};

/* With a ring of `most` units; without places. */
inline layer_out_shape shape_layer_out(const mamba_cuda_layer &l, const device_info &info, int32_t blocks,
                                       int32_t most) {
  layer_out_shape s = {};
  s.most_columns = ceil_div(l.d, blocks);
  s.stream = shape_stream(info, s.most_columns, l.inner, most);
  s.norm = (float)(1.0 / sqrt((double)l.inner));
  return s;
}

/* Places for what lives as long as the product and after it. */
inline void place_sums(shared_layout &layout, layer_out_shape *s) {
  s->sums = layout.take(s->most_columns * (int32_t)sizeof(int32_t));
}

/* Places for what lives until the product. */
inline void place_row(const mamba_cuda_layer &l, shared_layout &layout, layer_out_shape *s) {
  s->row = layout.take(l.rotate ? padded(l.inner) * (int32_t)sizeof(float) : 0);
  s->x = layout.take(round_up(l.inner, UNIT));
}

/* The next BITS strides of y, on its way to `row`; meanwhile() is called while its values travel. Every
 * thread has at most one item, since rows are no longer than 8192 or 28 inner blocks. */
template <int BITS, typename X, typename F>
__device__ inline void load_and_add(const X &exchange, int32_t d, float *row, F meanwhile) {
  constexpr int COUNT = 1 << BITS, STRIDE = SCAN_CHANNELS;
  const int32_t item = thread_number(), low = item % STRIDE, base = (item - low) * COUNT + low;
  const bool inside = item < d >> BITS;
  float v[COUNT];
  if (inside)
    exchange.template take_y<STRIDE>(base, v);
  meanwhile();
  if (inside) {
    butterflies(v);
#pragma unroll
    for (int i = 0; i < COUNT; ++i)
      row[padded_sum(base, i * STRIDE)] = v[i];
  }
  __syncthreads();
}

/* The butterflies that the scan's kernel left, of inner blocks of `block` values. */
template <typename X, typename F>
__device__ inline void finish_butterflies(const X &exchange, int32_t d, int32_t block, float *row,
                                          F meanwhile) {
  if (block >= SCAN_CHANNELS << 4) {
    load_and_add<4>(exchange, d, row, meanwhile);
    passes(row, d, SCAN_CHANNELS << 4, block);
  } else if (block == SCAN_CHANNELS << 3) {
    load_and_add<3>(exchange, d, row, meanwhile);
  } else if (block == SCAN_CHANNELS << 2) {
    load_and_add<2>(exchange, d, row, meanwhile);
  } else if (block == SCAN_CHANNELS << 1) {
    load_and_add<1>(exchange, d, row, meanwhile);
  } else {
    load_and_add<0>(exchange, d, row, meanwhile);
  }
}

/* The rest of the transform, quantized to x: a thread has one value of each inner block. (Sharing these
 * between more threads was slower: all of them read all of its values, and the code is longer.) IN_REGISTERS:
 * where the results stay until the largest is known; else they go to `row`, and all threads quantize. */
template <int ORDER, bool TRANSPOSE, bool IN_REGISTERS>
__device__ inline void finish_transform(const mamba_cuda_layer &l, float norm, float *row, int8_t *x,
                                        float *row_scale) {
  __shared__ float maxima[WARP];
  const mamba_output out = output_of<MAMBA_I8>(l.rotated, l.inner);
  const int32_t thread = thread_number(), block = l.inner / ORDER;
  const bool per_row = l.rotated_per_row;
  float amax = 0, inverse = 0;
  [[maybe_unused]] float results[ORDER];
  const auto keep = [&](int32_t k, float sum) {
    const float v = sum * norm;
    amax = larger_magnitude(amax, v);
    row[padded(k)] = v;
  };
  if constexpr (ORDER == 1) {
    for (int32_t k = thread; k < block; k += STREAM_THREADS)
      keep(k, row[padded(k)]);
  } else if (thread < block) {
    float v[ORDER];
#pragma unroll
    for (int j = 0; j < ORDER; ++j)
      v[j] = row[padded(j * block + thread)];
    signed_sums<ORDER, TRANSPOSE, 0, ORDER>(v, [&](int i, float sum) {
      if constexpr (IN_REGISTERS) {
        results[i] = sum * norm;
        amax = larger_magnitude(amax, results[i]);
      } else {
        keep(i * block + thread, sum);
      }
    });
  }
  if (per_row)
    inverse = scaled_output(out, block_max(amax, maxima), row_scale).inv_scale; /* behind a barrier */
  else
    __syncthreads();
  if constexpr (ORDER > 1 && IN_REGISTERS) {
    if (thread < block && per_row) { /* without a question for each value */
#pragma unroll
      for (int i = 0; i < ORDER; ++i)
        x[i * block + thread] = (int8_t)quantize_bits(results[i], inverse);
    } else if (thread < block) {
#pragma unroll
      for (int i = 0; i < ORDER; ++i)
        x[i * block + thread] = (int8_t)stored_bits(out, i * block + thread, results[i]);
    }
  } else {
    for (int32_t k = QUAD * thread; k < l.inner; k += QUAD * STREAM_THREADS) {
      const float4 v = *(const float4 *)(row + padded(k));
      uint32_t *const to = (uint32_t *)(x + k);
      if (per_row || !out.inv_scales)
        *to = quantize_quad(v.x, v.y, v.z, v.w, per_row ? inverse : out.inv_scale);
      else
        *to = quantize_quad({v.x, v.y, v.z, v.w}, {out.inv_scales[k], out.inv_scales[k + 1],
                                                   out.inv_scales[k + 2], out.inv_scales[k + 3]});
    }
  }
}

/* STREAM: the weight_stream. */
template <typename STREAM> class layer_out_part {
public:
  STREAM weights; /* the caller starts it */

  __device__ layer_out_part(int32_t d, int32_t inner, const layer_out_shape &s, int8_t *shared_memory)
      : layer_out_part(inner, s, shared_memory, share(d, blockIdx.x, gridDim.x),
                       share(d, blockIdx.x + 1, gridDim.x)) {}

  __device__ void prepare(const mamba_cuda_layer &layer) {
    l = &layer;
    weights.prepare(layer.out_proj.w);
  }

  /* Asks for what the block needs beside y and its weights. */
  __device__ void ask() {
    const int32_t thread = thread_number();
    int32_t *const sums = (int32_t *)(shared + shape->sums);
    for (int32_t i = thread; i < columns; i += STREAM_THREADS)
      sums[i] = 0;
    if (l->inner + thread < round_up(l->inner, UNIT))
      shared[shape->x + l->inner + thread] = 0;
    own_factors = factors_of(l->out_proj, first + min(thread, columns - 1));
  }

  /* x from y; ORDER 0: no transform; IN_REGISTERS: of finish_transform. meanwhile() is called while y
   * travels. Needs a barrier. */
  template <int ORDER, bool TRANSPOSE, bool IN_REGISTERS, typename X, typename F>
  __device__ void quantize(const X &exchange, F meanwhile) {
    int8_t *const x = shared + shape->x;
    own_residual = exchange.own_residual(first + min(thread_number(), columns - 1));
    row_scale = 1.0f;
    if constexpr (ORDER == 0) {
      meanwhile();
      exchange.copy_y(x);
    } else {
      float *const row = (float *)(shared + shape->row);
      finish_butterflies(exchange, l->inner, l->inner / ORDER, row, meanwhile);
      finish_transform<ORDER, TRANSPOSE, IN_REGISTERS>(*l, shape->norm, row, x, &row_scale);
    }
  }

  /* out_proj; the ring is free when it returns, and so is what is placed until then. */
  __device__ void multiply() {
    __syncthreads();
    weights.multiply(shared + shape->x, (int32_t *)(shared + shape->sums));
    __syncthreads();
  }

  /* The addition. */
  template <typename X> __device__ void finish(const X &exchange) {
    const int32_t thread = thread_number();
    const int32_t *const sums = (const int32_t *)(shared + shape->sums);
    const bool per_row = l->rotate && l->rotated_per_row;
    for (int32_t i = thread; i < columns; i += STREAM_THREADS) {
      const int32_t column = first + i;
      const column_factors factors = i == thread ? own_factors : factors_of(l->out_proj, column);
      const float before = i == thread ? own_residual : exchange.own_residual(column);
      exchange.put_residual(column, before + column_value(factors, sums[i], per_row, row_scale));
    }
  }

private:
  const mamba_cuda_layer *l;
  const layer_out_shape *shape;
  int8_t *shared;
  int32_t first, columns;
  column_factors own_factors; /* of the first column that this thread finishes */
  float own_residual, row_scale;

  __device__ layer_out_part(int32_t inner, const layer_out_shape &s, int8_t *shared_memory, int32_t begin,
                            int32_t end)
      : weights(inner, {begin, end - begin, end - begin, 0}, shared_memory + s.ring, s.stream), shape(&s),
        shared(shared_memory), first(begin), columns(end - begin) {}
};

} // namespace mamba

#endif
