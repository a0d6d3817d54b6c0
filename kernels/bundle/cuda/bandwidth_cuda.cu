/* How fast the GPU's memory can be read. */
#include "backend.h"
#include "device.h"

#include <cuda_runtime.h>

enum { RUNS = 5, BLOCK = 512, BLOCKS_EACH = 4, CACHES = 20 }; /* BLOCKS_EACH: of a multiprocessor */
static const size_t LEAST_BYTES = (size_t)256 << 20;

/* A sum of all words. One that is 0 is stored, so that it is not left out. */
static __global__ void read_all(const uint4 *words, size_t count, unsigned *sink) {
  const size_t step = (size_t)gridDim.x * blockDim.x;
  unsigned sum = 1;
#pragma unroll 8
  for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
    const uint4 word = words[i];
    sum += word.x + word.y + word.z + word.w;
  }
  if (sum == 0)
    *sink = sum;
}

static cudaError_t time_read(const uint4 *words, size_t bytes, unsigned blocks, cudaEvent_t begin,
                             cudaEvent_t end, double *best) {
  cudaError_t error = cudaEventRecord(begin);
  float milliseconds = 0;
  if (error == cudaSuccess) {
    read_all<<<blocks, BLOCK>>>(words, bytes / sizeof *words, (unsigned *)words);
    error = cudaGetLastError();
  }
  if (error == cudaSuccess)
    error = cudaEventRecord(end);
  if (error == cudaSuccess)
    error = cudaEventSynchronize(end);
  if (error == cudaSuccess)
    error = cudaEventElapsedTime(&milliseconds, begin, end);
  const double speed = (double)bytes / (1e-3 * milliseconds);
  if (error == cudaSuccess && speed > *best)
    *best = speed;
  return error;
}

mamba_code mamba_read_bandwidth(int, double *bytes_per_second, mamba_error *error) {
  mamba_code code = mamba_device_check(error);
  if (code)
    return code;
  int device = 0, multiprocessors = 0, cache = 0;
  size_t bytes = LEAST_BYTES;
  uint4 *words = NULL;
  cudaEvent_t begin = NULL, end = NULL;
  double best = 0;
  cudaError_t result = cudaGetDevice(&device);
  if (result == cudaSuccess)
    result = cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device);
  if (result == cudaSuccess)
    result = cudaDeviceGetAttribute(&cache, cudaDevAttrL2CacheSize, device);
  if (CACHES * (size_t)cache > bytes)
    bytes = CACHES * (size_t)cache;
  if (result == cudaSuccess)
    result = cudaMalloc((void **)&words, bytes);
  if (result == cudaSuccess)
    result = cudaMemset(words, 1, bytes);
  if (result == cudaSuccess)
    result = cudaEventCreate(&begin);
  if (result == cudaSuccess)
    result = cudaEventCreate(&end);
  for (int run = 0; run < RUNS && result == cudaSuccess; ++run)
    result = time_read(words, bytes, (unsigned)(multiprocessors * BLOCKS_EACH), begin, end, &best);
  if (end)
    cudaEventDestroy(end);
  if (begin)
    cudaEventDestroy(begin);
  cudaFree(words);
  *bytes_per_second = best;
  return result == cudaSuccess ? MAMBA_CODE_OK
                               : mamba_device_failure(error, result, "measuring the read bandwidth");
}
