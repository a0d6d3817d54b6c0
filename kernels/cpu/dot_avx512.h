/* Blocks of 16 rows x 4 k with AVX-512 BW. vpmaddubsw multiplies |x| (unsigned) by w with x's sign and adds
 * pairs: at most 2 * 127 * 127, so it does not saturate. */
#include "dot_avx512_types.h"

typedef struct dot_input {
  __m512i magnitude;
  __mmask64 negative;
} dot_input;

enum { DOT_FLIP = 0, DOT_TILE_ROWS = 6, DOT_TILE_GROUPS = 2, DOT_DECODE_GROUPS = 4 };

static inline dot_input dot_load_input(const uint8_t *from) {
  const __m512i x = dot_splat_input(from);
  return (dot_input){_mm512_abs_epi8(x), _mm512_movepi8_mask(x)};
}

static inline dot_sums dot_add(dot_sums sums, dot_weights w, dot_input x) {
  const __m512i with_sign = _mm512_mask_sub_epi8(w, x.negative, _mm512_setzero_si512(), w);
  const __m512i pairs = _mm512_maddubs_epi16(x.magnitude, with_sign);
  return (dot_sums)_mm512_add_epi32((__m512i)sums, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

static inline dot_sums dot_add_nibbles(dot_sums sums, dot_weights w, const uint8_t *x) {
  const __m512i pairs = _mm512_maddubs_epi16(w, dot_splat_input(x));
  return (dot_sums)_mm512_add_epi32((__m512i)sums, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

#include "dot_panel.h"
