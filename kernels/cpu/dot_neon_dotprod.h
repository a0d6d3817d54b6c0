/* Blocks of 16 rows x 4 k with the dot product of Armv8.2: four sdot per block and token, x by lane. */
typedef int32x4x4_t dot_sums;
typedef int8x16x4_t dot_weights;
typedef int8x8_t dot_input; /* 4 k in the lower half */

enum { DOT_FLIP = 0, DOT_TILE_ROWS = 6, DOT_TILE_GROUPS = 1, DOT_DECODE_GROUPS = 2 };

static inline dot_sums dot_load_sums(const int32_t *from) {
  return (dot_sums){{vld1q_s32(from), vld1q_s32(from + 4), vld1q_s32(from + 8), vld1q_s32(from + 12)}};
}

static inline void dot_store_sums(int32_t *to, dot_sums sums) {
  for (int i = 0; i < 4; ++i)
    vst1q_s32(to + 4 * i, sums.val[i]);
}

static inline dot_weights dot_load_weights(const int8_t *from) {
  return (dot_weights){{vld1q_s8(from), vld1q_s8(from + 16), vld1q_s8(from + 32), vld1q_s8(from + 48)}};
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

#include "dot_panel.h"
