/* The contract's self-check on the GPU: computations whose bits show what a compiler option changed. */
#include "values.cuh"

#include "mamba_cuda.h"

namespace mamba {
namespace {

enum { CONTRACTION, FUSION, SMALL_RESULT, SMALL_INPUT, QUOTIENT, ROOT, ADDITION, CHECKS };

struct operands {
  float a, b, c;
};

/* Operands come from memory, so that nothing is decided at compile time. */
__global__ void check(const operands *in, float *out) {
  const operands *x = in;
  out[CONTRACTION] = x[CONTRACTION].a * x[CONTRACTION].b + x[CONTRACTION].c;
  out[FUSION] = fmaf(x[FUSION].a, x[FUSION].b, x[FUSION].c);
  out[SMALL_RESULT] = x[SMALL_RESULT].a * x[SMALL_RESULT].b;
  out[SMALL_INPUT] = x[SMALL_INPUT].a * x[SMALL_INPUT].b;
  out[QUOTIENT] = x[QUOTIENT].a / x[QUOTIENT].b;
  out[ROOT] = sqrtf(x[ROOT].a);
  out[ADDITION] = (x[ADDITION].a + x[ADDITION].b) + x[ADDITION].c;
}

const struct {
  operands in;
  float out;
  const char *otherwise;
} CASES[CHECKS] = {
    /* (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24 rounds to 1 + 2^-11. */
    {{0x1.001p+0f, 0x1.001p+0f, -0x1.002p+0f}, 0.0f, "a * b + c is one operation; build with -fmad=false"},
    {{0x1.001p+0f, 0x1.001p+0f, -0x1.002p+0f}, 0x1p-24f, "fmaf rounds twice"},
    {{0x1p-126f, 0.5f, 0.0f}, 0x1p-127f, "subnormal results are flushed to zero; build with -ftz=false"},
    {{0x1p-130f, 0x1p+100f, 0.0f}, 0x1p-30f, "subnormal inputs are read as zero; build with -ftz=false"},
    {{0x1.8306bep+0f, 0x1.f35196p+0f, 0.0f},
     0x1.8cdb12p-1f,
     "division is approximate; build with -prec-div=true"},
    {{0x1.6b64aep+1f, 0.0f, 0.0f},
     0x1.af57fap+0f,
     "square roots are approximate; build with -prec-sqrt=true"},
    {{1.0f, 0x1p-24f, 0x1p-24f}, 1.0f, "additions are reordered"},
};

} // namespace
} // namespace mamba

using namespace mamba;

extern "C" cudaError_t mamba_cuda_check_contract(const char **broken) {
  operands in[CHECKS];
  float out[CHECKS];
  char *memory = NULL;
  *broken = NULL;
  for (int i = 0; i < CHECKS; ++i)
    in[i] = CASES[i].in;
  cudaError_t error = cudaMalloc((void **)&memory, sizeof in + sizeof out);
  if (error == cudaSuccess)
    error = cudaMemcpy(memory, in, sizeof in, cudaMemcpyHostToDevice);
  if (error == cudaSuccess) {
    error = launch(check, dim3(1), 1, 0, 0, ORDINARY_ROWS, (const operands *)memory,
                   (float *)(memory + sizeof in));
  }
  if (error == cudaSuccess)
    error = cudaMemcpy(out, memory + sizeof in, sizeof out, cudaMemcpyDeviceToHost);
  for (int i = 0; i < CHECKS && error == cudaSuccess && !*broken; ++i)
    if (mambaFloatBits(out[i]) != mambaFloatBits(CASES[i].out))
      *broken = CASES[i].otherwise;
  cudaFree(memory);
  return error;
}
