/* CUDA C++ as C++: the language's words, the types and the functions of a device that the kernels use. */
#ifndef MAMBA_EMULATOR_CUDA_RUNTIME_H
#define MAMBA_EMULATOR_CUDA_RUNTIME_H

#include "cuda_runtime_api.h"

#include "../threads.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define __host__
#define __device__
#define __global__
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
/* One block runs at a time, so that one copy does; its section lets them all be spoilt between blocks, and
 * kept while another runs. */
#define __shared__ static __attribute__((section("shared_memory")))

#define EMULATED_VECTOR(T, name, align)                                                                      \
  struct alignas(2 * align) name##2 {                                                                        \
    T x, y;                                                                                                  \
  };                                                                                                         \
  struct alignas(4 * align) name##4 {                                                                        \
    T x, y, z, w;                                                                                            \
  };                                                                                                         \
  inline name##2 make_##name##2(T x, T y) {                                                                  \
    return {x, y};                                                                                           \
  }                                                                                                          \
  inline name##4 make_##name##4(T x, T y, T z, T w) {                                                        \
    return {x, y, z, w};                                                                                     \
  }
EMULATED_VECTOR(int8_t, char, 1)
EMULATED_VECTOR(uint16_t, ushort, 2)
EMULATED_VECTOR(int32_t, int, 4)
EMULATED_VECTOR(uint32_t, uint, 4)
EMULATED_VECTOR(uint64_t, ulonglong, 8)
EMULATED_VECTOR(float, float, 4)
#undef EMULATED_VECTOR

extern dim3 threadIdx, blockIdx, blockDim, gridDim;

template <typename T> T min(T a, T b) {
  return b < a ? b : a;
}
template <typename T> T max(T a, T b) {
  return a < b ? b : a;
}

/* ---- The threads of a block and of a warp ----------------------------------------------------------- */

inline void __syncthreads() {
  emulated_barrier();
}
inline void __threadfence() {}
inline void __syncwarp(unsigned lanes = 0xffffffffu) {
  emulated_exchange(lanes, NULL, 0);
}

/* value of every lane; of lanes outside the mask anything. Valid until the warp's next but one exchange. */
template <typename T> const T *all_lanes(unsigned lanes, const T &value) {
  static_assert(sizeof(T) <= EMULATED_SLOT, "a lane's place is small");
  return (const T *)emulated_exchange(lanes, &value, sizeof value);
}

template <typename T> T __shfl_xor_sync(unsigned lanes, T value, int mask) {
  return all_lanes(lanes, value)[emulated_lane() ^ mask];
}
template <typename T> T __shfl_up_sync(unsigned lanes, T value, unsigned distance) {
  const T *all = all_lanes(lanes, value);
  return all[emulated_lane() >= distance ? emulated_lane() - distance : emulated_lane()];
}
inline unsigned __ballot_sync(unsigned lanes, int predicate) {
  const int *all = all_lanes(lanes, predicate);
  unsigned result = 0;
  for (int i = 0; i < EMULATED_WARP; ++i)
    result |= lanes >> i & 1 && all[i] ? 1u << i : 0;
  return result;
}
inline int __all_sync(unsigned lanes, int predicate) {
  return __ballot_sync(lanes, predicate) == lanes;
}
inline int __reduce_add_sync(unsigned lanes, int value) {
  const int *all = all_lanes(lanes, value);
  unsigned sum = 0;
  for (int i = 0; i < EMULATED_WARP; ++i)
    sum += lanes >> i & 1 ? (unsigned)all[i] : 0;
  return (int)sum;
}
inline unsigned __reduce_max_sync(unsigned lanes, unsigned value) {
  const unsigned *all = all_lanes(lanes, value);
  unsigned most = 0;
  for (int i = 0; i < EMULATED_WARP; ++i)
    most = lanes >> i & 1 && all[i] > most ? all[i] : most;
  return most;
}

template <typename T, typename V> T atomicAdd(T *memory, V value) {
  const T before = *memory;
  *memory = before + (T)value;
  return before;
}
template <typename T, typename V> T atomicMax(T *memory, V value) {
  const T before = *memory;
  *memory = max(before, (T)value);
  return before;
}
template <typename T, typename V> T atomicExch(T *memory, V value) {
  const T before = *memory;
  *memory = (T)value;
  return before;
}

/* ---- What instructions.cuh and launch.h become ------------------------------------------------------- */

/* As a GPU's approximation: results below the least normal number are zero. */
float emulated_reciprocal(float y);

/* Puts grid * block threads of a kernel into the stream. */
cudaError_t emulated_launch(std::function<void()> kernel, dim3 grid, unsigned block, size_t shared,
                            cudaStream_t stream, bool together = false);

/* ---- Bits and memory -------------------------------------------------------------------------------- */

template <typename To, typename From> To emulated_bits(From from) {
  static_assert(sizeof(To) == sizeof from, "the same bits");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}
inline uint32_t __float_as_uint(float x) {
  return emulated_bits<uint32_t>(x);
}
inline int __popc(unsigned x) {
  return __builtin_popcount(x);
}
inline float __uint_as_float(uint32_t x) {
  return emulated_bits<float>(x);
}
template <typename T> T __ldcs(const T *from) {
  return *from;
}
/* Shared memory has addresses of 32 bits: it lies low, and the addresses are the real ones. */
inline size_t __cvta_generic_to_shared(const void *memory) {
  return (size_t)memory;
}
inline int __dp4a(int a, int b, int sum) {
  uint32_t result = (uint32_t)sum;
  for (int i = 0; i < 32; i += 8)
    result += (uint32_t)((int8_t)(a >> i) * (int8_t)(b >> i));
  return (int)result;
}
inline uint32_t __byte_perm(uint32_t low, uint32_t high, uint32_t selectors) {
  const uint64_t bytes = (uint64_t)high << 32 | low;
  uint32_t result = 0;
  for (int i = 0; i < 4; ++i)
    result |= (uint32_t)(bytes >> (selectors >> 4 * i & 7) * 8 & 0xff) << 8 * i;
  return result;
}

#endif
