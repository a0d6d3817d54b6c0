/* The table of kernels that each instruction set provides, and from which dispatch.c picks one. */
#ifndef MAMBA_DISPATCH_H
#define MAMBA_DISPATCH_H

#include "mamba_kernels.h"

typedef struct mamba_kernel_table {
  __typeof__(mamba_embedding) *embedding;
  __typeof__(mamba_rms_norm) *rms_norm;
  __typeof__(mamba_linear_i8) *linear_i8;
  __typeof__(mamba_linear_float) *linear_float;
  __typeof__(mamba_linear_w8) *linear_w8;
  __typeof__(mamba_linear_w4) *linear_w4;
  __typeof__(mamba_conv1d) *conv1d;
  __typeof__(mamba_selective_scan) *selective_scan;
  __typeof__(mamba_selective_scan_i8) *selective_scan_i8;
  __typeof__(mamba_hadamard) *hadamard;
  __typeof__(mamba_quantize) *quantize;
  __typeof__(mamba_kernels_check_contract) *check_contract;
} mamba_kernel_table;

/* The products of packed weights have a file per instruction set: linear_i8_<set>.c. */
typedef __typeof__(mamba_linear_i8_packed) mamba_linear_i8_packed_fn;
typedef __typeof__(mamba_linear_i4) mamba_linear_i4_fn;

/* A copy of this folder may leave out cpu/, the kernels in intrinsics: the others do without. */
#if defined(__has_include) && defined(__GNUC__)
#if __has_include("cpu/vector_math.h")
#define MAMBA_HAS_VECTORS 1
#endif
#endif

#if defined(__x86_64__) && defined(__GNUC__)
#define MAMBA_HAS_X86_64_SETS 1
extern const mamba_kernel_table mamba_kernels_x86_64_v3;
extern const mamba_kernel_table mamba_kernels_x86_64_v4;
#ifdef MAMBA_HAS_VECTORS
#define MAMBA_HAS_X86_64_VECTORS 1
mamba_linear_i8_packed_fn mamba_linear_i8_packed_x86_64_v3, mamba_linear_i8_packed_avx_vnni,
    mamba_linear_i8_packed_x86_64_v4, mamba_linear_i8_packed_avx512_vnni, mamba_linear_i8_packed_amx_int8;
mamba_linear_i4_fn mamba_linear_i4_x86_64_v3, mamba_linear_i4_avx_vnni, mamba_linear_i4_x86_64_v4,
    mamba_linear_i4_avx512_vnni, mamba_linear_i4_amx_int8;
#endif
#endif
#if defined(__aarch64__) && defined(MAMBA_HAS_VECTORS) && !defined(__AARCH64EB__)
#define MAMBA_HAS_AARCH64_VECTORS 1
extern const mamba_kernel_table mamba_kernels_neon;
mamba_linear_i8_packed_fn mamba_linear_i8_packed_neon, mamba_linear_i8_packed_neon_dotprod;
mamba_linear_i4_fn mamba_linear_i4_neon, mamba_linear_i4_neon_dotprod;
#endif
mamba_linear_i8_packed_fn mamba_linear_i8_packed_portable;
mamba_linear_i4_fn mamba_linear_i4_portable;
extern const mamba_kernel_table mamba_kernels_portable;

#endif
