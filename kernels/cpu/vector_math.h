/* The functions of mamba_math.h and the loads and stores of portable/common.h for 16 values at once,
 * with the same bits. Included after a vector_<set>.h. */
#ifndef MAMBA_VECTOR_MATH_H
#define MAMBA_VECTOR_MATH_H

#include "../portable/common.h"

static inline vfloat v_exp(vfloat x) {
  const vfloat shifted = v_fma(x, v_splat(MAMBA_LOG2_E), v_splat(MAMBA_ROUND_TO_INTEGER));
  const vfloat n = v_sub(shifted, v_splat(MAMBA_ROUND_TO_INTEGER));
  vfloat r = v_fma(n, v_splat(-MAMBA_LN2_HIGH), x);
  r = v_fma(n, v_splat(-MAMBA_LN2_LOW), r);
  vfloat q = v_fma(v_splat(MAMBA_EXP_6), r, v_splat(MAMBA_EXP_5));
  q = v_fma(q, r, v_splat(MAMBA_EXP_4));
  q = v_fma(q, r, v_splat(MAMBA_EXP_3));
  q = v_fma(q, r, v_splat(MAMBA_EXP_2));
  q = v_fma(q, r, v_splat(1.0f));
  const vfloat p = v_fma(q, r, v_splat(1.0f));
  return v_exp_scale(p, n, shifted, x);
}

static inline vfloat v_log1p_unit(vfloat x) {
  const vfloat s = v_div(x, v_add(v_splat(2.0f), x));
  const vfloat z = v_mul(s, s);
  vfloat q = v_fma(v_splat(MAMBA_LOG1P_9), z, v_splat(MAMBA_LOG1P_7));
  q = v_fma(q, z, v_splat(MAMBA_LOG1P_5));
  q = v_fma(q, z, v_splat(MAMBA_LOG1P_3));
  return v_fma(v_mul(s, z), q, v_add(s, s));
}

static inline vfloat v_softplus(vfloat x) {
  return v_add(v_max(x, v_splat(0.0f)), v_log1p_unit(v_exp(v_negative_abs(x))));
}

static inline vfloat v_silu(vfloat x) {
  return v_div(x, v_add(v_splat(1.0f), v_exp(v_negate(x))));
}

/* amax with the magnitudes of v, lane by lane; a NaN is passed over. */
static inline vfloat v_absmax(vfloat v, vfloat amax) {
  return v_max(v_negate(v_negative_abs(v)), amax);
}

/* The largest lane of magnitudes. */
static inline float v_largest(vfloat amax) {
  float lanes[LANES];
  v_store(lanes, amax);
  return absmax_of(lanes, LANES, 0);
}

/* The values of elements first .. first + 15, whose channels are channel .. channel + 15. */
static inline __attribute__((always_inline)) vfloat v_load_values(mamba_input in, int64_t first,
                                                                  int32_t channel) {
  switch (in.type) {
  case MAMBA_I8:
    return v_mul(v_load_int8((const int8_t *)in.data + first),
                 in.scales ? v_load(in.scales + channel) : v_splat(in.scale));
  case MAMBA_F16:
    return v_load_half((const uint16_t *)in.data + first);
  case MAMBA_BF16:
    return v_load_bfloat((const uint16_t *)in.data + first);
  default:
    return v_load((const float *)in.data + first);
  }
}

/* Stores 16 values as elements first .. first + 15 in out's type. */
static inline void v_store_values(mamba_output out, int64_t first, int32_t channel, vfloat v) {
  switch (out.type) {
  case MAMBA_I8:
    v = v_mul(v, out.inv_scales ? v_load(out.inv_scales + channel) : v_splat(out.inv_scale));
    v_store_int8((int8_t *)out.data + first, v_max(v_min(v, v_splat(127.0f)), v_splat(-127.0f)));
    break;
  case MAMBA_F16:
    v_store_half((uint16_t *)out.data + first, v);
    break;
  default:
    v_store((float *)out.data + first, v);
    break;
  }
}

#endif
