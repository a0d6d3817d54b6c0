/* Instructions that CUDA C++ has no name for, one function each, and the dynamic shared memory of a block.
 * All PTX is here and in wgmma.cuh. test/gpu/emulator has the same functions in plain C++. */
#ifndef MAMBA_CUDA_INSTRUCTIONS_CUH
#define MAMBA_CUDA_INSTRUCTIONS_CUH

#include <stdint.h>

namespace mamba {

/* The shared memory that a launch asks for, of any type: an array declared in each kernel would be one symbol
 * of several types. */
template <typename T> __device__ inline T *dynamic_shared() {
  extern __shared__ __align__(128) char dynamic[];
  return (T *)dynamic;
}

/* ---- Global to shared memory in the background ------------------------------------------------------ */

/* Copies 16 bytes to shared memory in the background, or zeros. `from` must be valid in either case. */
__device__ inline void copy_async(uint32_t to, const void *from, bool inside) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(inside ? 16 : 0)
               : "memory");
}

/* The same of 16 bytes that are read once: the second cache gives them up first, and keeps what a layer finds
 * there again, code among it. */
__device__ inline void copy_async_once(uint32_t to, const void *from) {
  uint64_t policy;
  asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  asm volatile("cp.async.cg.shared.global.L2::cache_hint [%0], [%1], 16, %2;" ::"r"(to), "l"(from),
               "l"(policy)
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

/* ---- Loads and stores ------------------------------------------------------------------------------- */

/* 16 bytes of shared memory. */
__device__ inline int4 load_shared(uint32_t from) {
  int4 v;
  asm volatile("ld.shared.v4.s32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(from)
               : "memory");
  return v;
}

/* 8 bytes of shared memory. */
__device__ inline int2 load_shared_8(uint32_t from) {
  int2 v;
  asm volatile("ld.shared.v2.s32 {%0, %1}, [%2];" : "=r"(v.x), "=r"(v.y) : "r"(from) : "memory");
  return v;
}

/* 4 bytes of shared memory. */
__device__ inline int32_t load_shared_4(uint32_t from) {
  int32_t v;
  asm volatile("ld.shared.s32 %0, [%1];" : "=r"(v) : "r"(from) : "memory");
  return v;
}

__device__ inline void store_shared(uint32_t to, int4 v) {
  asm volatile("st.shared.v4.s32 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w)
               : "memory");
}

__device__ inline void store_shared_4(uint32_t to, int32_t v) {
  asm volatile("st.shared.s32 [%0], %1;" ::"r"(to), "r"(v) : "memory");
}

/* 16 bytes that no kernel writes and that are read once: they displace nothing in the first cache. */
__device__ inline int4 load_once(const void *from) {
  int4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.s32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(from));
  return v;
}

/* Asks for a line to be brought to the second cache. */
__device__ inline void prefetch(const void *from) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(from));
}

/* Has `bytes` bytes brought to the second cache, where one instruction (PTX 8.0) can do that; both multiples
 * of 16. */
__device__ inline void prefetch_block(const void *from, uint32_t bytes) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900 && __CUDACC_VER_MAJOR__ >= 12
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(from), "r"(bytes) : "memory");
#endif
}

/* ---- Tensor cores ----------------------------------------------------------------------------------- */

/* Four matrices of 8 rows x 16 bytes; lane i gives the address of row i % 8 of matrix i / 8. */
__device__ inline void load_matrices(uint32_t (&m)[4], uint32_t from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
               : "r"(from)
               : "memory");
}

/* sums[16 x 8] += a[16 x 32] b[32 x 8], of int8. */
__device__ inline void multiply_add(int32_t (&sums)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3,
                                    uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3])
               : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

/* ---- Threads ---------------------------------------------------------------------------------------- */

/* A signal in shared memory (an mbarrier, 8 bytes): given when `arrivals` threads have arrived, and again
 * when they have arrived again; what a thread did before it arrived is seen by those that waited. Every other
 * time has parity 1, the first has 0. */
__device__ inline void start_signal(uint32_t signal, int arrivals) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(signal), "r"(arrivals) : "memory");
}

__device__ inline void arrive_signal(uint32_t signal) {
  asm volatile("{\n"
               ".reg .b64 before;\n"
               "mbarrier.arrive.shared.b64 before, [%0];\n"
               "}" ::"r"(signal)
               : "memory");
}

/* Until it is given for the time of this parity, if it is not yet. */
__device__ inline void wait_signal(uint32_t signal, uint32_t parity) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define MAMBA_WAIT "mbarrier.try_wait.parity.shared.b64"
#else
#define MAMBA_WAIT "mbarrier.test_wait.parity.shared.b64"
#endif
  uint32_t given;
  do
    asm volatile("{\n"
                 ".reg .pred p;\n" MAMBA_WAIT " p, [%1], %2;\n"
                 "selp.u32 %0, 1, 0, p;\n"
                 "}"
                 : "=r"(given)
                 : "r"(signal), "r"(parity)
                 : "memory");
  while (!given);
#undef MAMBA_WAIT
}

/* Words that blocks of a running kernel exchange: each is read and written as a whole, from the second cache,
 * in no order with other memory. OFFSET counts words. */
template <int OFFSET = 0> __device__ inline uint64_t load_word(const uint64_t *from) {
  uint64_t word;
  asm volatile("ld.relaxed.gpu.global.u64 %0, [%1+%2];"
               : "=l"(word)
               : "l"(from), "n"(OFFSET * (int)sizeof word)
               : "memory");
  return word;
}
__device__ inline ulonglong2 load_words(const uint64_t *from) {
  ulonglong2 words;
  asm volatile("ld.relaxed.gpu.global.v2.u64 {%0, %1}, [%2];"
               : "=l"(words.x), "=l"(words.y)
               : "l"(from)
               : "memory");
  return words;
}

/* In a loop that waits for words. */
__device__ inline void let_others_run() {}

__device__ inline void store_word(uint64_t *to, uint64_t word) {
  asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(to), "l"(word) : "memory");
}
__device__ inline void add_word(uint64_t *to, uint64_t value) {
  asm volatile("red.relaxed.gpu.global.add.u64 [%0], %1;" ::"l"(to), "l"(value) : "memory");
}

/* ---- Arithmetic ------------------------------------------------------------------------------------- */

/* 1 / y to within an ulp. */
__device__ inline float reciprocal(float y) {
  float r;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(y));
  return r;
}

/* 1 / sqrt(y) to within two ulps. */
__device__ inline float reciprocal_root(float y) {
  float r;
  asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(y));
  return r;
}

/* The larger of x and 0; NaN where x is NaN. */
__device__ inline float positive_part(float x) {
  float y;
  asm("max.NaN.f32 %0, %1, 0f00000000;" : "=f"(y) : "f"(x));
  return y;
}

/* x, of which the compiler knows nothing: it keeps it in a register instead of computing it anew. */
__device__ inline int32_t kept(int32_t x) {
  asm volatile("" : "+r"(x));
  return x;
}
__device__ inline float kept(float x) {
  asm volatile("" : "+f"(x));
  return x;
}
__device__ inline const void *kept(const void *x) {
  asm volatile("" : "+l"(x));
  return x;
}

/* threadIdx.x. What follows from it is computed anew where it is wanted: in a kernel of many phases the
 * compiler would keep it all in registers, and values that were just asked for in memory instead, for which
 * it waits. */
__device__ inline int32_t thread_number() {
  return kept((int32_t)threadIdx.x);
}

} // namespace mamba

#endif
