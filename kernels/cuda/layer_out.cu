/* mamba_cuda_layer_out: one block a multiprocessor.
 *
 * Every block finishes the Hadamard transform of the whole row (the scan's kernel took the strides below
 * SCAN_CHANNELS) and quantizes it; in the meantime its weights arrive. Then a thread adds its column's result
 * to the residual: a single norm kernel would do that addition, in the same order, as its first step.
 *
 * Bound: bytes of out_proj, after the latency of the transform.
 *
 * Reaches on an H200: 6.5 us at 2.8b, of which the bytes are 2.8; 2.4 us at 130m. */
#include "hadamard.cuh"
#include "layer.cuh"
#include "layer_rows.h"
#include "weight_stream.cuh"

#include <math.h>

namespace mamba {
namespace {

struct layer_out_args {
  mamba_cuda_layer l;
  stream_shape shape;
  int32_t ring, most_columns; /* ring: bytes */
  float norm;                 /* 1 / sqrt(inner) */
  bool late;
};

/* Places in dynamic shared memory, after the stream's ring. */
struct places {
  int32_t row, x, sums, bytes;
};

__host__ __device__ inline places place_all(const mamba_cuda_layer &l, int32_t ring, int32_t columns) {
  places p;
  p.row = ring;
  p.x = p.row + (l.rotate ? (padded(l.inner) + 3) / 4 * 16 : 0);
  p.sums = p.x + round_up(l.inner, UNIT);
  p.bytes = p.sums + columns * (int32_t)sizeof(int32_t);
  return p;
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
      row[padded(base + i * STRIDE)] = v[i];
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
__device__ inline void finish_transform(const layer_out_args &args, const float *row, float *maxima,
                                        int8_t *x, float *row_scale) {
  const mamba_cuda_layer &l = args.l;
  mamba_output out = output_of<MAMBA_I8>(l.rotated, l.inner);
  const int32_t thread = threadIdx.x;
  float amax = 0;
  if constexpr (ORDER == 1) {
    for (int32_t k = thread; l.rotated_per_row && k < l.inner; k += STREAM_THREADS)
      amax = larger_magnitude(amax, row[padded(k)] * args.norm);
    if (l.rotated_per_row)
      out = scaled_output(out, block_max(amax, maxima), row_scale);
    for (int32_t k = thread; k < l.inner; k += STREAM_THREADS)
      x[k] = (int8_t)stored_bits(out, k, row[padded(k)] * args.norm);
  } else {
    const int32_t block = l.inner / ORDER;
    float v[ORDER], results[ORDER];
    if (thread < block) {
#pragma unroll
      for (int j = 0; j < ORDER; ++j)
        v[j] = row[padded(j * block + thread)];
      signed_sums<ORDER, TRANSPOSE, 0, ORDER>(v, [&](int i, float sum) {
        results[i] = sum * args.norm;
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

/* ORDER 0: no transform. */
template <int ORDER, bool TRANSPOSE>
__global__ void __launch_bounds__(STREAM_THREADS, 2) layer_out(const __grid_constant__ layer_out_args args) {
  int8_t *const shared = dynamic_shared<int8_t>();
  __shared__ float maxima[WARP];
  if (!args.late)
    start_next();
  const mamba_cuda_layer &l = args.l;
  const places at = place_all(l, args.ring, args.most_columns);
  int8_t *const x = shared + at.x;
  int32_t *const sums = (int32_t *)(shared + at.sums);
  const int32_t thread = threadIdx.x;
  const int32_t first = share(l.d, blockIdx.x, gridDim.x);
  const int32_t columns = share(l.d, blockIdx.x + 1, gridDim.x) - first;
  weight_stream weights(l.out_proj.w, l.inner, {first, columns, columns, 0}, shared, args.shape);
  if (dependent_code() || ORDER == 0)
    weights.start();
  for (int32_t i = thread; i < columns; i += STREAM_THREADS)
    sums[i] = 0;
  for (int32_t k = l.inner + thread; k < round_up(l.inner, UNIT); k += STREAM_THREADS)
    x[k] = 0;
  const int32_t own = first + min(thread, columns - 1);
  const column_factors own_factors = factors_of(l.out_proj, own);
  wait_for_previous();
  if (args.late)
    start_next();

  const float own_residual = l.residual[own];
  float row_scale = 1.0f;
  if constexpr (ORDER == 0) {
    for (int32_t i = thread; i < l.inner / CHUNK; i += STREAM_THREADS)
      ((int4 *)x)[i] = ((const int4 *)l.y.data)[i];
  } else {
    float *const row = (float *)(shared + at.row);
    finish_butterflies((const float *)l.y.data, l.inner, l.inner / ORDER, row, [&] {
      if (!dependent_code())
        weights.start();
    });
    finish_transform<ORDER, TRANSPOSE>(args, row, maxima, x, &row_scale);
  }
  __syncthreads();
  weights.multiply(x, sums);
  __syncthreads();

  const bool per_row = l.rotate && l.rotated_per_row;
  for (int32_t i = thread; i < columns; i += STREAM_THREADS) {
    const int32_t column = first + i;
    const column_factors factors = i == thread ? own_factors : factors_of(l.out_proj, column);
    const float before = i == thread ? own_residual : l.residual[column];
    l.residual[column] = before + column_value(factors, sums[i], per_row, row_scale);
  }
  if (blockIdx.x == 0)
    for (int32_t i = thread; i < l.rank + 2 * STATES; i += STREAM_THREADS)
      l.sums[i] = 0;
}

typedef void (*layer_out_kernel)(layer_out_args);

template <int ORDER> layer_out_kernel choose(bool transpose) {
  return transpose ? layer_out<ORDER, true> : layer_out<ORDER, false>;
}

layer_out_kernel choose(const mamba_cuda_layer &l) {
  const int32_t order = l.rotate ? mambaHadamardOrder(l.inner) : 0;
  switch (order) {
  case 0:
    return layer_out<0, false>;
  case 1:
    return layer_out<1, false>;
  case 12:
    return choose<12>(l.transpose);
  case 20:
    return choose<20>(l.transpose);
  default:
    return choose<28>(l.transpose);
  }
}

} // namespace
} // namespace mamba

cudaError_t mamba_cuda_layer_out(const mamba_cuda_layer *layer, int32_t rows, cudaStream_t stream) {
  using namespace mamba;
  if (mamba_cuda_layer_problem(layer, rows))
    return cudaErrorNotSupported;
  if (rows > 1)
    return rows_layer_out(*layer, rows, stream);
  device_info info;
  const cudaError_t error = get_device_info(&info);
  if (error != cudaSuccess)
    return error;
  const int32_t blocks = info.multiprocessors < layer->d ? info.multiprocessors : layer->d;
  const int32_t columns = ceil_div(layer->d, blocks);
  const stream_shape shape = shape_stream(info, columns, layer->inner, 8);
  const int32_t ring = ring_bytes(shape);
  const layer_out_args args = {
      *layer, shape, ring, columns, (float)(1.0 / sqrt((double)layer->inner)), reads_long(*layer, info)};
  return launch(choose(*layer), dim3(blocks), STREAM_THREADS, place_all(*layer, ring, columns).bytes, stream,
                rows, args);
}
