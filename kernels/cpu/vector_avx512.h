/* Sixteen floats in one AVX-512 register, with the operations that vector_math.h and the kernels need.
 * Every vector_<set>.h defines the same names. */
#ifndef MAMBA_VECTOR_AVX512_H
#define MAMBA_VECTOR_AVX512_H

typedef __m512 vfloat;

/* Columns of weights that mamba_linear_float takes at once for one token, and for four. */
enum { V_COLUMNS = 8, V_BATCH_COLUMNS = 4 };

static inline vfloat v_load(const float *from) {
  return _mm512_loadu_ps(from);
}

static inline void v_store(float *to, vfloat v) {
  _mm512_storeu_ps(to, v);
}

static inline vfloat v_splat(float value) {
  return _mm512_set1_ps(value);
}

static inline vfloat v_add(vfloat a, vfloat b) {
  return _mm512_add_ps(a, b);
}

static inline vfloat v_sub(vfloat a, vfloat b) {
  return _mm512_sub_ps(a, b);
}

static inline vfloat v_mul(vfloat a, vfloat b) {
  return _mm512_mul_ps(a, b);
}

static inline vfloat v_div(vfloat a, vfloat b) {
  return _mm512_div_ps(a, b);
}

/* a * b + c, rounded once. */
static inline vfloat v_fma(vfloat a, vfloat b, vfloat c) {
  return _mm512_fmadd_ps(a, b, c);
}

/* a > b ? a : b, so b where one is NaN. */
static inline vfloat v_max(vfloat a, vfloat b) {
  return _mm512_max_ps(a, b);
}

/* a < b ? a : b, so b where one is NaN. */
static inline vfloat v_min(vfloat a, vfloat b) {
  return _mm512_min_ps(a, b);
}

/* -|x| */
static inline vfloat v_negative_abs(vfloat x) {
  return _mm512_or_ps(x, _mm512_set1_ps(-0.0f));
}

static inline vfloat v_negate(vfloat x) {
  return _mm512_xor_ps(x, _mm512_set1_ps(-0.0f));
}

/* The end of mambaExp: p 2^n for n = rne(x log2 e). vscalefps gives infinity above the largest float and
 * keeps NaN (also p = NaN with n = infinity, x = infinity, is infinity), so zero below 2^-126 is all that is
 * left. */
static inline vfloat v_exp_scale(vfloat p, vfloat n, vfloat shifted, vfloat x) {
  (void)shifted;
  return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(x, _mm512_set1_ps(-0x1.5d589ep+6f), _CMP_NLT_UQ), p, n);
}

static inline vfloat v_load_int32(const int32_t *from) {
  return _mm512_cvtepi32_ps(_mm512_loadu_si512(from));
}

static inline vfloat v_load_int8(const int8_t *from) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)from)));
}

/* What nibbles stand for, each less 8 and times `scale`: here a table. Then those of the low, or the high,
 * nibbles of 16 bytes. */
static inline vfloat v_nibble_values(float scale) {
  return _mm512_mul_ps(_mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7),
                       _mm512_set1_ps(scale));
}

static inline vfloat v_load_low_nibbles(const uint8_t *from, vfloat values) {
  const __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)from));
  return _mm512_permutexvar_ps(bytes, values); /* which looks at four bits */
}

static inline vfloat v_load_high_nibbles(const uint8_t *from, vfloat values) {
  const __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)from));
  return _mm512_permutexvar_ps(_mm512_srli_epi32(bytes, 4), values);
}

/* The last 8 bits of each float, as a number. */
static inline vfloat v_last_bits(vfloat v) {
  return _mm512_cvtepi32_ps(_mm512_and_si512(_mm512_castps_si512(v), _mm512_set1_epi32(255)));
}

static inline vfloat v_load_half(const uint16_t *from) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from));
}

/* Widened bits; a signalling NaN stays one, which the first operation makes quiet. */
static inline vfloat v_load_bfloat(const uint16_t *from) {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

/* Integers of v in [-127, 127], ties to even. */
static inline void v_store_int8(int8_t *to, vfloat v) {
  _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
}

static inline void v_store_half(uint16_t *to, vfloat v) {
  _mm256_storeu_si256((__m256i *)to, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

/* Lane l becomes lane l ^ 1; below, l ^ 2, l ^ 4 and l ^ 8. */
static inline vfloat v_swap_1(vfloat v) {
  return _mm512_permute_ps(v, 0xb1);
}

static inline vfloat v_swap_2(vfloat v) {
  return _mm512_permute_ps(v, 0x4e);
}

static inline vfloat v_swap_4(vfloat v) {
  return _mm512_shuffle_f32x4(v, v, 0xb1);
}

static inline vfloat v_swap_8(vfloat v) {
  return _mm512_shuffle_f32x4(v, v, 0x4e);
}

/* Of every four lanes of a and of b: their first two, their last two, their even ones, their odd ones. */
static inline vfloat v_first_pairs(vfloat a, vfloat b) {
  return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
}

static inline vfloat v_last_pairs(vfloat a, vfloat b) {
  return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
}

static inline vfloat v_evens(vfloat a, vfloat b) {
  return _mm512_shuffle_ps(a, b, 0x88);
}

static inline vfloat v_odds(vfloat a, vfloat b) {
  return _mm512_shuffle_ps(a, b, 0xdd);
}

static inline float v_lane_0(vfloat v) {
  return _mm512_cvtss_f32(v);
}

/* The end of the contract's sum over the 16 lanes. */
static inline float v_fold(vfloat v) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/* [a, b] after the first of its additions, in halves. */
static inline vfloat v_fold_halves(vfloat a, vfloat b) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
}

/* The folds of 16 vectors: the same additions, of several sums in one instruction. */
static inline __attribute__((always_inline)) void v_fold_16(const vfloat v[16], float *sums) {
  vfloat quarters[4]; /* of i, the vectors i, i + 4, i + 8 and i + 12 after two additions */
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const vfloat low = v_fold_halves(v[i], v[i + 4]), high = v_fold_halves(v[i + 8], v[i + 12]);
    quarters[i] = _mm512_add_ps(_mm512_shuffle_f32x4(low, high, 0x88), _mm512_shuffle_f32x4(low, high, 0xdd));
  }
  __m512d pairs[2];
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const __m512d a = _mm512_castps_pd(quarters[2 * i]), b = _mm512_castps_pd(quarters[2 * i + 1]);
    pairs[i] = _mm512_castps_pd(_mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)),
                                              _mm512_castpd_ps(_mm512_unpackhi_pd(a, b))));
  }
  const vfloat a = _mm512_castpd_ps(pairs[0]), b = _mm512_castpd_ps(pairs[1]);
  _mm512_storeu_ps(sums, _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd)));
}

#endif
