/* Blocks of 16 rows x 4 k with AVX-512 VNNI: one vpdpbusd per block and token. Its first factor is unsigned,
 * so it gets x + 128, and the sums begin at the packed tensor's offsets.
 * Every dot_<set>.h defines the same names. */
typedef int32_t dot_sums __attribute__((vector_size(64))); /* of the 16 rows; as __m512i gcc copies it */
typedef __m512i dot_weights;                               /* a block */
typedef __m512i dot_input;                                 /* 4 k of one token, in every lane */

enum {
  DOT_FLIP = 0x80,   /* what the bytes of x are xored with */
  DOT_TILE_ROWS = 8, /* tokens whose sums are in registers together: 8, 6, 4 or 2 */
  DOT_TILE_GROUPS = 2,
  DOT_DECODE_GROUPS = 4 /* with the sums of how many groups of rows */
};

static inline dot_sums dot_load_sums(const int32_t *from) {
  return (dot_sums)_mm512_loadu_si512(from);
}

static inline void dot_store_sums(int32_t *to, dot_sums sums) {
  _mm512_storeu_si512(to, (__m512i)sums);
}

static inline dot_weights dot_load_weights(const int8_t *from) {
  return _mm512_loadu_si512(from);
}

static inline dot_input dot_load_input(const uint8_t *from) {
  int32_t four;
  memcpy(&four, from, sizeof four);
  return _mm512_set1_epi32(four);
}

static inline dot_sums dot_add(dot_sums sums, dot_weights w, dot_input x) {
  return (dot_sums)_mm512_dpbusd_epi32((__m512i)sums, x, w);
}

#include "dot_panel.h"
