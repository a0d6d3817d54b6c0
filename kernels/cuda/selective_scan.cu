/* mamba_cuda_selective_scan: checks, the kernel of a single step of 16 states (Bound: the bytes of the
 * state), and a plain one for any number of states. selective_scan_prefill.cu has the one for many steps
 * of 16. */
#include "selective_scan.cuh"

namespace mamba {
namespace {

/* One step of 16 states: a thread has a channel and all its states, so that nothing is exchanged. */
constexpr int STEP_THREADS = 64;

template <scan_types TYPES>
__global__ void __launch_bounds__(STEP_THREADS) selective_scan_step(const __grid_constant__ scan arguments) {
  const scan p = typed<TYPES>(arguments);
  __shared__ float b[USUAL_STATES], c[USUAL_STATES];
  start_next();
  const int32_t channel = blockIdx.x * STEP_THREADS + threadIdx.x;
  const bool inside = channel < p.d;
  const int64_t row = blockIdx.y, at = row * p.d + channel;
  float *state = p.state + row * USUAL_STATES * p.d + channel;
  float a[USUAL_STATES], h[USUAL_STATES];
#pragma unroll
  for (int s = 0; s < USUAL_STATES; ++s)
    a[s] = inside ? p.a[(int64_t)s * p.d + channel] : 0.0f;
  const float skip = inside && p.has_skip ? p.d_skip[channel] : 0.0f;
  wait_for_previous();
#pragma unroll
  for (int s = 0; s < USUAL_STATES; ++s)
    h[s] = inside ? state[(int64_t)s * p.d] : 0.0f;
  const uint32_t u_bits = inside ? load_bits(p.u, at) : 0, dt_bits = inside ? load_bits(p.dt, at) : 0;
  const uint32_t z_bits = inside && p.has_gate ? load_bits(p.z, at) : 0;
  if (threadIdx.x < USUAL_STATES)
    b[threadIdx.x] = load_value(p.b, row * USUAL_STATES + threadIdx.x, threadIdx.x);
  else if (threadIdx.x < 2 * USUAL_STATES)
    c[threadIdx.x - USUAL_STATES] =
        load_value(p.c, row * USUAL_STATES + threadIdx.x - USUAL_STATES, threadIdx.x - USUAL_STATES);
  __syncthreads();
  if (!inside)
    return;
  const float u = value_of(p.u, u_bits, channel), delta = step_size(p, dt_bits, channel), du = delta * u;
  float sums[LANES] = {};
#pragma unroll
  for (int s = 0; s < USUAL_STATES; ++s) {
    h[s] = fmaf(mambaExp(delta * a[s]), h[s], du * b[s]);
    state[(int64_t)s * p.d] = h[s];
    sums[s % LANES] = fmaf(h[s], c[s], sums[s % LANES]);
  }
  float y = fold_array(sums);
  if (p.has_skip)
    y = fmaf(skip, u, y);
  if (p.has_gate)
    y = y * silu(value_of(p.z, z_bits, channel));
  store_value(p.out, at, channel, y);
}

/* Any number of states: LANES lanes share a channel. Lane i has the states i, i + LANES, ..., whose terms
 * make up partial sum i, MOST_OWN of them at most. */
constexpr int PLAIN_THREADS = 128, MOST_OWN = 16;

template <int OWN>
__global__ void __launch_bounds__(PLAIN_THREADS) selective_scan_plain(const __grid_constant__ scan p) {
  const int32_t lane = threadIdx.x % LANES, channel = (blockIdx.x * PLAIN_THREADS + threadIdx.x) / LANES;
  const int64_t sequence = blockIdx.y;
  const bool inside = channel < p.d;
  float *state = p.state + sequence * p.n * p.d + channel;
  float a[OWN], h[OWN];
  wait_for_previous();
#pragma unroll
  for (int j = 0; j < OWN; ++j) {
    const int32_t s = lane + j * LANES;
    a[j] = inside && s < p.n ? p.a[(int64_t)s * p.d + channel] : 0.0f;
    h[j] = inside && s < p.n ? state[(int64_t)s * p.d] : 0.0f;
  }
  for (int32_t t = 0; t < p.tokens; ++t) {
    const int64_t row = sequence * p.tokens + t, at = row * p.d + channel;
    const float u = inside ? load_value(p.u, at, channel) : 0.0f;
    const float delta = inside ? step_size(p, load_bits(p.dt, at), channel) : 0.0f, du = delta * u;
    float y = 0;
#pragma unroll
    for (int j = 0; j < OWN; ++j) {
      const int32_t s = lane + j * LANES;
      if (s >= p.n)
        break;
      h[j] = fmaf(mambaExp(delta * a[j]), h[j], du * load_value(p.b, row * p.n + s, s));
      y = fmaf(h[j], load_value(p.c, row * p.n + s, s), y);
    }
    for (int distance = LANES / 2; distance > 0; distance /= 2)
      y += __shfl_xor_sync(ALL_LANES, y, distance);
    if (lane > 0 || !inside)
      continue;
    if (p.has_skip)
      y = fmaf(p.d_skip[channel], u, y);
    if (p.has_gate)
      y = y * silu(load_value(p.z, at, channel));
    store_value(p.out, at, channel, y);
  }
#pragma unroll
  for (int j = 0; j < OWN; ++j) {
    const int32_t s = lane + j * LANES;
    if (inside && s < p.n)
      state[(int64_t)s * p.d] = h[j];
  }
}

cudaError_t launch_step(const scan &p, cudaStream_t stream) {
  static void (*const kernels[])(scan) = {selective_scan_step<ANY_TYPES>, selective_scan_step<I8_I8>,
                                          selective_scan_step<F16_F32>, selective_scan_step<F32_F32>};
  return launch(kernels[types_of(p)], dim3(ceil_div(p.d, STEP_THREADS), p.batch), STEP_THREADS, 0, stream,
                p.batch, p);
}

cudaError_t launch_plain(const scan &p, cudaStream_t stream) {
  return launch(p.n <= LANES ? selective_scan_plain<1> : selective_scan_plain<MOST_OWN>,
                dim3(ceil_div(p.d, PLAIN_THREADS / LANES), p.batch), PLAIN_THREADS, 0, stream,
                (int64_t)p.batch * p.tokens, p);
}

} // namespace
} // namespace mamba

cudaError_t mamba_cuda_selective_scan(mamba_input u, mamba_input dt, bool apply_softplus, const float *a,
                                      mamba_input b, mamba_input c, const float *d_skip, mamba_input z,
                                      float *state, int32_t batch, int32_t tokens, int32_t d, int32_t n,
                                      mamba_output out, cudaStream_t stream) {
  using namespace mamba;
  const int32_t most_blocks = 65535; /* along y */
  if (batch < 0 || batch > most_blocks || tokens < 0 || d <= 0 || n < 1 || n > LANES * MOST_OWN)
    return cudaErrorInvalidValue;
  if (batch == 0 || tokens == 0)
    return cudaSuccess;
  const scan p = {
      u,  dt, b, c, z, a, d_skip, state, batch, tokens, d, n, apply_softplus, d_skip != NULL, z.data != NULL,
      out};
  return n != USUAL_STATES ? launch_plain(p, stream)
         : tokens == 1     ? launch_step(p, stream)
                           : launch_scan_prefill(p, stream);
}
