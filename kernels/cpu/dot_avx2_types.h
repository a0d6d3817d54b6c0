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
