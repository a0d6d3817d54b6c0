#include "device.h"

#include "cuda/mamba_cuda.h"
#include "failure.h"
#include "program.h"

#include <string.h>

static char device_name[300];

const char *mamba_device_name(void) {
  return device_name;
}

mamba_code mamba_device_failure(mamba_error *error, cudaError_t cause, const char *what) {
  return mamba_failure(error, MAMBA_CODE_DEVICE, "%s: CUDA: %s", what, cudaGetErrorString(cause));
}

static mamba_code check_driver(mamba_error *error) {
  int driver = 0, devices = 0;
  const cudaError_t asked = cudaDriverGetVersion(&driver);
  if (asked != cudaSuccess)
    return mamba_device_failure(error, asked, "asking for the driver's version");
  if (driver == 0)
    return mamba_failure(error, MAMBA_CODE_DEVICE,
                         "this program was built for %s and needs an NVIDIA driver: none is installed",
                         mamba_model_program.target);
  const cudaError_t counted = cudaGetDeviceCount(&devices);
  if (counted == cudaErrorInsufficientDriver)
    return mamba_failure(error, MAMBA_CODE_DEVICE,
                         "this program was built with CUDA %d.%d, and the driver knows CUDA %d.%d at most: "
                         "update the driver, or build with an older toolkit",
                         CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10, driver / 1000,
                         driver % 1000 / 10);
  if (counted == cudaErrorNoDevice || (counted == cudaSuccess && devices == 0))
    return mamba_failure(error, MAMBA_CODE_DEVICE,
                         "this program was built for %s and needs an NVIDIA GPU: there is none",
                         mamba_model_program.target);
  return counted == cudaSuccess ? MAMBA_CODE_OK : mamba_device_failure(error, counted, "looking for a GPU");
}

static mamba_code check_capability(mamba_error *error) {
  const int wanted = mamba_model_program.architecture;
  struct cudaDeviceProp properties;
  int device = 0;
  cudaError_t asked = cudaGetDevice(&device);
  if (asked == cudaSuccess)
    asked = cudaGetDeviceProperties(&properties, device);
  if (asked != cudaSuccess)
    return mamba_device_failure(error, asked, "asking for the GPU's properties");
  const int found = properties.major * 10 + properties.minor;
  snprintf(device_name, sizeof device_name, "%s (compute capability %d.%d)", properties.name,
           properties.major, properties.minor);
  if (found < wanted)
    return mamba_failure(
        error, MAMBA_CODE_DEVICE,
        "this program was built for %s, compute capability %d.%d, and the GPU is %s: compile the "
        "model again with another --target",
        mamba_model_program.target, wanted / 10, wanted % 10, device_name);
  return MAMBA_CODE_OK;
}

mamba_code mamba_device_check(mamba_error *error) {
  mamba_code code = check_driver(error);
  if (!code)
    code = check_capability(error);
  if (code)
    return code;
  const char *broken = NULL;
  const cudaError_t checked = mamba_cuda_check_contract(&broken);
  if (checked == cudaErrorNoKernelImageForDevice || checked == cudaErrorUnsupportedPtxVersion)
    return mamba_failure(
        error, MAMBA_CODE_DEVICE,
        "this build has no code for the GPU %s: build it with the command in README.md, with a "
        "toolkit that is no newer than the driver",
        device_name);
  if (checked != cudaSuccess)
    return mamba_device_failure(error, checked, "checking the build");
  if (broken)
    return mamba_failure(error, MAMBA_CODE_BUILD, "this build cannot be trusted: %s", broken);
  return MAMBA_CODE_OK;
}
