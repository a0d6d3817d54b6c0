/* How kernels are launched, and the two device functions that every kernel begins with.
 *
 * On compute capability 9.0 and later a kernel may start while the one before it in the stream still
 * runs ("programmatic dependent launch"): it sets up and prefetches weights, then waits. So that this is
 * safe for every pair of kernels, each kernel here calls wait_for_previous() before it reads what a kernel
 * wrote or writes anything at all. It calls start_next() at once where it is short or has few blocks, and
 * after its main work where it fills the GPU: blocks that wait take room and, unevenly spread, stay where
 * they are (a scan of 512 tokens took twice as long with its successor waiting beside it). On older GPUs, and
 * in code compiled for them and translated by the driver, both functions are empty and launches are ordinary.
 * The environment variable MAMBA_CUDA_DEPENDENT_LAUNCH=0 makes all launches ordinary. */
#ifndef MAMBA_CUDA_LAUNCH_H
#define MAMBA_CUDA_LAUNCH_H

#include <cuda_runtime.h>

#include <stddef.h>
#include <stdint.h>

/* CUDA 11.4 to 11.6 do not know it; there, parameters whose address is taken are copied. */
#ifndef __grid_constant__
#define __grid_constant__
#endif

namespace mamba {

/* What the choice of a kernel's variant depends on, of the current device. */
struct device_info {
  int multiprocessors;
  int shared_bytes; /* the most shared memory that a block may ask for */
  bool dependent_launch;
  bool warpgroups; /* the GPU has Hopper's warpgroup instructions, and the code that runs uses them */
};
cudaError_t get_device_info(device_info *info);

/* The most rows of a launch that may start before its predecessor has ended: decode, of many sequences too
 * (32 of 2.8b: 3.6 ms instead of 4.0). In prefill there is nothing to gain, and 512 tokens of 130m took 5.1
 * ms instead of 3.3. */
constexpr int64_t DEPENDENT_ROWS = 64;
constexpr int64_t ORDINARY_ROWS = INT64_MAX; /* given instead of the rows: an ordinary launch in any case */

/* grid * block threads of `kernel` with dynamic shared memory (above 48 KiB too), for `rows` rows of values.
 * `arguments` are the addresses of its parameters. */
cudaError_t launch_kernel(const void *kernel, dim3 grid, unsigned block, size_t shared, cudaStream_t stream,
                          int64_t rows, void **arguments);

template <typename T> struct same { typedef T type; };

template <typename... Parameters>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, unsigned block, size_t shared,
                   cudaStream_t stream, int64_t rows, typename same<Parameters>::type... values) {
  void *arguments[] = {(void *)&values...};
  return launch_kernel((const void *)kernel, grid, block, shared, stream, rows, arguments);
}

/* A cooperative launch: all blocks run at the same time. *blocks: how many a multiprocessor has room for; 0
 * where the GPU has no such launch or not as much shared memory. */
cudaError_t most_blocks(const void *kernel, unsigned block, size_t shared, int *blocks);
cudaError_t launch_together_kernel(const void *kernel, unsigned grid, unsigned block, size_t shared,
                                   cudaStream_t stream, void **arguments);

template <typename... Parameters>
cudaError_t launch_together(void (*kernel)(Parameters...), unsigned grid, unsigned block, size_t shared,
                            cudaStream_t stream, typename same<Parameters>::type... values) {
  void *arguments[] = {(void *)&values...};
  return launch_together_kernel((const void *)kernel, grid, block, shared, stream, arguments);
}

/* Whether this code is compiled for dependent launch. */
__device__ constexpr bool dependent_code() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  return true;
#else
  return false;
#endif
}

__device__ inline void start_next() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

__device__ inline void wait_for_previous() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

} // namespace mamba

#endif
