/* The end of a matrix-matrix product: a tile of accumulators passes through shared memory, so that a thread
 * has the same columns of several rows and a warp stores whole lines, and becomes what the outputs store. */
#ifndef MAMBA_CUDA_LINEAR_RESULT_CUH
#define MAMBA_CUDA_LINEAR_RESULT_CUH

#include "linear.cuh"

namespace mamba {

/* The tile in shared memory: PARTS sums, which are added, of M x N columns; THREADS threads store it. */
template <int M_, int N_, int PARTS_, int THREADS_> struct result_shape {
  static constexpr int M = M_, N = N_, PARTS = PARTS_, THREADS = THREADS_;
  static constexpr int STRIDE = N + 8; /* so that 4 rows of a store lie in different banks */
  static constexpr int SIZE = M * STRIDE, BYTES = PARTS * SIZE * 4;
};

/* Puts a warp's 16 x 8 accumulators of an mma instruction into the tile at `row` and `column`: a lane holds
 * the columns 2 (lane % 4) and the next of the rows lane / 4 and lane / 4 + 8. */
template <typename R>
__device__ inline void keep_accumulators(int32_t *part, int row, int column, const int32_t *acc) {
  const int lane = threadIdx.x % WARP;
#pragma unroll
  for (int i = 0; i < 2; ++i)
    *(int2 *)&part[(row + lane / 4 + i * 8) * R::STRIDE + column + lane % 4 * 2] =
        make_int2(acc[2 * i], acc[2 * i + 1]);
}

/* A thread's share of the result: some rows of one column, whose output has TYPE. */
template <typename R, mamba_type TYPE>
__device__ inline void store_columns(const linear &l, const int32_t *tiles, int32_t m0, int32_t n0) {
  constexpr int AT_ONCE = R::THREADS / R::N;
  const int in_tile = threadIdx.x % R::N;
  linear_column column = find_column(l, n0 + in_tile, load_scales(l, n0 + in_tile));
  column.out.type = TYPE;
#pragma unroll 4
  for (int row = threadIdx.x / R::N; row < R::M && m0 + row < l.rows; row += AT_ONCE) {
    int32_t sum = 0;
#pragma unroll
    for (int p = 0; p < R::PARTS; ++p)
      sum += tiles[p * R::SIZE + row * R::STRIDE + in_tile];
    store_accumulator(l, column, m0 + row, sum);
  }
}

/* The same for QUAD adjacent columns of one output, aligned there to QUAD values: what columns need is loaded
 * once. */
template <mamba_type TYPE>
__device__ inline void store_quad(const mamba_output &out, int64_t at, const float (&v)[QUAD],
                                  const float (&inverse)[QUAD]) {
  if (TYPE == MAMBA_I8)
    *(uint32_t *)((int8_t *)out.data + at) = quantize_quad(v, inverse);
  else if (TYPE == MAMBA_F16)
    *(ushort4 *)((uint16_t *)out.data + at) =
        make_ushort4(half_bits(v[0]), half_bits(v[1]), half_bits(v[2]), half_bits(v[3]));
  else
    *(float4 *)((float *)out.data + at) = make_float4(v[0], v[1], v[2], v[3]);
}

template <typename R, mamba_type TYPE>
__device__ inline void store_quads(const linear &l, const int32_t *tiles, int32_t m0, int32_t n0) {
  constexpr int ACROSS = R::N / QUAD, AT_ONCE = R::THREADS / ACROSS;
  const int in_tile = threadIdx.x % ACROSS * QUAD;
  const linear_column column = find_column(l, n0 + in_tile, {});
  float multiplier[QUAD], bias[QUAD], inverse[QUAD];
#pragma unroll
  for (int i = 0; i < QUAD; ++i) {
    const column_scales scales = load_scales(l, n0 + in_tile + i);
    multiplier[i] = scales.multiplier;
    bias[i] = scales.bias;
    inverse[i] = TYPE == MAMBA_I8 && column.out.inv_scales ? column.out.inv_scales[column.c + i]
                                                           : column.out.inv_scale;
  }
#pragma unroll 4
  for (int row = threadIdx.x / ACROSS; row < R::M && m0 + row < l.rows; row += AT_ONCE) {
    int4 sum = make_int4(0, 0, 0, 0);
#pragma unroll
    for (int p = 0; p < R::PARTS; ++p) {
      const int4 part = *(const int4 *)&tiles[p * R::SIZE + row * R::STRIDE + in_tile];
      sum = make_int4(sum.x + part.x, sum.y + part.y, sum.z + part.z, sum.w + part.w);
    }
    float v[QUAD] = {(float)sum.x, (float)sum.y, (float)sum.z, (float)sum.w};
    const float row_scale = l.row_scale ? l.row_scale[m0 + row] : 1.0f;
#pragma unroll
    for (int i = 0; i < QUAD; ++i) {
      v[i] = v[i] * multiplier[i];
      if (l.row_scale)
        v[i] = v[i] * row_scale;
      if (l.bias)
        v[i] = v[i] + bias[i];
    }
    store_quad<TYPE>(column.out, (int64_t)(m0 + row) * column.out.channels + column.c, v, inverse);
  }
}

template <typename R, mamba_type TYPE>
__device__ inline void store_typed(const linear &l, const int32_t *tiles, int32_t m0, int32_t n0) {
  if (l.quads)
    store_quads<R, TYPE>(l, tiles, m0, n0);
  else
    store_columns<R, TYPE>(l, tiles, m0, n0);
}

/* Stores the tile of the columns n0, ... of the rows m0, .... Called by the threads 0 .. R::THREADS - 1. */
template <typename R>
__device__ inline void store_result(const linear &l, const int32_t *tiles, int32_t m0, int32_t n0) {
  const int across = l.quads ? R::N / QUAD : R::N;
  const int32_t column = n0 + (int)threadIdx.x % across * (l.quads ? QUAD : 1);
  if (column >= l.n || (int)threadIdx.x / across >= R::THREADS / across)
    return;
  /* The branch on the type stands outside the loops. */
  switch (find_column(l, column, {}).out.type) {
  case MAMBA_I8:
    return store_typed<R, MAMBA_I8>(l, tiles, m0, n0);
  case MAMBA_F16:
    return store_typed<R, MAMBA_F16>(l, tiles, m0, n0);
  default:
    return store_typed<R, MAMBA_F32>(l, tiles, m0, n0);
  }
}

} // namespace mamba

#endif
