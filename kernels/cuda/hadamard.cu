/* mamba_cuda_hadamard: one block per row, the row in shared memory.
 *
 * Butterflies are taken three strides at a time, eight values in registers between two barriers, the first
 * three on the way from global memory; each value is the same tree of additions as in the contract, whichever
 * thread computes it. A column of the order-m matrix (m values, one inner index) is then held in registers by
 * one thread, which computes its m sums; the signs of H_m are in the instructions. Of many rows a thread has
 * 2 or 4 columns, takes the last strides on the way to them, and quantizes from its registers.
 *
 * Bound: latency in decode (one row: 4 passes over shared memory at d = 5120); in prefill the order-m
 * additions, m a value.
 *
 * Reaches on an H200: 3.0 us for a row of 5120 (20 * 256), 10.7 us for 1024 rows. */
#include "hadamard.cuh"
#include "mamba_cuda.h"

#include <math.h>

namespace mamba {
namespace {

constexpr int MOST_THREADS = 512, MANY_ROWS = 256;

/* Threads of a row where there are many rows: as many columns as the first strides leave apart. */
constexpr int FEW_THREADS = 64;

struct transform {
  const float *x;
  int32_t d;
  float norm;
  mamba_output out;
  float *row_scale; /* or NULL */
  bool vector;      /* rows of x are aligned to 16 bytes, of out to 4 */
};

/* The first three strides, from global memory; two items' loads are in flight. */
__device__ inline void first_pass(const float *x, float *row, int32_t d) {
  constexpr int ITEMS = 2;
  for (int32_t first = threadIdx.x; first < d / 8; first += ITEMS * blockDim.x) {
    float4 quads[ITEMS][2] = {};
#pragma unroll
    for (int i = 0; i < ITEMS; ++i) {
      const int32_t item = first + i * blockDim.x;
      if (item < d / 8) {
        quads[i][0] = ((const float4 *)x)[2 * item];
        quads[i][1] = ((const float4 *)x)[2 * item + 1];
      }
    }
#pragma unroll
    for (int i = 0; i < ITEMS; ++i) {
      const int32_t item = first + i * blockDim.x;
      const float4 low = quads[i][0], high = quads[i][1];
      float v[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
      butterflies(v);
      if (item < d / 8) {
        float4 *to = (float4 *)(row + padded(8 * item));
        to[0] = make_float4(v[0], v[1], v[2], v[3]);
        to[1] = make_float4(v[4], v[5], v[6], v[7]);
      }
    }
  }
  __syncthreads();
}

template <int ORDER, bool TRANSPOSE> __global__ void __launch_bounds__(MOST_THREADS) hadamard(transform t) {
  float *const row = dynamic_shared<float>();
  __shared__ float maxima[WARP];
  if (gridDim.x <= DEPENDENT_ROWS)
    start_next();
  wait_for_previous();
  const int32_t inner = t.d / ORDER, threads = blockDim.x;
  const int64_t first = (int64_t)blockIdx.x * t.d;
  int32_t stride = 1;
  if (inner >= 8 && t.vector) {
    first_pass(t.x + first, row, t.d);
    stride = 8;
  } else {
#pragma unroll 8
    for (int32_t k = threadIdx.x; k < t.d; k += threads)
      row[padded(k)] = t.x[first + k];
    __syncthreads();
  }
  passes(row, t.d, stride, inner);

  /* A column's results replace it: no other thread reads it. */
  float amax = 0;
  for (int32_t at = threadIdx.x; at < inner; at += threads) {
    float v[ORDER];
#pragma unroll
    for (int j = 0; j < ORDER; ++j)
      v[j] = row[padded(j * inner + at)];
    const auto finish = [&](int i, float sum) {
      sum = sum * t.norm;
      amax = larger_magnitude(amax, sum);
      row[padded(i * inner + at)] = sum;
    };
    if constexpr (ORDER == 1)
      finish(0, v[0]);
    else
      signed_sums<ORDER, TRANSPOSE, 0, ORDER>(v, finish);
  }
  mamba_output out = t.out;
  if (t.row_scale)
    out = row_output(out, block_max(amax, maxima), &t.row_scale[blockIdx.x]);
  __syncthreads();
  if (t.vector && out.type == MAMBA_I8 && !out.inv_scales) { /* four at a time */
    uint32_t *to = (uint32_t *)((int8_t *)out.data + first);
#pragma unroll 2
    for (int32_t k = 4 * threadIdx.x; k < t.d; k += 4 * threads) {
      const float4 v =
          *(const float4 *)(row + padded(k)); /* the padding does not part four of a multiple of four */
      to[k / 4] = quantize_quad(v.x, v.y, v.z, v.w, out.inv_scale);
    }
  } else {
    for (int32_t k = threadIdx.x; k < t.d; k += threads)
      store_value(out, first + k, k, row[padded(k)]);
  }
}

/* Blocks of the kernel for many rows for which a multiprocessor has registers. */
template <int ORDER, int BITS> constexpr int rows_at_once() {
  return ORDER << BITS <= 40 ? 16 : ORDER << BITS <= 80 ? 8 : 7;
}

/* Inner blocks of FEW_THREADS << BITS values, aligned rows, int8 with one scale a row or for all. A thread
 * takes the last BITS strides, the order-m matrix and the quantization of its columns in registers. */
template <int ORDER, bool TRANSPOSE, int BITS>
__global__ void __launch_bounds__(FEW_THREADS, (rows_at_once<ORDER, BITS>())) hadamard_rows(transform t) {
  float *const row = dynamic_shared<float>();
  __shared__ float maxima[WARP];
  constexpr int COLUMNS = 1 << BITS, INNER = FEW_THREADS << BITS;
  wait_for_previous();
  const int64_t first = (int64_t)blockIdx.x * t.d;
  first_pass(t.x + first, row, t.d);
  pass<3>(row, t.d, 8);
  const float *const own = row + padded(threadIdx.x);
  float v[COLUMNS][ORDER], amax = 0;
#pragma unroll
  for (int j = 0; j < ORDER; ++j) {
    float block[COLUMNS];
#pragma unroll
    for (int q = 0; q < COLUMNS; ++q)
      block[q] = own[padded(j * INNER + q * FEW_THREADS)];
    butterflies(block);
#pragma unroll
    for (int q = 0; q < COLUMNS; ++q)
      v[q][j] = block[q];
  }
#pragma unroll
  for (int q = 0; q < COLUMNS; ++q) {
    float results[ORDER];
    signed_sums<ORDER, TRANSPOSE, 0, ORDER>(v[q], [&](int i, float sum) {
      results[i] = sum * t.norm;
      amax = larger_magnitude(amax, results[i]);
    });
#pragma unroll
    for (int i = 0; i < ORDER; ++i)
      v[q][i] = results[i];
  }
  mamba_output out = t.out;
  if (t.row_scale)
    out = row_output(out, block_max(amax, maxima), &t.row_scale[blockIdx.x]);
  int8_t *const to = (int8_t *)out.data + first + threadIdx.x;
#pragma unroll
  for (int i = 0; i < ORDER; ++i)
#pragma unroll
    for (int q = 0; q < COLUMNS; ++q)
      to[i * INNER + q * FEW_THREADS] = (int8_t)quantize_bits(v[q][i], out.inv_scale);
}

typedef void (*hadamard_kernel)(transform);

template <bool TRANSPOSE> hadamard_kernel choose(int32_t order) {
  return order == 1    ? hadamard<1, false>
         : order == 12 ? hadamard<12, TRANSPOSE>
         : order == 20 ? hadamard<20, TRANSPOSE>
                       : hadamard<28, TRANSPOSE>;
}

template <bool TRANSPOSE, int BITS> hadamard_kernel choose_rows(int32_t order) {
  return order == 12   ? hadamard_rows<12, TRANSPOSE, BITS>
         : order == 20 ? hadamard_rows<20, TRANSPOSE, BITS>
                       : hadamard_rows<28, TRANSPOSE, BITS>;
}

template <int BITS> hadamard_kernel choose_rows(int32_t order, bool transpose) {
  return transpose ? choose_rows<true, BITS>(order) : choose_rows<false, BITS>(order);
}

} // namespace

} // namespace mamba

cudaError_t mamba_cuda_hadamard(const float *x, bool transpose, int32_t rows, int32_t d, mamba_output out,
                                float *row_scale, cudaStream_t stream) {
  using namespace mamba;
  const int32_t order = mambaHadamardOrder(d);
  if (rows < 0 || order == 0 || (row_scale && out.type != MAMBA_I8))
    return cudaErrorInvalidValue;
  if (rows == 0)
    return cudaSuccess;
  const transform t = {x,   d,         (float)(1.0 / sqrt((double)d)),
                       out, row_scale, d % 4 == 0 && is_aligned(x, 16) && is_aligned(out.data, 4)};
  const int32_t inner = d / order;
  const size_t shared = (size_t)padded(d) * sizeof(float);
  const bool usual = t.vector && out.type == MAMBA_I8 && !out.inv_scales;
  if (usual && rows >= MANY_ROWS && order > 1 && (inner == FEW_THREADS << 1 || inner == FEW_THREADS << 2))
    return launch(inner == FEW_THREADS << 1 ? choose_rows<1>(order, transpose)
                                            : choose_rows<2>(order, transpose),
                  dim3(rows), FEW_THREADS, shared, stream, rows, t);
  /* Alone, a row gets many threads; of many rows, as many as possible are in a multiprocessor at once. */
  const unsigned few = inner <= 128 ? 128 : 256;
  const unsigned threads = rows >= MANY_ROWS ? few : d <= 1024 ? 128 : d <= 4096 ? 256 : MOST_THREADS;
  return launch(transpose ? choose<true>(order) : choose<false>(order), dim3(rows), threads, shared, stream,
                rows, t);
}
