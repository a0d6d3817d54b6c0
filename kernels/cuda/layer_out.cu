/* mamba_cuda_layer_out: one block a multiprocessor.
 *
 * Every block finishes the Hadamard transform of the whole row (the scan's kernel took the strides below
 * SCAN_CHANNELS) and quantizes it; in the meantime its weights arrive. Then a thread adds its column's result
 * to the residual: a single norm kernel would do that addition, in the same order, as its first step.
 *
 * Bound: bytes of out_proj. */
#include "hadamard.cuh"
#include "layer.cuh"
#include "weight_stream.cuh"

#include <math.h>

namespace mamba {
namespace {

struct layer_out_args {
  mamba_cuda_layer l;
  int32_t most_columns;
  float norm; /* 1 / sqrt(inner) */
  hadamard_signs signs;
};

/* Places in dynamic shared memory, after the stream's ring. */
struct places {
  int32_t row, x, sums, bytes;
};

__host__ __device__ inline places place_all(const mamba_cuda_layer &l, int32_t columns) {
  places p;
  p.row = STREAM_BYTES;
  p.x = p.row + (l.rotate ? (padded(l.inner) + 3) / 4 * 16 : 0);
  p.sums = p.x + l.inner;
  p.bytes = p.sums + columns * (int32_t)sizeof(int32_t);
  return p;
}

/* The sums of order ORDER over the inner blocks of `row`, PARTS threads a column of one value of each block,
 * then quantized to x. ORDER 1 has nothing to add. */
template <int ORDER, int PARTS>
__device__ inline void finish_transform(const layer_out_args &args, const float *row, const float *signs,
                                        float *maxima, int8_t *x, float *row_scale) {
  const mamba_cuda_layer &l = args.l;
  constexpr int RESULTS = ORDER / PARTS;
  const int32_t block = l.inner / ORDER, thread = threadIdx.x;
  float amax = 0, results[RESULTS];
  const int32_t at = thread % block, part = thread / block;
  const bool inside = ORDER > 1 && part < PARTS;
  if (inside) {
    float v[ORDER];
#pragma unroll
    for (int j = 0; j < ORDER; ++j)
      v[j] = row[padded(j * block + at)];
#pragma unroll
    for (int i = 0; i < RESULTS; ++i) {
      const float *const sign = signs + (part * RESULTS + i) * ORDER;
      float sum = sign[0] * v[0];
#pragma unroll
      for (int j = 1; j < ORDER; ++j)
        sum = fmaf(sign[j], v[j], sum);
      results[i] = sum * args.norm;
      amax = larger_magnitude(amax, results[i]);
    }
  }
  if (ORDER == 1 && l.rotated_per_row)
    for (int32_t k = thread; k < l.inner; k += STREAM_THREADS)
      amax = larger_magnitude(amax, row[padded(k)] * args.norm);
  mamba_output out = output_of<MAMBA_I8>(l.rotated, l.inner);
  if (l.rotated_per_row)
    out = scaled_output(out, block_max(amax, maxima), row_scale);
  if (ORDER == 1)
    for (int32_t k = thread; k < l.inner; k += STREAM_THREADS)
      x[k] = (int8_t)stored_bits(out, k, row[padded(k)] * args.norm);
  else if (inside)
#pragma unroll
    for (int i = 0; i < RESULTS; ++i) {
      const int32_t k = (part * RESULTS + i) * block + at;
      x[k] = (int8_t)stored_bits(out, k, results[i]);
    }
}

/* ORDER 0: no transform. */
template <int ORDER, int PARTS>
__global__ void __launch_bounds__(STREAM_THREADS, 2) layer_out(const __grid_constant__ layer_out_args args) {
  extern __shared__ __align__(16) int8_t shared[];
  __shared__ float maxima[WARP];
  __shared__ __align__(16) float signs[ORDER > 1 ? ORDER * ORDER : 1];
  start_next();
  const mamba_cuda_layer &l = args.l;
  const places at = place_all(l, args.most_columns);
  int8_t *const x = shared + at.x;
  int32_t *const sums = (int32_t *)(shared + at.sums);
  const int32_t thread = threadIdx.x;
  const int32_t first = share(l.d, blockIdx.x, gridDim.x);
  const int32_t columns = share(l.d, blockIdx.x + 1, gridDim.x) - first;
  weight_stream weights(l.out_proj.w, l.inner, {first, columns, columns, 0}, shared);
  if constexpr (ORDER > 1)
    spread_signs<ORDER>(args.signs, signs);
  for (int32_t i = thread; i < columns; i += STREAM_THREADS)
    sums[i] = 0;
  const int32_t own = first + min(thread, columns - 1);
  const column_factors own_factors = factors_of(l.out_proj, own);
  wait_for_previous();

  const float own_residual = l.residual[own];
  float row_scale = 1.0f;
  if constexpr (ORDER == 0) {
    for (int32_t i = thread; i < l.inner / CHUNK; i += STREAM_THREADS)
      ((int4 *)x)[i] = ((const int4 *)l.y.data)[i];
  } else {
    float *const row = (float *)(shared + at.row);
    for (int32_t i = thread; i < l.inner / 4; i += STREAM_THREADS) {
      const float4 four = ((const float4 *)l.y.data)[i];
      float *const to = row + padded(4 * i); /* four of a multiple of four are not parted by the padding */
      to[0] = four.x;
      to[1] = four.y;
      to[2] = four.z;
      to[3] = four.w;
    }
    __syncthreads();
    passes(row, l.inner, SCAN_CHANNELS, l.inner / ORDER);
    finish_transform<ORDER, PARTS>(args, row, signs, maxima, x, &row_scale);
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

/* As many threads a column as the block has for it. */
template <int ORDER> layer_out_kernel choose_parts(int32_t block) {
  return block <= STREAM_THREADS / 4   ? layer_out<ORDER, 4>
         : block <= STREAM_THREADS / 2 ? layer_out<ORDER, 2>
                                       : layer_out<ORDER, 1>;
}

layer_out_kernel choose(const mamba_cuda_layer &l) {
  const int32_t order = l.rotate ? mambaHadamardOrder(l.inner) : 0;
  switch (order) {
  case 0:
    return layer_out<0, 1>;
  case 1:
    return layer_out<1, 1>;
  case 12:
    return choose_parts<12>(l.inner / order);
  case 20:
    return choose_parts<20>(l.inner / order);
  default:
    return choose_parts<28>(l.inner / order);
  }
}

} // namespace
} // namespace mamba

cudaError_t mamba_cuda_layer_out(const mamba_cuda_layer *layer, int32_t rows, cudaStream_t stream) {
  using namespace mamba;
  if (mamba_cuda_layer_problem(layer, rows))
    return cudaErrorNotSupported;
  device_info info;
  const cudaError_t error = get_device_info(&info);
  if (error != cudaSuccess)
    return error;
  const int32_t blocks = info.multiprocessors < layer->d ? info.multiprocessors : layer->d;
  const layer_out_args args = {
      *layer, ceil_div(layer->d, blocks), (float)(1.0 / sqrt((double)layer->inner)),
      signs_of(layer->rotate ? mambaHadamardOrder(layer->inner) : 0, layer->transpose)};
  return launch(choose(*layer), dim3(blocks), STREAM_THREADS, place_all(*layer, args.most_columns).bytes,
                stream, rows, args);
}
