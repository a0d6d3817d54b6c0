/* mamba_selective_scan with vectors of 16 channels, for whole blocks of channels and 16 states.
 *
 * Bound by arithmetic: each state and step costs an exponential (14 operations of AVX-512) and 4
 * operations more. The 16 states of a block stay in registers or the first cache for SCAN_TOKENS steps;
 * then the next block walks over the same tokens, whose rows the caches still hold. The sum over
 * states is the contract's tree, walked depth first so that few partial sums are alive. */

enum { SCAN_STATES = 16, SCAN_TOKENS = 32 };

typedef struct scan_step_values {
  vfloat delta, du;
  const float *b, *c; /* [SCAN_STATES] */
} scan_step_values;

/* Moves state s one step and gives its term of y. */
static inline vfloat scan_state(const scan_step_values *step, const vfloat *a, vfloat *h, int s) {
  h[s] = v_fma(v_exp(v_mul(step->delta, a[s])), h[s], v_mul(step->du, v_splat(step->b[s])));
  return v_fma(h[s], v_splat(step->c[s]), v_splat(0.0f));
}

static inline vfloat scan_2_states(const scan_step_values *step, const vfloat *a, vfloat *h, int s) {
  const vfloat first = scan_state(step, a, h, s);
  return v_add(first, scan_state(step, a, h, s + 8));
}

static inline vfloat scan_4_states(const scan_step_values *step, const vfloat *a, vfloat *h, int s) {
  const vfloat first = scan_2_states(step, a, h, s);
  return v_add(first, scan_2_states(step, a, h, s + 4));
}

static inline vfloat scan_8_states(const scan_step_values *step, const vfloat *a, vfloat *h, int s) {
  const vfloat first = scan_4_states(step, a, h, s);
  return v_add(first, scan_4_states(step, a, h, s + 2));
}

static inline vfloat scan_16_states(const scan_step_values *step, const vfloat *a, vfloat *h) {
  const vfloat first = scan_8_states(step, a, h, 0);
  return v_add(first, scan_8_states(step, a, h, 1));
}

/* The B and C of `tokens` tokens. */
typedef struct scan_tokens {
  float b[SCAN_TOKENS][SCAN_STATES], c[SCAN_TOKENS][SCAN_STATES];
  int64_t first_row;
  int32_t tokens;
} scan_tokens;

/* The integers h become the floats that they stand for, and after the step integers again with a scale of
 * theirs: scan_widen and scan_narrow of the portable kernel. */
static inline void scan_vector_widen(vfloat *h, vfloat scale) {
#pragma GCC unroll 16
  for (int s = 0; s < SCAN_STATES; ++s)
    h[s] = v_mul(h[s], scale);
}

static inline vfloat scan_vector_narrow(vfloat *h) {
  vfloat amax = v_splat(0.0f);
  float scale[LANES], inverse[LANES];
#pragma GCC unroll 16
  for (int s = 0; s < SCAN_STATES; ++s)
    amax = v_absmax(h[s], amax);
  v_store(scale, amax);
  for (int l = 0; l < LANES; ++l) {
    scale[l] = mambaScaleOfAbsmax(scale[l]);
    inverse[l] = mambaInverseScale(scale[l]);
  }
#pragma GCC unroll 16
  for (int s = 0; s < SCAN_STATES; ++s) {
    const vfloat v = v_max(v_min(v_mul(h[s], v_load(inverse)), v_splat(127.0f)), v_splat(-127.0f));
    const vfloat up = v_fma(v_last_bits(h[s]), v_splat(0x1p-8f), v_splat(0x1p-9f - 0.5f));
    h[s] = v_sub(v_add(v_add(v, up), v_splat(12582912.0f)), v_splat(12582912.0f));
  }
  return v_load(scale);
}

/* `integers`, whether the states are, is a constant of the caller. */
static inline __attribute__((always_inline)) void
scan_vector_block(const bool integers, const scan_inputs *in, const scan_tokens *tile, const float *a,
                  const float *d_skip, scan_memory memory, int32_t d, int32_t channel, mamba_output out) {
  vfloat decay[SCAN_STATES], h[SCAN_STATES];
  float scales[LANES] = {0};
  if (integers)
    memcpy(scales, scan_scale_of(memory, SCAN_STATES, d, channel), sizeof scales);
  vfloat scale = v_load(scales);
  for (int s = 0; s < SCAN_STATES; ++s) {
    const int64_t first = (int64_t)s * d + channel;
    decay[s] = v_load(a + first);
    h[s] = integers ? v_load_int8(memory.integers + first) : v_load(memory.floats + first);
  }
  const vfloat skip = d_skip ? v_load(d_skip + channel) : v_splat(0.0f);
  for (int32_t t = 0; t < tile->tokens; ++t) {
    const int64_t first = (tile->first_row + t) * d + channel;
    const vfloat u = v_load_values(in->u, first, channel);
    vfloat delta = v_load_values(in->dt, first, channel);
    if (in->apply_softplus)
      delta = v_softplus(delta);
    const scan_step_values step = {delta, v_mul(delta, u), tile->b[t], tile->c[t]};
    if (integers)
      scan_vector_widen(h, scale);
    vfloat y = scan_16_states(&step, decay, h);
    if (integers)
      scale = scan_vector_narrow(h);
    if (d_skip)
      y = v_fma(skip, u, y);
    if (in->z.data)
      y = v_mul(y, v_silu(v_load_values(in->z, first, channel)));
    v_store_values(out, first, channel, y);
  }
  if (integers) {
    v_store(scales, scale);
    memcpy(scan_scale_of(memory, SCAN_STATES, d, channel), scales, sizeof scales);
  }
  for (int s = 0; s < SCAN_STATES; ++s) {
    const int64_t first = (int64_t)s * d + channel;
    if (integers)
      v_store_int8(memory.integers + first, h[s]);
    else
      v_store(memory.floats + first, h[s]);
  }
}

static inline __attribute__((always_inline)) void
scan_vectors(const bool integers, const scan_inputs *in, const float *a, const float *d_skip, scan_memory all,
             int32_t batch, int32_t tokens, int32_t d, int32_t n, mamba_output out, mamba_worker worker) {
  if (n != SCAN_STATES) {
    scan_portable(in, a, d_skip, all, batch, tokens, d, n, out, worker);
    return;
  }
  const int32_t blocks = (d - 1) / LANES + 1;
  const int32_t end = share_begin(batch * blocks, worker.index + 1, worker.count);
  for (int32_t item = share_begin(batch * blocks, worker.index, worker.count); item < end;) {
    const int32_t sequence = item / blocks;
    const int32_t begin = item % blocks * LANES, stop = smaller((item % blocks + end - item) * LANES, d);
    const scan_memory memory = scan_memory_of(all, sequence, n, d);
    for (int32_t t = 0; t < tokens; t += SCAN_TOKENS) {
      scan_tokens tile = {.first_row = (int64_t)sequence * tokens + t,
                          .tokens = smaller(SCAN_TOKENS, tokens - t)};
      for (int32_t i = 0; i < tile.tokens; ++i) {
        v_store(tile.b[i], v_load_values(in->b, (tile.first_row + i) * n, 0));
        v_store(tile.c[i], v_load_values(in->c, (tile.first_row + i) * n, 0));
      }
      int32_t channel = begin;
      for (; channel + LANES <= stop; channel += LANES)
        scan_vector_block(integers, in, &tile, a, d_skip, memory, d, channel, out);
      if (channel < stop)
        scan_block(in, a, d_skip, memory, tile.first_row, tile.tokens, d, n, channel, stop - channel, out);
    }
    item += (stop - begin - 1) / LANES + 1;
  }
}

static void vector_selective_scan(mamba_input u, mamba_input dt, bool apply_softplus, const float *a,
                                  mamba_input b, mamba_input c, const float *d_skip, mamba_input z,
                                  float *state, int32_t batch, int32_t tokens, int32_t d, int32_t n,
                                  mamba_output out, mamba_worker worker) {
  const scan_inputs in = {u, dt, b, c, z, apply_softplus};
  scan_vectors(false, &in, a, d_skip, (scan_memory){.floats = state}, batch, tokens, d, n, out, worker);
}

static void vector_selective_scan_i8(mamba_input u, mamba_input dt, bool apply_softplus, const float *a,
                                     mamba_input b, mamba_input c, const float *d_skip, mamba_input z,
                                     int8_t *state, int32_t batch, int32_t tokens, int32_t d, int32_t n,
                                     mamba_output out, mamba_worker worker) {
  const scan_inputs in = {u, dt, b, c, z, apply_softplus};
  scan_vectors(true, &in, a, d_skip, (scan_memory){.integers = state}, batch, tokens, d, n, out, worker);
}
