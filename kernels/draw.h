/* Drawing a token from its logits with temperature, top-k and top-p, in C11 and CUDA C++. Probabilities are
 * integers, whose sums are exact: they may be added in any order, so that every machine draws the same token,
 * and nothing has to be sorted.
 *
 * Tokens have an order, the most probable first: that of their keys. A draw is at most three times the
 * question which token it is at which the sum of weights, taken in this order, exceeds a number: the k-th
 * (weights of 1), the last of the fewest that reach p, and the one that the random number hits (weights of
 * mambaDrawMass). */
#ifndef MAMBA_DRAW_H
#define MAMBA_DRAW_H

#include "mamba_math.h"

enum { MAMBA_DRAW_ID_BITS = 23 }; /* the largest vocabulary's, so that sums of masses stay below 2^64 */

/* How one token is drawn. */
typedef struct mamba_draw {
  uint64_t random;       /* uniform */
  double top_p;          /* of the k tokens, the fewest whose probabilities add up to p; 1 or more for all */
  float inv_temperature; /* logits are multiplied by it; finite */
  int32_t top_k;         /* only the k most probable tokens, at least 1 */
} mamba_draw;

/* Smaller for larger logits, the same for -0 and 0. A NaN comes last. */
MAMBA_INLINE uint32_t mambaDrawRank(float logit) {
  const uint32_t bits = mambaFloatBits(logit + 0.0f);
  return logit != logit ? UINT32_MAX : bits >> 31 ? bits : ~(bits | 0x80000000u);
}

/* Of equal logits smaller for smaller ids. */
MAMBA_INLINE uint64_t mambaDrawKey(float logit, int32_t id) {
  return (uint64_t)mambaDrawRank(logit) << MAMBA_DRAW_ID_BITS | (uint32_t)id;
}

MAMBA_INLINE int32_t mambaDrawId(uint64_t key) {
  return (int32_t)(key & ((1u << MAMBA_DRAW_ID_BITS) - 1));
}

/* 2^40 times the token's probability over the best token's; 0 for a NaN. */
MAMBA_INLINE uint64_t mambaDrawMass(float logit, float best, float inv_temperature) {
  const float x = (logit - best) * inv_temperature;
  const float p = logit == best ? 1.0f : x <= 0.0f ? mambaExp(x) : 0.0f;
  return (uint64_t)(p * 0x1p40f);
}

/* The mass that the kept tokens must reach, of `total` > 0: at least 1, at most all. */
MAMBA_INLINE uint64_t mambaDrawNeeded(uint64_t total, double top_p) {
  const double needed = ceil(top_p * (double)total);
  if (!(needed >= 1.0))
    return 1;
  return needed >= (double)total ? total : (uint64_t)needed;
}

/* The upper half of the product: uniform in [0, mass) for a uniform `random`. */
MAMBA_INLINE uint64_t mambaDrawPoint(uint64_t random, uint64_t mass) {
  const uint64_t low = (random & UINT32_MAX) * (mass & UINT32_MAX);
  const uint64_t left = (random >> 32) * (mass & UINT32_MAX) + (low >> 32);
  const uint64_t right = (random & UINT32_MAX) * (mass >> 32) + (left & UINT32_MAX);
  return (random >> 32) * (mass >> 32) + (left >> 32) + (right >> 32);
}

#endif
