/* How blocks hand over what they have computed of a layer: two classes with the same functions. ask_...()
 * begins to read, await_...() ends when what was asked for is there, take_...() does both. */
#ifndef MAMBA_CUDA_EXCHANGE_CUH
#define MAMBA_CUDA_EXCHANGE_CUH

#include "layer.cuh"

#include <utility>

namespace mamba {

/* use(i) for constants i. */
template <typename F, int... I> __device__ inline void for_each(F use, std::integer_sequence<int, I...>) {
  (use(std::integral_constant<int, I>()), ...);
}

/* What one thread reads for the scan: a sum of x_proj, u of its channel and perhaps z of another. */
template <typename WORD, typename SUM> struct scan_ahead {
  int32_t sum_row, u_channel, z_channel; /* less than 0: none; u is always wanted */
  SUM sum;
  WORD u, z;
};

/* From one kernel to the next: everything lies in the layer's tensors. T: the type of u and z. */
template <mamba_type T> class kernel_exchange {
public:
  typedef scan_ahead<uint32_t, int32_t> ahead;

  __device__ explicit kernel_exchange(const mamba_cuda_layer &layer) : l(&layer) {}

  /* The quads at FIRST, FIRST + STEP, ... of the residual; those from `end` on are 0. */
  template <int STEP, int COUNT>
  __device__ void take_residual(int32_t first, int32_t end, float4 (&quads)[COUNT]) const {
#pragma unroll
    for (int i = 0; i < COUNT; ++i)
      quads[i] = first + i * STEP < end ? *(const float4 *)(l->residual + first + i * STEP)
                                        : make_float4(0, 0, 0, 0);
  }
  __device__ float own_residual(int32_t k) const {
    return l->residual[k];
  }
  __device__ void put_residual(int32_t k, float v) const {
    l->residual[k] = v;
  }

  __device__ void put_u(int32_t c, uint32_t bits) const {
    store_bits(l->u.data, T, c, bits);
  }
  __device__ void put_z(int32_t c, uint32_t bits) const {
    store_bits(l->z.data, T, c, bits);
  }
  __device__ void add_sum(int32_t n, int32_t v) const {
    atomicAdd(&l->sums[n], v);
  }
  __device__ void ask_scan(ahead &a) const {
    a.u = load_bits(input_of<T>(l->u), a.u_channel);
    if (a.z_channel >= 0)
      a.z = load_bits(input_of<T>(l->z), a.z_channel);
    if (a.sum_row >= 0)
      a.sum = l->sums[a.sum_row];
  }
  __device__ void await_scan(ahead &) const {}
  __device__ static uint32_t bits(uint32_t word) {
    return word;
  }
  __device__ int32_t sum(int32_t word) const {
    return word;
  }

  /* y as its type has it: f32 bits, or an int8. */
  __device__ void put_y(int32_t c, float v) const {
    ((float *)l->y.data)[c] = v;
  }
  __device__ void put_y(int32_t c, int8_t v) const {
    ((int8_t *)l->y.data)[c] = v;
  }
  /* The values at first, first + STEP, ... */
  template <int STEP, int COUNT> __device__ void take_y(int32_t first, float (&v)[COUNT]) const {
#pragma unroll
    for (int i = 0; i < COUNT; ++i)
      v[i] = ((const float *)l->y.data)[first + i * STEP];
  }
  __device__ void copy_y(int8_t *to) const {
    for (int32_t i = threadIdx.x; i < l->inner / 16; i += blockDim.x)
      ((int4 *)to)[i] = ((const int4 *)l->y.data)[i];
  }

private:
  const mamba_cuda_layer *l;
};

/* The words of a persistent kernel: mambaCudaExchangeBytes of memory that is zero before the first launch. */
struct exchange_words {
  uint64_t *residual, *u, *z, *y, *sums;
  uint64_t *sums_before; /* `sums` at the end of the last launch */
  uint64_t *stamp;       /* of the last layer of the last launch */
};

inline exchange_words place_words(uint64_t *words, int32_t d, int32_t inner, int32_t rank) {
  const int32_t projections = rank + 2 * STATES;
  uint64_t *const u = words + d, *const sums = u + 3 * inner;
  return {words, u, u + inner, u + 2 * inner, sums, sums + projections, sums + 2 * projections};
}

/* Within a kernel all of whose blocks run at the same time. A value and a stamp, the number of its layer
 * since the first launch, are one word: who reads the stamp has the value, so nobody waits for a barrier, for
 * his writes to have arrived, or for a further read ("LL" in NCCL). A sum of integers is a word with the
 * number of addends above it: it is complete when all blocks have added; it is never cleared, but compared
 * with what it was. No word is written while somebody may still want what it had: from one layer to the next
 * every block waits for all others, more than once. T: as above.
 *
 * A thread that waits for several words reads one until it is there, then all that are missing at once: one
 * after the other would take as many times memory's latency, all of them every time the second cache's
 * bandwidth. */
template <mamba_type T> class word_exchange {
public:
  typedef scan_ahead<uint64_t, uint64_t> ahead;

  /* A thread has one sum at most. */
  __device__ word_exchange(const exchange_words &words_, int32_t projections)
      : words(words_), before((int32_t)threadIdx.x < projections ? words.sums_before[threadIdx.x] : 0),
        stamp((uint32_t)*words.stamp), is_first(true), is_last(false) {}

  __device__ void begin_layer(const mamba_cuda_layer &layer, int32_t i, int32_t count) {
    l = &layer;
    ++stamp;
    is_first = i == 0;
    is_last = i + 1 == count;
  }

  /* For the next launch; by a block that has taken all sums. */
  __device__ void end(int32_t projections) const {
    if ((int32_t)threadIdx.x < projections)
      words.sums_before[threadIdx.x] = before;
    if (threadIdx.x == 0)
      *words.stamp = stamp;
  }

  /* Of the layer before, or what the kernel found. */
  template <int STEP, int COUNT>
  __device__ void take_residual(int32_t first, int32_t end, float4 (&quads)[COUNT]) const {
    if (is_first)
      return kernel_exchange<T>(*l).template take_residual<STEP>(first, end, quads);
    const uint32_t wanted = stamp - 1;
    ulonglong2 low[COUNT], high[COUNT];
    const uint64_t *const from = words.residual + first;
    bool missing;
    if (first < end)
      while (!has(load_word(from), wanted))
        let_others_run();
    do {
      missing = false;
#pragma unroll
      for (int i = 0; i < COUNT; ++i)
        if (first + i * STEP < end) {
          low[i] = load_words(from + i * STEP);
          high[i] = load_words(from + i * STEP + 2);
        }
#pragma unroll
      for (int i = 0; i < COUNT; ++i)
        if (first + i * STEP < end)
          missing = missing || !has(low[i].x, wanted) || !has(low[i].y, wanted) || !has(high[i].x, wanted) ||
                    !has(high[i].y, wanted);
      if (missing)
        let_others_run();
    } while (missing);
#pragma unroll
    for (int i = 0; i < COUNT; ++i)
      quads[i] = first + i * STEP < end
                     ? make_float4(value(low[i].x), value(low[i].y), value(high[i].x), value(high[i].y))
                     : make_float4(0, 0, 0, 0);
  }
  /* By the thread that put it. */
  __device__ float own_residual(int32_t k) const {
    return is_first ? l->residual[k] : value(load_word(words.residual + k));
  }
  __device__ void put_residual(int32_t k, float v) const {
    if (is_last)
      l->residual[k] = v;
    else
      put(words.residual + k, __float_as_uint(v));
  }

  __device__ void put_u(int32_t c, uint32_t bits) const {
    put(words.u + c, bits);
  }
  __device__ void put_z(int32_t c, uint32_t bits) const {
    put(words.z + c, bits);
  }
  __device__ void add_sum(int32_t n, int32_t v) const {
    add_word(words.sums + n, ((uint64_t)1 << COUNT_BIT) + (uint64_t)(int64_t)v);
  }
  __device__ void ask_scan(ahead &a) const {
    a.u = load_word(words.u + a.u_channel);
    if (a.z_channel >= 0)
      a.z = load_word(words.z + a.z_channel);
    if (a.sum_row >= 0)
      a.sum = load_word(words.sums + a.sum_row);
  }
  __device__ void await_scan(ahead &a) const {
    const auto has_u = [&] { return has(a.u, stamp); };
    const auto has_z = [&] { return a.z_channel < 0 || has(a.z, stamp); };
    const auto has_sum = [&] { return a.sum_row < 0 || is_complete(a.sum); };
    while (!has_u() || !has_z() || !has_sum()) {
      let_others_run();
      if (!has_u())
        a.u = load_word(words.u + a.u_channel);
      if (!has_z())
        a.z = load_word(words.z + a.z_channel);
      if (!has_sum())
        a.sum = load_word(words.sums + a.sum_row);
    }
  }
  __device__ static uint32_t bits(uint64_t word) {
    return (uint32_t)word;
  }
  __device__ int32_t sum(uint64_t word) {
    const uint64_t added = word - before;
    before = word;
    return (int32_t)(uint32_t)added;
  }

  __device__ void put_y(int32_t c, float v) const {
    put(words.y + c, __float_as_uint(v));
  }
  __device__ void put_y(int32_t c, int8_t v) const {
    put(words.y + c, (uint32_t)v);
  }
  template <int STEP, int COUNT> __device__ void take_y(int32_t first, float (&v)[COUNT]) const {
    const auto every = std::make_integer_sequence<int, COUNT>();
    const uint64_t *const from = words.y + first;
    uint64_t ahead[COUNT];
    bool missing;
    while (!has(load_word<(COUNT - 1) * STEP>(from), stamp))
      let_others_run();
    do {
      missing = false;
      for_each([&](auto i) { ahead[i.value] = load_word<decltype(i)::value * STEP>(from); }, every);
      for_each([&](auto i) { missing = missing || !has(ahead[i.value], stamp); }, every);
      if (missing)
        let_others_run();
    } while (missing);
    for_each([&](auto i) { v[i.value] = value(ahead[i.value]); }, every);
  }
  __device__ void copy_y(int8_t *to) const {
    for (int32_t c = threadIdx.x; c < l->inner; c += blockDim.x) {
      uint64_t word;
      while (!has(word = load_word(words.y + c), stamp))
        let_others_run();
      to[c] = (int8_t)(uint32_t)word;
    }
  }

private:
  static constexpr int COUNT_BIT = 48;
  const exchange_words &words; /* in the kernel's parameters, not in registers */
  const mamba_cuda_layer *l;
  uint64_t before; /* the thread's sum until this layer */
  uint32_t stamp;
  bool is_first, is_last;

  __device__ static bool has(uint64_t word, uint32_t stamp) {
    return (uint32_t)(word >> 32) == stamp;
  }
  __device__ static float value(uint64_t word) {
    return __uint_as_float((uint32_t)word);
  }
  __device__ bool is_complete(uint64_t sum) const {
    const uint64_t half = (uint64_t)1 << (COUNT_BIT - 1); /* sums may be negative */
    return (sum - before + half) >> COUNT_BIT == gridDim.x;
  }
  __device__ void put(uint64_t *to, uint32_t bits) const {
    store_word(to, (uint64_t)stamp << 32 | bits);
  }
};

} // namespace mamba

#endif
