/* The weights of a product of floats, however they are stored. */
#ifndef MAMBA_PORTABLE_FLOAT_WEIGHTS_H
#define MAMBA_PORTABLE_FLOAT_WEIGHTS_H

#include "../pack_i4.h"
#include "common.h"

typedef struct float_weights {
  mamba_input values;      /* [n, k]; where `scales` is set, the nibbles of mamba_pack_i4_rows */
  const uint8_t *scales;   /* of those, [n, k / group], or NULL */
  int32_t group;           /* of those */
  const float *multiplier; /* [n], or NULL for 1 */
} float_weights;

static inline float_weights weights_of_type(const void *w, mamba_type type, const float *multiplier) {
  return (float_weights){.values = {.data = w, .type = type, .scale = 1}, .multiplier = multiplier};
}

static inline float_weights weights_of_nibbles(const void *packed, int32_t k, int32_t group, int32_t n,
                                               const float *multiplier) {
  return (float_weights){.values = {.data = packed},
                         .scales = (const uint8_t *)packed + mamba_pack_i4_rows_offset(n, k),
                         .group = group,
                         .multiplier = multiplier};
}

/* What a finished sum becomes. */
static inline float finish_float(float sum, const float *multiplier, const float *bias, int32_t column) {
  const float v = multiplier ? sum * multiplier[column] : sum;
  return bias ? v + bias[column] : v;
}

#endif
