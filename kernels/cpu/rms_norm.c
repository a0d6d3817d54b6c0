/* mamba_rms_norm with vectors, for rows of whole vectors: one walk for the residual, the squares and the
 * largest value, one for the values. */

enum { NORM_VECTORS = NORM_BLOCK / LANES };

/* s[k] * gamma[k] for 16 values from k on. */
static inline vfloat scaled_by_gamma(vfloat s, const float *gamma, int32_t k) {
  return gamma ? v_mul(s, v_load(gamma + k)) : s;
}

/* The sums of the 16 quads of four vectors: lane 4 g + j has that of lanes 4 g .. 4 g + 3 of s[j]. */
static inline vfloat quad_squares(const vfloat s[4]) {
  vfloat halves[2];
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const vfloat first = v_first_pairs(s[2 * i], s[2 * i + 1]), last = v_last_pairs(s[2 * i], s[2 * i + 1]);
    halves[i] = v_fma(last, last, v_mul(first, first));
  }
  return v_add(v_evens(halves[0], halves[1]), v_odds(halves[0], halves[1]));
}

typedef struct norm_row {
  const float *x, *delta, *gamma; /* delta and gamma may be NULL */
  float *sum;
  bool find_largest;
  vfloat largest; /* |s * gamma|, lane by lane */
} norm_row;

/* The residual addition of the block at k, of which `vectors` are inside the row, with its share of
 * `largest`. Returns the block's sum of squares. */
static inline __attribute__((always_inline)) float walk_block(norm_row *row, int32_t k, int vectors) {
  vfloat quads[2];
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    vfloat s[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i, k += LANES) {
      s[i] = v_splat(0.0f);
      if (4 * half + i >= vectors)
        continue;
      s[i] = v_load(row->x + k);
      if (row->delta) {
        s[i] = v_add(s[i], v_load(row->delta + k));
        v_store(row->sum + k, s[i]);
      }
      if (row->find_largest)
        row->largest = v_absmax(scaled_by_gamma(s[i], row->gamma, k), row->largest);
    }
    quads[half] = quad_squares(s);
  }
  vfloat q = v_add(quads[0], quads[1]); /* quads i and i + 16 */
  q = v_add(q, v_swap_2(q));            /* + 8: two vectors on */
  q = v_add(q, v_swap_1(q));
  q = v_add(q, v_swap_8(q)); /* + 2: in the same vector */
  return v_lane_0(v_add(q, v_swap_4(q)));
}

static void vector_rms_norm(const float *x, const float *delta, float *sum, const float *gamma, float epsilon,
                            int32_t rows, int32_t d, mamba_output out, float *row_scale,
                            mamba_worker worker) {
  if (d % LANES != 0) {
    rms_norm(x, delta, sum, gamma, epsilon, rows, d, out, row_scale, worker);
    return;
  }
  const int32_t end = share_begin(rows, worker.index + 1, worker.count);
  for (int32_t row = share_begin(rows, worker.index, worker.count); row < end; ++row) {
    const int64_t first = (int64_t)row * d;
    const float *s = delta ? sum + first : x + first;
    norm_row walk = {.x = x + first, .gamma = gamma, .find_largest = row_scale, .largest = v_splat(0.0f)};
    if (delta) {
      walk.delta = delta + first;
      walk.sum = sum + first;
    }
    float p[NORM_SUMS] = {0};
    int32_t k = 0, j = 0;
    for (; k + NORM_BLOCK <= d; k += NORM_BLOCK, ++j)
      p[j % NORM_SUMS] += walk_block(&walk, k, NORM_VECTORS);
    if (k < d)
      p[j % NORM_SUMS] += walk_block(&walk, k, (d - k) / LANES);
    const float r = root_of((p[0] + p[2]) + (p[1] + p[3]), d, epsilon);
    mamba_output row_out = out;
    if (row_scale)
      row_out = row_output(out, largest_normalised(v_largest(walk.largest), r), &row_scale[row]);
    for (k = 0; k < d; k += LANES)
      v_store_values(row_out, first + k, k, v_mul(scaled_by_gamma(v_load(s + k), gamma, k), v_splat(r)));
  }
}
