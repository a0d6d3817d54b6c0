/* The kernels as the compiler's own target has them: any machine with IEEE floats. */
#include "dispatch.h"

#include <math.h>
#include <string.h>

#define MAMBA_TABLE mamba_kernels_portable
#include "portable/kernels.c"
