/* Blocks of 16 rows x 4 k with NEON: smull makes the products of two rows, sadalp adds them in pairs. A row
 * thus has two partial sums until the end. */
typedef struct dot_sums {
  int32x4_t two_rows[8]; /* rows 2 i and 2 i + 1, two partial sums each */
} dot_sums;
typedef int8x16x4_t dot_weights;
typedef int8x8_t dot_input; /* 4 k, twice */

enum { DOT_FLIP = 0, DOT_TILE_ROWS = 2, DOT_TILE_GROUPS = 1, DOT_DECODE_GROUPS = 2 };

static inline dot_sums dot_load_sums(const int32_t *from) {
  dot_sums sums;
  for (int i = 0; i < 8; ++i) {
    const int32x2_t rows = vld1_s32(from + 2 * i);
    const int32x2x2_t spread = vzip_s32(rows, vdup_n_s32(0));
    sums.two_rows[i] = vcombine_s32(spread.val[0], spread.val[1]);
  }
  return sums;
}

static inline void dot_store_sums(int32_t *to, dot_sums sums) {
  for (int i = 0; i < 8; i += 2)
    vst1q_s32(to + 2 * i, vpaddq_s32(sums.two_rows[i], sums.two_rows[i + 1]));
}

static inline dot_weights dot_load_weights(const int8_t *from) {
  return (dot_weights){{vld1q_s8(from), vld1q_s8(from + 16), vld1q_s8(from + 32), vld1q_s8(from + 48)}};
}

static inline dot_input dot_load_input(const uint8_t *from) {
  int32_t four;
  memcpy(&four, from, sizeof four);
  return vreinterpret_s8_s32(vdup_n_s32(four));
}

static inline dot_sums dot_add(dot_sums sums, dot_weights w, dot_input x) {
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const int8x16_t block = w.val[i];
    sums.two_rows[2 * i] = vpadalq_s16(sums.two_rows[2 * i], vmull_s8(vget_low_s8(block), x));
    sums.two_rows[2 * i + 1] = vpadalq_s16(sums.two_rows[2 * i + 1], vmull_s8(vget_high_s8(block), x));
  }
  return sums;
}

#include "dot_panel.h"
