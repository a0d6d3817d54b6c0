/* mamba_cuda_selective_scan: sequential in time, parallel in sequence, channel and state.
 *
 * LANES_OF_N lanes share a channel; a lane keeps STATES of its states (n = lane, lane + LANES_OF_N, ...) and
 * their decays in registers for the whole call. Time runs in chunks of STEPS:
 *   1. stage   all threads widen u, dt, z, B and C of the chunk and apply softplus and silu: shared memory;
 *   2. load    the next chunk's inputs are on their way, as stored, while
 *   3. recur   h = exp(delta a) h + delta u B and y = C . h runs, step by step, y to shared memory;
 *   4. finish  all threads add the skip, apply the gate, quantize and store.
 * So softplus, silu and conversions are done once a value, by all threads, with neighbouring channels in
 * neighbouring threads, and memory's latency passes during the recurrence. The sum over n is the contract's:
 * a lane's own states are 8 and 4 (or more) apart and are folded first, then those of other lanes by
 * shuffles. A single step of 16 states has a kernel of its own.
 *
 * Bound: instructions in prefill, some 20 a state and step, 12 of them the exponential; in decode the bytes
 * of the state. More lanes a channel mean more warps and more work: the fewest that fill the GPU are chosen.
 *
 * Reaches on an H200, 5120 channels: 2.2 us a step, 163 us for 1024 tokens. */
#include "mamba_cuda.h"
#include "values.cuh"

namespace mamba {
namespace {

constexpr int THREADS = 128;

struct scan {
  mamba_input u, dt, b, c, z;
  const float *a, *d_skip;
  float *state;
  int32_t tokens, d, n;
  bool apply_softplus;
  mamba_output out;
};

/* The fold between lanes, for as many steps at once as there are lanes: at each distance a lane hands half
 * of its steps to its partner and takes the other half. Lane i ends with the sum of step i. */
template <int LANES_OF_N> __device__ float fold_lanes(float (&sums)[LANES_OF_N], int32_t lane) {
#pragma unroll
  for (int width = LANES_OF_N / 2; width > 0; width /= 2) {
    const bool upper = (lane & width) != 0;
#pragma unroll
    for (int i = 0; i < width; ++i) {
      const float keep = upper ? sums[i + width] : sums[i], give = upper ? sums[i] : sums[i + width];
      sums[i] = keep + __shfl_xor_sync(ALL_LANES, give, width);
    }
  }
  return sums[0];
}

template <int LANES_OF_N, int STATES> struct scan_shape {
  static constexpr int CHANNELS = THREADS / LANES_OF_N;
  static constexpr int N = LANES_OF_N * STATES; /* the largest n */
  static constexpr int STEPS = N > 16 ? 16 : 32;
  /* Values of a chunk that one thread stages: of one channel, and of B or C. */
  static constexpr int VALUES = STEPS * CHANNELS / THREADS, PAIRS = STEPS * N / THREADS;
  static constexpr int STRIDE = THREADS / CHANNELS; /* steps between two values of a thread */
};

/* What a thread stages of one chunk, as stored. */
template <typename S> struct chunk_inputs {
  uint32_t u[S::VALUES], dt[S::VALUES], z[S::VALUES], b[S::PAIRS], c[S::PAIRS];
};

/* Loads what is inside: `steps` steps from row `row0`, channels below p.d, states below p.n. */
template <typename S>
__device__ inline void load_chunk(const scan &p, int64_t row0, int32_t steps, int32_t channel,
                                  chunk_inputs<S> &in) {
#pragma unroll
  for (int i = 0; i < S::VALUES; ++i) {
    const int32_t t = threadIdx.x / S::CHANNELS + i * S::STRIDE;
    const int64_t at = (row0 + t) * p.d + channel;
    const bool inside = t < steps && channel < p.d;
    in.u[i] = inside ? load_bits(p.u, at) : 0;
    in.dt[i] = inside ? load_bits(p.dt, at) : 0;
    in.z[i] = inside && p.z.data ? load_bits(p.z, at) : 0;
  }
#pragma unroll
  for (int i = 0; i < S::PAIRS; ++i) {
    const int32_t item = threadIdx.x + i * THREADS, t = item / S::N, s = item % S::N;
    const int64_t at = (row0 + t) * p.n + s;
    const bool inside = t < steps && s < p.n;
    in.b[i] = inside ? load_bits(p.b, at) : 0;
    in.c[i] = inside ? load_bits(p.c, at) : 0;
  }
}

/* LANES_OF_N steps of a channel, of which `steps` are inside: updates the lane's states h and returns y of
 * step `lane`. All exponentials come first: they do not depend on one another, so that their latencies
 * overlap, which they would not between two steps of h. PLAIN: all steps are inside, all states too, and all
 * delta * a in the range of mambaExpInside. */
template <int LANES_OF_N, int STATES, bool PLAIN>
__device__ inline float recur(const scan &p, const float2 *delta_du, int stride, const float (&a)[STATES],
                              const float (*b)[STATES], const float (*c)[STATES], int32_t lane, int32_t steps,
                              float (&h)[STATES]) {
  constexpr int SUMS = LANES / LANES_OF_N;
  float decay[LANES_OF_N][STATES], drive[LANES_OF_N][STATES], sums[LANES_OF_N];
  const auto prepare = [&](int g) {
    const float2 now = delta_du[g * stride];
#pragma unroll
    for (int j = 0; j < STATES; ++j) {
      decay[g][j] = PLAIN ? mambaExpInside(now.x * a[j]) : mambaExp(now.x * a[j]);
      drive[g][j] = now.y * b[g * LANES_OF_N + lane][j];
    }
  };
  if (PLAIN)
#pragma unroll
    for (int g = 0; g < LANES_OF_N; ++g)
      prepare(g);
#pragma unroll
  for (int g = 0; g < LANES_OF_N; ++g) {
    if (!PLAIN)
      prepare(g);
    float partial[SUMS] = {};
#pragma unroll
    for (int j = 0; j < STATES; ++j) {
      const bool inside = PLAIN || lane + j * LANES_OF_N < p.n;
      const float next = fmaf(decay[g][j], h[j], drive[g][j]);
      h[j] = PLAIN || (inside && g < steps) ? next : h[j];
      const float term = fmaf(h[j], c[g * LANES_OF_N + lane][j], partial[j % SUMS]);
      partial[j % SUMS] = inside ? term : partial[j % SUMS];
    }
    sums[g] = fold_array(partial);
  }
  return fold_lanes<LANES_OF_N>(sums, lane);
}

/* The combinations of types that the recipes make have code of their own, in which no value asks for its
 * type: u and z of one type, dt in f32, B and C as given. */
enum { ANY_TYPES, I8_I8, F16_F32, F32_F32 };

template <int TYPES> __device__ inline scan typed(scan p) {
  if (TYPES != ANY_TYPES) {
    p.u.type = p.z.type = TYPES == I8_I8 ? MAMBA_I8 : TYPES == F16_F32 ? MAMBA_F16 : MAMBA_F32;
    p.b.type = p.c.type = TYPES == I8_I8 ? MAMBA_I8 : MAMBA_F32;
    p.dt.type = MAMBA_F32;
  }
  return p;
}

int types_of(const scan &p) {
  const mamba_type t = p.u.type, bc = p.b.type;
  if (p.z.type != t || p.dt.type != MAMBA_F32 || p.c.type != bc)
    return ANY_TYPES;
  return t == MAMBA_I8 && bc == MAMBA_I8     ? I8_I8
         : t == MAMBA_F16 && bc == MAMBA_F32 ? F16_F32
         : t == MAMBA_F32 && bc == MAMBA_F32 ? F32_F32
                                             : ANY_TYPES;
}

/* EXACT: n is LANES_OF_N * STATES. */
template <int LANES_OF_N, int STATES, bool EXACT, int TYPES>
__global__ void __launch_bounds__(THREADS) selective_scan(const __grid_constant__ scan arguments) {
  const scan p = typed<TYPES>(arguments);
  typedef scan_shape<LANES_OF_N, STATES> S;
  __shared__ float2 delta_du[S::STEPS][S::CHANNELS];
  __shared__ float y[S::STEPS][S::CHANNELS], steepest[S::CHANNELS]; /* the largest |a| */
  /* States of one lane are adjacent. */
  __shared__ __align__(16) float b[S::STEPS][LANES_OF_N][STATES], c[S::STEPS][LANES_OF_N][STATES];
  /* A thread recurs for one channel and stages another. */
  const int32_t block_first = blockIdx.x * S::CHANNELS;
  const int32_t lane = threadIdx.x % LANES_OF_N, in_block = threadIdx.x / LANES_OF_N;
  const int32_t channel = block_first + in_block;
  const int32_t staged_in_block = threadIdx.x % S::CHANNELS, staged = block_first + staged_in_block;
  const int64_t sequence = blockIdx.y, first_row = sequence * p.tokens;
  float *state = p.state + sequence * p.n * p.d;

  float a[STATES], h[STATES];
#pragma unroll
  for (int j = 0; j < STATES; ++j) {
    const int32_t s = lane + j * LANES_OF_N;
    a[j] = s < p.n && channel < p.d ? p.a[(int64_t)s * p.d + channel] : 0.0f;
  }
  float largest = 0;
#pragma unroll
  for (int j = 0; j < STATES; ++j)
    largest = fmaxf(largest, fabsf(a[j]));
  for (int distance = LANES_OF_N / 2; distance > 0; distance /= 2)
    largest = fmaxf(largest, __shfl_xor_sync(ALL_LANES, largest, distance));
  if (lane == 0)
    steepest[in_block] = largest;
  const float skip = p.d_skip && staged < p.d ? p.d_skip[staged] : 0.0f;
  __syncthreads();
  wait_for_previous();
  chunk_inputs<S> in;
  load_chunk<S>(p, first_row, min(S::STEPS, p.tokens), staged, in);
#pragma unroll
  for (int j = 0; j < STATES; ++j) {
    const int32_t s = lane + j * LANES_OF_N;
    h[j] = s < p.n && channel < p.d ? state[(int64_t)s * p.d + channel] : 0.0f;
  }

  for (int32_t t0 = 0; t0 < p.tokens; t0 += S::STEPS) {
    const int32_t steps = min(S::STEPS, p.tokens - t0);
    float u[S::VALUES], gate[S::VALUES];
    bool plain = EXACT && steps == S::STEPS;
#pragma unroll
    for (int i = 0; i < S::VALUES; ++i) {
      const int32_t t = threadIdx.x / S::CHANNELS + i * S::STRIDE;
      if (t >= steps || staged >= p.d) /* what a lane without a channel computes is not stored */
        break;
      u[i] = value_of(p.u, in.u[i], staged);
      float delta = value_of(p.dt, in.dt[i], staged);
      if (p.apply_softplus)
        delta = mambaSoftplus(delta);
      plain = plain && fabsf(delta) * steepest[staged_in_block] <= 87.0f; /* not for a NaN */
      delta_du[t][staged_in_block] = make_float2(delta, delta * u[i]);
      gate[i] = p.z.data ? mambaSilu(value_of(p.z, in.z[i], staged)) : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < S::PAIRS; ++i) {
      const int32_t item = threadIdx.x + i * THREADS, t = item / S::N, s = item % S::N;
      if (t >= steps || s >= p.n)
        continue;
      b[t][s % LANES_OF_N][s / LANES_OF_N] = value_of(p.b, in.b[i], s);
      c[t][s % LANES_OF_N][s / LANES_OF_N] = value_of(p.c, in.c[i], s);
    }
    plain = __syncthreads_and(plain);
    if (t0 + S::STEPS < p.tokens)
      load_chunk<S>(p, first_row + t0 + S::STEPS, min(S::STEPS, p.tokens - t0 - S::STEPS), staged, in);

    if (plain)
      for (int32_t t = 0; t < S::STEPS; t += LANES_OF_N)
        y[t + lane][in_block] = recur<LANES_OF_N, STATES, true>(p, &delta_du[t][in_block], S::CHANNELS, a,
                                                                b[t], c[t], lane, LANES_OF_N, h);
    else
      for (int32_t t = 0; t < steps; t += LANES_OF_N)
        y[t + lane][in_block] = recur<LANES_OF_N, STATES, false>(p, &delta_du[t][in_block], S::CHANNELS, a,
                                                                 b[t], c[t], lane, steps - t, h);
    __syncthreads();

#pragma unroll
    for (int i = 0; i < S::VALUES; ++i) {
      const int32_t t = threadIdx.x / S::CHANNELS + i * S::STRIDE;
      if (t >= steps || staged >= p.d)
        break;
      float v = y[t][staged_in_block];
      if (p.d_skip)
        v = fmaf(skip, u[i], v);
      if (p.z.data)
        v = v * gate[i];
      store_value(p.out, (first_row + t0 + t) * p.d + staged, staged, v);
    }
  }

#pragma unroll
  for (int j = 0; j < STATES; ++j) {
    const int32_t s = lane + j * LANES_OF_N;
    if (s < p.n && channel < p.d)
      state[(int64_t)s * p.d + channel] = h[j];
  }
}

/* One step with n = STEP_STATES: a thread has a channel and all its states, so that nothing is exchanged. */
constexpr int STEP_STATES = 16, STEP_THREADS = 64;

template <int TYPES>
__global__ void __launch_bounds__(STEP_THREADS) selective_scan_step(const __grid_constant__ scan arguments) {
  const scan p = typed<TYPES>(arguments);
  __shared__ float b[STEP_STATES], c[STEP_STATES];
  start_next();
  const int32_t channel = blockIdx.x * STEP_THREADS + threadIdx.x;
  const bool inside = channel < p.d;
  const int64_t row = blockIdx.y, at = row * p.d + channel;
  float *state = p.state + row * STEP_STATES * p.d + channel;
  float a[STEP_STATES], h[STEP_STATES];
#pragma unroll
  for (int s = 0; s < STEP_STATES; ++s)
    a[s] = inside ? p.a[(int64_t)s * p.d + channel] : 0.0f;
  const float skip = inside && p.d_skip ? p.d_skip[channel] : 0.0f;
  wait_for_previous();
#pragma unroll
  for (int s = 0; s < STEP_STATES; ++s)
    h[s] = inside ? state[(int64_t)s * p.d] : 0.0f;
  const uint32_t u_bits = inside ? load_bits(p.u, at) : 0, dt_bits = inside ? load_bits(p.dt, at) : 0;
  const uint32_t z_bits = inside && p.z.data ? load_bits(p.z, at) : 0;
  if (threadIdx.x < STEP_STATES)
    b[threadIdx.x] = load_value(p.b, row * STEP_STATES + threadIdx.x, threadIdx.x);
  else if (threadIdx.x < 2 * STEP_STATES)
    c[threadIdx.x - STEP_STATES] =
        load_value(p.c, row * STEP_STATES + threadIdx.x - STEP_STATES, threadIdx.x - STEP_STATES);
  __syncthreads();
  if (!inside)
    return;
  const float u = value_of(p.u, u_bits, channel), dt = value_of(p.dt, dt_bits, channel);
  const float delta = p.apply_softplus ? mambaSoftplus(dt) : dt, du = delta * u;
  float sums[LANES] = {};
#pragma unroll
  for (int s = 0; s < STEP_STATES; ++s) {
    h[s] = fmaf(mambaExp(delta * a[s]), h[s], du * b[s]);
    state[(int64_t)s * p.d] = h[s];
    sums[s % LANES] = fmaf(h[s], c[s], sums[s % LANES]);
  }
  float y = fold_array(sums);
  if (p.d_skip)
    y = fmaf(skip, u, y);
  if (p.z.data)
    y = y * mambaSilu(value_of(p.z, z_bits, channel));
  store_value(p.out, at, channel, y);
}

typedef void (*scan_kernel)(scan);

scan_kernel choose_step(int types) {
  return types == I8_I8     ? selective_scan_step<I8_I8>
         : types == F16_F32 ? selective_scan_step<F16_F32>
         : types == F32_F32 ? selective_scan_step<F32_F32>
                            : selective_scan_step<ANY_TYPES>;
}

template <int LANES_OF_N, int STATES, bool EXACT, int TYPES>
cudaError_t launch_typed(const scan &p, int32_t batch, cudaStream_t stream) {
  return launch(selective_scan<LANES_OF_N, STATES, EXACT, TYPES>,
                dim3(ceil_div(p.d, scan_shape<LANES_OF_N, STATES>::CHANNELS), batch), THREADS, 0, stream,
                (int64_t)batch * p.tokens, p);
}

template <int LANES_OF_N, int STATES>
cudaError_t launch_scan(const scan &p, int32_t batch, cudaStream_t stream) {
  switch (types_of(p)) {
  case I8_I8:
    return launch_typed<LANES_OF_N, STATES, true, I8_I8>(p, batch, stream);
  case F16_F32:
    return launch_typed<LANES_OF_N, STATES, true, F16_F32>(p, batch, stream);
  case F32_F32:
    return launch_typed<LANES_OF_N, STATES, true, F32_F32>(p, batch, stream);
  default:
    return launch_typed<LANES_OF_N, STATES, true, ANY_TYPES>(p, batch, stream);
  }
}

} // namespace
} // namespace mamba

cudaError_t mamba_cuda_selective_scan(mamba_input u, mamba_input dt, bool apply_softplus, const float *a,
                                      mamba_input b, mamba_input c, const float *d_skip, mamba_input z,
                                      float *state, int32_t batch, int32_t tokens, int32_t d, int32_t n,
                                      mamba_output out, cudaStream_t stream) {
  using namespace mamba;
  const int32_t most_blocks = 65535; /* along y */
  const int64_t warps_wanted = 8;    /* per multiprocessor */
  if (batch < 0 || batch > most_blocks || tokens < 0 || d <= 0 || n < 1 || n > 256)
    return cudaErrorInvalidValue;
  if (batch == 0 || tokens == 0)
    return cudaSuccess;
  device_info info;
  const cudaError_t error = get_device_info(&info);
  if (error != cudaSuccess)
    return error;
  const scan p = {u, dt, b, c, z, a, d_skip, state, tokens, d, n, apply_softplus, out};
  const int64_t channels = (int64_t)batch * d, threads = warps_wanted * WARP * info.multiprocessors;
  if (n > 16)
    return launch_typed<16, 16, false, ANY_TYPES>(p, batch, stream);
  if (n < 16)
    return launch_typed<16, 1, false, ANY_TYPES>(p, batch, stream);
  if (tokens == 1)
    return launch(choose_step(types_of(p)), dim3(ceil_div(d, STEP_THREADS), batch), STEP_THREADS, 0, stream,
                  batch, p);
  if (channels * 4 >= threads)
    return launch_scan<4, 4>(p, batch, stream);
  if (channels * 8 >= threads)
    return launch_scan<8, 2>(p, batch, stream);
  return launch_scan<16, 1>(p, batch, stream);
}
