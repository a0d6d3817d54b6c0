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

static void scan_vector_block(const scan_inputs *in, const scan_tokens *tile, const float *a,
                              const float *d_skip, float *state, int32_t d, int32_t channel,
                              mamba_output out) {
  vfloat decay[SCAN_STATES], h[SCAN_STATES];
  for (int s = 0; s < SCAN_STATES; ++s) {
    decay[s] = v_load(a + (int64_t)s * d + channel);
    h[s] = v_load(state + (int64_t)s * d + channel);
  }
  const vfloat skip = d_skip ? v_load(d_skip + channel) : v_splat(0.0f);
  for (int32_t t = 0; t < tile->tokens; ++t) {
    const int64_t first = (tile->first_row + t) * d + channel;
    const vfloat u = v_load_values(in->u, first, channel);
    vfloat delta = v_load_values(in->dt, first, channel);
    if (in->apply_softplus)
      delta = v_softplus(delta);
    const scan_step_values step = {delta, v_mul(delta, u), tile->b[t], tile->c[t]};
    vfloat y = scan_16_states(&step, decay, h);
    if (d_skip)
      y = v_fma(skip, u, y);
    if (in->z.data)
      y = v_mul(y, v_silu(v_load_values(in->z, first, channel)));
    v_store_values(out, first, channel, y);
  }
  for (int s = 0; s < SCAN_STATES; ++s)
    v_store(state + (int64_t)s * d + channel, h[s]);
}

static void vector_selective_scan(mamba_input u, mamba_input dt, bool apply_softplus, const float *a,
                                  mamba_input b, mamba_input c, const float *d_skip, mamba_input z,
                                  float *state, int32_t batch, int32_t tokens, int32_t d, int32_t n,
                                  mamba_output out, mamba_worker worker) {
  if (n != SCAN_STATES) {
    selective_scan(u, dt, apply_softplus, a, b, c, d_skip, z, state, batch, tokens, d, n, out, worker);
    return;
  }
  const scan_inputs in = {u, dt, b, c, z, apply_softplus};
  const int32_t blocks = (d - 1) / LANES + 1;
  const int32_t end = share_begin(batch * blocks, worker.index + 1, worker.count);
  for (int32_t item = share_begin(batch * blocks, worker.index, worker.count); item < end;) {
    const int32_t sequence = item / blocks;
    const int32_t begin = item % blocks * LANES, stop = smaller((item % blocks + end - item) * LANES, d);
    float *states = state + (int64_t)sequence * n * d;
    for (int32_t t = 0; t < tokens; t += SCAN_TOKENS) {
      scan_tokens tile = {.first_row = (int64_t)sequence * tokens + t,
                          .tokens = smaller(SCAN_TOKENS, tokens - t)};
      for (int32_t i = 0; i < tile.tokens; ++i) {
        v_store(tile.b[i], v_load_values(b, (tile.first_row + i) * n, 0));
        v_store(tile.c[i], v_load_values(c, (tile.first_row + i) * n, 0));
      }
      int32_t channel = begin;
      for (; channel + LANES <= stop; channel += LANES)
        scan_vector_block(&in, &tile, a, d_skip, states, d, channel, out);
      if (channel < stop)
        scan_block(&in, a, d_skip, states, tile.first_row, tile.tokens, d, n, channel, stop - channel, out);
    }
    item += (stop - begin - 1) / LANES + 1;
  }
}
