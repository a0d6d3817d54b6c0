#include "recover_log.h"

#include "mamba/half.h"

#include <math.h>
#include <stdlib.h>

/* The A_log in F16 whose -exp is `a`, where there is one: within 4 units in the last place, where the images
 * of neighbours are some thousand apart. A BF16 in the range that matters is an F16, too. */
static bool logOf(float a, uint16_t *bits) {
  if (!(a <= 0) || isinf(a))
    return false;
  *bits = mambaFloatToHalf((float)log(-(double)a));
  const double exact = -exp((double)mambaHalfToFloat(*bits));
  return fabs(exact - (double)a) <= 4 * fabs((double)nextafterf(a, -INFINITY) - (double)a);
}

/* Whether all of the first `count` elements are images of an F16; *bits are those where it is not NULL. */
static bool areLogs(const MambaTensorView *a, size_t count, uint16_t *bits) {
  for (size_t i = 0; i < count; i++) {
    MambaError ignored;
    float value;
    uint16_t one;
    if (mambaTensorReadF32(a, i, 1, &value, &ignored) != MAMBA_OK || !logOf(value, &one))
      return false;
    if (bits)
      bits[i] = one;
  }
  return true;
}

MambaStatus recoverLog(MambaTensorView *a, uint16_t **memory, MambaError *error) {
  const size_t count = mambaTensorGetCount(a);
  *memory = NULL;
  if (!areLogs(a, count < 64 ? count : 64, NULL)) /* before memory is taken */
    return MAMBA_OK;
  uint16_t *bits = malloc(count * sizeof *bits + 1);
  if (!bits)
    return mambaFail(error, MAMBA_NO_MEMORY, "tensor '%s': out of memory", a->name);
  if (!areLogs(a, count, bits)) {
    free(bits);
    return MAMBA_OK;
  }
  a->data = *memory = bits;
  a->dtype = MAMBA_DTYPE_F16;
  a->bytes = count * sizeof *bits;
  a->resident = true;
  return MAMBA_OK;
}
