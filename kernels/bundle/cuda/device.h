/* Whether the current GPU can run this program, and what to say when it cannot. */
#ifndef MAMBA_DEVICE_H
#define MAMBA_DEVICE_H

#include "model.h"

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Compares driver, GPU and build with what the bundle was made for, and checks that this build keeps the
 * numerics contract on this GPU. */
mamba_code mamba_device_check(mamba_error *error);

/* "NVIDIA H200 (compute capability 9.0)", of the device that mamba_device_check saw last. */
const char *mamba_device_name(void);

/* Describes a CUDA error; `what` was being done. */
mamba_code mamba_device_failure(mamba_error *error, cudaError_t cause, const char *what);

#ifdef __cplusplus
}
#endif
#endif
