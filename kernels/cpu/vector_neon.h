/* Sixteen floats in four NEON registers; the names are explained in vector_avx512.h. */
#ifndef MAMBA_VECTOR_NEON_H
#define MAMBA_VECTOR_NEON_H

typedef float32x4x4_t vfloat;

/* {f(i)} for the four registers i. */
#define V_EACH(f) ((vfloat){{f(0), f(1), f(2), f(3)}})

/* Columns of weights that mamba_linear_float takes at once for one token, and for four. */
enum { V_COLUMNS = 4, V_BATCH_COLUMNS = 1 };

static inline vfloat v_load(const float *from) {
#define LOAD(i) vld1q_f32(from + 4 * (i))
  return V_EACH(LOAD);
#undef LOAD
}

static inline void v_store(float *to, vfloat v) {
  for (int i = 0; i < 4; ++i)
    vst1q_f32(to + 4 * i, v.val[i]);
}

static inline vfloat v_splat(float value) {
  const float32x4_t v = vdupq_n_f32(value);
  return (vfloat){{v, v, v, v}};
}

#define V_BINARY(name, operation)                                                                            \
  static inline vfloat name(vfloat a, vfloat b) {                                                            \
    return (vfloat){{operation(a.val[0], b.val[0]), operation(a.val[1], b.val[1]),                           \
                     operation(a.val[2], b.val[2]), operation(a.val[3], b.val[3])}};                         \
  }

/* Not vmaxq and vminq, which give NaN where one operand is NaN. */
static inline float32x4_t larger_or_second(float32x4_t a, float32x4_t b) {
  return vbslq_f32(vcgtq_f32(a, b), a, b);
}

static inline float32x4_t smaller_or_second(float32x4_t a, float32x4_t b) {
  return vbslq_f32(vcltq_f32(a, b), a, b);
}

static inline float32x4_t first_pair(float32x4_t a, float32x4_t b) {
  return vcombine_f32(vget_low_f32(a), vget_low_f32(b));
}

static inline float32x4_t last_pair(float32x4_t a, float32x4_t b) {
  return vcombine_f32(vget_high_f32(a), vget_high_f32(b));
}

V_BINARY(v_add, vaddq_f32)
V_BINARY(v_sub, vsubq_f32)
V_BINARY(v_mul, vmulq_f32)
V_BINARY(v_div, vdivq_f32)
V_BINARY(v_max, larger_or_second)
V_BINARY(v_min, smaller_or_second)
V_BINARY(v_first_pairs, first_pair)
V_BINARY(v_last_pairs, last_pair)
V_BINARY(v_evens, vuzp1q_f32)
V_BINARY(v_odds, vuzp2q_f32)
#undef V_BINARY

static inline vfloat v_fma(vfloat a, vfloat b, vfloat c) {
#define FMA(i) vfmaq_f32(c.val[i], a.val[i], b.val[i])
  return V_EACH(FMA);
#undef FMA
}

static inline vfloat v_negate(vfloat x) {
#define NEGATE(i) vnegq_f32(x.val[i])
  return V_EACH(NEGATE);
#undef NEGATE
}

static inline vfloat v_negative_abs(vfloat x) {
#define NEGATIVE_ABS(i) vnegq_f32(vabsq_f32(x.val[i]))
  return V_EACH(NEGATIVE_ABS);
#undef NEGATIVE_ABS
}

static inline float32x4_t exp_scale_quarter(float32x4_t p, float32x4_t shifted, float32x4_t x) {
  const uint32x4_t exponent = vshlq_n_u32(vreinterpretq_u32_f32(shifted), 23);
  const uint32x4_t bits = vaddq_u32(vreinterpretq_u32_f32(p), exponent);
  float32x4_t y = vreinterpretq_f32_u32(vbicq_u32(bits, vcltq_f32(x, vdupq_n_f32(-0x1.5d589ep+6f))));
  y = vbslq_f32(vcgtq_f32(x, vdupq_n_f32(0x1.62e42ep+6f)), vdupq_n_f32(INFINITY), y);
  return vbslq_f32(vceqq_f32(x, x), y, x);
}

static inline vfloat v_exp_scale(vfloat p, vfloat n, vfloat shifted, vfloat x) {
  (void)n;
#define SCALE(i) exp_scale_quarter(p.val[i], shifted.val[i], x.val[i])
  return V_EACH(SCALE);
#undef SCALE
}

static inline vfloat v_load_int32(const int32_t *from) {
#define CONVERT(i) vcvtq_f32_s32(vld1q_s32(from + 4 * (i)))
  return V_EACH(CONVERT);
#undef CONVERT
}

static inline vfloat int8_to_floats(int8x16_t bytes) {
  const int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_s8(vget_high_s8(bytes));
  return (vfloat){{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))),
                   vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
                   vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)))}};
}

static inline vfloat v_load_int8(const int8_t *from) {
  return int8_to_floats(vld1q_s8(from));
}

static inline vfloat nibbles_to_floats(uint8x16_t nibbles) {
  return int8_to_floats(vsubq_s8(vreinterpretq_s8_u8(nibbles), vdupq_n_s8(8)));
}

static inline vfloat v_nibble_values(float scale) {
  return v_splat(scale);
}

static inline vfloat v_load_low_nibbles(const uint8_t *from, vfloat values) {
  return v_mul(nibbles_to_floats(vandq_u8(vld1q_u8(from), vdupq_n_u8(15))), values);
}

static inline vfloat v_load_high_nibbles(const uint8_t *from, vfloat values) {
  return v_mul(nibbles_to_floats(vshrq_n_u8(vld1q_u8(from), 4)), values);
}

static inline vfloat v_last_bits(vfloat v) {
  vfloat bits;
  for (int i = 0; i < 4; ++i)
    bits.val[i] = vcvtq_f32_u32(vandq_u32(vreinterpretq_u32_f32(v.val[i]), vdupq_n_u32(255)));
  return bits;
}

static inline vfloat v_load_half(const uint16_t *from) {
#define WIDEN(i) vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from + 4 * (i))))
  return V_EACH(WIDEN);
#undef WIDEN
}

static inline vfloat v_load_bfloat(const uint16_t *from) {
#define WIDEN(i) vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(vld1_u16(from + 4 * (i))), 16))
  return V_EACH(WIDEN);
#undef WIDEN
}

static inline void v_store_int8(int8_t *to, vfloat v) {
  const int16x8_t low =
      vcombine_s16(vmovn_s32(vcvtnq_s32_f32(v.val[0])), vmovn_s32(vcvtnq_s32_f32(v.val[1])));
  const int16x8_t high =
      vcombine_s16(vmovn_s32(vcvtnq_s32_f32(v.val[2])), vmovn_s32(vcvtnq_s32_f32(v.val[3])));
  vst1q_s8(to, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
}

static inline void v_store_half(uint16_t *to, vfloat v) {
  for (int i = 0; i < 4; ++i)
    vst1_u16(to + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(v.val[i])));
}

static inline vfloat v_swap_1(vfloat v) {
  return (vfloat){
      {vrev64q_f32(v.val[0]), vrev64q_f32(v.val[1]), vrev64q_f32(v.val[2]), vrev64q_f32(v.val[3])}};
}

static inline vfloat v_swap_2(vfloat v) {
  return (vfloat){{vextq_f32(v.val[0], v.val[0], 2), vextq_f32(v.val[1], v.val[1], 2),
                   vextq_f32(v.val[2], v.val[2], 2), vextq_f32(v.val[3], v.val[3], 2)}};
}

static inline vfloat v_swap_4(vfloat v) {
  return (vfloat){{v.val[1], v.val[0], v.val[3], v.val[2]}};
}

static inline vfloat v_swap_8(vfloat v) {
  return (vfloat){{v.val[2], v.val[3], v.val[0], v.val[1]}};
}

static inline float v_lane_0(vfloat v) {
  return vgetq_lane_f32(v.val[0], 0);
}

static inline float v_fold(vfloat v) {
  const float32x4_t low = vaddq_f32(v.val[0], v.val[2]), high = vaddq_f32(v.val[1], v.val[3]);
  const float32x4_t four = vaddq_f32(low, high);
  const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

#undef V_EACH
static inline __attribute__((always_inline)) void v_fold_16(const vfloat v[16], float *sums) {
  for (int i = 0; i < 16; ++i)
    sums[i] = v_fold(v[i]);
}

#endif
