/* mamba_selective_scan: an item is one sequence and one block of 16 channels, whose states stay in a
 * local array while time runs. A short last block computes on lanes of zeros that are never stored. */
#include "common.h"

enum { MAX_STATES = 256 };

typedef struct scan_inputs {
  mamba_input u, dt, b, c, z;
  bool apply_softplus;
} scan_inputs;

/* The states: floats, or integers with a scale per channel. */
typedef struct scan_memory {
  float *floats;    /* [n, d], or NULL for */
  int8_t *integers; /* [n + MAMBA_STATE_SCALE_ROWS, d] */
} scan_memory;

/* Those of sequence `index`. */
static inline scan_memory scan_memory_of(scan_memory all, int32_t index, int32_t n, int32_t d) {
  if (all.floats)
    return (scan_memory){.floats = all.floats + (int64_t)index * n * d};
  return (scan_memory){.integers = all.integers + (int64_t)index * (n + MAMBA_STATE_SCALE_ROWS) * d};
}

/* The bytes of a channel's scale. */
static inline int8_t *scan_scale_of(scan_memory memory, int32_t n, int32_t d, int32_t channel) {
  return memory.integers + (int64_t)n * d + (int64_t)channel * (int64_t)sizeof(float);
}

/* h *= scale, and afterwards h becomes integers again and scale theirs. */
static inline void scan_widen(int32_t n, const float *restrict scale, float (*restrict h)[LANES]) {
  for (int32_t s = 0; s < n; ++s)
    for (int l = 0; l < LANES; ++l)
      h[s][l] = h[s][l] * scale[l];
}

static inline void scan_narrow(int32_t n, float *restrict scale, float (*restrict h)[LANES]) {
  float amax[LANES] = {0}, inverse[LANES];
  for (int32_t s = 0; s < n; ++s)
    for (int l = 0; l < LANES; ++l) {
      const float magnitude = fabsf(h[s][l]);
      amax[l] = magnitude > amax[l] ? magnitude : amax[l];
    }
  for (int l = 0; l < LANES; ++l) {
    scale[l] = mambaScaleOfAbsmax(amax[l]);
    inverse[l] = mambaInverseScale(scale[l]);
  }
  for (int32_t s = 0; s < n; ++s)
    for (int l = 0; l < LANES; ++l) {
      uint32_t bits;
      memcpy(&bits, &h[s][l], sizeof bits);
      float v = h[s][l] * inverse[l];
      v = v < 127.0f ? v : 127.0f;
      v = v > -127.0f ? v : -127.0f;
      v = v + fmaf((float)(bits & 255), 0x1p-8f, 0x1p-9f - 0.5f);
      h[s][l] = (v + 12582912.0f) - 12582912.0f;
    }
}

/* One step: h = exp(delta a) h + delta u B, y = C . h, for n states of LANES channels. */
static inline void scan_step(const float (*restrict a)[LANES], const float *restrict delta,
                             const float *restrict du, const float *restrict b, const float *restrict c,
                             int32_t n, float (*restrict h)[LANES], float *restrict y) {
  float p[LANES][LANES] = {{0}}; /* the contract's partial sums, [state % 16][channel] */
  for (int32_t s = 0; s < n; ++s) {
    float *restrict sum = p[s % LANES];
    for (int l = 0; l < LANES; ++l) {
      const float state = fmaf(mambaExp(delta[l] * a[s][l]), h[s][l], du[l] * b[s]);
      h[s][l] = state;
      sum[l] = fmaf(state, c[s], sum[l]);
    }
  }
  for (int width = LANES / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i)
      for (int l = 0; l < LANES; ++l)
        p[i][l] += p[i + width][l];
  memcpy(y, p[0], sizeof p[0]);
}

static void scan_block(const scan_inputs *in, const float *a, const float *d_skip, scan_memory memory,
                       int64_t first_row, int32_t tokens, int32_t d, int32_t n, int32_t channel,
                       int32_t count, mamba_output out) {
  float decay[MAX_STATES][LANES], h[MAX_STATES][LANES], b[MAX_STATES], c[MAX_STATES];
  float skip[LANES] = {0}, u[LANES] = {0}, delta[LANES] = {0}, z[LANES] = {0}, du[LANES], y[LANES];
  float scale[LANES] = {0};
  for (int32_t s = 0; s < n; ++s)
    for (int l = 0; l < LANES; ++l) {
      decay[s][l] = l < count ? a[(int64_t)s * d + channel + l] : 0;
      const int64_t at = (int64_t)s * d + channel + l;
      h[s][l] = l >= count ? 0 : memory.floats ? memory.floats[at] : (float)memory.integers[at];
    }
  if (memory.integers)
    memcpy(scale, scan_scale_of(memory, n, d, channel), (size_t)count * sizeof(float));
  if (d_skip)
    memcpy(skip, d_skip + channel, (size_t)count * sizeof(float));
  for (int32_t t = 0; t < tokens; ++t) {
    const int64_t row = first_row + t, first = row * d + channel;
    load_values(in->u, first, channel, count, u);
    load_values(in->dt, first, channel, count, delta);
    load_values(in->b, row * n, 0, n, b);
    load_values(in->c, row * n, 0, n, c);
    if (in->apply_softplus)
      for (int l = 0; l < LANES; ++l)
        delta[l] = mambaSoftplus(delta[l]);
    for (int l = 0; l < LANES; ++l)
      du[l] = delta[l] * u[l];
    if (memory.integers)
      scan_widen(n, scale, h);
    scan_step((const float(*)[LANES])decay, delta, du, b, c, n, h, y);
    if (memory.integers)
      scan_narrow(n, scale, h);
    if (d_skip)
      for (int l = 0; l < LANES; ++l)
        y[l] = fmaf(skip[l], u[l], y[l]);
    if (in->z.data) {
      load_values(in->z, first, channel, count, z);
      for (int l = 0; l < LANES; ++l)
        y[l] = y[l] * mambaSilu(z[l]);
    }
    store_values(out, first, channel, count, y);
  }
  if (memory.integers)
    memcpy(scan_scale_of(memory, n, d, channel), scale, (size_t)count * sizeof(float));
  for (int32_t s = 0; s < n; ++s) {
    const int64_t first = (int64_t)s * d + channel;
    if (memory.floats)
      memcpy(memory.floats + first, h[s], (size_t)count * sizeof(float));
    for (int l = 0; memory.integers && l < count; ++l)
      memory.integers[first + l] = (int8_t)h[s][l];
  }
}

static void scan_portable(const scan_inputs *in, const float *a, const float *d_skip, scan_memory states,
                          int32_t batch, int32_t tokens, int32_t d, int32_t n, mamba_output out,
                          mamba_worker worker) {
  const int32_t blocks = (d - 1) / LANES + 1;
  const int32_t end = share_begin(batch * blocks, worker.index + 1, worker.count);
  for (int32_t item = share_begin(batch * blocks, worker.index, worker.count); item < end; ++item) {
    const int32_t sequence = item / blocks, channel = item % blocks * LANES;
    scan_block(in, a, d_skip, scan_memory_of(states, sequence, n, d), (int64_t)sequence * tokens, tokens, d,
               n, channel, smaller(LANES, d - channel), out);
  }
}

#ifndef MAMBA_VECTOR
static void selective_scan(mamba_input u, mamba_input dt, bool apply_softplus, const float *a, mamba_input b,
                           mamba_input c, const float *d_skip, mamba_input z, float *state, int32_t batch,
                           int32_t tokens, int32_t d, int32_t n, mamba_output out, mamba_worker worker) {
  const scan_inputs in = {u, dt, b, c, z, apply_softplus};
  scan_portable(&in, a, d_skip, (scan_memory){.floats = state}, batch, tokens, d, n, out, worker);
}

static void selective_scan_i8(mamba_input u, mamba_input dt, bool apply_softplus, const float *a,
                              mamba_input b, mamba_input c, const float *d_skip, mamba_input z, int8_t *state,
                              int32_t batch, int32_t tokens, int32_t d, int32_t n, mamba_output out,
                              mamba_worker worker) {
  const scan_inputs in = {u, dt, b, c, z, apply_softplus};
  scan_portable(&in, a, d_skip, (scan_memory){.integers = state}, batch, tokens, d, n, out, worker);
}
#endif
