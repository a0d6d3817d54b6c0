/* mamba_conv1d with vectors of 16 channels, for four taps.
 *
 * The taps, the bias and the last inputs of a block of channels stay in registers while it walks through
 * CONV_TOKENS steps, whose rows the first cache holds for the next block. Integers take the way of floats: a
 * sum of four products of int8 is exact in a float. */

enum { CONV_WIDTH = 4, CONV_TOKENS = 32 };

/* What all channels and steps of a call have in common. */
typedef struct conv_call {
  conv_source source;
  const void *w;
  const float *multiplier, *bias;
  bool apply_silu;
  const mamba_output *outputs;
  int32_t output_count;
} conv_call;

/* 16 inputs, integers as they are. */
static inline vfloat conv_input(mamba_input row, int64_t first, int32_t channel, bool integers) {
  return integers ? v_load_int8((const int8_t *)row.data + first) : v_load_values(row, first, channel);
}

/* Steps [t, end) of 16 channels. */
static void conv_vector_block(const conv_call *call, bool integers, int32_t batch, int32_t t, int32_t end,
                              int32_t channel) {
  const conv_source *source = &call->source;
  const int32_t d = source->d;
  vfloat taps[CONV_WIDTH], x[CONV_WIDTH];
  for (int32_t j = 0; j < CONV_WIDTH; ++j) {
    const int64_t at = (int64_t)j * d + channel;
    taps[j] = integers ? v_load_int8((const int8_t *)call->w + at) : v_load((const float *)call->w + at);
    if (j + 1 < CONV_WIDTH) {
      int64_t first;
      const mamba_input row = conv_row(source, batch, t, CONV_WIDTH - 1 - j, &first);
      x[j] = conv_input(row, first + channel, channel, integers);
    }
  }
  const vfloat multiplier = integers ? v_load(call->multiplier + channel) : v_splat(1.0f);
  const vfloat bias = call->bias ? v_load(call->bias + channel) : v_splat(0.0f);
  for (; t < end; ++t) {
    const int64_t first = ((int64_t)batch * source->tokens + t) * d + channel;
    x[3] = conv_input(source->input, first, channel, integers);
    vfloat v = v_fma(taps[0], x[0], v_splat(0.0f));
    v = v_fma(taps[1], x[1], v);
    v = v_fma(taps[2], x[2], v);
    v = v_fma(taps[3], x[3], v);
    if (integers)
      v = v_mul(v, multiplier);
    if (call->bias)
      v = v_add(v, bias);
    if (call->apply_silu)
      v = v_silu(v);
    for (int32_t o = 0; o < call->output_count; ++o)
      v_store_values(call->outputs[o], first, channel, v);
    x[0] = x[1];
    x[1] = x[2];
    x[2] = x[3];
  }
}

static void vector_conv1d(mamba_input x, const void *w, mamba_type w_type, const float *multiplier,
                          const float *bias, bool apply_silu, void *state, int32_t batch, int32_t tokens,
                          int32_t d, int32_t width, const mamba_output *outputs, int32_t output_count,
                          mamba_worker worker) {
  if (width != CONV_WIDTH || d % LANES != 0) {
    conv1d(x, w, w_type, multiplier, bias, apply_silu, state, batch, tokens, d, width, outputs, output_count,
           worker);
    return;
  }
  conv_call call = {{x, x, tokens, d, width}, w, multiplier, bias, apply_silu, outputs, output_count};
  call.source.state.data = state;
  const bool integers = x.type == MAMBA_I8 && w_type == MAMBA_I8;
  int32_t begin, end;
  share_channels(d, worker, &begin, &end);
  for (int32_t b = 0; b < batch; ++b) {
    for (int32_t t = 0; t < tokens; t += CONV_TOKENS)
      for (int32_t channel = begin; channel < end; channel += LANES)
        conv_vector_block(&call, integers, b, t, smaller(t + CONV_TOKENS, tokens), channel);
    conv_keep(&call.source, state, b, begin, end);
  }
}
