/* Included before every CUDA source: kernels/cuda/instructions.cuh and launch.h for the emulator. */
#ifndef MAMBA_CUDA_INSTRUCTIONS_CUH
#define MAMBA_CUDA_INSTRUCTIONS_CUH
#define MAMBA_CUDA_LAUNCH_H

#include <cuda_runtime.h>

namespace mamba {

/* ---- instructions.cuh ------------------------------------------------------------------------------- */

template <typename T> T *dynamic_shared() {
  return (T *)emulated_dynamic_shared();
}

template <typename T> T *at_shared(uint32_t address) {
  return (T *)(uintptr_t)address;
}

inline void copy_async(uint32_t to, const void *from, bool inside) {
  emulated_copy(at_shared<void>(to), inside ? from : NULL, 16);
}
inline void copy_async_once(uint32_t to, const void *from) {
  emulated_copy(at_shared<void>(to), from, 16);
}
inline void copy_async_4(uint32_t to, const void *from) {
  emulated_copy(at_shared<void>(to), from, 4);
}
inline void commit_copies() {
  emulated_commit();
}
template <int PENDING> void wait_copies() {
  emulated_wait(PENDING);
}

inline int4 load_shared(uint32_t from) {
  return *at_shared<int4>(from);
}
inline int2 load_shared_8(uint32_t from) {
  return *at_shared<int2>(from);
}
inline int32_t load_shared_4(uint32_t from) {
  return *at_shared<int32_t>(from);
}
inline void store_shared(uint32_t to, int4 v) {
  *at_shared<int4>(to) = v;
}
inline void store_shared_4(uint32_t to, int32_t v) {
  *at_shared<int32_t>(to) = v;
}
inline int4 load_once(const void *from) {
  return *(const int4 *)from;
}
inline void prefetch_block(const void *, uint32_t) {}
inline void prefetch(const void *) {}

/* Lane i has 4 bytes of row i / 4 of each matrix (PTX ISA, ldmatrix). */
inline void load_matrices(uint32_t (&m)[4], uint32_t from) {
  const uint32_t *rows = all_lanes(~0u, from);
  for (unsigned i = 0; i < 4; ++i)
    m[i] = *at_shared<uint32_t>(rows[i * 8 + emulated_lane() / 4] + emulated_lane() % 4 * 4);
}

/* Lane i has rows i / 4 and i / 4 + 8 of a, at k = 4 (i % 4) and 16 beyond, column i / 4 of b at the same k,
 * and of the sums those rows and columns 2 (i % 4) and the next (PTX ISA, mma.m16n8k32). */
inline void multiply_add(int32_t (&sums)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0,
                         uint32_t b1) {
  struct fragments {
    uint32_t a[4], b[2];
  };
  const fragments *all = all_lanes(~0u, fragments{{a0, a1, a2, a3}, {b0, b1}});
  const unsigned row = emulated_lane() / 4, column = emulated_lane() % 4 * 2;
  for (unsigned s = 0; s < 4; ++s)
    for (unsigned k = 0; k < 4; ++k) {
      const fragments &of_row = all[row * 4 + k], &of_column = all[(column + s % 2) * 4 + k];
      for (unsigned half = 0; half < 2; ++half)
        sums[s] = __dp4a((int)of_row.a[half * 2 + s / 2], (int)of_column.b[half], sums[s]);
    }
}

/* How often a signal was given, and how many threads are awaited until the next time. */
struct emulated_signal {
  uint32_t given;
  uint16_t arrivals, awaited;
};
inline void start_signal(uint32_t signal, int arrivals) {
  *at_shared<emulated_signal>(signal) = {0, (uint16_t)arrivals, (uint16_t)arrivals};
}
inline void arrive_signal(uint32_t signal) {
  emulated_signal *const s = at_shared<emulated_signal>(signal);
  if (--s->awaited)
    return;
  s->awaited = s->arrivals;
  ++s->given;
  emulated_release();
}
inline void wait_signal(uint32_t signal, uint32_t parity) {
  while (at_shared<emulated_signal>(signal)->given % 2 == parity)
    emulated_acquire();
}

template <int OFFSET = 0> uint64_t load_word(const uint64_t *from) {
  return from[OFFSET];
}
inline ulonglong2 load_words(const uint64_t *from) {
  return {from[0], from[1]};
}
inline void let_others_run() {
  emulated_acquire();
}
inline void store_word(uint64_t *to, uint64_t word) {
  *to = word;
  emulated_release();
}
inline void add_word(uint64_t *to, uint64_t value) {
  *to += value;
  emulated_release();
}

/* A GPU's may be an ulp away, which the functions that use it allow for. */
inline float reciprocal(float y) {
  return emulated_reciprocal(y);
}
inline float reciprocal_root(float y) {
  return 1.0f / sqrtf(y);
}
inline float positive_part(float x) {
  return x != x || x > 0 ? x : 0;
}
inline int32_t kept(int32_t x) {
  return x;
}
inline float kept(float x) {
  return x;
}
inline const void *kept(const void *x) {
  return x;
}
inline int32_t thread_number() {
  return (int32_t)threadIdx.x;
}

/* ---- launch.h --------------------------------------------------------------------------------------- */

struct device_info {
  int multiprocessors, shared_bytes;
  bool dependent_launch, warpgroups;
};
inline cudaError_t get_device_info(device_info *info) {
  *info = {emulated_settings().multiprocessors, (int)emulated_settings().shared_bytes, false, false};
  return cudaSuccess;
}

constexpr int64_t DEPENDENT_ROWS = 64;
constexpr int64_t ORDINARY_ROWS = INT64_MAX;

template <typename T> struct same { typedef T type; };

template <typename... Parameters>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, unsigned block, size_t shared,
                   cudaStream_t stream, int64_t, typename same<Parameters>::type... values) {
  return emulated_launch([=] { kernel(values...); }, grid, block, shared, stream);
}

/* One block a multiprocessor. */
inline cudaError_t most_blocks(const void *, unsigned, size_t shared, int *blocks) {
  *blocks = shared <= emulated_settings().shared_bytes;
  return cudaSuccess;
}
template <typename... Parameters>
cudaError_t launch_together(void (*kernel)(Parameters...), unsigned grid, unsigned block, size_t shared,
                            cudaStream_t stream, typename same<Parameters>::type... values) {
  if (grid > (unsigned)emulated_settings().multiprocessors)
    return cudaErrorInvalidValue;
  return emulated_launch([=] { kernel(values...); }, dim3(grid), block, shared, stream, true);
}

constexpr bool dependent_code() {
  return false;
}
inline void start_next() {}
inline void wait_for_previous() {}

} // namespace mamba

#endif
