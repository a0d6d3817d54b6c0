/* mamba_cuda_layer_scan: a block has SCAN_CHANNELS channels; LANES lanes share one, a state each.
 *
 * Every block turns x_proj's sums into dt, B and C, a few hundred values. Then a channel's lanes share the
 * product of dt_proj, of which all get the sum, do a step of the recurrence and fold its terms: nothing but
 * shuffles. Where y is to be transformed, the channels of a block take the butterflies among them.
 *
 * Bound: latency; in bytes the state, read and written.
 *
 * Reaches on an H200: 3.0 us at 2.8b, 1.9 us at 130m. */
#include "layer.cuh"
#include "layer_rows.h"
#include "linear.cuh"

namespace mamba {
namespace {

constexpr int THREADS = SCAN_CHANNELS * STATES, MOST_RANK = 256;
static_assert(STATES == LANES && MOST_RANK / CHUNK <= LANES, "a partial sum has one term, a lane one chunk");

/* T: the type of z and u. */
template <mamba_type T>
__global__ void __launch_bounds__(THREADS) layer_scan(const __grid_constant__ mamba_cuda_layer l, bool late) {
  __shared__ __align__(16) int8_t dt[MOST_RANK];
  __shared__ float b[STATES], c[STATES], gate[SCAN_CHANNELS], y[SCAN_CHANNELS];
  if (!late)
    start_next();
  const int32_t thread = threadIdx.x, first = blockIdx.x * SCAN_CHANNELS;
  const int32_t lane = thread % LANES, in_block = thread / LANES, channel = first + in_block;
  const int32_t projections = l.rank + 2 * STATES;
  const bool has_chunk = lane < l.rank / CHUNK;
  const int4 w = has_chunk ? *(const int4 *)(l.dt_proj.w + (int64_t)channel * l.rank + lane * CHUNK)
                           : make_int4(0, 0, 0, 0);
  const column_factors dt_factors = factors_of(l.dt_proj, channel);
  const column_factors x_factors = factors_of(l.x_proj, min(thread, projections - 1));
  const float a = l.a[(int64_t)lane * l.inner + channel];
  const float skip = l.d_skip ? l.d_skip[channel] : 0.0f;
  float *const h_place = &l.ssm_state[(int64_t)lane * l.inner + channel];
  float h = *h_place;
  wait_for_previous();
  const int32_t sum = thread < projections ? l.sums[thread] : 0;
  const uint32_t u_bits = load_bits(input_of<T>(l.u), channel);
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
  const int32_t gated = thread - (THREADS - SCAN_CHANNELS); /* by the last threads, which had least to do */
  if (gated >= 0)
    gate[gated] = silu(load_value(input_of<T>(l.z), first + gated, first + gated));
  const float u = value_of(input_of<T>(l.u), u_bits, channel);
  __syncthreads();
  if (late)
    start_next();

  int32_t acc = has_chunk ? dot16(*(const int4 *)(dt + lane * CHUNK), w, 0) : 0;
  for (int distance = LANES / 2; distance > 0; distance /= 2)
    acc += __shfl_xor_sync(ALL_LANES, acc, distance);
  const float raw = column_value(dt_factors, acc);
  const float delta = l.softplus ? softplus(raw) : raw;
  h = fmaf(mambaExp(delta * a), h, delta * u * b[lane]);
  *h_place = h;
  float v = fmaf(h, c[lane], 0.0f);
  for (int distance = LANES / 2; distance > 0; distance /= 2) /* the contract's order */
    v += __shfl_xor_sync(ALL_LANES, v, distance);
  if (l.d_skip)
    v = fmaf(skip, u, v);
  v = v * gate[in_block];
  if (!l.rotate) {
    if (lane == 0)
      store_value(output_of<MAMBA_I8>(l.y, l.inner), channel, channel, v);
    return;
  }
  if (lane == 0)
    y[in_block] = v;
  __syncthreads();
  if (thread >= SCAN_CHANNELS)
    return;
  v = y[thread];
  for (int stride = 1; stride < SCAN_CHANNELS; stride *= 2) {
    const float other = __shfl_xor_sync((1u << SCAN_CHANNELS) - 1, v, stride);
    v = thread & stride ? other - v : v + other;
  }
  ((float *)l.y.data)[first + thread] = v;
}

} // namespace
} // namespace mamba

cudaError_t mamba_cuda_layer_scan(const mamba_cuda_layer *layer, int32_t rows, cudaStream_t stream) {
  using namespace mamba;
  if (mamba_cuda_layer_problem(layer, rows))
    return cudaErrorNotSupported;
  if (rows > 1)
    return rows_layer_scan(*layer, rows, stream);
  device_info info;
  const cudaError_t error = get_device_info(&info);
  if (error != cudaSuccess)
    return error;
  const auto kernel = layer->x.type == MAMBA_I8    ? layer_scan<MAMBA_I8>
                      : layer->x.type == MAMBA_F16 ? layer_scan<MAMBA_F16>
                                                   : layer_scan<MAMBA_F32>;
  return launch(kernel, dim3(layer->inner / SCAN_CHANNELS), THREADS, 0, stream, rows, *layer,
                reads_long(*layer, info));
}
