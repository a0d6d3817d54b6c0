/* mamba_cuda_layer_in: one block a multiprocessor.
 *
 * Every block normalises the whole row, from the second cache: that costs less than a kernel of its own,
 * whose result would have to go round. It then has the columns of x and of z of its channels, so that the
 * convolution needs nothing of other blocks, and neither does its state. Its channels' part of x_proj's
 * integer sums is added to those of other blocks in memory.
 *
 * Bound: bytes of in_proj, after the latency of the norm.
 *
 * Reaches on an H200: 11.4 us at 2.8b, of which the bytes are 5.6; 3.9 us at 130m. */
#include "layer.cuh"
#include "norm.cuh"
#include "weight_stream.cuh"

namespace mamba {
namespace {

constexpr int QUAD = 4, MOST_QUADS = 4096 / QUAD / STREAM_THREADS; /* of a row, that a thread normalises */
constexpr int HISTORY = WIDTH - 1;

__host__ __device__ inline int32_t chain_stride(int32_t d) {
  return d / LANES + 4; /* + 4: other banks for the next partial sum */
}

/* Places in dynamic shared memory. */
struct places {
  int32_t staging, x, sums, u, x_proj, bytes;
};

/* channels: the most of a block; rows: of x_proj, or 0 where they are not kept. */
__host__ __device__ inline places place_all(int32_t depth, int32_t d, int32_t channels, int32_t rows) {
  places p;
  p.staging = depth * STREAM_STEP;
  p.x = p.staging + (LANES * chain_stride(d) + CHAIN_AHEAD) * (int32_t)sizeof(float);
  p.sums = p.x + round_up(d, UNIT);
  p.u = p.sums + 2 * channels * (int32_t)sizeof(int32_t);
  p.x_proj = p.u + channels;
  p.bytes = p.x_proj + rows * channels;
  return p;
}

struct layer_in_args {
  mamba_cuda_layer l;
  int32_t depth, most_channels;
  bool keeps_x_proj; /* the block's part of it in shared memory */
};

/* The parameters of a channel: of its column of in_proj, and of its convolution. */
struct channel_parameters {
  column_factors factors;
  float w[WIDTH], multiplier, bias;
};

/* T: the type of x, z and u; int8 means a convolution of integers. */
template <mamba_type T>
__device__ inline channel_parameters load_parameters(const mamba_cuda_layer &l, int32_t c) {
  channel_parameters p;
  p.factors = factors_of(l.in_proj, c);
#pragma unroll
  for (int j = 0; j < WIDTH; ++j)
    p.w[j] = T == MAMBA_I8 ? (float)((const int8_t *)l.conv_w)[j * l.inner + c]
                           : ((const float *)l.conv_w)[j * l.inner + c];
  p.multiplier = T == MAMBA_I8 ? l.conv_multiplier[c] : 1.0f;
  p.bias = l.conv_bias ? l.conv_bias[c] : 0.0f;
  return p;
}

/* The inputs before this one, oldest first, as they are stored. */
struct history {
  uint32_t bits[HISTORY];
};

template <mamba_type T> __device__ inline history load_history(const mamba_cuda_layer &l, int32_t c) {
  history h;
#pragma unroll
  for (int j = 0; j < HISTORY; ++j)
    h.bits[j] = load_bits({l.conv_state, T, 0, NULL}, (int64_t)j * l.inner + c);
  return h;
}

/* One step of the convolution of channel c, whose new input is v: mamba_conv1d. Sums of integers are exact as
 * floats. Returns the result as x_proj reads it. */
template <mamba_type T>
__device__ inline int8_t convolve(const mamba_cuda_layer &l, int32_t c, const channel_parameters &p,
                                  const history &past, float v) {
  const uint32_t newest = stored_bits(output_of<T>(l.x, l.inner), c, v);
  float sum = 0;
#pragma unroll
  for (int j = 0; j < WIDTH; ++j) {
    const uint32_t bits = j < HISTORY ? past.bits[j] : newest;
    sum = fmaf(p.w[j], T == MAMBA_I8 ? (float)(int32_t)bits : value_of({NULL, T, 0, NULL}, bits, c), sum);
  }
#pragma unroll
  for (int j = 0; j < HISTORY; ++j)
    store_bits(l.conv_state, T, (int64_t)j * l.inner + c, j + 1 < HISTORY ? past.bits[j + 1] : newest);
  if (T == MAMBA_I8)
    sum = sum * p.multiplier;
  if (l.conv_bias)
    sum = sum + p.bias;
  if (l.conv_silu)
    sum = mambaSilu(sum);
  store_value(output_of<T>(l.u, l.inner), c, c, sum);
  return (int8_t)stored_bits(output_of<MAMBA_I8>(l.u_i8, l.inner), c, sum);
}

/* Four values of the row from k, to x. */
__device__ inline void quantize_quad(const mamba_output &in, int32_t k, float4 v, int8_t *x) {
  float4 inverse = make_float4(in.inv_scale, in.inv_scale, in.inv_scale, in.inv_scale);
  if (in.inv_scales)
    inverse = make_float4(in.inv_scales[k], in.inv_scales[k + 1], in.inv_scales[k + 2], in.inv_scales[k + 3]);
  *(char4 *)(x + k) = make_char4(mambaQuantize(v.x, inverse.x), mambaQuantize(v.y, inverse.y),
                                 mambaQuantize(v.z, inverse.z), mambaQuantize(v.w, inverse.w));
}

template <mamba_type T>
__global__ void __launch_bounds__(STREAM_THREADS, 2) layer_in(const __grid_constant__ layer_in_args args) {
  extern __shared__ __align__(16) int8_t shared[];
  __shared__ float root, maxima[WARP];
  start_next();
  const mamba_cuda_layer &l = args.l;
  const places at = place_all(args.depth, l.d, args.most_channels, 0);
  float *const staging = (float *)(shared + at.staging);
  int8_t *const x = shared + at.x, *const u = shared + at.u;
  int32_t *const sums = (int32_t *)(shared + at.sums);
  const int32_t thread = threadIdx.x, fours = l.inner / 4;
  const int32_t first = 4 * share(fours, blockIdx.x, gridDim.x);
  const int32_t channels = 4 * share(fours, blockIdx.x + 1, gridDim.x) - first;

  /* The rows of x_proj at the block's channels: they travel before the others, where there is room. */
  const int32_t projections = l.rank + 2 * STATES;
  const int8_t *x_proj = l.x_proj.w + first;
  int32_t x_proj_pitch = l.inner;
  if (args.keeps_x_proj) {
    int8_t *const kept = shared + at.x_proj;
    for (int32_t i = thread; i < projections * (channels / 4); i += STREAM_THREADS) {
      const int32_t n = i / (channels / 4), c = i % (channels / 4) * 4;
      copy_async_4((uint32_t)__cvta_generic_to_shared(kept + n * channels + c),
                   x_proj + (int64_t)n * l.inner + c);
    }
    x_proj = kept;
    x_proj_pitch = channels;
  }
  weight_stream weights(l.in_proj.w, l.d, {first, 2 * channels, channels, l.inner + first - channels}, shared,
                        args.depth);
  for (int32_t i = thread; i < 2 * channels; i += STREAM_THREADS)
    sums[i] = 0;
  for (int32_t k = l.d + thread; k < round_up(l.d, UNIT); k += STREAM_THREADS)
    x[k] = 0;
  float4 gamma[MOST_QUADS], s[MOST_QUADS];
#pragma unroll
  for (int i = 0; i < MOST_QUADS; ++i) {
    const int32_t k = QUAD * (thread + i * STREAM_THREADS);
    gamma[i] = l.gamma && k < l.d ? *(const float4 *)(l.gamma + k) : make_float4(0, 0, 0, 0);
  }
  channel_parameters own; /* of the first column that this thread finishes */
  if (thread < channels)
    own = load_parameters<T>(l, first + thread);
  else
    own.factors = factors_of(l.in_proj, column_of(weights.columns, min(thread, 2 * channels - 1)));
  wait_for_previous();

#pragma unroll
  for (int i = 0; i < MOST_QUADS; ++i) {
    const int32_t k = QUAD * (thread + i * STREAM_THREADS);
    s[i] = k < l.d ? *(const float4 *)(l.residual + k) : make_float4(0, 0, 0, 0);
  }
  const history past = load_history<T>(l, first + min(thread, channels - 1));
#pragma unroll
  for (int i = 0; i < MOST_QUADS; ++i) {
    const int32_t k = QUAD * (thread + i * STREAM_THREADS);
    if (k >= l.d)
      break;
    float *const to = staging + k % LANES * chain_stride(l.d) + k / LANES;
    to[0] = s[i].x;
    to[chain_stride(l.d)] = s[i].y;
    to[2 * chain_stride(l.d)] = s[i].z;
    to[3 * chain_stride(l.d)] = s[i].w;
  }
  __syncthreads();
  if (thread < LANES) {
    const float squares = fold_sums(chain(staging + thread * chain_stride(l.d), l.d / LANES));
    if (thread == 0)
      root = root_of(squares, l.d, l.epsilon);
  }
  __syncthreads();
  const bool scaled = l.gamma != NULL;
  float amax = 0;
#pragma unroll
  for (int i = 0; i < MOST_QUADS; ++i) {
    if (QUAD * (thread + i * STREAM_THREADS) >= l.d)
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
  mamba_output in = output_of<MAMBA_I8>(l.in, l.d);
  float row_scale = 1.0f;
  if (l.in_per_row)
    in = scaled_output(in, block_max(amax, maxima), &row_scale);
#pragma unroll
  for (int i = 0; i < MOST_QUADS; ++i) {
    const int32_t k = QUAD * (thread + i * STREAM_THREADS);
    if (k < l.d)
      quantize_quad(in, k, s[i], x);
  }
  __syncthreads();
  weights.multiply(x, sums);
  __syncthreads();

  for (int32_t i = thread; i < 2 * channels; i += STREAM_THREADS) {
    const int32_t c = first + (i < channels ? i : i - channels);
    if (i < channels) {
      const channel_parameters p = i == thread ? own : load_parameters<T>(l, c);
      u[i] = convolve<T>(l, c, p, i == thread ? past : load_history<T>(l, c),
                         column_value(p.factors, sums[i], l.in_per_row, row_scale));
    } else {
      const column_factors factors = i == thread ? own.factors : factors_of(l.in_proj, l.inner + c);
      store_value(output_of<T>(l.z, l.inner), c, c, column_value(factors, sums[i], l.in_per_row, row_scale));
    }
  }
  __syncthreads();

  /* Two lanes a row of x_proj, four channels a load. */
  for (int32_t item = thread; item < round_up(2 * projections, WARP); item += STREAM_THREADS) {
    const int32_t n = min(item / 2, projections - 1);
    int32_t acc = 0;
#pragma unroll 4
    for (int32_t c = item % 2 * 4; c < channels; c += 8)
      acc =
          __dp4a(*(const int32_t *)(x_proj + (int64_t)n * x_proj_pitch + c), *(const int32_t *)(u + c), acc);
    acc += __shfl_xor_sync(ALL_LANES, acc, 1);
    if (item % 2 == 0 && item < 2 * projections)
      atomicAdd(&l.sums[n], acc);
  }
}

typedef void (*layer_in_kernel)(layer_in_args);

layer_in_kernel choose(mamba_type type) {
  return type == MAMBA_I8    ? layer_in<MAMBA_I8>
         : type == MAMBA_F16 ? layer_in<MAMBA_F16>
                             : layer_in<MAMBA_F32>;
}

} // namespace
} // namespace mamba

cudaError_t mamba_cuda_layer_in(const mamba_cuda_layer *layer, int32_t rows, cudaStream_t stream) {
  using namespace mamba;
  if (mamba_cuda_layer_problem(layer, rows))
    return cudaErrorNotSupported;
  device_info info;
  const cudaError_t error = get_device_info(&info);
  if (error != cudaSuccess)
    return error;
  const int32_t blocks = info.multiprocessors < layer->inner / 4 ? info.multiprocessors : layer->inner / 4;
  const int32_t channels = 4 * ceil_div(layer->inner / 4, blocks), projections = layer->rank + 2 * STATES;
  const int32_t most_kept = 16 << 10; /* bytes */
  const bool keeps = projections * channels <= most_kept;
  const int32_t depth = stream_depth(info, 2 * channels, layer->d, 12);
  const layer_in_args args = {*layer, depth, channels, keeps};
  return launch(choose(layer->x.type), dim3(blocks), STREAM_THREADS,
                place_all(depth, layer->d, channels, keeps ? projections : 0).bytes, stream, rows, args);
}
