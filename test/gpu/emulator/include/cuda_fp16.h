/* Half-precision numbers, as far as the kernels use them. */
#ifndef MAMBA_EMULATOR_CUDA_FP16_H
#define MAMBA_EMULATOR_CUDA_FP16_H

#include "half.h"

struct __half {
  uint16_t bits;
};
struct __half2 {
  __half x, y;
};
typedef __half half;
typedef __half2 half2;

inline __half __ushort_as_half(uint16_t bits) {
  return {bits};
}
inline uint16_t __half_as_ushort(__half value) {
  return value.bits;
}
inline float __half2float(__half value) {
  return mambaHalfToFloat(value.bits);
}
inline __half2 __floats2half2_rn(float x, float y) {
  return {{mambaFloatToHalf(x)}, {mambaFloatToHalf(y)}};
}
inline __half __low2half(__half2 values) {
  return values.x;
}

#endif
