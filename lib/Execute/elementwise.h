/* Element by element arithmetic, for constants and for activations alike. The f32 functions are those of
 * kernels/mamba_math.h, so a value has the same bits here as in a kernel that computes it. */
#ifndef MAMBA_EXECUTE_ELEMENTWISE_H
#define MAMBA_EXECUTE_ELEMENTWISE_H

#include "mamba/ir.h"

/* What to do with a run of elements. With `wide` every float is stored as a double, whatever its type. */
typedef struct MambaElementwise {
  MambaOp kind; /* an op for which mambaIsElementwise holds */
  bool wide;
  float limit;               /* of CLAMP */
  MambaElement out, a, b;    /* how each is stored; b only for ops with two operands */
  bool a_repeats, b_repeats; /* one element stands for all */
} MambaElementwise;

bool mambaIsElementwise(MambaOp kind);

/* out[i] = op(a[i], b[i]) for i in [0, count). out may be a when both are stored alike. */
void mambaElementwise(const MambaElementwise *what, void *out, const void *a, const void *b, int64_t count);

/* max |data[i]|, exactly; NaN is passed over. */
double mambaAbsmax(MambaElement element, bool wide, const void *data, int64_t count);

/* Stores the scale of values of at most `amax`: amax / 127 in f32 (in f64 when wide), 0 below 2^-100. */
void mambaStoreScale(double amax, bool wide, void *scale);

/* Bytes of one stored element. */
static inline size_t mambaStoredSize(MambaElement element, bool wide) {
  const bool is_float =
      element == MAMBA_ELEMENT_F16 || element == MAMBA_ELEMENT_BF16 || element == MAMBA_ELEMENT_F32;
  return wide && is_float ? sizeof(double) : mambaElementSize(element);
}

#endif
