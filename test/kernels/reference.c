#include "reference.h"

#include "contract.h"
#include "mamba_math.h"

#include <string.h>

static float load(mamba_input in, int64_t element, int32_t channel) {
  if (in.type == MAMBA_I8)
    return (float)((const int8_t *)in.data)[element] * (in.scales ? in.scales[channel] : in.scale);
  if (in.type == MAMBA_F16)
    return mambaHalfToFloat(((const uint16_t *)in.data)[element]);
  if (in.type == MAMBA_BF16)
    return mambaBfloatToFloat(((const uint16_t *)in.data)[element]);
  return ((const float *)in.data)[element];
}

/* q = clamp(rne(v * inv_scale), -127, 127); NaN gives 127. */
static int8_t quantized(float v, float inv_scale) {
  const float scaled = v * inv_scale;
  if (isnan(scaled))
    return 127;
  const float rounded = rintf(scaled); /* in the default mode: to nearest, ties to even */
  return (int8_t)(rounded > 127 ? 127 : rounded < -127 ? -127 : rounded);
}

static void store(mamba_output out, int64_t element, int32_t channel, float v) {
  if (out.type == MAMBA_I8)
    ((int8_t *)out.data)[element] = quantized(v, out.inv_scales ? out.inv_scales[channel] : out.inv_scale);
  else if (out.type == MAMBA_F16)
    ((uint16_t *)out.data)[element] = mambaFloatToHalf(v);
  else
    ((float *)out.data)[element] = v;
}

/* One row as mamba_quantize says: s = max |v| / 127, inv_scale = 1 / s. */
static void store_row(mamba_output out, int32_t row, int32_t d, const float *values, float *row_scale) {
  if (row_scale) {
    float amax = 0;
    for (int32_t k = 0; k < d; ++k)
      if (fabsf(values[k]) > amax)
        amax = fabsf(values[k]);
    const float s = amax / 127.0f;
    row_scale[row] = s < 0x1p-100f ? 0.0f : s;
    out.inv_scale = s < 0x1p-100f ? 0.0f : 1.0f / s;
    out.inv_scales = NULL;
  }
  for (int32_t k = 0; k < d; ++k)
    store(out, (int64_t)row * d + k, k, values[k]);
}

static float fold(float *p) {
  for (int i = 0; i < 8; ++i)
    p[i] += p[i + 8];
  for (int i = 0; i < 4; ++i)
    p[i] += p[i + 4];
  for (int i = 0; i < 2; ++i)
    p[i] += p[i + 2];
  return p[0] + p[1];
}

void reference_embedding(const int32_t *ids, const void *table, mamba_type type, int32_t rows, int32_t d,
                         float *out) {
  const mamba_input in = {table, type, 1, NULL};
  for (int32_t row = 0; row < rows; ++row)
    for (int32_t k = 0; k < d; ++k)
      out[(int64_t)row * d + k] = load(in, (int64_t)ids[row] * d + k, k);
}

/* Up to 128 squares: those of four adjacent values first, then a tree over these sums. */
static float block_of_squares(const float *s, int32_t count) {
  float q[32];
  for (int32_t k = 0; k < 32; ++k) {
    float v[4];
    for (int32_t i = 0; i < 4; ++i)
      v[i] = 4 * k + i < count ? s[4 * k + i] : 0.0f;
    const float even = fmaf(v[2], v[2], v[0] * v[0]), odd = fmaf(v[3], v[3], v[1] * v[1]);
    q[k] = even + odd;
  }
  for (int32_t i = 0; i < 16; ++i)
    q[i] += q[i + 16];
  for (int32_t i = 0; i < 8; ++i)
    q[i] += q[i + 8];
  for (int32_t i = 0; i < 4; ++i)
    q[i] += q[i + 4];
  for (int32_t i = 0; i < 2; ++i)
    q[i] += q[i + 2];
  return q[0] + q[1];
}

/* The largest value of a row is looked for among the values themselves, not among s * gamma: it has to be the
 * same. */
void reference_rms_norm(const float *x, const float *delta, float *sum, const float *gamma, float epsilon,
                        int32_t rows, int32_t d, mamba_output out, float *row_scale) {
  for (int32_t row = 0; row < rows; ++row) {
    float s[8192], p[4] = {0};
    for (int32_t k = 0; k < d; ++k) {
      s[k] = x[row * d + k];
      if (delta)
        sum[row * d + k] = s[k] = x[row * d + k] + delta[row * d + k];
    }
    for (int32_t k = 0; k < d; k += 128)
      p[k / 128 % 4] += block_of_squares(s + k, d - k);
    const float squares = (p[0] + p[2]) + (p[1] + p[3]);
    const float mean = squares * (1.0f / (float)d);
    const float shifted = mean + epsilon;
    const float r = 1.0f / sqrtf(shifted);
    for (int32_t k = 0; k < d; ++k) {
      if (gamma)
        s[k] = s[k] * gamma[k];
      s[k] = s[k] * r;
    }
    store_row(out, row, d, s, row_scale);
  }
}

void reference_linear_i8(const int8_t *x, const float *row_scale, const int8_t *w, const float *multiplier,
                         const float *bias, int32_t rows, int32_t k, int32_t n, const mamba_output *outputs,
                         int32_t output_count) {
  for (int32_t row = 0; row < rows; ++row)
    for (int32_t column = 0; column < n; ++column) {
      int64_t acc = 0;
      for (int32_t i = 0; i < k; ++i)
        acc += x[(int64_t)row * k + i] * w[(int64_t)column * k + i];
      float v = (float)(int32_t)acc * multiplier[column];
      if (row_scale)
        v = v * row_scale[row];
      if (bias)
        v = v + bias[column];
      int32_t o = 0, channel = column;
      while (o < output_count - 1 && channel >= outputs[o].channels)
        channel -= outputs[o++].channels;
      store(outputs[o], (int64_t)row * outputs[o].channels + channel, channel, v);
    }
}

void reference_linear_float(const float *x, const void *w, mamba_type type, const float *bias, int32_t rows,
                            int32_t k, int32_t n, float *out) {
  const mamba_input weights = {w, type, 1, NULL};
  for (int32_t row = 0; row < rows; ++row)
    for (int32_t column = 0; column < n; ++column) {
      float p[16] = {0};
      for (int32_t i = 0; i < k; ++i)
        p[i % 16] = fmaf(x[(int64_t)row * k + i], load(weights, (int64_t)column * k + i, i), p[i % 16]);
      float v = fold(p);
      if (bias)
        v = v + bias[column];
      out[(int64_t)row * n + column] = v;
    }
}

void reference_linear_w8(const float *x, const int8_t *w, const float *multiplier, const float *bias,
                         int32_t rows, int32_t k, int32_t n, float *out) {
  reference_linear_float(x, w, MAMBA_I8, NULL, rows, k, n, out);
  for (int32_t row = 0; row < rows; ++row)
    for (int32_t column = 0; column < n; ++column) {
      float *v = &out[(int64_t)row * n + column];
      *v = *v * multiplier[column];
      if (bias)
        *v = *v + bias[column];
    }
}

void reference_conv1d(mamba_input x, const void *w, mamba_type w_type, const float *multiplier,
                      const float *bias, bool apply_silu, void *state, int32_t batch, int32_t tokens,
                      int32_t d, int32_t width, const mamba_output *outputs, int32_t output_count) {
  const size_t size = x.type == MAMBA_I8 ? 1 : x.type == MAMBA_F32 ? 4 : 2;
  const int32_t history = width - 1;
  for (int32_t b = 0; b < batch; ++b) {
    /* The sequence with its history before it. */
    char line[64 * 1024];
    char *sequence_state = (char *)state + (size_t)(b * history * d) * size;
    memcpy(line, sequence_state, (size_t)(history * d) * size);
    memcpy(line + (size_t)(history * d) * size, (const char *)x.data + (size_t)(b * tokens * d) * size,
           (size_t)(tokens * d) * size);
    mamba_input in = x;
    in.data = line;
    for (int32_t t = 0; t < tokens; ++t)
      for (int32_t c = 0; c < d; ++c) {
        float v = 0;
        if (x.type == MAMBA_I8 && w_type == MAMBA_I8) {
          int32_t acc = 0;
          for (int32_t j = 0; j < width; ++j)
            acc += ((const int8_t *)w)[j * d + c] * ((const int8_t *)in.data)[(t + j) * d + c];
          v = (float)acc * multiplier[c];
        } else {
          for (int32_t j = 0; j < width; ++j)
            v = fmaf(((const float *)w)[j * d + c], load(in, (t + j) * d + c, c), v);
        }
        if (bias)
          v = v + bias[c];
        if (apply_silu)
          v = mambaSilu(v);
        for (int32_t o = 0; o < output_count; ++o)
          store(outputs[o], (int64_t)(b * tokens + t) * d + c, c, v);
      }
    memcpy(sequence_state, line + (size_t)(tokens * d) * size, (size_t)(history * d) * size);
  }
}

void reference_selective_scan(mamba_input u, mamba_input dt, bool apply_softplus, const float *a,
                              mamba_input b, mamba_input c, const float *d_skip, mamba_input z, float *state,
                              int32_t batch, int32_t tokens, int32_t d, int32_t n, mamba_output out) {
  for (int32_t sequence = 0; sequence < batch; ++sequence)
    for (int32_t t = 0; t < tokens; ++t)
      for (int32_t channel = 0; channel < d; ++channel) {
        const int64_t row = (int64_t)sequence * tokens + t, at = row * d + channel;
        const float value = load(u, at, channel);
        float delta = load(dt, at, channel);
        if (apply_softplus)
          delta = mambaSoftplus(delta);
        const float du = delta * value;
        float p[16] = {0};
        for (int32_t s = 0; s < n; ++s) {
          float *h = &state[((int64_t)sequence * n + s) * d + channel];
          const float decay = mambaExp(delta * a[s * d + channel]);
          const float input = du * load(b, row * n + s, s);
          *h = fmaf(decay, *h, input);
          p[s % 16] = fmaf(*h, load(c, row * n + s, s), p[s % 16]);
        }
        float y = fold(p);
        if (d_skip)
          y = fmaf(d_skip[channel], value, y);
        if (z.data)
          y = y * mambaSilu(load(z, at, channel));
        store(out, at, channel, y);
      }
}

/* One step at a time: the floats that the integers stand for, then integers again. */
void reference_selective_scan_i8(mamba_input u, mamba_input dt, bool apply_softplus, const float *a,
                                 mamba_input b, mamba_input c, const float *d_skip, mamba_input z,
                                 int8_t *state, int32_t batch, int32_t tokens, int32_t d, int32_t n,
                                 mamba_output out) {
  float h[64 * 64];
  for (int32_t sequence = 0; sequence < batch; ++sequence) {
    int8_t *q = state + (int64_t)sequence * (n + MAMBA_STATE_SCALE_ROWS) * d;
    int8_t *scales = q + n * d;
    for (int32_t t = 0; t < tokens; ++t) {
      const int64_t step = (int64_t)sequence * tokens + t;
      mamba_input inputs[] = {u, dt, z, b, c};
      mamba_output stored = out;
      for (int i = 0; i < 5; ++i) {
        const int64_t width = i < 3 ? d : n, size = inputs[i].type == MAMBA_I8    ? 1
                                                    : inputs[i].type == MAMBA_F32 ? 4
                                                                                  : 2;
        if (inputs[i].data)
          inputs[i].data = (const char *)inputs[i].data + step * width * size;
      }
      stored.data = (char *)out.data + step * d * (out.type == MAMBA_I8 ? 1 : out.type == MAMBA_F32 ? 4 : 2);
      for (int32_t channel = 0; channel < d; ++channel) {
        float scale;
        memcpy(&scale, scales + channel * 4, 4);
        for (int32_t s = 0; s < n; ++s)
          h[s * d + channel] = (float)q[s * d + channel] * scale;
      }
      reference_selective_scan(inputs[0], inputs[1], apply_softplus, a, inputs[3], inputs[4], d_skip,
                               inputs[2], h, 1, 1, d, n, stored);
      for (int32_t channel = 0; channel < d; ++channel) {
        float amax = 0;
        for (int32_t s = 0; s < n; ++s)
          if (fabsf(h[s * d + channel]) > amax)
            amax = fabsf(h[s * d + channel]);
        const float found = amax / 127.0f, scale = found < 0x1p-100f ? 0.0f : found;
        memcpy(scales + channel * 4, &scale, 4);
        for (int32_t s = 0; s < n; ++s) {
          uint32_t bits;
          memcpy(&bits, &h[s * d + channel], 4);
          const float v = h[s * d + channel] * (scale > 0 ? 1.0f / scale : 0.0f);
          const float clamped = isnan(v) || v > 127 ? 127 : v < -127 ? -127 : v;
          const float up = ((float)(bits % 256) + 0.5f) / 256.0f - 0.5f;
          q[s * d + channel] = (int8_t)rintf(clamped + up);
        }
      }
    }
  }
}

void reference_hadamard(const float *x, const int8_t *matrix, int32_t order, bool transpose, int32_t rows,
                        int32_t d, float *scratch, mamba_output out, float *row_scale) {
  const int32_t inner = d / order;
  float *now = scratch, *next = scratch + d;
  for (int32_t row = 0; row < rows; ++row) {
    memcpy(now, x + (int64_t)row * d, (size_t)d * sizeof(float));
    for (int32_t stride = 1; stride < inner; stride *= 2) {
      for (int32_t i = 0; i < d; ++i)
        next[i] = i % inner & stride ? now[i - stride] - now[i] : now[i] + now[i + stride];
      memcpy(now, next, (size_t)d * sizeof(float));
    }
    for (int32_t i = 0; i < order; ++i)
      for (int32_t k = 0; k < inner; ++k) {
        float sum = 0;
        for (int32_t j = 0; j < order; ++j) {
          const int8_t sign = transpose ? matrix[j * order + i] : matrix[i * order + j];
          const float term = sign < 0 ? -now[j * inner + k] : now[j * inner + k];
          sum = j == 0 ? term : sum + term;
        }
        next[i * inner + k] = sum * (float)(1.0 / sqrt((double)d));
      }
    store_row(out, row, d, next, row_scale);
  }
}

void reference_quantize(mamba_input x, int32_t rows, int32_t d, mamba_output out, float *row_scale) {
  for (int32_t row = 0; row < rows; ++row) {
    float values[4096];
    for (int32_t k = 0; k < d; ++k)
      values[k] = load(x, (int64_t)row * d + k, k);
    store_row(out, row, d, values, row_scale);
  }
}
