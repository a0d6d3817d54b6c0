/* f32 arithmetic as the compiler's own target has it. */
#include "elementwise_variants.h"

#include "mamba_math.h"

#define FUNCTION mambaElementwisePortable
#include "elementwise_f32.inc"
