/* The f32 arithmetic, once per instruction set (without FMA instructions, fmaf is a call of the C library).
 */
#ifndef MAMBA_EXECUTE_ELEMENTWISE_VARIANTS_H
#define MAMBA_EXECUTE_ELEMENTWISE_VARIANTS_H

#include "elementwise.h"

typedef void MambaElementwiseFunction(const MambaElementwise *what, void *out, const void *a, const void *b,
                                      int64_t count);

extern MambaElementwiseFunction mambaElementwisePortable;
#if defined(__x86_64__) && defined(__GNUC__)
#define MAMBA_ELEMENTWISE_X86_64_V3 1
extern MambaElementwiseFunction mambaElementwiseX8664V3;
#endif

#endif
