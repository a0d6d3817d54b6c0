/* Sixteen floats in two AVX2 registers; the names are explained in vector_avx512.h. */
#ifndef MAMBA_VECTOR_AVX2_H
#define MAMBA_VECTOR_AVX2_H

typedef struct vfloat {
  __m256 low, high;
} vfloat;

/* Columns of weights that mamba_linear_float takes at once for one token, and for four. */
enum { V_COLUMNS = 4, V_BATCH_COLUMNS = 1 };

static inline vfloat v_load(const float *from) {
  return (vfloat){_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)};
}

static inline void v_store(float *to, vfloat v) {
  _mm256_storeu_ps(to, v.low);
  _mm256_storeu_ps(to + 8, v.high);
}

static inline vfloat v_splat(float value) {
  return (vfloat){_mm256_set1_ps(value), _mm256_set1_ps(value)};
}

static inline vfloat v_add(vfloat a, vfloat b) {
  return (vfloat){_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}

static inline vfloat v_sub(vfloat a, vfloat b) {
  return (vfloat){_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}

static inline vfloat v_mul(vfloat a, vfloat b) {
  return (vfloat){_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}

static inline vfloat v_div(vfloat a, vfloat b) {
  return (vfloat){_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}

static inline vfloat v_fma(vfloat a, vfloat b, vfloat c) {
  return (vfloat){_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}

static inline vfloat v_max(vfloat a, vfloat b) {
  return (vfloat){_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}

static inline vfloat v_min(vfloat a, vfloat b) {
  return (vfloat){_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)};
}

static inline vfloat v_negative_abs(vfloat x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return (vfloat){_mm256_or_ps(x.low, sign), _mm256_or_ps(x.high, sign)};
}

static inline vfloat v_negate(vfloat x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return (vfloat){_mm256_xor_ps(x.low, sign), _mm256_xor_ps(x.high, sign)};
}

static inline __m256 exp_scale_half(__m256 p, __m256 shifted, __m256 x) {
  const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
  __m256 y = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
  y = _mm256_andnot_ps(_mm256_cmp_ps(x, _mm256_set1_ps(-0x1.5d589ep+6f), _CMP_LT_OQ), y);
  y = _mm256_blendv_ps(y, _mm256_set1_ps(INFINITY),
                       _mm256_cmp_ps(x, _mm256_set1_ps(0x1.62e42ep+6f), _CMP_GT_OQ));
  return _mm256_blendv_ps(y, x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}

static inline vfloat v_exp_scale(vfloat p, vfloat n, vfloat shifted, vfloat x) {
  (void)n;
  return (vfloat){exp_scale_half(p.low, shifted.low, x.low), exp_scale_half(p.high, shifted.high, x.high)};
}

static inline vfloat v_load_int32(const int32_t *from) {
  return (vfloat){_mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)from)),
                  _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)(from + 8)))};
}

static inline vfloat int8_to_floats(__m128i bytes) {
  return (vfloat){_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
                  _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
}

static inline vfloat v_load_int8(const int8_t *from) {
  return int8_to_floats(_mm_loadu_si128((const __m128i *)from));
}

static inline vfloat nibbles_to_floats(__m128i bytes) {
  const __m128i nibbles = _mm_and_si128(bytes, _mm_set1_epi8(15));
  return int8_to_floats(_mm_sub_epi8(nibbles, _mm_set1_epi8(8)));
}

static inline vfloat v_nibble_values(float scale) {
  return v_splat(scale);
}

static inline vfloat v_load_low_nibbles(const uint8_t *from, vfloat values) {
  return v_mul(nibbles_to_floats(_mm_loadu_si128((const __m128i *)from)), values);
}

static inline vfloat v_load_high_nibbles(const uint8_t *from, vfloat values) {
  return v_mul(nibbles_to_floats(_mm_srli_epi16(_mm_loadu_si128((const __m128i *)from), 4)), values);
}

static inline __m256 last_bits_half(__m256 v) {
  return _mm256_cvtepi32_ps(_mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(255)));
}

static inline vfloat v_last_bits(vfloat v) {
  return (vfloat){last_bits_half(v.low), last_bits_half(v.high)};
}

static inline vfloat v_load_half(const uint16_t *from) {
  return (vfloat){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from)),
                  _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(from + 8)))};
}

static inline __m256 load_bfloat_half(const uint16_t *from) {
  const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)from));
  return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

static inline vfloat v_load_bfloat(const uint16_t *from) {
  return (vfloat){load_bfloat_half(from), load_bfloat_half(from + 8)};
}

static inline void v_store_int8(int8_t *to, vfloat v) {
  const __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(v.low), _mm256_cvtps_epi32(v.high));
  const __m256i ordered = _mm256_permute4x64_epi64(words, _MM_SHUFFLE(3, 1, 2, 0));
  _mm_storeu_si128((__m128i *)to,
                   _mm_packs_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1)));
}

static inline void v_store_half(uint16_t *to, vfloat v) {
  _mm_storeu_si128((__m128i *)to, _mm256_cvtps_ph(v.low, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  _mm_storeu_si128((__m128i *)(to + 8),
                   _mm256_cvtps_ph(v.high, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

static inline vfloat v_swap_1(vfloat v) {
  return (vfloat){_mm256_permute_ps(v.low, 0xb1), _mm256_permute_ps(v.high, 0xb1)};
}

static inline vfloat v_swap_2(vfloat v) {
  return (vfloat){_mm256_permute_ps(v.low, 0x4e), _mm256_permute_ps(v.high, 0x4e)};
}

static inline vfloat v_swap_4(vfloat v) {
  return (vfloat){_mm256_permute2f128_ps(v.low, v.low, 1), _mm256_permute2f128_ps(v.high, v.high, 1)};
}

static inline vfloat v_swap_8(vfloat v) {
  return (vfloat){v.high, v.low};
}

#define V_SHUFFLE(name, lanes)                                                                               \
  static inline vfloat name(vfloat a, vfloat b) {                                                            \
    return (vfloat){_mm256_shuffle_ps(a.low, b.low, lanes), _mm256_shuffle_ps(a.high, b.high, lanes)};       \
  }

V_SHUFFLE(v_first_pairs, 0x44)
V_SHUFFLE(v_last_pairs, 0xee)
V_SHUFFLE(v_evens, 0x88)
V_SHUFFLE(v_odds, 0xdd)
#undef V_SHUFFLE

static inline float v_lane_0(vfloat v) {
  return _mm256_cvtss_f32(v.low);
}

static inline float v_fold(vfloat v) {
  const __m256 eight = _mm256_add_ps(v.low, v.high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static inline __attribute__((always_inline)) void v_fold_16(const vfloat v[16], float *sums) {
  for (int i = 0; i < 16; ++i)
    sums[i] = v_fold(v[i]);
}

#endif
