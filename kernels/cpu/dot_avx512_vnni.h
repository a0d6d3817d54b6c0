/* Blocks of 16 rows x 4 k with AVX-512 VNNI: one vpdpbusd per block and token. Its first factor is unsigned,
 * so it gets x + 128, and the sums begin at the packed tensor's offsets.
 * Every dot_<set>.h defines the same names. */
#include "dot_avx512_types.h"

typedef __m512i dot_input; /* 4 k of one token, in every lane */

enum {
  DOT_FLIP = 0x80,   /* what the bytes of x are xored with */
  DOT_TILE_ROWS = 8, /* tokens whose sums are in registers together: 8, 6, 4 or 2 */
  DOT_TILE_GROUPS = 2,
  DOT_DECODE_GROUPS = 4 /* with the sums of how many groups of rows */
};

static inline dot_input dot_load_input(const uint8_t *from) {
  return dot_splat_input(from);
}

static inline dot_sums dot_add(dot_sums sums, dot_weights w, dot_input x) {
  return (dot_sums)_mm512_dpbusd_epi32((__m512i)sums, x, w);
}

/* The product of weights from 0 to 15, the unsigned factor, with 4 k of x as it is. */
static inline dot_sums dot_add_nibbles(dot_sums sums, dot_weights w, const uint8_t *x) {
  return (dot_sums)_mm512_dpbusd_epi32((__m512i)sums, w, dot_splat_input(x));
}

#include "dot_panel.h"
