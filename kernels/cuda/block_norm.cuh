/* The normalisation and quantization of a whole row by a block of STREAM_THREADS threads, into shared memory.
 */
#ifndef MAMBA_CUDA_BLOCK_NORM_CUH
#define MAMBA_CUDA_BLOCK_NORM_CUH

#include "layer.cuh"
#include "norm.cuh"
#include "weight_stream.cuh"

namespace mamba {

constexpr int NORM_QUAD = 4, NORM_MOST_D = 4096;

class block_norm {
public:
  /* Bytes of shared memory for the partial sums of a row of d values, a multiple of 16. */
  __host__ __device__ static int32_t staging_bytes(int32_t d) {
    return (LANES * stride(d) + CHAIN_AHEAD) * (int32_t)sizeof(float);
  }

  __device__ void load_gamma(const float *values, int32_t d) {
    scaled = values != NULL;
#pragma unroll
    for (int i = 0; i < MOST_QUADS; ++i)
      gamma[i] = scaled && place(i) < d ? *(const float4 *)(values + place(i)) : make_float4(0, 0, 0, 0);
  }

  __device__ void load_row(const float *values, int32_t d) {
#pragma unroll
    for (int i = 0; i < MOST_QUADS; ++i)
      s[i] = place(i) < d ? *(const float4 *)(values + place(i)) : make_float4(0, 0, 0, 0);
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

  /* x: d int8, then zeros up to a multiple of UNIT. The row's scale, or 1, goes to *row_scale. Ends with a
   * barrier. */
  __device__ void quantize(mamba_output out, bool per_row, int32_t d, float epsilon, float *staging,
                           int8_t *x, float *row_scale) {
    __shared__ float root, maxima[WARP];
    const int32_t thread = threadIdx.x;
#pragma unroll
    for (int i = 0; i < MOST_QUADS; ++i) {
      const int32_t k = place(i);
      if (k >= d)
        break;
      float *const to = staging + k % LANES * stride(d) + k / LANES;
      to[0] = s[i].x;
      to[stride(d)] = s[i].y;
      to[2 * stride(d)] = s[i].z;
      to[3 * stride(d)] = s[i].w;
    }
    __syncthreads();
    if (thread < LANES) {
      const float squares = fold_sums(chain(staging + thread * stride(d), d / LANES));
      if (thread == 0)
        root = root_of(squares, d, epsilon);
    }
    __syncthreads();
    float amax = 0;
#pragma unroll
    for (int i = 0; i < MOST_QUADS; ++i) {
      if (place(i) >= d)
        break;
      s[i].x = normalised(s[i].x, root, scaled, gamma[i].x);
      s[i].y = normalised(s[i].y, root, scaled, gamma[i].y);
      s[i].z = normalised(s[i].z, root, scaled, gamma[i].z);
      s[i].w = normalised(s[i].w, root, scaled, gamma[i].w);
      amax = larger_magnitude(amax, s[i].x);
      amax = larger_magnitude(amax, s[i].y);
      amax = larger_magnitude(amax, s[i].z);
      amax = larger_magnitude(amax, s[i].w);
    }
    *row_scale = 1.0f;
    if (per_row)
      out = scaled_output(out, block_max(amax, maxima), row_scale);
#pragma unroll
    for (int i = 0; i < MOST_QUADS; ++i)
      if (place(i) < d)
        store_quad(out, place(i), s[i], x);
    for (int32_t k = d + thread; k < round_up(d, UNIT); k += STREAM_THREADS)
      x[k] = 0;
    __syncthreads();
  }

private:
  static constexpr int MOST_QUADS =
      NORM_MOST_D / NORM_QUAD / STREAM_THREADS; /* of a row, that a thread has */
  float4 gamma[MOST_QUADS], s[MOST_QUADS], multiplier[MOST_QUADS], bias[MOST_QUADS];
  bool scaled, biased;

  __host__ __device__ static int32_t stride(int32_t d) {
    return d / LANES + 4; /* + 4: other banks for the next partial sum */
  }
  __device__ static int32_t place(int i) {
    return NORM_QUAD * (threadIdx.x + i * STREAM_THREADS);
  }

  __device__ static void store_quad(const mamba_output &out, int32_t k, float4 v, int8_t *x) {
    float4 inverse = make_float4(out.inv_scale, out.inv_scale, out.inv_scale, out.inv_scale);
    if (out.inv_scales)
      inverse =
          make_float4(out.inv_scales[k], out.inv_scales[k + 1], out.inv_scales[k + 2], out.inv_scales[k + 3]);
    *(uint32_t *)(x + k) = quantize_quad({v.x, v.y, v.z, v.w}, {inverse.x, inverse.y, inverse.z, inverse.w});
  }
};

} // namespace mamba

#endif
