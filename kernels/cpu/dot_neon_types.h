/* What the NEON sets share: a block in four registers. */
typedef int8x16x4_t dot_weights;

static inline dot_weights dot_load_weights(const int8_t *from) {
  return (dot_weights){{vld1q_s8(from), vld1q_s8(from + 16), vld1q_s8(from + 32), vld1q_s8(from + 48)}};
}

/* The nibbles of 64 bytes, 0 to 15: two blocks. */
static inline dot_weights dot_low_nibbles(dot_weights w) {
  const int8x16_t mask = vdupq_n_s8(15);
  return (dot_weights){{vandq_s8(w.val[0], mask), vandq_s8(w.val[1], mask), vandq_s8(w.val[2], mask),
                        vandq_s8(w.val[3], mask)}};
}

static inline int8x16_t dot_shift_nibbles(int8x16_t bytes) {
  return vreinterpretq_s8_u8(vshrq_n_u8(vreinterpretq_u8_s8(bytes), 4));
}

static inline dot_weights dot_high_nibbles(dot_weights w) {
  return (dot_weights){{dot_shift_nibbles(w.val[0]), dot_shift_nibbles(w.val[1]), dot_shift_nibbles(w.val[2]),
                        dot_shift_nibbles(w.val[3])}};
}

/* Four scales as int32, of rows 4 i on. */
static inline int32x4_t dot_scales(const uint8_t *scales, int i) {
  const uint8x16_t bytes = vld1q_u8(scales);
  const uint16x8_t words = i < 2 ? vmovl_u8(vget_low_u8(bytes)) : vmovl_u8(vget_high_u8(bytes));
  return vreinterpretq_s32_u32(vmovl_u16(i % 2 ? vget_high_u16(words) : vget_low_u16(words)));
}
