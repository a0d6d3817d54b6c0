/* The kernels for NEON, which every aarch64 processor has. */
#include "dispatch.h"

#ifdef MAMBA_HAS_AARCH64_VECTORS
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#define MAMBA_TABLE mamba_kernels_neon
#define MAMBA_VECTOR "../cpu/vector_neon.h"
#include "portable/kernels.c"
#endif
