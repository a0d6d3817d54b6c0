/* The first kernel of a layer of several rows, a block a row: adds the previous layer's result, which its
 * out_proj left as integer sums, to the residual, normalises and quantizes; and the last one of all layers,
 * which only adds.
 *
 * Bound: latency. */
#include "block_norm.cuh"
#include "layer_rows.h"
#include "row_product.cuh"

namespace mamba {
namespace {

constexpr int PREFETCHED = 32; /* floats of a line */

struct rows_norm_args {
  mamba_cuda_layer l;
  int32_t rows;
  mamba_cuda_matrix before; /* whose sums are still to be added; multiplier NULL: none */
  float inverse_d;
  bool per_row, ends, late; /* per_row: out_scale is of `before`; ends: no norm; late: see layer_rows.h */
};

/* Few registers, so that a block of in_proj has room beside it. */
__global__ void __launch_bounds__(STREAM_THREADS, 3)
    layer_rows_norm(const __grid_constant__ rows_norm_args args) {
  int8_t *const x = dynamic_shared<int8_t>();
  if (!args.late)
    start_next();
  const mamba_cuda_layer &l = args.l;
  const int32_t row = blockIdx.x, d = l.d;
  float *const residual = l.residual + (int64_t)row * d;
  block_norm norm;
  const bool adds = args.before.multiplier != NULL;
  if (adds)
    norm.load_factors(args.before, d);
  if (!args.ends) {
    norm.prepare(d, args.inverse_d, x);
    norm.load_gamma(l.gamma, d);
  }
  for (int32_t i = threadIdx.x * PREFETCHED; i < d; i += STREAM_THREADS * PREFETCHED)
    prefetch(residual + i); /* which one layer may have driven out of the cache */
  wait_for_previous();
  if (args.late)
    start_next();
  norm.load_row(residual, d);
  if (adds)
    norm.add_product(l.out_sums + (int64_t)row * d, args.per_row ? l.out_scale + row : NULL, residual, d);
  if (args.ends)
    return;
  float scale;
  norm.quantize(output_of<MAMBA_I8>(l.in, d), l.in_per_row, d, l.epsilon, x, &scale);
  for (int32_t i = threadIdx.x; i < d / CHUNK; i += STREAM_THREADS)
    *(int4 *)((int8_t *)l.in.data + blocked_place(row, i * CHUNK, args.rows)) = ((const int4 *)x)[i];
  if (l.in_per_row && threadIdx.x == 0)
    l.in_scale[row] = scale;
}

cudaError_t launch_norm(const rows_norm_args &args, int32_t rows, cudaStream_t stream) {
  const int32_t d = args.l.d;
  return launch(layer_rows_norm, dim3(rows), STREAM_THREADS, round_up(d, UNIT), stream, rows, args);
}

} // namespace

cudaError_t launch_rows_norm(const mamba_cuda_layer &l, int32_t rows, bool late, cudaStream_t stream) {
  return launch_norm({l, rows, l.before, 1.0f / (float)l.d, l.before_per_row, false, late}, rows, stream);
}

cudaError_t launch_rows_end(const mamba_cuda_layer &l, int32_t rows, cudaStream_t stream) {
  return launch_norm({l, rows, l.out_proj, 1.0f / (float)l.d, l.rotate && l.rotated_per_row, true, true},
                     rows, stream);
}

} // namespace mamba
