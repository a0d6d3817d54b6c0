/* What the AVX-512 sets share: a block and its sums in one register. */
typedef int32_t dot_sums __attribute__((vector_size(64))); /* of the 16 rows; as __m512i gcc copies it */
typedef __m512i dot_weights;                               /* a block */

static inline dot_sums dot_load_sums(const int32_t *from) {
  return (dot_sums)_mm512_loadu_si512(from);
}

static inline void dot_store_sums(int32_t *to, dot_sums sums) {
  _mm512_storeu_si512(to, (__m512i)sums);
}

static inline dot_weights dot_load_weights(const int8_t *from) {
  return _mm512_loadu_si512(from);
}

static inline __m512i dot_splat_input(const uint8_t *from) {
  int32_t four;
  memcpy(&four, from, sizeof four);
  return _mm512_set1_epi32(four);
}

/* The nibbles of 64 bytes, 0 to 15: two blocks. */
static inline dot_weights dot_low_nibbles(dot_weights w) {
  return _mm512_and_si512(w, _mm512_set1_epi8(15));
}

static inline dot_weights dot_high_nibbles(dot_weights w) {
  return dot_low_nibbles(_mm512_srli_epi16(w, 4));
}

static inline dot_sums dot_splat_sums(int32_t value) {
  return (dot_sums)_mm512_set1_epi32(value);
}

/* sums + part * scales, one of 16 scales per row. */
static inline dot_sums dot_add_scaled(dot_sums sums, dot_sums part, const uint8_t *scales) {
  const __m512i wide = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)scales));
  return (dot_sums)_mm512_add_epi32((__m512i)sums, _mm512_mullo_epi32((__m512i)part, wide));
}
