/* mamba_cuda_selective_scan for many steps of 16 states: sequential in time, parallel in sequence, channel
 * and state.
 *
 * Only h = decay h + drive is sequential; nine tenths of the instructions are not, the exponentials foremost.
 * So a block has two kinds of warps. A worker thread has EACH steps of one channel of each chunk of steps: it
 * computes softplus and the 16 decays exp(delta a), and two chunks later sums the states' terms, adds the
 * skip, applies the gate and stores. A chain thread has STATES states of a channel: it goes through the steps
 * of the chunk between, and leaves h C where the decay was. Three chunks are on their way, each in a buffer
 * with two signals, "full" and "done", so that neither kind waits for the other while both are on time, and
 * no warp for others of its kind. The sum over n is the contract's: states that are 8 and 4 apart are
 * adjacent in shared memory.
 *
 * Channels are dealt out so that every multiprocessor gets one block of many workers. Of more channels than
 * that, and of several sequences, two smaller blocks share a multiprocessor.
 *
 * Bound: instructions, some 320 to 350 a step and channel of a worker and 90 in the chain; with few channels
 * the chain's latency, which is that of shared memory.
 *
 * Reaches on an H200, 1024 tokens: 86 us for 5120 channels, 33 us for 1536. */
#include "selective_scan.cuh"

#include <algorithm>
#include <float.h>
#include <stddef.h>

namespace mamba {
namespace {

constexpr int QUADS = USUAL_STATES / 4, BUFFERS = 3;
constexpr int QUAD_BYTES = 16, ITEM_BYTES = QUADS * QUAD_BYTES;

/* What a warp of each kind executes of a chunk, about: of an item; of a step with 2 or 4 states a thread. */
constexpr int WORK_COST = 320, CHAIN_COST_2 = 15, CHAIN_COST_4 = 24;

/* Which of a block's warps are the chain's, as bits: so that the four schedulers of a multiprocessor, each of
 * which has every fourth warp, have equally much to do. One after the other, the chain's warps go to the
 * scheduler that has most to do where they are less work than a worker's, else to the one that has least. */
constexpr uint32_t deal_warps(int warps, int chain, int chain_cost, int work_cost) {
  const int SCHEDULERS = 4, change = chain_cost - work_cost;
  int load[SCHEDULERS] = {};
  uint32_t mask = 0;
  for (int i = 0; i < warps; ++i)
    load[i % SCHEDULERS] += work_cost;
  for (int taken = 0; taken < chain; ++taken) {
    const auto gain = [&](int i) { return change > 0 ? -load[i % SCHEDULERS] : load[i % SCHEDULERS]; };
    int best = -1;
    for (int i = warps - 1; i >= 0; --i)
      if (!(mask >> i & 1) && (best < 0 || gain(i) > gain(best)))
        best = i;
    mask |= 1u << best;
    load[best % SCHEDULERS] += change;
  }
  return mask;
}

/* How a block's work is dealt out: its channels, the states of a chain thread, the threads that work, the
 * items (steps of a channel) of each of them, and the blocks of a multiprocessor. */
template <int CHANNELS_, int STATES_, int WORKERS_, int EACH_, int BLOCKS_> struct tiling {
  static constexpr int CHANNELS = CHANNELS_, STATES = STATES_, WORKERS = WORKERS_, EACH = EACH_,
                       BLOCKS = BLOCKS_;
  static constexpr int STRIDE = WORKERS / CHANNELS; /* steps between a thread's items */
  static constexpr int STEPS = STRIDE * EACH;       /* of a chunk */
  static constexpr int ITEMS = STEPS * CHANNELS;
  static constexpr int SHARERS = USUAL_STATES / STATES; /* of a channel, in the chain */
  static constexpr int CHAIN = (CHANNELS * SHARERS + WARP - 1) / WARP * WARP, THREADS = WORKERS + CHAIN;
  static constexpr int GROUP = STATES == 2 ? 4 : 2; /* steps whose terms a chain thread stores at once */
  static constexpr int AHEAD = BLOCKS == 1 ? 2 : 1; /* groups that it has registers to load early */
  static_assert(CHANNELS % 2 == 0 && WORKERS % WARP == 0 && WORKERS % CHANNELS == 0 && STEPS % GROUP == 0,
                "");
  static constexpr uint32_t CHAIN_WARPS = deal_warps(
      THREADS / WARP, CHAIN / WARP, STEPS *(STATES == 2 ? CHAIN_COST_2 : CHAIN_COST_4), WORK_COST *EACH);
};

/* The place of a state among the 16: a quad has states i, i + 8, i + 4 and i + 12. */
__host__ __device__ constexpr int place_of(int state) {
  return state % 4 * 4 + (state >> 3 & 1) + (state >> 2 & 1) * 2;
}
__host__ __device__ constexpr int state_at(int place) {
  return place / 4 + (place & 1) * 8 + (place >> 1 & 1) * 4;
}

/* Items are in the order of steps, then of channels. */
template <typename T> struct alignas(ITEM_BYTES) chunk {
  /* Later the terms, see `follow_chunk`. The quads of channel c are permuted by c / 2 % 4, for the banks. */
  float decay[T::ITEMS][USUAL_STATES];
  float du[T::ITEMS];
  float2 bc[T::STEPS][USUAL_STATES]; /* B and C, by place */
};

__device__ inline int quad_of(int quad, int channel) {
  return quad ^ (channel >> 1 & 3);
}

/* Of a buffer: that its decays are there; that its terms are. */
struct signals {
  uint64_t full[BUFFERS], done[BUFFERS];
};

/* One of a kind of signals for each buffer, in the order in which chunks take them. */
class signal_turn {
public:
  __device__ explicit signal_turn(const uint64_t *kind) : signal((uint32_t)__cvta_generic_to_shared(kind)) {}
  __device__ void next() {
    if (++turn == BUFFERS) {
      turn = 0;
      phase ^= 1;
    }
  }
  __device__ uint32_t buffer() const { return turn; }
  /* Every thread arrives: one for its warp is no faster, and compute-sanitizer does not follow it. */
  __device__ void give() const { arrive_signal(signal + turn * (uint32_t)sizeof(uint64_t)); }
  __device__ void wait() const { wait_signal(signal + turn * (uint32_t)sizeof(uint64_t), phase); }

private:
  uint32_t signal, turn = 0, phase = 0;
};

/* Places in shared memory of what a chain thread reads and writes, of the first step of a buffer. */
struct chain_places {
  uint32_t decay, bc, du, term;
  __device__ chain_places behind(uint32_t bytes) const {
    return {decay + bytes, bc + bytes, du + bytes, term + bytes};
  }
};

/* What a chain thread needs of a step. */
template <int STATES> struct step_inputs { float decay[STATES], b[STATES], c[STATES], du; };

template <typename T>
__device__ inline step_inputs<T::STATES> load_step(const chain_places &at, uint32_t step) {
  constexpr int STATES = T::STATES;
  static_assert(STATES == 2 || STATES == 4, "");
  step_inputs<STATES> in;
  const uint32_t from = at.decay + step * T::CHANNELS * ITEM_BYTES;
  int32_t decay[STATES];
  if constexpr (STATES == 4) {
    const int4 v = load_shared(from);
    decay[0] = v.x, decay[1] = v.y, decay[2] = v.z, decay[3] = v.w;
  } else {
    const int2 v = load_shared_8(from);
    decay[0] = v.x, decay[1] = v.y;
  }
#pragma unroll
  for (int j = 0; j < STATES; ++j)
    in.decay[j] = __uint_as_float(decay[j]);
#pragma unroll
  for (int j = 0; j < STATES; j += 2) {
    const int4 v = load_shared(at.bc + (step * USUAL_STATES + j) * (uint32_t)sizeof(float2));
    in.b[j] = __uint_as_float(v.x), in.c[j] = __uint_as_float(v.y);
    in.b[j + 1] = __uint_as_float(v.z), in.c[j + 1] = __uint_as_float(v.w);
  }
  in.du = __uint_as_float(load_shared_4(at.du + step * T::CHANNELS * (uint32_t)sizeof(float)));
  return in;
}

/* A step: updates h, and returns the thread's terms, added in the contract's order. */
template <int STATES> __device__ inline float follow(const step_inputs<STATES> &in, float (&h)[STATES]) {
  float p[STATES];
#pragma unroll
  for (int j = 0; j < STATES; ++j) {
    h[j] = fmaf(in.decay[j], h[j], in.du * in.b[j]);
    p[j] = fmaf(h[j], in.c[j], 0.0f);
  }
  if constexpr (STATES == 4)
    return (p[0] + p[1]) + (p[2] + p[3]);
  else
    return p[0] + p[1];
}

__device__ inline void store_term(const chain_places &at, uint32_t bytes, float term) {
  store_shared_4(at.term + bytes, (int32_t)__float_as_uint(term));
}

/* A chunk of the chain, by `lanes` of the warp. Values are loaded AHEAD groups of steps before they are used.
 * A thread's first state is i of quad q; its term becomes element q of quad i / STATES, so that adding quads
 * goes on with the contract's sum. */
template <typename T>
__device__ inline void follow_chunk(const chain_places &at, unsigned lanes, float (&h)[T::STATES]) {
  constexpr int GROUP = T::GROUP, GROUPS = T::STEPS / GROUP, AHEAD = T::AHEAD;
  step_inputs<T::STATES> in[AHEAD + 1][GROUP];
#pragma unroll
  for (int i = 0; i < GROUPS + AHEAD; ++i) {
    if (i < GROUPS)
#pragma unroll
      for (int j = 0; j < GROUP; ++j)
        in[i % (AHEAD + 1)][j] = load_step<T>(at, i * GROUP + j);
    if (i < AHEAD)
      continue;
    float term[GROUP];
#pragma unroll
    for (int j = 0; j < GROUP; ++j)
      term[j] = follow(in[(i - AHEAD) % (AHEAD + 1)][j], h);
    __syncwarp(lanes); /* the decays of the channel, which is within a warp, are read */
#pragma unroll
    for (int j = 0; j < GROUP; ++j)
      store_term(at, ((i - AHEAD) * GROUP + j) * T::CHANNELS * ITEM_BYTES, term[j]);
  }
}

/* The same for the last steps, fewer than a chunk. */
template <typename T>
__device__ inline void follow_rest(const chain_places &at, int32_t steps, unsigned lanes,
                                   float (&h)[T::STATES]) {
#pragma unroll 1
  for (int32_t i = 0; i < steps; ++i) {
    const float term = follow(load_step<T>(at, i), h);
    __syncwarp(lanes);
    store_term(at, i * T::CHANNELS * ITEM_BYTES, term);
  }
}

/* The end of the contract's sum over the states of an item, whose quad 0 lies there. */
template <typename T> __device__ inline float sum_terms(uint32_t quad) {
  const auto terms = [](uint32_t from) {
    const int4 v = load_shared(from);
    return make_float4(__uint_as_float(v.x), __uint_as_float(v.y), __uint_as_float(v.z),
                       __uint_as_float(v.w));
  };
  float4 r = terms(quad);
  if constexpr (T::STATES == 2) {
    const float4 other = terms(quad ^ QUAD_BYTES);
    r = make_float4(r.x + other.x, r.y + other.y, r.z + other.z, r.w + other.w);
  }
  return (r.x + r.z) + (r.y + r.w);
}

/* A block's part of the problem. */
struct scan_part {
  int32_t first_channel, channels, chunks; /* channels: fewer in the last block */
  int64_t sequence, first_row;
};

/* By the thread `index` of the chain. */
template <typename T>
__device__ inline void chain(const scan &p, const scan_part &part, const chunk<T> *buffers, signals *all,
                             int32_t index) {
  constexpr int STATES = T::STATES;
  const int32_t c = index / T::SHARERS, place = index % T::SHARERS * STATES;
  const unsigned lanes = __ballot_sync(ALL_LANES, c < part.channels);
  if (c >= part.channels)
    return;
  float *const state = p.state + part.sequence * USUAL_STATES * p.d + part.first_channel + c;
  float h[STATES];
  const uint32_t base = (uint32_t)__cvta_generic_to_shared(buffers), item = base + c * ITEM_BYTES;
  const chain_places first = {item + quad_of(place / 4, c) * QUAD_BYTES + place % 4 * (uint32_t)sizeof(float),
                              base + (uint32_t)(offsetof(chunk<T>, bc) + place * sizeof(float2)),
                              base + (uint32_t)(offsetof(chunk<T>, du) + c * sizeof(float)),
                              item + quad_of(place % 4 / STATES, c) * QUAD_BYTES +
                                  place / 4 * (uint32_t)sizeof(float)};
  wait_for_previous();
#pragma unroll
  for (int j = 0; j < STATES; ++j)
    h[j] = state[(int64_t)state_at(place + j) * p.d];
  signal_turn full(all->full), done(all->done);
  for (int32_t left = p.tokens; left > 0; left -= T::STEPS) {
    const chain_places at = first.behind(full.buffer() * (uint32_t)sizeof(chunk<T>));
    full.wait();
    if (left >= T::STEPS)
      follow_chunk<T>(at, lanes, h);
    else
      follow_rest<T>(at, left, lanes, h);
    done.give();
    full.next();
    done.next();
  }
#pragma unroll
  for (int j = 0; j < STATES; ++j)
    state[(int64_t)state_at(place + j) * p.d] = h[j];
}

/* A worker's place in an array of the rows of a sequence, of which it goes through every STRIDE-th. */
struct row_pointer {
  char *at;
  int32_t bytes; /* to the next */
  __device__ row_pointer(const void *data, mamba_type type, int64_t element, int32_t elements)
      : at((char *)data + element * stored_size(type)), bytes(elements * stored_size(type)) {}
  __device__ void next() { at += bytes; }
};

/* Element i behind the pointer. */
__device__ inline uint32_t bits_at(const row_pointer &from, const mamba_input &in, int64_t i) {
  return load_bits({from.at, in.type, 0, NULL}, i);
}

/* B and C of a chunk on their way to shared memory: a warp has every so many steps, a lane one of the 32
 * values. */
template <typename T> class bc_stage {
public:
  __device__ bc_stage(const scan &p, int64_t first_row, int32_t worker, uint32_t buffers)
      : step(worker / WARP), state(worker % USUAL_STATES), is_c(worker % WARP >= USUAL_STATES),
        in(is_c ? p.c : p.b),
        from(in.data, in.type, (first_row + step) * USUAL_STATES + state, T::STEPS * USUAL_STATES),
        left(p.tokens - step),
        to(kept((int32_t)(buffers + offsetof(chunk<T>, bc) +
                          ((step * USUAL_STATES + place_of(state)) * 2 + is_c) * sizeof(float)))) {}

  /* Asks for the next chunk's. */
  __device__ void load() {
#pragma unroll
    for (int i = 0; i < COUNT; ++i)
      if (i * WARPS < left)
        bits[i] = bits_at(from, in, i * WARPS * USUAL_STATES);
    from.next();
    left -= T::STEPS;
  }

  __device__ void store(uint32_t buffer) const {
#pragma unroll
    for (int i = 0; i < COUNT; ++i)
      if (T::STEPS % WARPS == 0 || step + i * WARPS < T::STEPS)
        store_shared_4(to + buffer + i * WARPS * USUAL_STATES * (int32_t)sizeof(float2),
                       (int32_t)__float_as_uint(value_of(in, bits[i], state)));
  }

private:
  static constexpr int WARPS = T::WORKERS / WARP, COUNT = (T::STEPS + WARPS - 1) / WARPS;
  int32_t step, state;
  bool is_c;
  mamba_input in;
  row_pointer from;
  int32_t left, to;
  uint32_t bits[COUNT] = {};
};

/* By the thread `index` of the workers: chunk k is prepared, then chunk k - 2 finished. */
template <typename T>
__device__ inline void work(const scan &p, const scan_part &part, const chunk<T> *buffers, signals *all,
                            int32_t index) {
  constexpr int EACH = T::EACH, LAG = BUFFERS - 1;
  const int32_t step = index / T::CHANNELS, c = index % T::CHANNELS;
  const int32_t channel = part.first_channel + min(c, part.channels - 1);
  const bool works = c < part.channels;
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

  const int64_t first = (part.first_row + step) * p.d + channel;
  const int32_t stride = T::STRIDE * p.d;
  row_pointer u_at(p.u.data, p.u.type, first, stride), dt_at(p.dt.data, p.dt.type, first, stride),
      z_at(p.z.data, p.z.type, first, stride), out_at(p.out.data, p.out.type, first, stride);
  int32_t left = works ? p.tokens - step : 0; /* of the sequence, from the first step to load on */
  int32_t out_left = left;                    /* the same, to store */
  const uint32_t base = (uint32_t)__cvta_generic_to_shared(buffers);
  /* Of quad 0; the others' places differ in the bits of a quad. */
  const uint32_t quads = kept((int32_t)(base + index * ITEM_BYTES + quad_of(0, c) * QUAD_BYTES));
  const uint32_t du_to = kept((int32_t)(base + offsetof(chunk<T>, du) + index * sizeof(float)));
  bc_stage<T> bc(p, part.first_row, index, base);

  uint32_t u_bits[EACH] = {}, dt_bits[EACH] = {}, z_bits[EACH] = {}; /* of the next chunk, where inside */
  const auto load = [&] {
#pragma unroll
    for (int j = 0; j < EACH; ++j) {
      if (left > j * T::STRIDE) {
        u_bits[j] = bits_at(u_at, p.u, 0);
        dt_bits[j] = bits_at(dt_at, p.dt, 0);
        if (p.has_gate)
          z_bits[j] = bits_at(z_at, p.z, 0);
      }
      u_at.next();
      dt_at.next();
      z_at.next();
    }
    left -= T::STEPS;
    bc.load();
  };
  wait_for_previous();
  load();
  float u[BUFFERS][EACH] = {}, gate[BUFFERS][EACH] = {}; /* of the chunks on their way, the oldest first */
  signal_turn full(all->full), done(all->done);
  for (int32_t k = 0; k < part.chunks + LAG; ++k) {
#pragma unroll
    for (int i = 0; i < LAG; ++i)
#pragma unroll
      for (int j = 0; j < EACH; ++j) {
        u[i][j] = u[i + 1][j];
        gate[i][j] = gate[i + 1][j];
      }
    if (k < part.chunks) {
      const uint32_t buffer = full.buffer() * (uint32_t)sizeof(chunk<T>), to = quads + buffer;
      bc.store(buffer);
      float delta[EACH];
      bool usual = shrinks, below = true;
#pragma unroll
      for (int j = 0; j < EACH; ++j) {
        delta[j] = step_size(p, dt_bits[j], channel);
        u[LAG][j] = value_of(p.u, u_bits[j], channel);
        gate[LAG][j] = p.has_gate ? silu(value_of(p.z, z_bits[j], channel)) : 0.0f;
        usual = usual && delta[j] >= 0.0f && delta[j] < INFINITY;
        below = below && delta[j] < most;
      }
      load();
#pragma unroll
      for (int j = 0; j < EACH; ++j)
        store_shared_4(du_to + buffer + j * T::WORKERS * (uint32_t)sizeof(float),
                       (int32_t)__float_as_uint(delta[j] * u[LAG][j]));
      const auto store_decays = [&](auto exponential) {
#pragma unroll
        for (int j = 0; j < EACH; ++j)
#pragma unroll
          for (int i = 0; i < QUADS; ++i) {
            const auto decay = [&](int s) { return (int32_t)__float_as_uint(exponential(delta[j] * a[s])); };
            store_shared((to ^ i * QUAD_BYTES) + j * T::WORKERS * ITEM_BYTES,
                         make_int4(decay(i), decay(i + 8), decay(i + 4), decay(i + 12)));
          }
      };
      if (__all_sync(ALL_LANES, usual && below))
        store_decays(mambaExpInside);
      else if (usual)
        store_decays(exp_below);
      else
        store_decays(mambaExp);
      full.give();
      full.next();
    }
    if (k >= LAG) {
      const uint32_t from = quads + done.buffer() * (uint32_t)sizeof(chunk<T>);
      done.wait();
      done.next();
#pragma unroll
      for (int j = 0; j < EACH; ++j) {
        float y = sum_terms<T>(from + j * T::WORKERS * ITEM_BYTES);
        if (p.has_skip)
          y = fmaf(skip, u[0][j], y);
        if (p.has_gate)
          y = y * gate[0][j];
        if (out_left > j * T::STRIDE)
          store_bits(out_at.at, p.out.type, 0, stored_bits(p.out, channel, y));
        out_at.next();
      }
      out_left -= T::STEPS;
    }
  }
}

template <typename T, scan_types TYPES>
__global__ void __launch_bounds__(T::THREADS, T::BLOCKS)
    selective_scan_prefill(const __grid_constant__ scan arguments) {
  const chunk<T> *const buffers = dynamic_shared<chunk<T>>();
  __shared__ signals all;
  const scan p = typed<TYPES>(arguments);
  const int32_t first_channel = blockIdx.x * T::CHANNELS;
  const scan_part part = {first_channel, min(T::CHANNELS, p.d - first_channel), ceil_div(p.tokens, T::STEPS),
                          blockIdx.y, (int64_t)blockIdx.y * p.tokens};
  const int32_t warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
  const int32_t before = __popc(T::CHAIN_WARPS & ((1u << warp) - 1)); /* warps of the chain */
  if (threadIdx.x < BUFFERS) {
    start_signal((uint32_t)__cvta_generic_to_shared(&all.full[threadIdx.x]), T::WORKERS);
    start_signal((uint32_t)__cvta_generic_to_shared(&all.done[threadIdx.x]),
                 part.channels * T::SHARERS); /* threads that have work */
  }
  __syncthreads();
  if (T::CHAIN_WARPS >> warp & 1)
    chain<T>(p, part, buffers, &all, before * WARP + lane);
  else
    work<T>(p, part, buffers, &all, (warp - before) * WARP + lane);
}

template <typename T, scan_types TYPES> cudaError_t launch_typed(const scan &p, cudaStream_t stream) {
  return launch(selective_scan_prefill<T, TYPES>, dim3(ceil_div(p.d, T::CHANNELS), p.batch), T::THREADS,
                BUFFERS * sizeof(chunk<T>), stream, (int64_t)p.batch * p.tokens, p);
}

typedef tiling<32, 4, 256, 1, 2> largest_tiling;

/* With this tiling where shared memory is large enough for it. */
template <typename T> cudaError_t launch_tiling(const scan &p, const device_info &info, cudaStream_t stream) {
  const int32_t reserved = 2 << 10; /* by the system and the signals */
  if constexpr (T::BLOCKS == 1)
    if ((int32_t)(BUFFERS * sizeof(chunk<T>)) > info.shared_bytes - reserved)
      return launch_tiling<largest_tiling>(p, info, stream);
  return types_of(p) == I8_I8     ? launch_typed<T, I8_I8>(p, stream)
         : types_of(p) == F16_F32 ? launch_typed<T, F16_F32>(p, stream)
                                  : launch_typed<T, F32_F32>(p, stream);
}

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
  return channels <= 12   ? launch_tiling<tiling<12, 2, 576, 1, 1>>(p, info, stream)
         : channels <= 16 ? launch_tiling<tiling<16, 2, 512, 1, 1>>(p, info, stream)
         : channels <= 24 ? launch_tiling<tiling<24, 4, 384, 2, 1>>(p, info, stream)
         : channels <= 32 ? launch_tiling<tiling<32, 4, 512, 2, 1>>(p, info, stream)
         : channels <= 40 ? launch_tiling<tiling<40, 4, 480, 2, 1>>(p, info, stream)
                          : launch_tiling<largest_tiling>(p, info, stream);
}

} // namespace mamba
