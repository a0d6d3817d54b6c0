/* What a kernel for Hopper (compute capability 9.0, code for sm_90a) needs in its own instructions: signals
 * (instructions.cuh) that count bytes, tiles that the copy engine brings, products of a warpgroup (4 warps)
 * on int8 tensor cores, and clusters of blocks that read each other's shared memory. PTX ISA 9.0: mbarrier,
 * cp.async.bulk.tensor, wgmma and its matrix descriptor, barrier.cluster, mapa. */
#ifndef MAMBA_CUDA_WGMMA_CUH
#define MAMBA_CUDA_WGMMA_CUH

#include "instructions.cuh"

#include <cuda.h>
#include <stdint.h>

namespace mamba {

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

constexpr int WARPGROUP = 128;

__device__ inline uint32_t shared_address(const void *pointer) {
  return (uint32_t)__cvta_generic_to_shared(pointer);
}

/* Makes signals known to the copy engine. */
__device__ inline void signals_started() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

__device__ inline void arrive_expecting(uint32_t barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
}

/* Brings the box at column x and row y of a matrix to shared memory; its bytes are counted at the barrier. */
__device__ inline void copy_box(uint32_t to, const CUtensorMap *matrix, int32_t x, int32_t y,
                                uint32_t barrier) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
               "[%0], [%1, {%2, %3}], [%4];" ::"r"(to),
               "l"(matrix), "r"(x), "r"(y), "r"(barrier)
               : "memory");
}

/* The threads of all blocks of the cluster: all have arrived when one has waited, and see what was written.
 */
__device__ inline void arrive_cluster() {
  asm volatile("barrier.cluster.arrive.aligned;" ::: "memory");
}
__device__ inline void wait_cluster() {
  asm volatile("barrier.cluster.wait.aligned;" ::: "memory");
}

/* 16 bytes at this block's address `from`, but of the block of that rank in the cluster. */
__device__ inline int4 load_cluster(uint32_t from, int rank) {
  int4 v;
  uint32_t there;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(from), "r"(rank));
  asm volatile("ld.shared::cluster.v4.s32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(there)
               : "memory");
  return v;
}

/* The descriptor of rows of 128 bytes in shared memory whose 16-byte chunks the copy engine has permuted by
 * the row's number modulo 8 (128-byte swizzle); eight rows are 1024 bytes, to which they are aligned. */
__device__ inline uint64_t describe_rows(uint32_t address) {
  return (address & 0x3ffff) >> 4 | (uint64_t)1 << 16 | (uint64_t)(1024 >> 4) << 32 | (uint64_t)1 << 62;
}

__device__ inline void begin_products() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

__device__ inline void commit_products() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

/* Until all but the last PENDING groups are done. */
template <int PENDING> __device__ inline void wait_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
}

/* acc[64 x N] += a[64 x 32] b[N x 32]^T; a warp has 16 of the rows, in N / 8 tiles of mma's layout. */
template <int N> __device__ inline void multiply(int32_t (&acc)[N / 2], uint64_t a, uint64_t b);

/* The instruction wants its accumulators listed; the descriptors stand first so that the numbers of the
 * others do not depend on N. */
#define MAMBA_ACC_0 "%2, %3, %4, %5, %6, %7, %8, %9"
#define MAMBA_ACC_1 MAMBA_ACC_0 ", %10, %11, %12, %13, %14, %15, %16, %17"
#define MAMBA_ACC_2 MAMBA_ACC_1 ", %18, %19, %20, %21, %22, %23, %24, %25"
#define MAMBA_ACC_3 MAMBA_ACC_2 ", %26, %27, %28, %29, %30, %31, %32, %33"
#define MAMBA_ACC_4 MAMBA_ACC_3 ", %34, %35, %36, %37, %38, %39, %40, %41"
#define MAMBA_ACC_5 MAMBA_ACC_4 ", %42, %43, %44, %45, %46, %47, %48, %49"
#define MAMBA_ACC_6 MAMBA_ACC_5 ", %50, %51, %52, %53, %54, %55, %56, %57"
#define MAMBA_ACC_7 MAMBA_ACC_6 ", %58, %59, %60, %61, %62, %63, %64, %65"
#define MAMBA_ACC_8 MAMBA_ACC_7 ", %66, %67, %68, %69, %70, %71, %72, %73"
#define MAMBA_ACC_9 MAMBA_ACC_8 ", %74, %75, %76, %77, %78, %79, %80, %81"
#define MAMBA_REG(i)                                                                                         \
  "+r"(acc[i]), "+r"(acc[i + 1]), "+r"(acc[i + 2]), "+r"(acc[i + 3]), "+r"(acc[i + 4]), "+r"(acc[i + 5]),    \
      "+r"(acc[i + 6]), "+r"(acc[i + 7])
#define MAMBA_MULTIPLY(N, LIST, ...)                                                                         \
  template <> __device__ inline void multiply<N>(int32_t(&acc)[N / 2], uint64_t a, uint64_t b) {             \
    asm volatile("wgmma.mma_async.sync.aligned.m64n" #N "k32.s32.s8.s8 {" LIST "}, %0, %1, 1;"               \
                 : "+l"(a), "+l"(b), __VA_ARGS__);                                                           \
  }

MAMBA_MULTIPLY(48, MAMBA_ACC_2, MAMBA_REG(0), MAMBA_REG(8), MAMBA_REG(16))
MAMBA_MULTIPLY(64, MAMBA_ACC_3, MAMBA_REG(0), MAMBA_REG(8), MAMBA_REG(16), MAMBA_REG(24))
MAMBA_MULTIPLY(96, MAMBA_ACC_5, MAMBA_REG(0), MAMBA_REG(8), MAMBA_REG(16), MAMBA_REG(24), MAMBA_REG(32),
               MAMBA_REG(40))
MAMBA_MULTIPLY(128, MAMBA_ACC_7, MAMBA_REG(0), MAMBA_REG(8), MAMBA_REG(16), MAMBA_REG(24), MAMBA_REG(32),
               MAMBA_REG(40), MAMBA_REG(48), MAMBA_REG(56))
MAMBA_MULTIPLY(160, MAMBA_ACC_9, MAMBA_REG(0), MAMBA_REG(8), MAMBA_REG(16), MAMBA_REG(24), MAMBA_REG(32),
               MAMBA_REG(40), MAMBA_REG(48), MAMBA_REG(56), MAMBA_REG(64), MAMBA_REG(72))

#endif

} // namespace mamba

#endif
