/* What a block does for mamba_cuda_layer_scan; the kernel of that name and the persistent one of decode.cu
 * run it.
 *
 * Every block turns x_proj's sums into dt, B and C, a few hundred values. Then some lanes share a channel,
 * each with one or two states: they share the product of dt_proj, of which all get the sum, do a step of the
 * recurrence and fold its terms: nothing but shuffles. SCAN_CHANNELS channels are a group; where y is to be
 * transformed, they take the butterflies among them. */
#ifndef MAMBA_CUDA_LAYER_SCAN_CUH
#define MAMBA_CUDA_LAYER_SCAN_CUH

#include "exchange.cuh"
#include "linear.cuh"

namespace mamba {

constexpr int MOST_RANK = 256;
static_assert(STATES == LANES && MOST_RANK / CHUNK <= LANES, "a partial sum has one term, a lane one chunk");

/* dt, B and C of the token. */
struct scan_inputs {
  __align__(16) int8_t dt[MOST_RANK];
  float b[STATES], c[STATES];
};

/* The factors of the value of x_proj that this thread finishes first. */
__device__ inline column_factors first_factors(const mamba_cuda_layer &l) {
  return factors_of(l.x_proj, min((int32_t)threadIdx.x, l.rank + 2 * STATES - 1));
}

/* Row n of x_proj's result, v, as the scan reads it. */
__device__ inline void keep_projection(const mamba_cuda_layer &l, int32_t n, float v, scan_inputs *to) {
  if (n < l.rank)
    to->dt[n] = (int8_t)stored_bits(output_of<MAMBA_I8>(l.dt, l.rank), n, v);
  else if (n < l.rank + STATES)
    to->b[n - l.rank] = reread(l.b, n - l.rank, v);
  else
    to->c[n - l.rank - STATES] = reread(l.c, n - l.rank - STATES, v);
}

/* By all THREADS threads of the block; needs a barrier. */
template <int THREADS, typename X>
__device__ inline void project(const mamba_cuda_layer &l, X &exchange, const typename X::ahead &ahead,
                               const column_factors &first, scan_inputs *to) {
  const int32_t thread = threadIdx.x, projections = l.rank + 2 * STATES;
  if (thread < projections)
    keep_projection(l, thread, column_value(first, exchange.sum(ahead.sum)), to);
  if constexpr (THREADS < MOST_RANK + 2 * STATES) /* only between kernels */
#pragma unroll 1
    for (int32_t n = thread + THREADS; n < projections; n += THREADS)
      keep_projection(l, n, column_value(factors_of(l.x_proj, n), l.sums[n]), to);
}

/* What the threads of a group exchange. */
struct scan_group {
  float gate[SCAN_CHANNELS], y[SCAN_CHANNELS];
};

/* One group's step, by THREADS threads of a block. T: the type of z and u; EACH: states of a thread, every
 * LANES-th; X: the exchange. */
template <mamba_type T, int EACH, typename X> class scan_part {
public:
  static constexpr int CHANNEL_LANES = STATES / EACH, THREADS = SCAN_CHANNELS * CHANNEL_LANES;

  __device__ scan_part() {}

  /* Asks for parameters and the state. */
  __device__ scan_part(const mamba_cuda_layer &l, int32_t group) : first(group * SCAN_CHANNELS) {
#pragma unroll
    for (int i = 0; i < EACH; ++i) {
      const int64_t place = (int64_t)state(i) * l.inner + channel();
      w[i] = state(i) < l.rank / CHUNK
                 ? *(const int4 *)(l.dt_proj.w + (int64_t)channel() * l.rank + state(i) * CHUNK)
                 : make_int4(0, 0, 0, 0);
      a[i] = l.a[place];
      h[i] = l.ssm_state[place];
    }
    dt_factors = factors_of(l.dt_proj, channel());
    skip = l.d_skip ? l.d_skip[channel()] : 0.0f;
  }

  /* What it wants of the layer's first part; `projections`: where it takes a sum for the block, too. */
  __device__ typename X::ahead wanted(int32_t projections) const {
    const int32_t thread = thread_number();
    return {thread < projections ? thread : -1, channel(), gated() >= 0 ? first + gated() : -1, 0, 0, 0};
  }

  /* Needs a barrier. */
  __device__ void gate(const mamba_cuda_layer &l, const typename X::ahead &ahead, scan_group *group) const {
    if (gated() >= 0)
      group->gate[gated()] = silu(value_of(input_of<T>(l.z), X::bits(ahead.z), first + gated()));
  }

  /* Up to y, which is stored where it is not transformed, and else needs a barrier. */
  __device__ void step(const mamba_cuda_layer &l, const X &exchange, const typename X::ahead &ahead,
                       const scan_inputs &in, scan_group *group) {
    const float u = value_of(input_of<T>(l.u), X::bits(ahead.u), channel());
    int32_t acc = 0;
#pragma unroll
    for (int i = 0; i < EACH; ++i)
      if (state(i) < l.rank / CHUNK)
        acc = dot16(*(const int4 *)(in.dt + state(i) * CHUNK), w[i], acc);
    for (int distance = CHANNEL_LANES / 2; distance > 0; distance /= 2)
      acc += __shfl_xor_sync(ALL_LANES, acc, distance);
    const float raw = column_value(dt_factors, acc);
    const float delta = l.softplus ? softplus(raw) : raw;
    float terms[EACH];
#pragma unroll
    for (int i = 0; i < EACH; ++i) {
      h[i] = fmaf(mambaExp(delta * a[i]), h[i], delta * u * in.b[state(i)]);
      l.ssm_state[(int64_t)state(i) * l.inner + channel()] = h[i];
      terms[i] = fmaf(h[i], in.c[state(i)], 0.0f);
    }
    float v = fold_array(terms); /* the contract's order: what is furthest apart first */
    for (int distance = CHANNEL_LANES / 2; distance > 0; distance /= 2)
      v += __shfl_xor_sync(ALL_LANES, v, distance);
    if (l.d_skip)
      v = fmaf(skip, u, v);
    v = v * group->gate[in_group()];
    if (lane() == 0 && l.rotate)
      group->y[in_group()] = v;
    else if (lane() == 0)
      exchange.put_y(channel(), (int8_t)stored_bits(output_of<MAMBA_I8>(l.y, l.inner), channel(), v));
  }

  /* Where y is transformed: the butterflies among the group's channels. */
  __device__ void rotate(const mamba_cuda_layer &l, const X &exchange, const scan_group &group) const {
    const int32_t thread = thread_number() % THREADS;
    if (!l.rotate || thread >= SCAN_CHANNELS)
      return;
    float v = group.y[thread];
    for (int stride = 1; stride < SCAN_CHANNELS; stride *= 2) {
      const float other = __shfl_xor_sync((1u << SCAN_CHANNELS) - 1, v, stride);
      v = thread & stride ? other - v : v + other;
    }
    exchange.put_y(first + thread, v);
  }

private:
  int32_t first; /* channel of the group */
  int4 w[EACH];
  column_factors dt_factors;
  float a[EACH], h[EACH], skip;

  __device__ static int32_t lane() {
    return thread_number() % CHANNEL_LANES;
  }
  __device__ static int32_t state(int i) {
    return lane() + i * CHANNEL_LANES;
  }
  __device__ static int32_t in_group() {
    return thread_number() % THREADS / CHANNEL_LANES;
  }
  __device__ int32_t channel() const {
    return first + in_group();
  }
  /* The channel of which this thread computes the gate, or less than 0: the last threads do, which have least
   * to do. */
  __device__ static int32_t gated() {
    return thread_number() % THREADS - (THREADS - SCAN_CHANNELS);
  }
};

} // namespace mamba

#endif
