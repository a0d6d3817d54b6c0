/* What the decode and the prefill kernel of mamba_cuda_linear_i8 share: their argument and the epilogue. */
#ifndef MAMBA_CUDA_LINEAR_CUH
#define MAMBA_CUDA_LINEAR_CUH

#include "mamba_cuda.h"
#include "values.cuh"

namespace mamba {

constexpr int CHUNK = 16; /* bytes of one load */
constexpr int QUAD = 4;   /* columns that a thread stores at once */

struct linear {
  const int8_t *x, *w;
  const float *row_scale, *multiplier, *bias; /* row_scale and bias may be NULL */
  int32_t rows, k, n, output_count;
  mamba_output outputs[MAMBA_CUDA_MAX_OUTPUTS];
  bool quads; /* every output's columns come in fours, aligned to four values */
};

/* vector: k is a multiple of CHUNK, and x and w are aligned to it. */
cudaError_t launch_linear_decode(const linear &l, bool vector, cudaStream_t stream);
cudaError_t launch_linear_prefill(const linear &l, bool vector, cudaStream_t stream);
/* For many rows, where `vector`; *taken says whether it was worth while and the GPU can. */
cudaError_t launch_linear_wgmma(const linear &l, bool *taken, cudaStream_t stream);

/* For a few rows and columns, where `vector`. */
cudaError_t launch_linear_rows(const linear &l, bool *taken, cudaStream_t stream);

/* The most rows that the decode kernel takes. */
constexpr int DECODE_ROWS = 8;

/* A column's factors; loaded before they are needed where that hides their latency. */
struct column_scales {
  float multiplier, bias;
};

__device__ inline column_scales load_scales(const linear &l, int32_t column) {
  return {l.multiplier[column], l.bias ? l.bias[column] : 0.0f};
}

/* One column of the result: its scales, the output that it belongs to and its place there. */
struct linear_column {
  column_scales scales;
  int32_t c;
  mamba_output out;
};

__device__ inline linear_column find_column(const linear &l, int32_t column, column_scales scales) {
  linear_column found = {scales, column, l.outputs[0]};
  int32_t begin = 0;
#pragma unroll /* outputs[] is indexed by constants and stays in the constant bank */
  for (int o = 1; o < MAMBA_CUDA_MAX_OUTPUTS; ++o) {
    begin += l.outputs[o - 1].channels;
    if (o < l.output_count && column >= begin) {
      found.out = l.outputs[o];
      found.c = column - begin;
    }
  }
  return found;
}

/* The epilogue: what an accumulator stands for, in the column's output. */
__device__ inline void store_accumulator(const linear &l, const linear_column &column, int32_t row,
                                         int32_t acc) {
  float v = (float)acc * column.scales.multiplier;
  if (l.row_scale)
    v = v * l.row_scale[row];
  if (l.bias)
    v = v + column.scales.bias;
  store_value(column.out, (int64_t)row * column.out.channels + column.c, column.c, v);
}

/* acc + the products of 16 pairs. */
__device__ inline int dot16(int4 a, int4 b, int acc) {
  acc = __dp4a(a.x, b.x, acc);
  acc = __dp4a(a.y, b.y, acc);
  acc = __dp4a(a.z, b.z, acc);
  return __dp4a(a.w, b.w, acc);
}

/* `count` (at most 16) bytes from anywhere, then zeros. */
__device__ inline int4 gather_bytes(const int8_t *from, int32_t count) {
  uint32_t words[4] = {0, 0, 0, 0};
#pragma unroll
  for (int i = 0; i < CHUNK; ++i)
    if (i < count)
      words[i / 4] |= (uint32_t)(uint8_t)from[i] << i % 4 * 8;
  return make_int4((int)words[0], (int)words[1], (int)words[2], (int)words[3]);
}

} // namespace mamba

#endif
