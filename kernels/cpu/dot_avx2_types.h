/* What the AVX2 sets share: a block and its sums in two registers. */
typedef struct dot_sums {
  __m256i low, high;
} dot_sums;
typedef dot_sums dot_weights;

static inline dot_sums dot_load_sums(const int32_t *from) {
  return (dot_sums){_mm256_loadu_si256((const __m256i *)from),
                    _mm256_loadu_si256((const __m256i *)(from + 8))};
}

static inline void dot_store_sums(int32_t *to, dot_sums sums) {
  _mm256_storeu_si256((__m256i *)to, sums.low);
  _mm256_storeu_si256((__m256i *)(to + 8), sums.high);
}

static inline dot_weights dot_load_weights(const int8_t *from) {
  return (dot_weights){_mm256_loadu_si256((const __m256i *)from),
                       _mm256_loadu_si256((const __m256i *)(from + 32))};
}

static inline __m256i dot_splat_input(const uint8_t *from) {
  int32_t four;
  memcpy(&four, from, sizeof four);
  return _mm256_set1_epi32(four);
}

/* The nibbles of 64 bytes, 0 to 15: two blocks. */
static inline dot_weights dot_low_nibbles(dot_weights w) {
  const __m256i mask = _mm256_set1_epi8(15);
  return (dot_weights){_mm256_and_si256(w.low, mask), _mm256_and_si256(w.high, mask)};
}

static inline dot_weights dot_high_nibbles(dot_weights w) {
  return dot_low_nibbles((dot_weights){_mm256_srli_epi16(w.low, 4), _mm256_srli_epi16(w.high, 4)});
}

static inline dot_sums dot_splat_sums(int32_t value) {
  return (dot_sums){_mm256_set1_epi32(value), _mm256_set1_epi32(value)};
}

static inline __m256i dot_add_scaled_half(__m256i sums, __m256i part, const uint8_t *scales) {
  const __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)scales));
  return _mm256_add_epi32(sums, _mm256_mullo_epi32(part, wide));
}

/* sums + part * scales, one of 16 scales per row. */
static inline dot_sums dot_add_scaled(dot_sums sums, dot_sums part, const uint8_t *scales) {
  return (dot_sums){dot_add_scaled_half(sums.low, part.low, scales),
                    dot_add_scaled_half(sums.high, part.high, scales + 8)};
}
