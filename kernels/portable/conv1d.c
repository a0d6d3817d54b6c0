/* mamba_conv1d: each worker walks its channels through all time steps, a chunk of channels at once. */
#include "common.h"

typedef struct conv_source {
  mamba_input input, state; /* the same type and scales */
  int32_t tokens, d, width;
} conv_source;

/* The tensor that holds the input `back` steps before step t of sequence `batch`, and its first element. */
static mamba_input conv_row(const conv_source *source, int32_t batch, int32_t t, int32_t back,
                            int64_t *first) {
  const int32_t history = source->width - 1;
  const int32_t at = t - back;
  if (at < 0) {
    *first = ((int64_t)batch * history + history + at) * source->d;
    return source->state;
  }
  *first = ((int64_t)batch * source->tokens + at) * source->d;
  return source->input;
}

static void conv_integers(const conv_source *source, const int8_t *w, const float *multiplier, int32_t batch,
                          int32_t t, int32_t c, int32_t count, float *restrict values) {
  int32_t acc[CHUNK] = {0};
  for (int32_t j = 0; j < source->width; ++j) {
    int64_t first;
    const mamba_input row = conv_row(source, batch, t, source->width - 1 - j, &first);
    const int8_t *restrict x = (const int8_t *)row.data + first + c;
    const int8_t *restrict wj = w + (int64_t)j * source->d + c;
    for (int32_t i = 0; i < count; ++i)
      acc[i] += (int16_t)wj[i] * (int16_t)x[i];
  }
  for (int32_t i = 0; i < count; ++i)
    values[i] = (float)acc[i] * multiplier[c + i];
}

static void conv_floats(const conv_source *source, const float *w, int32_t batch, int32_t t, int32_t c,
                        int32_t count, float *restrict values) {
  float x[CHUNK];
  for (int32_t i = 0; i < count; ++i)
    values[i] = 0;
  for (int32_t j = 0; j < source->width; ++j) {
    int64_t first;
    const mamba_input row = conv_row(source, batch, t, source->width - 1 - j, &first);
    const float *restrict wj = w + (int64_t)j * source->d + c;
    load_values(row, first + c, c, count, x);
    for (int32_t i = 0; i < count; ++i)
      values[i] = fmaf(wj[i], x[i], values[i]);
  }
}

/* The last width - 1 inputs become the state, channels [c, end) only. Rows move towards the front, so
 * increasing order reads each old row before it is overwritten. */
static void conv_keep(const conv_source *source, void *state, int32_t batch, int32_t c, int32_t end) {
  const size_t size = source->input.type == MAMBA_I8 ? 1 : source->input.type == MAMBA_F32 ? 4 : 2;
  const int32_t history = source->width - 1;
  for (int32_t i = 0; i < history; ++i) {
    int64_t first;
    const mamba_input row = conv_row(source, batch, source->tokens, history - i, &first);
    memmove((char *)state + (((int64_t)batch * history + i) * source->d + c) * (int64_t)size,
            (const char *)row.data + (first + c) * (int64_t)size, (size_t)(end - c) * size);
  }
}

static void conv1d(mamba_input x, const void *w, mamba_type w_type, const float *multiplier,
                   const float *bias, bool apply_silu, void *state, int32_t batch, int32_t tokens, int32_t d,
                   int32_t width, const mamba_output *outputs, int32_t output_count, mamba_worker worker) {
  conv_source source = {x, x, tokens, d, width};
  source.state.data = state;
  int32_t begin, end;
  share_channels(d, worker, &begin, &end);
  for (int32_t b = 0; b < batch; ++b) {
    for (int32_t t = 0; t < tokens; ++t)
      for (int32_t c = begin; c < end; c += CHUNK) {
        const int32_t count = smaller(CHUNK, end - c);
        float values[CHUNK];
        if (x.type == MAMBA_I8 && w_type == MAMBA_I8)
          conv_integers(&source, w, multiplier, b, t, c, count, values);
        else
          conv_floats(&source, w, b, t, c, count, values);
        if (bias)
          for (int32_t i = 0; i < count; ++i)
            values[i] = values[i] + bias[c + i];
        if (apply_silu)
          for (int32_t i = 0; i < count; ++i)
            values[i] = mambaSilu(values[i]);
        for (int32_t o = 0; o < output_count; ++o)
          store_values(outputs[o], ((int64_t)b * tokens + t) * d + c, c, count, values);
      }
    conv_keep(&source, state, b, begin, end);
  }
}
