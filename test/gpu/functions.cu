/* The functions of kernels/cuda/functions.cuh against those of mamba_math.h, for every float: 2^32 of each.
 */
#include "check.h"
#include "cuda/functions.cuh"

namespace {

enum { SOFTPLUS, SILU, EXP_BELOW, QUANTIZE, SCALE, INVERSE, FUNCTIONS };

__device__ bool is_wrong(int function, float x) {
  float actual, expected;
  if (function == SOFTPLUS) {
    actual = mamba::softplus(x);
    expected = mambaSoftplus(x);
  } else if (function == SILU) {
    actual = mamba::silu(x);
    expected = mambaSilu(x);
  } else if (function == QUANTIZE) {
    return (int8_t)mamba::quantize_bits(x, 1.0f) != mambaQuantize(x, 1.0f);
  } else if (function == SCALE) {
    actual = mamba::scale_of_absmax(x);
    expected = mambaScaleOfAbsmax(x);
  } else if (function == INVERSE) {
    if (!(x <= 0x1p126f) && x != INFINITY)
      return false;
    actual = mamba::inverse_scale(x);
    expected = mambaInverseScale(x);
  } else {
    if (!(x <= 0x1.62e42ep+6f))
      return false;
    actual = mamba::exp_below(x);
    expected = mambaExp(x);
  }
  const bool both_nan = actual != actual && expected != expected;
  return !both_nan && mambaFloatBits(actual) != mambaFloatBits(expected);
}

__global__ void compare(int function, unsigned long long *wrong, uint32_t *example) {
  const uint64_t step = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t bits = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; bits >> 32 == 0; bits += step)
    if (is_wrong(function, mambaFloatFromBits((uint32_t)bits)) && atomicAdd(wrong, 1ull) == 0)
      *example = (uint32_t)bits;
}

} // namespace

int main(void) {
  static const char *const names[] = {"softplus",        "silu",         "exp_below", "quantize_bits",
                                      "scale_of_absmax", "inverse_scale"};
  unsigned long long *wrong, total = 0;
  uint32_t *example;
  CHECK(cudaMalloc(&wrong, sizeof *wrong));
  CHECK(cudaMalloc(&example, sizeof *example));
  for (int function = 0; function < FUNCTIONS; ++function) {
    unsigned long long count;
    uint32_t bits;
    CHECK(cudaMemset(wrong, 0, sizeof *wrong));
    CHECK(cudaMemset(example, 0, sizeof *example));
    compare<<<1024, 256>>>(function, wrong, example);
    CHECK(cudaGetLastError());
    CHECK(cudaMemcpy(&count, wrong, sizeof count, cudaMemcpyDeviceToHost));
    CHECK(cudaMemcpy(&bits, example, sizeof bits, cudaMemcpyDeviceToHost));
    if (count > 0)
      printf("%s: %llu floats differ, 0x%08x among them\n", names[function], count, bits);
    total += count;
  }
  CHECK(cudaFree(wrong));
  CHECK(cudaFree(example));
  printf("functions: %s\n", total == 0 ? "every float equal" : "DIFFERENT");
  return total > 0;
}
