/* See elementwise.h: the f64 arithmetic, and the choice of the f32 one. */
#include "elementwise_variants.h"

#include "mamba_kernels.h"
#include "mamba_math.h"

#include <string.h>

/* ---- f64: floats are stored as double; a cast to a narrower type still rounds (from f32) -------- */

#define REAL double

static void load(MambaElement element, const void *data, int64_t first, int count, double *restrict values) {
  if (element == MAMBA_ELEMENT_I8)
    for (int i = 0; i < count; i++)
      values[i] = ((const int8_t *)data)[first + i];
  else
    memcpy(values, (const double *)data + first, (size_t)count * sizeof(double));
}

static void store(MambaElement element, void *data, int64_t first, int count, const double *restrict values) {
  double *const reals = (double *)data + first;
  switch (element) {
  case MAMBA_ELEMENT_I8:
    for (int i = 0; i < count; i++)
      ((int8_t *)data)[first + i] = (int8_t)values[i];
    break;
  case MAMBA_ELEMENT_F16:
    for (int i = 0; i < count; i++)
      reals[i] = mambaHalfToFloat(mambaFloatToHalf((float)values[i]));
    break;
  case MAMBA_ELEMENT_BF16:
    for (int i = 0; i < count; i++)
      reals[i] = mambaBfloatToFloat(mambaFloatToBfloat((float)values[i]));
    break;
  default:
    memcpy(reals, values, (size_t)count * sizeof(double));
    break;
  }
}

static inline double reciprocal(double x) {
  return x < 0x1p-100 ? 0 : 1 / x;
}
static inline double silu(double x) {
  return x / (1 + exp(-x));
}
static inline double softplus(double x) {
  return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

static inline double roundToInt8(double x) {
  x = x < 127 ? x : 127;
  return rint(x > -127 ? x : -127);
}

#define FUNCTION elementwiseWide
static void elementwiseWide(const MambaElementwise *what, void *out, const void *a, const void *b,
                            int64_t count);
#include "elementwise.inc"

/* ---- All types -------------------------------------------------------------------------------- */

bool mambaIsElementwise(MambaOp kind) {
  switch (kind) {
  case MAMBA_OP_RECIPROCAL:
  case MAMBA_OP_QUANTIZE:
  case MAMBA_OP_DEQUANTIZE:
  case MAMBA_OP_CAST:
  case MAMBA_OP_BROADCAST:
  case MAMBA_OP_NEG_EXP:
  case MAMBA_OP_SILU:
  case MAMBA_OP_SOFTPLUS:
  case MAMBA_OP_MUL:
  case MAMBA_OP_ADD:
  case MAMBA_OP_CLAMP:
    return true;
  default:
    return false;
  }
}

static MambaElementwiseFunction *chooseF32(void) {
#ifdef MAMBA_ELEMENTWISE_X86_64_V3
  if (strcmp(mamba_kernels_instruction_set(), "portable") != 0) /* every other one has AVX2 and FMA */
    return mambaElementwiseX8664V3;
#endif
  return mambaElementwisePortable;
}

void mambaElementwise(const MambaElementwise *what, void *out, const void *a, const void *b, int64_t count) {
  if (what->wide)
    elementwiseWide(what, out, a, b, count);
  else
    chooseF32()(what, out, a, b, count);
}

double mambaAbsmax(MambaElement element, bool wide, const void *data, int64_t count) {
  double amax = 0;
  const size_t size = mambaStoredSize(element, wide);
  const MambaElementwise widen = {
      .kind = MAMBA_OP_CAST, .wide = wide, .out = MAMBA_ELEMENT_F32, .a = element};
  for (int64_t first = 0; first < count; first += BLOCK) {
    const int n = (int)(count - first < BLOCK ? count - first : BLOCK);
    float narrow[BLOCK];
    double values[BLOCK];
    mambaElementwise(&widen, wide ? (void *)values : narrow, (const char *)data + (size_t)first * size, NULL,
                     n);
    for (int i = 0; i < n; i++) {
      const double magnitude = fabs(wide ? values[i] : narrow[i]);
      amax = magnitude > amax ? magnitude : amax;
    }
  }
  return amax;
}

void mambaStoreScale(double amax, bool wide, void *scale) {
  if (wide)
    *(double *)scale = amax / 127 < 0x1p-100 ? 0 : amax / 127;
  else
    *(float *)scale = mambaScaleOfAbsmax((float)amax);
}
