/* Blocks of 16 rows x 4 k with the dot product of Armv8.2: four sdot per block and token, x by lane. */
#include "dot_neon_types.h"

typedef int32x4x4_t dot_sums;
typedef int8x8_t dot_input; /* 4 k in the lower half */

enum { DOT_FLIP = 0, DOT_TILE_ROWS = 6, DOT_TILE_GROUPS = 1, DOT_DECODE_GROUPS = 2 };

static inline dot_sums dot_load_sums(const int32_t *from) {
  return (dot_sums){{vld1q_s32(from), vld1q_s32(from + 4), vld1q_s32(from + 8), vld1q_s32(from + 12)}};
}

static inline void dot_store_sums(int32_t *to, dot_sums sums) {
  for (int i = 0; i < 4; ++i)
    vst1q_s32(to + 4 * i, sums.val[i]);
}

static inline dot_input dot_load_input(const uint8_t *from) {
  int32_t four;
  memcpy(&four, from, sizeof four);
  return vreinterpret_s8_s32(vset_lane_s32(four, vdup_n_s32(0), 0));
}

static inline dot_sums dot_add(dot_sums sums, dot_weights w, dot_input x) {
  return (dot_sums){{vdotq_lane_s32(sums.val[0], w.val[0], x, 0), vdotq_lane_s32(sums.val[1], w.val[1], x, 0),
                     vdotq_lane_s32(sums.val[2], w.val[2], x, 0),
                     vdotq_lane_s32(sums.val[3], w.val[3], x, 0)}};
}

/* Nibbles are small integers with a sign, so that the product is the same. */
static inline dot_sums dot_add_nibbles(dot_sums sums, dot_weights w, const uint8_t *x) {
  return dot_add(sums, w, dot_load_input(x));
}

static inline dot_sums dot_splat_sums(int32_t value) {
  const int32x4_t four = vdupq_n_s32(value);
  return (dot_sums){{four, four, four, four}};
}

/* sums + part * scales, one of 16 scales per row. */
static inline dot_sums dot_add_scaled(dot_sums sums, dot_sums part, const uint8_t *scales) {
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i)
    sums.val[i] = vmlaq_s32(sums.val[i], part.val[i], dot_scales(scales, i));
  return sums;
}

#include "dot_panel.h"
