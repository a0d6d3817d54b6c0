/* The one place where an instruction set is picked: the best that the processor has, or the one that
 * the environment variable MAMBA_ISA names, once per process. */
#include "dispatch.h"
#include "cpu_features.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What a value of MAMBA_ISA stands for. The products of packed weights have more variants than the other
 * kernels, which such a set shares with a lesser one. */
typedef struct instruction_set {
  const char *name;
  bool (*supported)(void);
  const mamba_kernel_table *kernels;
  mamba_linear_i8_packed_fn *linear_i8_packed;
  mamba_linear_i4_fn *linear_i4;
} instruction_set;

/* Best first; the last one runs everywhere. */
static const instruction_set sets[] = {
#ifdef MAMBA_HAS_X86_64_VECTORS
    {"amx-int8", mamba_cpu_has_amx_int8, &mamba_kernels_x86_64_v4, mamba_linear_i8_packed_amx_int8,
     mamba_linear_i4_amx_int8},
    {"avx512-vnni", mamba_cpu_has_avx512_vnni, &mamba_kernels_x86_64_v4, mamba_linear_i8_packed_avx512_vnni,
     mamba_linear_i4_avx512_vnni},
    {"x86-64-v4", mamba_cpu_has_avx512, &mamba_kernels_x86_64_v4, mamba_linear_i8_packed_x86_64_v4,
     mamba_linear_i4_x86_64_v4},
    {"avx-vnni", mamba_cpu_has_avx_vnni, &mamba_kernels_x86_64_v3, mamba_linear_i8_packed_avx_vnni,
     mamba_linear_i4_avx_vnni},
    {"x86-64-v3", mamba_cpu_has_avx2, &mamba_kernels_x86_64_v3, mamba_linear_i8_packed_x86_64_v3,
     mamba_linear_i4_x86_64_v3},
#elif defined(MAMBA_HAS_X86_64_SETS)
    {"x86-64-v4", mamba_cpu_has_avx512, &mamba_kernels_x86_64_v4, mamba_linear_i8_packed_portable,
     mamba_linear_i4_portable},
    {"x86-64-v3", mamba_cpu_has_avx2, &mamba_kernels_x86_64_v3, mamba_linear_i8_packed_portable,
     mamba_linear_i4_portable},
#endif
#ifdef MAMBA_HAS_AARCH64_VECTORS
    {"neon-dotprod", mamba_cpu_has_dotprod, &mamba_kernels_neon, mamba_linear_i8_packed_neon_dotprod,
     mamba_linear_i4_neon_dotprod},
    {"neon", NULL, &mamba_kernels_neon, mamba_linear_i8_packed_neon, mamba_linear_i4_neon},
#endif
    {"portable", NULL, &mamba_kernels_portable, mamba_linear_i8_packed_portable, mamba_linear_i4_portable},
};
enum { SET_COUNT = sizeof sets / sizeof sets[0] };

static const instruction_set *choose(const char *wanted) {
  for (size_t i = 0; i < SET_COUNT; ++i)
    if ((!wanted || strcmp(wanted, sets[i].name) == 0) && (!sets[i].supported || sets[i].supported()))
      return &sets[i];
  return NULL;
}

static const char *wanted_set(void) {
  const char *wanted = getenv("MAMBA_ISA");
  return wanted && *wanted ? wanted : NULL;
}

/* Threads that meet here first all find the same answer, so which of them stores it does not matter. */
static const instruction_set *chosen(void) {
  static _Atomic(const instruction_set *) stored;
  const instruction_set *set = atomic_load_explicit(&stored, memory_order_acquire);
  if (!set) {
    set = choose(wanted_set());
    if (!set)
      set = &sets[SET_COUNT - 1];
    atomic_store_explicit(&stored, set, memory_order_release);
  }
  return set;
}

const char *mamba_kernels_instruction_set(void) {
  return chosen()->name;
}

const char *mamba_kernels_check_contract(void) {
  if (!choose(wanted_set()))
    return "MAMBA_ISA names an instruction set that this build or this processor does not have (portable; on "
           "x86-64 also x86-64-v3, avx-vnni, x86-64-v4, avx512-vnni, amx-int8; on aarch64 neon, "
           "neon-dotprod)";
  return chosen()->kernels->check_contract();
}

void mamba_embedding(const int32_t *ids, const void *table, mamba_type type, int32_t rows, int32_t d,
                     float *out, mamba_worker worker) {
  chosen()->kernels->embedding(ids, table, type, rows, d, out, worker);
}

void mamba_rms_norm(const float *x, const float *delta, float *sum, const float *gamma, float epsilon,
                    int32_t rows, int32_t d, mamba_output out, float *row_scale, mamba_worker worker) {
  chosen()->kernels->rms_norm(x, delta, sum, gamma, epsilon, rows, d, out, row_scale, worker);
}

void mamba_linear_i8(const int8_t *x, const float *row_scale, const int8_t *w, const float *multiplier,
                     const float *bias, int32_t rows, int32_t k, int32_t n, const mamba_output *outputs,
                     int32_t output_count, mamba_worker worker) {
  chosen()->kernels->linear_i8(x, row_scale, w, multiplier, bias, rows, k, n, outputs, output_count, worker);
}

void mamba_linear_i8_packed(const int8_t *x, const float *row_scale, const void *packed,
                            const float *multiplier, const float *bias, int32_t rows, int32_t k, int32_t n,
                            const mamba_output *outputs, int32_t output_count, mamba_worker worker) {
  chosen()->linear_i8_packed(x, row_scale, packed, multiplier, bias, rows, k, n, outputs, output_count,
                             worker);
}

void mamba_linear_float(const float *x, const void *w, mamba_type type, const float *bias, int32_t rows,
                        int32_t k, int32_t n, float *out, mamba_worker worker) {
  chosen()->kernels->linear_float(x, w, type, bias, rows, k, n, out, worker);
}

void mamba_linear_w8(const float *x, const int8_t *w, const float *multiplier, const float *bias,
                     int32_t rows, int32_t k, int32_t n, float *out, mamba_worker worker) {
  chosen()->kernels->linear_w8(x, w, multiplier, bias, rows, k, n, out, worker);
}

void mamba_linear_i4(const int8_t *x, const float *row_scale, const void *packed, const float *multiplier,
                     const float *bias, int32_t rows, int32_t k, int32_t group, int32_t n,
                     const mamba_output *outputs, int32_t output_count, mamba_worker worker) {
  chosen()->linear_i4(x, row_scale, packed, multiplier, bias, rows, k, group, n, outputs, output_count,
                      worker);
}

void mamba_linear_w4(const float *x, const void *packed, const float *multiplier, const float *bias,
                     int32_t rows, int32_t k, int32_t group, int32_t n, float *out, mamba_worker worker) {
  chosen()->kernels->linear_w4(x, packed, multiplier, bias, rows, k, group, n, out, worker);
}

void mamba_conv1d(mamba_input x, const void *w, mamba_type w_type, const float *multiplier, const float *bias,
                  bool apply_silu, void *state, int32_t batch, int32_t tokens, int32_t d, int32_t width,
                  const mamba_output *outputs, int32_t output_count, mamba_worker worker) {
  chosen()->kernels->conv1d(x, w, w_type, multiplier, bias, apply_silu, state, batch, tokens, d, width,
                            outputs, output_count, worker);
}

void mamba_selective_scan(mamba_input u, mamba_input dt, bool apply_softplus, const float *a, mamba_input b,
                          mamba_input c, const float *d_skip, mamba_input z, float *state, int32_t batch,
                          int32_t tokens, int32_t d, int32_t n, mamba_output out, mamba_worker worker) {
  chosen()->kernels->selective_scan(u, dt, apply_softplus, a, b, c, d_skip, z, state, batch, tokens, d, n,
                                    out, worker);
}

void mamba_selective_scan_i8(mamba_input u, mamba_input dt, bool apply_softplus, const float *a,
                             mamba_input b, mamba_input c, const float *d_skip, mamba_input z, int8_t *state,
                             int32_t batch, int32_t tokens, int32_t d, int32_t n, mamba_output out,
                             mamba_worker worker) {
  chosen()->kernels->selective_scan_i8(u, dt, apply_softplus, a, b, c, d_skip, z, state, batch, tokens, d, n,
                                       out, worker);
}

void mamba_hadamard(const float *x, bool transpose, int32_t rows, int32_t d, float *scratch, mamba_output out,
                    float *row_scale, mamba_worker worker) {
  chosen()->kernels->hadamard(x, transpose, rows, d, scratch, out, row_scale, worker);
}

void mamba_quantize(mamba_input x, int32_t rows, int32_t d, mamba_output out, float *row_scale,
                    mamba_worker worker) {
  chosen()->kernels->quantize(x, rows, d, out, row_scale, worker);
}
