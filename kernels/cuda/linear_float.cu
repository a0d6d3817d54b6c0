/* mamba_cuda_linear_float: weights in 16 or 32 bits times f32, with the contract's 16 partial sums. One row
 * has a kernel of its own (linear_float_decode.cu).
 *
 * 16 consecutive values of k belong to the 16 different sums. A lane reads 16 bytes of weights, VALUES of
 * them, and owns as many sums, so LANES_OF_K = 16 / VALUES lanes share a column (2 for f16, 4 for f32) and
 * read 32 or 64 consecutive bytes; the DEPTH steps in flight make up whole lines. Other lanes of the warp
 * have other columns, COLUMNS each, which share the loads of x; those hit the first cache, where all columns
 * find the same bytes. Rows come ROWS at a time, each pass reading w again (from the second cache while it
 * fits). A ring of whole lines in shared memory, filled by cp.async, was no
 * faster.
 *
 * Bound: bytes of w in decode. */
#include "linear_float.cuh"

namespace mamba {
namespace {

constexpr int THREADS = 128, DEPTH = 4, CHUNK = 16; /* CHUNK: bytes of one load */

/* 16 bytes of weights, as loaded. */
template <typename T> union pack {
  uint4 bits;
  T values[16 / sizeof(T)];
};

template <mamba_type TYPE, int ROWS, int COLUMNS> struct mapping {
  typedef typename storage<TYPE>::type type;
  static constexpr int VALUES = CHUNK / sizeof(type), LANES_OF_K = LANES / VALUES;
  static constexpr int BLOCK_COLUMNS = THREADS / LANES_OF_K * COLUMNS;
};

/* p += x w over the 16 bytes of `weights`. */
template <mamba_type TYPE, typename T, int VALUES>
__device__ inline void accumulate(const float *x, const pack<T> &weights, float (&p)[VALUES]) {
#pragma unroll
  for (int i = 0; i < VALUES; i += 4) {
    const float4 four = *(const float4 *)(x + i);
    p[i] = fmaf(four.x, widen(weights.values[i], TYPE), p[i]);
    p[i + 1] = fmaf(four.y, widen(weights.values[i + 1], TYPE), p[i + 1]);
    p[i + 2] = fmaf(four.z, widen(weights.values[i + 2], TYPE), p[i + 2]);
    p[i + 3] = fmaf(four.w, widen(weights.values[i + 3], TYPE), p[i + 3]);
  }
}

/* p[i] += p[i + 8], then + 4, + 2, + 1: first between lanes, then inside one. */
template <int LANES_OF_K, int VALUES> __device__ inline float fold(float (&p)[VALUES]) {
#pragma unroll
  for (int distance = LANES_OF_K / 2; distance > 0; distance /= 2)
#pragma unroll
    for (int i = 0; i < VALUES; ++i)
      p[i] += __shfl_xor_sync(ALL_LANES, p[i], distance);
#pragma unroll
  for (int width = VALUES / 2; width > 0; width /= 2)
#pragma unroll
    for (int i = 0; i < width; ++i)
      p[i] += p[i + width];
  return p[0];
}

template <mamba_type TYPE, int ROWS, int COLUMNS, bool VECTOR>
__global__ void __launch_bounds__(THREADS) linear_float(linear_float_args l) {
  typedef mapping<TYPE, ROWS, COLUMNS> M;
  typedef typename M::type T;
  constexpr int VALUES = M::VALUES;
  const int32_t first = blockIdx.x * M::BLOCK_COLUMNS + threadIdx.x / M::LANES_OF_K * COLUMNS;
  const int32_t first_row = blockIdx.y * ROWS, lane = threadIdx.x % M::LANES_OF_K;
  const int32_t begin = lane * VALUES;
  const T *w[COLUMNS];
  const float *x[ROWS];
#pragma unroll
  for (int c = 0; c < COLUMNS; ++c) /* columns and rows past the end repeat the last and are not stored */
    w[c] = (const T *)l.w + (int64_t)min(first + c, l.n - 1) * l.k;
#pragma unroll
  for (int r = 0; r < ROWS; ++r)
    x[r] = l.x + (int64_t)min(first_row + r, l.rows - 1) * l.k;

  float p[ROWS][COLUMNS][VALUES] = {};
  if (VECTOR) {
    pack<T> ring[DEPTH][COLUMNS];
#pragma unroll
    for (int s = 0; s < DEPTH; ++s)
#pragma unroll
      for (int c = 0; c < COLUMNS; ++c)
        if (begin + s * LANES < l.k)
          ring[s][c].bits = __ldcs((const uint4 *)(w[c] + begin + s * LANES));
    wait_for_previous();
    for (int32_t k = begin; k < l.k; k += DEPTH * LANES)
#pragma unroll
      for (int s = 0; s < DEPTH; ++s) {
        const int32_t at = k + s * LANES, next = at + DEPTH * LANES;
        if (at >= l.k)
          break;
#pragma unroll
        for (int r = 0; r < ROWS; ++r)
#pragma unroll
          for (int c = 0; c < COLUMNS; ++c)
            accumulate<TYPE>(x[r] + at, ring[s][c], p[r][c]);
#pragma unroll
        for (int c = 0; c < COLUMNS; ++c)
          if (next < l.k)
            ring[s][c].bits = __ldcs((const uint4 *)(w[c] + next));
      }
  } else {
    wait_for_previous();
    for (int32_t k = begin; k < l.k; k += LANES)
#pragma unroll
      for (int i = 0; i < VALUES; ++i)
        if (k + i < l.k)
#pragma unroll
          for (int r = 0; r < ROWS; ++r)
#pragma unroll
            for (int c = 0; c < COLUMNS; ++c)
              p[r][c][i] = fmaf(x[r][k + i], widen(w[c][k + i], TYPE), p[r][c][i]);
  }
  start_next();

#pragma unroll
  for (int r = 0; r < ROWS; ++r)
#pragma unroll
    for (int c = 0; c < COLUMNS; ++c) {
      const float v = fold<M::LANES_OF_K>(p[r][c]);
      const int32_t row = first_row + r, column = first + c;
      if (lane == 0 && row < l.rows && column < l.n)
        l.out[(int64_t)row * l.n + column] = l.bias ? v + l.bias[column] : v;
    }
}

template <mamba_type TYPE, int ROWS, int COLUMNS>
cudaError_t launch_rows(const linear_float_args &l, bool vector, cudaStream_t stream) {
  return launch(vector ? linear_float<TYPE, ROWS, COLUMNS, true> : linear_float<TYPE, ROWS, COLUMNS, false>,
                dim3(ceil_div(l.n, mapping<TYPE, ROWS, COLUMNS>::BLOCK_COLUMNS), ceil_div(l.rows, ROWS)),
                THREADS, 0, stream, l.rows, l);
}

template <mamba_type TYPE>
cudaError_t launch_type(const linear_float_args &l, bool vector, cudaStream_t stream) {
  return l.rows == 1 ? launch_rows<TYPE, 1, 2>(l, vector, stream)
                     : launch_rows<TYPE, 4, 1>(l, vector, stream);
}

} // namespace
} // namespace mamba

cudaError_t mamba_cuda_linear_float(const float *x, const void *w, mamba_type type, const float *bias,
                                    int32_t rows, int32_t k, int32_t n, float *out, cudaStream_t stream) {
  using namespace mamba;
  const int32_t most_rows = 65535 * 4;
  if (rows < 0 || rows > most_rows || k <= 0 || n <= 0)
    return cudaErrorInvalidValue;
  if (rows == 0)
    return cudaSuccess;
  const linear_float_args l = {x, bias, w, out, rows, k, n};
  const bool vector = k % LANES == 0 && is_aligned(x, 16) && is_aligned(w, 16);
  if (rows == 1 && vector && k % DECODE_MULTIPLE == 0 && k <= DECODE_MOST_K && type != MAMBA_I8)
    return launch_linear_float_decode(l, type, stream);
  switch (type) {
  case MAMBA_F16:
    return launch_type<MAMBA_F16>(l, vector, stream);
  case MAMBA_BF16:
    return launch_type<MAMBA_BF16>(l, vector, stream);
  case MAMBA_F32:
    return launch_type<MAMBA_F32>(l, vector, stream);
  default:
    return cudaErrorInvalidValue;
  }
}
