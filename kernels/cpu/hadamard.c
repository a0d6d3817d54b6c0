/* mamba_hadamard with vectors, for an inner transform of 16 values and more.
 *
 * Bound by the first cache. The butterflies of strides 1 to 8 stay inside a register: a lane adds its partner
 * to itself, or to its own negative where it is the upper one of the pair. Strides from 16 on are between
 * registers. The sums of order m take 16 columns from m registers and put them back in their place. All is
 * exact or rounded as in portable/hadamard.c: a product with +-1 does not round. */
#include "../hadamard_matrices.h"

static inline vfloat hadamard_lanes(vfloat v) {
  static const float signs[4][LANES] = {{1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1},
                                        {1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1},
                                        {1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1},
                                        {1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1}};
  v = v_fma(v, v_load(signs[0]), v_swap_1(v));
  v = v_fma(v, v_load(signs[1]), v_swap_2(v));
  v = v_fma(v, v_load(signs[2]), v_swap_4(v));
  return v_fma(v, v_load(signs[3]), v_swap_8(v));
}

/* to = the Sylvester-Hadamard transform of from, `inner` values. */
static void vector_butterflies(const float *from, float *to, int32_t inner) {
  for (int32_t i = 0; i < inner; i += LANES)
    v_store(to + i, hadamard_lanes(v_load(from + i)));
  for (int32_t stride = LANES; stride < inner; stride *= 2)
    for (int32_t base = 0; base < inner; base += 2 * stride)
      for (int32_t i = base; i < base + stride; i += LANES) {
        const vfloat a = v_load(to + i), b = v_load(to + i + stride);
        v_store(to + i, v_add(a, b));
        v_store(to + i + stride, v_sub(a, b));
      }
}

/* x[i * inner + 0 .. 15] becomes sum_j signs[i][j] x[j * inner + 0 .. 15], in increasing j; four i at a time.
 */
static void vector_signed_sums(float *x, float (*signs)[MAX_ORDER], int32_t order, int32_t inner) {
  vfloat terms[MAX_ORDER];
  for (int32_t j = 0; j < order; ++j)
    terms[j] = v_load(x + j * inner);
  for (int32_t i = 0; i < order; i += 4) {
    vfloat s0 = v_mul(v_splat(signs[i][0]), terms[0]), s1 = v_mul(v_splat(signs[i + 1][0]), terms[0]);
    vfloat s2 = v_mul(v_splat(signs[i + 2][0]), terms[0]), s3 = v_mul(v_splat(signs[i + 3][0]), terms[0]);
    for (int32_t j = 1; j < order; ++j) {
      s0 = v_fma(v_splat(signs[i][j]), terms[j], s0);
      s1 = v_fma(v_splat(signs[i + 1][j]), terms[j], s1);
      s2 = v_fma(v_splat(signs[i + 2][j]), terms[j], s2);
      s3 = v_fma(v_splat(signs[i + 3][j]), terms[j], s3);
    }
    v_store(x + i * inner, s0);
    v_store(x + (i + 1) * inner, s1);
    v_store(x + (i + 2) * inner, s2);
    v_store(x + (i + 3) * inner, s3);
  }
}

static void vector_hadamard(const float *x, bool transpose, int32_t rows, int32_t d, float *scratch,
                            mamba_output out, float *row_scale, mamba_worker worker) {
  const int32_t order = mambaHadamardOrder(d);
  const int32_t inner = d / order;
  if (inner < LANES) {
    hadamard(x, transpose, rows, d, scratch, out, row_scale, worker);
    return;
  }
  const vfloat norm = v_splat((float)(1.0 / sqrt((double)d)));
  float *transformed = scratch + (int64_t)worker.index * d;
  float signs[MAX_ORDER][MAX_ORDER];
  if (order > 1)
    hadamard_signs(mambaHadamardSigns(order), order, transpose, signs);
  const int32_t end = share_begin(rows, worker.index + 1, worker.count);
  for (int32_t row = share_begin(rows, worker.index, worker.count); row < end; ++row) {
    const int64_t first = (int64_t)row * d;
    for (int32_t at = 0; at < d; at += inner)
      vector_butterflies(x + first + at, transformed + at, inner);
    if (order > 1)
      for (int32_t at = 0; at < inner; at += LANES)
        vector_signed_sums(transformed + at, signs, order, inner);
    mamba_output row_out = out;
    if (row_scale) {
      vfloat amax = v_splat(0.0f);
      for (int32_t k = 0; k < d; k += LANES)
        amax = v_absmax(v_mul(v_load(transformed + k), norm), amax);
      row_out = row_output(out, v_largest(amax), &row_scale[row]);
    }
    for (int32_t k = 0; k < d; k += LANES)
      v_store_values(row_out, first + k, k, v_mul(v_load(transformed + k), norm));
  }
}
