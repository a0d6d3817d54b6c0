/* The one place where an instruction set is picked: the best that the processor has, or the one that
 * the environment variable MAMBA_ISA names, once per process. */
#include "dispatch.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct variant {
  const mamba_kernel_table *table;
  bool supported;
} variant;

/* Best first. */
static const mamba_kernel_table *choose(const char *wanted) {
  const variant variants[] = {
#ifdef MAMBA_HAS_X86_64_VARIANTS
      {&mamba_kernels_x86_64_v4, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                                     __builtin_cpu_supports("avx512dq") &&
                                     __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma") &&
                                     __builtin_cpu_supports("bmi2")},
      {&mamba_kernels_x86_64_v3,
       __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")},
#endif
      {&mamba_kernels_portable, true},
  };
  for (size_t i = 0; i < sizeof variants / sizeof variants[0]; ++i)
    if (variants[i].supported && (!wanted || strcmp(wanted, variants[i].table->name) == 0))
      return variants[i].table;
  return NULL;
}

static const char *wanted_set(void) {
  const char *wanted = getenv("MAMBA_ISA");
  return wanted && *wanted ? wanted : NULL;
}

/* Threads that meet here first all find the same answer, so which of them stores it does not matter. */
static const mamba_kernel_table *kernels(void) {
  static _Atomic(const mamba_kernel_table *) chosen;
  const mamba_kernel_table *table = atomic_load_explicit(&chosen, memory_order_acquire);
  if (!table) {
    table = choose(wanted_set());
    if (!table)
      table = &mamba_kernels_portable;
    atomic_store_explicit(&chosen, table, memory_order_release);
  }
  return table;
}

const char *mamba_kernels_instruction_set(void) {
  return kernels()->name;
}

const char *mamba_kernels_check_contract(void) {
  if (!choose(wanted_set()))
    return "MAMBA_ISA names an instruction set that this build or this processor does not have "
           "(portable, and on x86-64 also x86-64-v3 and x86-64-v4)";
  return kernels()->check_contract();
}

void mamba_embedding(const int32_t *ids, const void *table, mamba_type type, int32_t rows, int32_t d,
                     float *out, mamba_worker worker) {
  kernels()->embedding(ids, table, type, rows, d, out, worker);
}

void mamba_rms_norm(const float *x, const float *delta, float *sum, const float *gamma, float epsilon,
                    int32_t rows, int32_t d, mamba_output out, float *row_scale, mamba_worker worker) {
  kernels()->rms_norm(x, delta, sum, gamma, epsilon, rows, d, out, row_scale, worker);
}

void mamba_linear_i8(const int8_t *x, const float *row_scale, const int8_t *w, const float *multiplier,
                     const float *bias, int32_t rows, int32_t k, int32_t n, const mamba_output *outputs,
                     int32_t output_count, mamba_worker worker) {
  kernels()->linear_i8(x, row_scale, w, multiplier, bias, rows, k, n, outputs, output_count, worker);
}

void mamba_linear_float(const float *x, const void *w, mamba_type type, const float *bias, int32_t rows,
                        int32_t k, int32_t n, float *out, mamba_worker worker) {
  kernels()->linear_float(x, w, type, bias, rows, k, n, out, worker);
}

void mamba_conv1d(mamba_input x, const void *w, mamba_type w_type, const float *multiplier, const float *bias,
                  bool apply_silu, void *state, int32_t batch, int32_t tokens, int32_t d, int32_t width,
                  const mamba_output *outputs, int32_t output_count, mamba_worker worker) {
  kernels()->conv1d(x, w, w_type, multiplier, bias, apply_silu, state, batch, tokens, d, width, outputs,
                    output_count, worker);
}

void mamba_selective_scan(mamba_input u, mamba_input dt, bool apply_softplus, const float *a, mamba_input b,
                          mamba_input c, const float *d_skip, mamba_input z, float *state, int32_t batch,
                          int32_t tokens, int32_t d, int32_t n, mamba_output out, mamba_worker worker) {
  kernels()->selective_scan(u, dt, apply_softplus, a, b, c, d_skip, z, state, batch, tokens, d, n, out,
                            worker);
}

void mamba_hadamard(const float *x, bool transpose, int32_t rows, int32_t d, float *scratch, mamba_output out,
                    float *row_scale, mamba_worker worker) {
  kernels()->hadamard(x, transpose, rows, d, scratch, out, row_scale, worker);
}

void mamba_quantize(mamba_input x, int32_t rows, int32_t d, mamba_output out, float *row_scale,
                    mamba_worker worker) {
  kernels()->quantize(x, rows, d, out, row_scale, worker);
}
