/* Copies from global to shared memory that run in the background (cp.async), one instruction each. */
#ifndef MAMBA_CUDA_ASYNC_COPY_CUH
#define MAMBA_CUDA_ASYNC_COPY_CUH

#include <stdint.h>

namespace mamba {

/* Copies 16 bytes to shared memory in the background, or zeros. `from` must be valid in either case. */
__device__ inline void copy_async(uint32_t to, const void *from, bool inside) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(inside ? 16 : 0)
               : "memory");
}

/* Copies 4 bytes. */
__device__ inline void copy_async_4(uint32_t to, const void *from) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(from) : "memory");
}

__device__ inline void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Until all but the last PENDING groups of this thread's copies are done. */
template <int PENDING> __device__ inline void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

/* 16 bytes of shared memory. */
__device__ inline int4 load_shared(uint32_t from) {
  int4 v;
  asm volatile("ld.shared.v4.s32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(from)
               : "memory");
  return v;
}

/* 4 bytes of shared memory. */
__device__ inline int32_t load_shared_4(uint32_t from) {
  int32_t v;
  asm volatile("ld.shared.s32 %0, [%1];" : "=r"(v) : "r"(from) : "memory");
  return v;
}

} // namespace mamba

#endif
