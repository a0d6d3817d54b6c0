/* In place of a bundle's bandwidth_cuda.cu. */
#include "backend.h"
#include "failure.h"

extern "C" mamba_code mamba_read_bandwidth(int, double *, mamba_error *error) {
  return mamba_failure(error, MAMBA_CODE_DEVICE, "an emulated GPU has no bandwidth");
}
