/* Blocks of 16 rows x 4 k with NEON: smull makes the products of two rows, sadalp adds them in pairs. A row
 * thus has two partial sums until the end. */
#include "dot_neon_types.h"

typedef struct dot_sums {
  int32x4_t two_rows[8]; /* rows 2 i and 2 i + 1, two partial sums each */
} dot_sums;
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

/* Nibbles are small integers with a sign, so that the product is the same. */
static inline dot_sums dot_add_nibbles(dot_sums sums, dot_weights w, const uint8_t *x) {
  return dot_add(sums, w, dot_load_input(x));
}

static inline dot_sums dot_splat_sums(int32_t value) {
  const int32x4_t first_of_two = {value, 0, value, 0};
  dot_sums sums;
  for (int i = 0; i < 8; ++i)
    sums.two_rows[i] = first_of_two;
  return sums;
}

/* sums + part * scales, one of 16 scales per row. */
static inline dot_sums dot_add_scaled(dot_sums sums, dot_sums part, const uint8_t *scales) {
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const int32x4_t four = dot_scales(scales, i);
    sums.two_rows[2 * i] = vmlaq_s32(sums.two_rows[2 * i], part.two_rows[2 * i], vzip1q_s32(four, four));
    sums.two_rows[2 * i + 1] =
        vmlaq_s32(sums.two_rows[2 * i + 1], part.two_rows[2 * i + 1], vzip2q_s32(four, four));
  }
  return sums;
}

#include "dot_panel.h"
