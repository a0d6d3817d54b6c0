/* Blocks of 16 rows x 4 k with AVX2. vpmaddubsw multiplies |x| (unsigned) by w with x's sign and adds pairs:
 * at most 2 * 127 * 127, so it does not saturate. */
#include "dot_avx2_types.h"

typedef struct dot_input {
  __m256i x, magnitude;
} dot_input;

enum { DOT_FLIP = 0, DOT_TILE_ROWS = 4, DOT_TILE_GROUPS = 1, DOT_DECODE_GROUPS = 2 };

static inline dot_input dot_load_input(const uint8_t *from) {
  const __m256i x = dot_splat_input(from);
  return (dot_input){x, _mm256_abs_epi8(x)};
}

static inline __m256i dot_add_half(__m256i sums, __m256i w, dot_input x) {
  const __m256i pairs = _mm256_maddubs_epi16(x.magnitude, _mm256_sign_epi8(w, x.x));
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

static inline dot_sums dot_add(dot_sums sums, dot_weights w, dot_input x) {
  return (dot_sums){dot_add_half(sums.low, w.low, x), dot_add_half(sums.high, w.high, x)};
}

static inline __m256i dot_add_nibbles_half(__m256i sums, __m256i w, __m256i x) {
  return _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1)));
}

static inline dot_sums dot_add_nibbles(dot_sums sums, dot_weights w, const uint8_t *x) {
  return (dot_sums){dot_add_nibbles_half(sums.low, w.low, dot_splat_input(x)),
                    dot_add_nibbles_half(sums.high, w.high, dot_splat_input(x))};
}

#include "dot_panel.h"
