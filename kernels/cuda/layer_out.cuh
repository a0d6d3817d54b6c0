/* What a block does for mamba_cuda_layer_out; the kernel of that name and the persistent one of decode.cu run
 * it.
 *
 * Every block finishes the Hadamard transform of the whole row (the scan took the strides below
 * SCAN_CHANNELS) and quantizes it; in the meantime its weights arrive. Then a thread adds its column's result
 * to the residual: a single norm kernel would do that addition, in the same order, as its first step. */
#ifndef MAMBA_CUDA_LAYER_OUT_CUH
#define MAMBA_CUDA_LAYER_OUT_CUH

#include "hadamard.cuh"
#include "layer.cuh"
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
template <int BITS, typename F>
__device__ inline void load_and_add(const float *y, int32_t d, float *row, F meanwhile) {
  constexpr int COUNT = 1 << BITS, STRIDE = SCAN_CHANNELS;
  const int32_t item = threadIdx.x, low = item % STRIDE, base = (item - low) * COUNT + low;
  const bool inside = item < d >> BITS;
  float v[COUNT];
#pragma unroll
  for (int i = 0; i < COUNT; ++i)
    v[i] = inside ? y[base + i * STRIDE] : 0.0f;
  meanwhile();
  butterflies(v);
  if (inside)
#pragma unroll
    for (int i = 0; i < COUNT; ++i)
      row[padded_sum(base, i * STRIDE)] = v[i];
  __syncthreads();
}

/* The butterflies that the scan's kernel left, of inner blocks of `block` values. */
template <typename F>
__device__ inline void finish_butterflies(const float *y, int32_t d, int32_t block, float *row, F meanwhile) {
  if (block >= SCAN_CHANNELS << 4) {
    load_and_add<4>(y, d, row, meanwhile);
    passes(row, d, SCAN_CHANNELS << 4, block);
  } else if (block == SCAN_CHANNELS << 3) {
    load_and_add<3>(y, d, row, meanwhile);
  } else if (block == SCAN_CHANNELS << 2) {
    load_and_add<2>(y, d, row, meanwhile);
  } else if (block == SCAN_CHANNELS << 1) {
    load_and_add<1>(y, d, row, meanwhile);
  } else {
    load_and_add<0>(y, d, row, meanwhile);
  }
}

/* The rest of the transform, quantized to x: a thread has one value of each inner block. (Sharing these
 * between more threads was slower: all of them read all of its values, and the code is longer.) */
template <int ORDER, bool TRANSPOSE>
__device__ inline void finish_transform(const mamba_cuda_layer &l, float norm, const float *row, int8_t *x,
                                        float *row_scale) {
  __shared__ float maxima[WARP];
  mamba_output out = output_of<MAMBA_I8>(l.rotated, l.inner);
  const int32_t thread = threadIdx.x;
  float amax = 0;
  if constexpr (ORDER == 1) {
    for (int32_t k = thread; l.rotated_per_row && k < l.inner; k += STREAM_THREADS)
      amax = larger_magnitude(amax, row[padded(k)] * norm);
    if (l.rotated_per_row)
      out = scaled_output(out, block_max(amax, maxima), row_scale);
    for (int32_t k = thread; k < l.inner; k += STREAM_THREADS)
      x[k] = (int8_t)stored_bits(out, k, row[padded(k)] * norm);
  } else {
    const int32_t block = l.inner / ORDER;
    float v[ORDER], results[ORDER];
    if (thread < block) {
#pragma unroll
      for (int j = 0; j < ORDER; ++j)
        v[j] = row[padded(j * block + thread)];
      signed_sums<ORDER, TRANSPOSE, 0, ORDER>(v, [&](int i, float sum) {
        results[i] = sum * norm;
        amax = larger_magnitude(amax, results[i]);
      });
    }
    if (l.rotated_per_row)
      out = scaled_output(out, block_max(amax, maxima), row_scale);
    if (thread < block)
#pragma unroll
      for (int i = 0; i < ORDER; ++i)
        x[i * block + thread] = (int8_t)stored_bits(out, i * block + thread, results[i]);
  }
}

class layer_out_part {
public:
  weight_stream weights; /* the caller starts it */

  __device__ layer_out_part(int32_t d, int32_t inner, const layer_out_shape &s, int8_t *shared_memory)
      : layer_out_part(inner, s, shared_memory, share(d, blockIdx.x, gridDim.x),
                       share(d, blockIdx.x + 1, gridDim.x)) {}

  __device__ void prepare(const mamba_cuda_layer &layer) {
    l = &layer;
    weights.prepare(layer.out_proj.w);
  }

  /* Asks for what the block needs beside y and its weights. */
  __device__ void ask() {
    const int32_t thread = threadIdx.x;
    int32_t *const sums = (int32_t *)(shared + shape->sums);
    for (int32_t i = thread; i < columns; i += STREAM_THREADS)
      sums[i] = 0;
    own_factors = factors_of(l->out_proj, first + min(thread, columns - 1));
  }

  /* x from y; ORDER 0: no transform. meanwhile() is called while y travels. Needs a barrier. */
  template <int ORDER, bool TRANSPOSE, typename F> __device__ void quantize(F meanwhile) {
    const int32_t thread = threadIdx.x;
    int8_t *const x = shared + shape->x;
    own_residual = l->residual[first + min(thread, columns - 1)];
    row_scale = 1.0f;
    for (int32_t k = l->inner + thread; k < round_up(l->inner, UNIT); k += STREAM_THREADS)
      x[k] = 0;
    if constexpr (ORDER == 0) {
      for (int32_t i = thread; i < l->inner / CHUNK; i += STREAM_THREADS)
        ((int4 *)x)[i] = ((const int4 *)l->y.data)[i];
      meanwhile();
    } else {
      float *const row = (float *)(shared + shape->row);
      finish_butterflies((const float *)l->y.data, l->inner, l->inner / ORDER, row, meanwhile);
      finish_transform<ORDER, TRANSPOSE>(*l, shape->norm, row, x, &row_scale);
    }
  }

  /* out_proj; the ring is free when it returns, and so is what is placed until then. */
  __device__ void multiply() {
    __syncthreads();
    weights.multiply(shared + shape->x, (int32_t *)(shared + shape->sums));
    __syncthreads();
  }

  /* The addition. */
  __device__ void finish() {
    const int32_t thread = threadIdx.x;
    const int32_t *const sums = (const int32_t *)(shared + shape->sums);
    const bool per_row = l->rotate && l->rotated_per_row;
    for (int32_t i = thread; i < columns; i += STREAM_THREADS) {
      const int32_t column = first + i;
      const column_factors factors = i == thread ? own_factors : factors_of(l->out_proj, column);
      const float before = i == thread ? own_residual : l->residual[column];
      l->residual[column] = before + column_value(factors, sums[i], per_row, row_scale);
    }
    if (blockIdx.x == 0)
      for (int32_t i = thread; i < l->rank + 2 * STATES; i += STREAM_THREADS)
        l->sums[i] = 0;
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
