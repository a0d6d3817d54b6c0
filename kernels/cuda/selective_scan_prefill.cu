/* mamba_cuda_selective_scan for many steps of 16 states: sequential in time, parallel in sequence, channel
 * and state.
 *
 * Only h = decay h + drive is sequential; nine tenths of the instructions are not, the exponentials foremost.
 * So a block has two kinds of warps. A worker thread has one step of one channel of each chunk of steps: it
 * computes softplus and the 16 decays exp(delta a) for the chunk that comes next, and sums the states' terms,
 * adds the skip, applies the gate and stores for the chunk before. A chain thread has STATES states of a
 * channel: it goes through the steps of the chunk between, and leaves h C where the decay was. One barrier a
 * chunk hands all three on. The sum over n is the contract's: states that are 8 and 4 apart are adjacent in
 * shared memory.
 *
 * Channels are dealt out so that every multiprocessor gets one block of many workers. Of more channels than
 * that, and of several sequences, two smaller blocks share a multiprocessor.
 *
 * Bound: instructions, some 350 a step and channel of a worker and 130 in the chain; with few channels the
 * chain's latency.
 *
 * Reaches on an H200, 1024 tokens: 103 us for 5120 channels, 40 us for 1536. */
#include "selective_scan.cuh"

#include <algorithm>
#include <float.h>

namespace mamba {
namespace {

constexpr int QUADS = USUAL_STATES / 4;

/* Steps that a chain thread loads at once. */
constexpr int GROUP = 4;

/* How a block's work is dealt out: its channels, the states of a chain thread, the threads that work, and the
 * blocks of a multiprocessor. */
template <int CHANNELS_, int STATES_, int WORKERS_, int BLOCKS_> struct tiling {
  static constexpr int CHANNELS = CHANNELS_, STATES = STATES_, WORKERS = WORKERS_, BLOCKS = BLOCKS_;
  static constexpr int STEPS = WORKERS / CHANNELS / GROUP * GROUP; /* of a chunk */
  static constexpr int SHARERS = USUAL_STATES / STATES;            /* of a channel, in the chain */
  static constexpr int CHAIN = (CHANNELS * SHARERS + WARP - 1) / WARP * WARP, THREADS = WORKERS + CHAIN;
  static_assert(CHANNELS % 2 == 0 && WORKERS % WARP == 0, "");
};

/* The place of a state among the 16: a quad has states i, i + 8, i + 4 and i + 12. */
__host__ __device__ constexpr int place_of(int state) {
  return state % 4 * 4 + (state >> 3 & 1) + (state >> 2 & 1) * 2;
}
__host__ __device__ constexpr int state_at(int place) {
  return place / 4 + (place & 1) * 8 + (place >> 1 & 1) * 4;
}

template <typename T> struct chunk {
  /* Later the terms, see `follow`. The quads of channel c are permuted by c / 2 % 4, for the banks. */
  float4 decay[T::WORKERS][QUADS];
  float du[T::WORKERS];
  float2 bc[T::STEPS][USUAL_STATES]; /* B and C, by place */
};

__device__ inline int quad_of(int quad, int channel) {
  return quad ^ (channel >> 1 & 3);
}

/* Adjacent floats that one or two instructions load. */
template <int COUNT> struct alignas(4 * COUNT) pack { float v[COUNT]; };

/* What a chain thread needs of a group of steps. */
template <typename T> struct group {
  pack<T::STATES> decay[GROUP];
  pack<2 * T::STATES> bc[GROUP];
  float du[GROUP];
};

template <typename T>
__device__ inline void load_group(const chunk<T> &now, int step, int channel, int place, group<T> &g) {
#pragma unroll
  for (int i = 0; i < GROUP; ++i) {
    const int item = (step + i) * T::CHANNELS + channel;
    const float4 *const quads = now.decay[item];
    g.decay[i] = *(const pack<T::STATES> *)((const float *)&quads[quad_of(place / 4, channel)] + place % 4);
    g.bc[i] = *(const pack<2 * T::STATES> *)&now.bc[step + i][place];
    g.du[i] = now.du[item];
  }
}

/* A group of steps from `step` on, of which the first `steps` are inside where it is the LAST, by `lanes` of
 * the warp: updates h and leaves the terms, those of one thread added. A thread's first state is i of quad q;
 * its term becomes element q of quad i / STATES, so that adding quads goes on with the contract's sum. */
template <bool LAST, typename T>
__device__ inline void follow(chunk<T> &now, const group<T> &g, int step, int steps, int channel, int place,
                              unsigned lanes, float (&h)[T::STATES]) {
  constexpr int STATES = T::STATES;
  static_assert(STATES == 2 || STATES == 4, "");
  float term[GROUP];
#pragma unroll
  for (int i = 0; i < GROUP; ++i) {
    float p[STATES];
#pragma unroll
    for (int j = 0; j < STATES; ++j) {
      const float next = fmaf(g.decay[i].v[j], h[j], g.du[i] * g.bc[i].v[2 * j]);
      h[j] = !LAST || i < steps ? next : h[j];
      p[j] = fmaf(h[j], g.bc[i].v[2 * j + 1], 0.0f);
    }
    if constexpr (STATES == 4)
      term[i] = (p[0] + p[1]) + (p[2] + p[3]);
    else
      term[i] = p[0] + p[1];
  }
  __syncwarp(lanes); /* the decays of the channel, which is within a warp, are read */
#pragma unroll
  for (int i = 0; i < GROUP; ++i)
    ((float *)&now
         .decay[(step + i) * T::CHANNELS + channel][quad_of(place % 4 / STATES, channel)])[place / 4] =
        term[i];
}

/* The end of the contract's sum over the states of an item. */
template <typename T> __device__ inline float sum_terms(const chunk<T> &now, int item, int channel) {
  const auto add = [](float4 a, float4 b) { return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w); };
  const auto quad = [&](int i) { return now.decay[item][quad_of(i, channel)]; };
  float4 r = quad(0);
  if constexpr (T::STATES == 2)
    r = add(r, quad(1));
  return (r.x + r.z) + (r.y + r.w);
}

/* Hands everything that was written to the other kind of warps. Each kind has a loop of its own, so that
 * neither keeps the other's registers; __syncthreads() wants all threads at one place. */
template <typename T> __device__ inline void hand_over() {
  meet<T::THREADS>();
}

/* A block's part of the problem. */
struct scan_part {
  int32_t first_channel, channels, chunks; /* channels: fewer in the last block */
  int64_t sequence, first_row;
};

/* Chunk k is prepared when k - 1 is in the chain and k - 2 is finished. */
template <typename T>
__device__ inline void work(const scan &p, const scan_part &part, chunk<T> (&buffers)[2]) {
  constexpr int STEPS = T::STEPS;
  const int32_t tid = threadIdx.x, step = tid / T::CHANNELS, c = tid % T::CHANNELS;
  const int32_t channel = part.first_channel + min(c, part.channels - 1);
  const bool works = step < STEPS && c < part.channels;
  float a[USUAL_STATES], lowest = INFINITY, highest = -INFINITY;
#pragma unroll
  for (int s = 0; s < USUAL_STATES; ++s) {
    a[s] = works ? p.a[(int64_t)s * p.d + channel] : 0.0f;
    lowest = fminf(lowest, a[s]);
    highest = a[s] <= highest ? highest : a[s]; /* a NaN stays until the next */
  }
  /* No decay is above 1 for a delta that is not negative. None is 0 for a delta below `most`. */
  const bool shrinks = __all_sync(ALL_LANES, highest <= 0.0f);
  const float most = kept(lowest < 0.0f ? -87.0f / lowest : FLT_MAX);
  const float skip = works && p.has_skip ? p.d_skip[channel] : 0.0f;
  const int64_t chunk_values = (int64_t)STEPS * p.d;
  int64_t at = (part.first_row + step) * p.d + channel; /* of the chunk to load */
  int32_t left = works ? p.tokens - step : 0;           /* of the sequence, from this step of that chunk on */
  /* Which values of B and C it stages: of every WARPS-th step, this state. */
  constexpr int WARPS = T::WORKERS / WARP, PAIRS = (STEPS + WARPS - 1) / WARPS;
  const int32_t bc_step = tid / WARP, bc_state = tid % USUAL_STATES;
  const bool is_c = tid % WARP >= USUAL_STATES;
  const mamba_input bc = is_c ? p.c : p.b;
  const int32_t bc_to = kept(2 * (bc_step * USUAL_STATES + place_of(bc_state)) + is_c);
  int64_t bc_at = (part.first_row + bc_step) * USUAL_STATES + bc_state;
  int32_t bc_left = p.tokens - bc_step;

  uint32_t u_bits = 0, dt_bits = 0, z_bits = 0, bc_bits[PAIRS] = {}; /* loaded a chunk ahead, where inside */
  const auto load = [&] {
    if (left > 0) {
      u_bits = load_bits(p.u, at);
      dt_bits = load_bits(p.dt, at);
      if (p.has_gate)
        z_bits = load_bits(p.z, at);
    }
    at += chunk_values;
    left -= STEPS;
#pragma unroll
    for (int i = 0; i < PAIRS; ++i)
      if (i * WARPS < bc_left)
        bc_bits[i] = load_bits(bc, bc_at + i * WARPS * USUAL_STATES);
    bc_at += STEPS * USUAL_STATES;
    bc_left -= STEPS;
  };
  wait_for_previous();
  load();
  int64_t out_at = (part.first_row + step) * p.d + channel;
  int32_t out_left = works ? p.tokens - step : 0;
  float u[2] = {}, gate[2] = {}; /* of the two chunks on their way */
  for (int32_t k = 0; k < part.chunks + 2; ++k) {
    chunk<T> &buffer = buffers[k % 2];
    if (k >= 2) {
      float y = sum_terms<T>(buffer, tid, c);
      if (p.has_skip)
        y = fmaf(skip, u[0], y);
      if (p.has_gate)
        y = y * gate[0];
      if (out_left > 0) {
        if (p.out.type == MAMBA_F32)
          ((float *)p.out.data)[out_at] = y;
        else
          store_value(p.out, out_at, channel, y);
      }
      out_at += chunk_values;
      out_left -= STEPS;
    }
    u[0] = u[1];
    gate[0] = gate[1];
    if (k < part.chunks) {
#pragma unroll
      for (int i = 0; i < PAIRS; ++i)
        if (bc_step + i * WARPS < STEPS)
          ((float *)buffer.bc)[bc_to + i * WARPS * 2 * USUAL_STATES] = value_of(bc, bc_bits[i], bc_state);
      const float delta = step_size(p, dt_bits, channel);
      u[1] = value_of(p.u, u_bits, channel);
      gate[1] = p.has_gate ? silu(value_of(p.z, z_bits, channel)) : 0.0f;
      load();
      buffer.du[tid] = delta * u[1];
      const auto store_decays = [&](auto exponential) {
#pragma unroll
        for (int i = 0; i < QUADS; ++i)
          buffer.decay[tid][quad_of(i, c)] =
              make_float4(exponential(delta * a[i]), exponential(delta * a[i + 8]),
                          exponential(delta * a[i + 4]), exponential(delta * a[i + 12]));
      };
      const bool usual = shrinks && delta >= 0.0f && delta < INFINITY;
      if (__all_sync(ALL_LANES, usual && delta < most))
        store_decays(mambaExpInside);
      else if (usual)
        store_decays(exp_below);
      else
        store_decays(mambaExp);
    }
    hand_over<T>();
  }
}

template <typename T>
__device__ inline void chain(const scan &p, const scan_part &part, chunk<T> (&buffers)[2]) {
  constexpr int STATES = T::STATES;
  const int32_t index = threadIdx.x - T::WORKERS, c = index / T::SHARERS, place = index % T::SHARERS * STATES;
  const bool works = c < part.channels;
  const unsigned lanes = __ballot_sync(ALL_LANES, works);
  float *state = p.state + part.sequence * USUAL_STATES * p.d + part.first_channel + c;
  float h[STATES] = {};
  wait_for_previous();
  if (works)
#pragma unroll
    for (int j = 0; j < STATES; ++j)
      h[j] = state[(int64_t)state_at(place + j) * p.d];
  for (int32_t k = 0; k < part.chunks + 2; ++k) {
    if (works && k >= 1 && k <= part.chunks) {
      chunk<T> &buffer = buffers[(k - 1) % 2];
      const int32_t steps = min(T::STEPS, p.tokens - (k - 1) * T::STEPS);
      group<T> now, next;
      constexpr bool AHEAD = STATES == 2; /* there are registers for it */
      int32_t t = 0;
      if (AHEAD)
        load_group(buffer, t, c, place, now);
#pragma unroll 2
      for (; t + GROUP < steps; t += GROUP) {
        if (AHEAD)
          load_group(buffer, t + GROUP, c, place, next);
        else
          load_group(buffer, t, c, place, now);
        follow<false>(buffer, now, t, GROUP, c, place, lanes, h);
        if (AHEAD)
          now = next;
      }
      if (!AHEAD)
        load_group(buffer, t, c, place, now);
      follow<true>(buffer, now, t, steps - t, c, place, lanes, h);
    }
    hand_over<T>();
  }
  if (works)
#pragma unroll
    for (int j = 0; j < STATES; ++j)
      state[(int64_t)state_at(place + j) * p.d] = h[j];
}

template <typename T, scan_types TYPES>
__global__ void __launch_bounds__(T::THREADS, T::BLOCKS)
    selective_scan_prefill(const __grid_constant__ scan arguments) {
  typedef chunk<T> buffer_pair[2];
  buffer_pair &buffers = *dynamic_shared<buffer_pair>();
  const scan p = typed<TYPES>(arguments);
  const int32_t first_channel = blockIdx.x * T::CHANNELS;
  const scan_part part = {first_channel, min(T::CHANNELS, p.d - first_channel), ceil_div(p.tokens, T::STEPS),
                          blockIdx.y, (int64_t)blockIdx.y * p.tokens};
  if (threadIdx.x < T::WORKERS)
    work<T>(p, part, buffers);
  else
    chain<T>(p, part, buffers);
}

template <typename T, scan_types TYPES> cudaError_t launch_typed(const scan &p, cudaStream_t stream) {
  return launch(selective_scan_prefill<T, TYPES>, dim3(ceil_div(p.d, T::CHANNELS), p.batch), T::THREADS,
                2 * sizeof(chunk<T>), stream, (int64_t)p.batch * p.tokens, p);
}

template <typename T> cudaError_t launch_tiling(const scan &p, cudaStream_t stream) {
  return types_of(p) == I8_I8     ? launch_typed<T, I8_I8>(p, stream)
         : types_of(p) == F16_F32 ? launch_typed<T, F16_F32>(p, stream)
                                  : launch_typed<T, F32_F32>(p, stream);
}

typedef tiling<32, 4, 256, 2> largest_tiling;

} // namespace

cudaError_t launch_scan_prefill(const scan &p, cudaStream_t stream) {
  device_info info;
  const cudaError_t error = get_device_info(&info);
  if (error != cudaSuccess)
    return error;
  if (types_of(p) == ANY_TYPES)
    return launch_typed<largest_tiling, ANY_TYPES>(p, stream);
  const int32_t blocks = std::max(1, info.multiprocessors / p.batch); /* of a sequence */
  const int32_t channels = ceil_div(p.d, blocks);
  return channels <= 12   ? launch_tiling<tiling<12, 2, 352, 1>>(p, stream)
         : channels <= 16 ? launch_tiling<tiling<16, 2, 384, 1>>(p, stream)
         : channels <= 24 ? launch_tiling<tiling<24, 4, 512, 1>>(p, stream)
         : channels <= 32 ? launch_tiling<tiling<32, 4, 640, 1>>(p, stream)
         : channels <= 40 ? launch_tiling<tiling<40, 4, 800, 1>>(p, stream)
                          : launch_tiling<largest_tiling>(p, stream);
}

} // namespace mamba
