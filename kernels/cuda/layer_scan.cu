/* mamba_cuda_layer_scan: a block has SCAN_CHANNELS channels, a thread one state of one of them.
 *
 * Every block turns x_proj's sums into dt, B and C, a few hundred values. Then LANES lanes share the product
 * of dt_proj for a channel; then threads are (state, channel), neighbouring channels in neighbouring threads,
 * so that states are read and written in whole sectors; then one thread a channel folds the 16 terms, and
 * where y is to be transformed, the channels of a block take the butterflies among them.
 *
 * Bound: latency; in bytes the state, read and written. */
#include "layer.cuh"
#include "linear.cuh"

namespace mamba {
namespace {

constexpr int THREADS = SCAN_CHANNELS * STATES, MOST_RANK = 256;
static_assert(STATES == LANES && MOST_RANK / CHUNK <= LANES, "a partial sum has one term, a lane one chunk");

/* A value that is stored in memory in the single kernels: as it is read again. */
__device__ inline float reread(const mamba_cuda_tensor &t, int32_t channel, float v) {
  return value_of(input_of(t), stored_bits(output_of(t, 0), channel, v), channel);
}

/* T: the type of z and u. */
template <mamba_type T>
__global__ void __launch_bounds__(THREADS) layer_scan(const __grid_constant__ mamba_cuda_layer l) {
  __shared__ __align__(16) int8_t dt[MOST_RANK];
  __shared__ float b[STATES], c[STATES], delta[SCAN_CHANNELS], input[SCAN_CHANNELS];
  __shared__ float terms[STATES][SCAN_CHANNELS + 1];
  start_next();
  const int32_t thread = threadIdx.x, first = blockIdx.x * SCAN_CHANNELS;
  /* As (channel, lane) for dt_proj and as (state, channel) for the recurrence. */
  const int32_t lane = thread % LANES, by_lanes = first + thread / LANES;
  const int32_t state = thread / SCAN_CHANNELS, in_block = thread % SCAN_CHANNELS, channel = first + in_block;
  const int32_t projections = l.rank + 2 * STATES;
  const bool has_chunk = lane < l.rank / CHUNK;
  const int4 w = has_chunk ? *(const int4 *)(l.dt_proj.w + (int64_t)by_lanes * l.rank + lane * CHUNK)
                           : make_int4(0, 0, 0, 0);
  const column_factors dt_factors = factors_of(l.dt_proj, by_lanes);
  const column_factors x_factors = factors_of(l.x_proj, min(thread, projections - 1));
  const float a = l.a[(int64_t)state * l.inner + channel];
  const float skip = l.d_skip ? l.d_skip[channel] : 0.0f;
  wait_for_previous();
  float *const h_place = &l.ssm_state[(int64_t)state * l.inner + channel];
  const int32_t sum = thread < projections ? l.sums[thread] : 0;
  const uint32_t u_bits = load_bits(input_of<T>(l.u), by_lanes),
                 z_bits = load_bits(input_of<T>(l.z), channel);
  const uint32_t own_u_bits = load_bits(input_of<T>(l.u), channel);
  float h = *h_place;
  for (int32_t n = thread; n < projections; n += THREADS) {
    const float v =
        n == thread ? column_value(x_factors, sum) : column_value(factors_of(l.x_proj, n), l.sums[n]);
    if (n < l.rank)
      dt[n] = (int8_t)stored_bits(output_of<MAMBA_I8>(l.dt, l.rank), n, v);
    else if (n < l.rank + STATES)
      b[n - l.rank] = reread(l.b, n - l.rank, v);
    else
      c[n - l.rank - STATES] = reread(l.c, n - l.rank - STATES, v);
  }
  const float u = value_of(input_of<T>(l.u), u_bits, by_lanes);
  __syncthreads();

  int32_t acc = has_chunk ? dot16(*(const int4 *)(dt + lane * CHUNK), w, 0) : 0;
  for (int distance = LANES / 2; distance > 0; distance /= 2)
    acc += __shfl_xor_sync(ALL_LANES, acc, distance);
  const float raw = column_value(dt_factors, acc);
  const float step = l.softplus ? mambaSoftplus(raw) : raw;
  if (lane == 0) {
    delta[thread / LANES] = step;
    input[thread / LANES] = step * u;
  }
  __syncthreads();

  h = fmaf(mambaExp(delta[in_block] * a), h, input[in_block] * b[state]);
  *h_place = h;
  terms[state][in_block] = fmaf(h, c[state], 0.0f);
  const float gate = thread < SCAN_CHANNELS ? mambaSilu(value_of(input_of<T>(l.z), z_bits, channel)) : 0.0f;
  __syncthreads();
  if (thread >= SCAN_CHANNELS)
    return;
  float sums[STATES];
#pragma unroll
  for (int n = 0; n < STATES; ++n)
    sums[n] = terms[n][in_block];
  float y = fold_array(sums);
  if (l.d_skip)
    y = fmaf(skip, value_of(input_of<T>(l.u), own_u_bits, channel), y);
  y = y * gate;
  if (l.rotate)
    for (int stride = 1; stride < SCAN_CHANNELS; stride *= 2) {
      const float other = __shfl_xor_sync((1u << SCAN_CHANNELS) - 1, y, stride);
      y = in_block & stride ? other - y : y + other;
    }
  if (l.rotate)
    ((float *)l.y.data)[channel] = y;
  else
    store_value(output_of<MAMBA_I8>(l.y, l.inner), channel, channel, y);
}

} // namespace
} // namespace mamba

cudaError_t mamba_cuda_layer_scan(const mamba_cuda_layer *layer, int32_t rows, cudaStream_t stream) {
  using namespace mamba;
  if (mamba_cuda_layer_problem(layer, rows))
    return cudaErrorNotSupported;
  const auto kernel = layer->x.type == MAMBA_I8    ? layer_scan<MAMBA_I8>
                      : layer->x.type == MAMBA_F16 ? layer_scan<MAMBA_F16>
                                                   : layer_scan<MAMBA_F32>;
  return launch(kernel, dim3(layer->inner / SCAN_CHANNELS), THREADS, 0, stream, rows, *layer);
}
