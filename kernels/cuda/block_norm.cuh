/* The normalisation and quantization of a whole row by a block of STREAM_THREADS threads, into shared memory.
 */
#ifndef MAMBA_CUDA_BLOCK_NORM_CUH
#define MAMBA_CUDA_BLOCK_NORM_CUH

#include "layer.cuh"
#include "norm.cuh"
#include "weight_stream.cuh"

namespace mamba {

constexpr int NORM_MOST_D = 4096;
static_assert(NORM_MOST_D / SQUARES_BLOCK % BLOCKS_STEP == 0 && UNIT <= STREAM_THREADS,
              "the sums' zeros and those of x");

class block_norm {
public:
  /* Writes zeros behind the d values of x up to a multiple of UNIT. */
  __device__ void prepare(int32_t d, float inverse_d_, int8_t *x) {
    inverse_d = inverse_d_;
    if (d + thread_number() < round_up(d, UNIT))
      x[d + thread_number()] = 0;
  }

  __device__ void load_gamma(const float *values, int32_t d) {
    has_gamma = values != NULL;
#pragma unroll
    for (int i = 0; i < MOST_QUADS; ++i)
      gamma[i] = has_gamma && place(i) < d ? *(const float4 *)(values + place(i)) : make_float4(0, 0, 0, 0);
  }

  __device__ void load_row(const float *values, int32_t d) {
#pragma unroll
    for (int i = 0; i < MOST_QUADS; ++i)
      s[i] = place(i) < d ? *(const float4 *)(values + place(i)) : make_float4(0, 0, 0, 0);
  }

  /* The residual, from another block (exchange.cuh). */
  template <typename X> __device__ void take_row(const X &exchange, int32_t d) {
    exchange.template take_residual<NORM_QUAD * STREAM_THREADS>(place(0), d, s);
  }

  /* The multipliers and biases of a product that add_product() will add. */
  __device__ void load_factors(const mamba_cuda_matrix &of, int32_t d) {
    biased = of.bias != NULL;
#pragma unroll
    for (int i = 0; i < MOST_QUADS; ++i) {
      const bool inside = place(i) < d;
      multiplier[i] = inside ? *(const float4 *)(of.multiplier + place(i)) : make_float4(0, 0, 0, 0);
      bias[i] = inside && biased ? *(const float4 *)(of.bias + place(i)) : make_float4(0, 0, 0, 0);
    }
  }

  /* Adds a product, whose integer sums are given, to the row, which is stored again; clears the sums.
   * row_scale: of the product's input, or NULL. */
  __device__ void add_product(int32_t *sums, const float *row_scale, float *values, int32_t d) {
    const bool per_row = row_scale != NULL;
    const float scale = per_row ? *row_scale : 1.0f;
#pragma unroll
    for (int i = 0; i < MOST_QUADS; ++i) {
      const int32_t k = place(i);
      if (k >= d)
        break;
      const int4 sum = *(const int4 *)(sums + k);
      const float4 m = multiplier[i], b = bias[i];
      s[i].x = s[i].x + column_value({m.x, b.x, biased}, sum.x, per_row, scale);
      s[i].y = s[i].y + column_value({m.y, b.y, biased}, sum.y, per_row, scale);
      s[i].z = s[i].z + column_value({m.z, b.z, biased}, sum.z, per_row, scale);
      s[i].w = s[i].w + column_value({m.w, b.w, biased}, sum.w, per_row, scale);
      *(float4 *)(values + k) = s[i];
      *(int4 *)(sums + k) = make_int4(0, 0, 0, 0);
    }
  }

  /* x: d int8. d is a multiple of SQUARES_BLOCK. The row's scale, or 1, goes to *row_scale. Ends with a
   * barrier. */
  __device__ void quantize(mamba_output out, bool per_row, int32_t d, float epsilon, int8_t *x,
                           float *row_scale) {
    __shared__ __align__(16) float squares[NORM_MOST_D / SQUARES_BLOCK];
    __shared__ float maxima[WARP];
    const int32_t thread = thread_number(), warp = thread / WARP, lane = thread % WARP;
    float amax = 0;
#pragma unroll
    for (int i = 0; i < MOST_QUADS; ++i) {
      float sum = 0;
      if (place(i) < d) { /* a whole warp's */
        sum = fold_quads(square_quad(s[i]));
        s[i] = scaled(s[i], has_gamma, gamma[i]);
        amax = larger_magnitude(amax, s[i]);
      }
      if (lane == 0)
        squares[warp + i * STREAM_WARPS] = sum;
    }
    amax = block_max(amax, maxima); /* behind a barrier, for `squares` too */
    const float root = root_of(add_blocks(squares, d / SQUARES_BLOCK), inverse_d, epsilon);
    *row_scale = 1.0f;
    if (per_row)
      out = scaled_output(out, normalised_absmax(amax, root), row_scale);
#pragma unroll
    for (int i = 0; i < MOST_QUADS; ++i)
      if (place(i) < d)
        store_quad(out, place(i), s[i], root, x);
    __syncthreads();
  }

private:
  static constexpr int MOST_QUADS =
      NORM_MOST_D / NORM_QUAD / STREAM_THREADS; /* of a row, that a thread has */
  float4 gamma[MOST_QUADS], s[MOST_QUADS], multiplier[MOST_QUADS], bias[MOST_QUADS];
  float inverse_d;
  bool has_gamma, biased;

  __device__ static int32_t place(int i) {
    return NORM_QUAD * (thread_number() + i * STREAM_THREADS);
  }

  __device__ static void store_quad(const mamba_output &out, int32_t k, float4 v, float root, int8_t *x) {
    float4 inverse = make_float4(out.inv_scale, out.inv_scale, out.inv_scale, out.inv_scale);
    if (out.inv_scales)
      inverse =
          make_float4(out.inv_scales[k], out.inv_scales[k + 1], out.inv_scales[k + 2], out.inv_scales[k + 3]);
    *(uint32_t *)(x + k) = quantize_quad({v.x * root, v.y * root, v.z * root, v.w * root},
                                         {inverse.x, inverse.y, inverse.z, inverse.w});
  }
};

} // namespace mamba

#endif
