/* The table of kernels that each instruction set provides, and from which dispatch.c picks one. */
#ifndef MAMBA_DISPATCH_H
#define MAMBA_DISPATCH_H

#include "mamba_kernels.h"

typedef struct mamba_kernel_table {
  const char *name;
  __typeof__(mamba_embedding) *embedding;
  __typeof__(mamba_rms_norm) *rms_norm;
  __typeof__(mamba_linear_i8) *linear_i8;
  __typeof__(mamba_linear_float) *linear_float;
  __typeof__(mamba_conv1d) *conv1d;
  __typeof__(mamba_selective_scan) *selective_scan;
  __typeof__(mamba_hadamard) *hadamard;
  __typeof__(mamba_quantize) *quantize;
  __typeof__(mamba_kernels_check_contract) *check_contract;
} mamba_kernel_table;

#if defined(__x86_64__) && defined(__GNUC__)
#define MAMBA_HAS_X86_64_VARIANTS 1
extern const mamba_kernel_table mamba_kernels_x86_64_v3;
extern const mamba_kernel_table mamba_kernels_x86_64_v4;
#endif
extern const mamba_kernel_table mamba_kernels_portable;

#endif
