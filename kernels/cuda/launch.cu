/* Launches, and facts about the device that are asked for once. */
#include "launch.h"

#include <atomic>
#include <stdlib.h>
#include <string.h>

namespace mamba {
namespace {

/* What is known of the code that runs is known of this kernel. Its shared memory says whether it was compiled
 * for sm_90a. */
__global__ void probe() {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  __shared__ volatile int marker;
  marker = 0;
#endif
}

/* Dependent launch needs a kernel compiled for 9.0: code for older GPUs that the driver translated does not
 * wait. The toolkit and driver must be able to capture it in graphs (12.3). */
cudaError_t ask_dependent_launch(int major, bool *supported) {
  const char *wanted = getenv("MAMBA_CUDA_DEPENDENT_LAUNCH");
  cudaFuncAttributes attributes;
  int driver = 0;
  *supported = false;
  if (CUDART_VERSION < 12030 || major < 9 || (wanted && strcmp(wanted, "0") == 0))
    return cudaSuccess;
  cudaError_t error = cudaDriverGetVersion(&driver);
  if (error == cudaSuccess)
    error = cudaFuncGetAttributes(&attributes, (const void *)probe);
  if (error == cudaSuccess)
    *supported = driver >= 12030 && attributes.ptxVersion >= 90;
  return error;
}

cudaError_t ask_device(int device, device_info *info) {
  int major = 0;
  cudaError_t error = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  if (error == cudaSuccess && major < 8)
    error = cudaErrorNoKernelImageForDevice;
  if (error == cudaSuccess)
    error = cudaDeviceGetAttribute(&info->multiprocessors, cudaDevAttrMultiProcessorCount, device);
  if (error == cudaSuccess)
    error = cudaDeviceGetAttribute(&info->shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  if (error == cudaSuccess)
    error = ask_dependent_launch(major, &info->dependent_launch);
  cudaFuncAttributes attributes;
  if (error == cudaSuccess)
    error = cudaFuncGetAttributes(&attributes, (const void *)probe);
  if (error == cudaSuccess)
    info->warpgroups = attributes.sharedSizeBytes > 0;
  return error;
}

} // namespace

cudaError_t get_device_info(device_info *info) {
  enum { REMEMBERED = 16 };
  static device_info remembered[REMEMBERED];
  static std::atomic<bool> known[REMEMBERED];
  int device = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error != cudaSuccess)
    return error;
  if (device < REMEMBERED && known[device].load(std::memory_order_acquire)) {
    *info = remembered[device];
    return cudaSuccess;
  }
  error = ask_device(device, info);
  /* Threads that meet here store the same values. */
  if (error == cudaSuccess && device < REMEMBERED) {
    remembered[device] = *info;
    known[device].store(true, std::memory_order_release);
  }
  return error;
}

/* Lets a kernel have that much dynamic shared memory beside what it declares; *fits says whether there is as
 * much. */
static cudaError_t allow_shared(const void *kernel, size_t shared, bool *fits) {
  const size_t without_asking = 48 * 1024;
  device_info info;
  cudaFuncAttributes attributes;
  cudaError_t error = get_device_info(&info);
  if (error == cudaSuccess)
    error = cudaFuncGetAttributes(&attributes, kernel);
  if (error != cudaSuccess)
    return error;
  const size_t all = shared + attributes.sharedSizeBytes;
  *fits = all <= (size_t)info.shared_bytes;
  return *fits && all > without_asking
             ? cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared)
             : cudaSuccess;
}

/* The same where it must fit. */
static cudaError_t allow_shared(const void *kernel, size_t shared) {
  bool fits;
  const cudaError_t error = allow_shared(kernel, shared, &fits);
  return error != cudaSuccess ? error : fits ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t launch_kernel(const void *kernel, dim3 grid, unsigned block, size_t shared, cudaStream_t stream,
                          int64_t rows, void **arguments) {
  device_info info;
  cudaError_t error = get_device_info(&info);
  if (error == cudaSuccess)
    error = allow_shared(kernel, shared);
  if (error != cudaSuccess)
    return error;
#if CUDART_VERSION >= 12030
  if (info.dependent_launch && rows <= DEPENDENT_ROWS) {
    cudaLaunchAttribute attribute = {};
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t configuration = {};
    configuration.gridDim = grid;
    configuration.blockDim = dim3(block);
    configuration.dynamicSmemBytes = shared;
    configuration.stream = stream;
    configuration.attrs = &attribute;
    configuration.numAttrs = 1;
    return cudaLaunchKernelExC(&configuration, kernel, arguments);
  }
#endif
  (void)rows;
  return cudaLaunchKernel(kernel, grid, dim3(block), arguments, shared, stream);
}

cudaError_t most_blocks(const void *kernel, unsigned block, size_t shared, int *blocks) {
  int device = 0, supported = 0;
  bool fits;
  *blocks = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess)
    error = cudaDeviceGetAttribute(&supported, cudaDevAttrCooperativeLaunch, device);
  if (error != cudaSuccess || !supported)
    return error;
  error = allow_shared(kernel, shared, &fits);
  if (error == cudaSuccess && fits)
    error = cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, kernel, (int)block, shared);
  return error;
}

cudaError_t launch_together_kernel(const void *kernel, unsigned grid, unsigned block, size_t shared,
                                   cudaStream_t stream, void **arguments) {
  const cudaError_t error = allow_shared(kernel, shared);
  return error != cudaSuccess
             ? error
             : cudaLaunchCooperativeKernel(kernel, dim3(grid), dim3(block), arguments, shared, stream);
}

} // namespace mamba
