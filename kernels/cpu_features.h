/* What the processor and the operating system have, beyond what the compiler was told. */
#ifndef MAMBA_CPU_FEATURES_H
#define MAMBA_CPU_FEATURES_H

#include "dispatch.h"

#ifdef MAMBA_HAS_X86_64_SETS
bool mamba_cpu_has_avx2(void);   /* with FMA, F16C and BMI2: x86-64-v3 */
bool mamba_cpu_has_avx512(void); /* F, BW, DQ and VL: x86-64-v4 */
bool mamba_cpu_has_avx_vnni(void);
bool mamba_cpu_has_avx512_vnni(void);
/* Also asks Linux for the tile registers, which a process may use only after that; false elsewhere. */
bool mamba_cpu_has_amx_int8(void);
#endif
#ifdef MAMBA_HAS_AARCH64_VECTORS
bool mamba_cpu_has_dotprod(void);
#endif

#endif
