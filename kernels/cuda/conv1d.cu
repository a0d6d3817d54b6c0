/* mamba_cuda_conv1d: a thread does STEPS time steps of one channel. All their inputs are loaded first, so
 * that many loads are in flight; an input is read once (plus width - 1 per tile of time). The thread of the
 * first tile of time also owns the channel's state: nobody else reads or writes it, so no order between
 * blocks is needed.
 *
 * Bound: instructions in prefill (silu's exponential and division, conversions); latency in decode.
 *
 * Reaches on an H200, 5120 channels, two outputs: 1.6 us a step, 23 us for 1024 tokens. */
#include "mamba_cuda.h"
#include "values.cuh"

namespace mamba {
namespace {

constexpr int THREADS = 128;
constexpr mamba_type ANY_TYPE = MAMBA_BF16; /* bf16 has no code of its own */
constexpr int STEPS = 8;                    /* of time, per thread */

struct conv {
  mamba_input x;
  const void *w;
  const float *multiplier, *bias;
  bool apply_silu;
  void *state;
  int32_t tokens, d, width, output_count;
  mamba_output outputs[MAMBA_CUDA_MAX_OUTPUTS];
};

/* Where the input of step t (>= -(width - 1)) of a sequence is: in the state where t < 0. */
struct place {
  const void *data;
  int64_t element;
};

__device__ place input_place(const conv &p, int64_t sequence, int32_t t, int32_t c) {
  const int32_t history = p.width - 1;
  if (t < 0)
    return {p.state, (sequence * history + history + t) * p.d + c};
  return {p.x.data, (sequence * p.tokens + t) * p.d + c};
}

__device__ uint32_t load_stored(const conv &p, place from) {
  mamba_input in = p.x;
  in.data = from.data;
  return load_bits(in, from.element);
}

/* An input as the convolution computes with it: the integer itself, or the float value. */
template <bool INTEGERS> __device__ float input_value(const conv &p, uint32_t bits, int32_t c) {
  return INTEGERS ? (float)(int32_t)bits : value_of(p.x, bits, c);
}

template <bool INTEGERS> __device__ float load_weight(const conv &p, int32_t j, int32_t c) {
  const int64_t i = (int64_t)j * p.d + c;
  return INTEGERS ? (float)((const int8_t *)p.w)[i] : ((const float *)p.w)[i];
}

__device__ void finish(const conv &p, int64_t sequence, int32_t t, int32_t c, float v, float bias) {
  if (p.bias)
    v = v + bias;
  if (p.apply_silu)
    v = mambaSilu(v);
#pragma unroll
  for (int o = 0; o < MAMBA_CUDA_MAX_OUTPUTS; ++o)
    if (o < p.output_count)
      store_value(p.outputs[o], (sequence * p.tokens + t) * p.d + c, c, v);
}

/* The last width - 1 inputs become the state. Rows move towards the front, so increasing order reads each
 * old row before it is overwritten. */
__device__ void keep_state(const conv &p, int64_t sequence, int32_t c) {
  const int32_t history = p.width - 1;
  for (int32_t i = 0; i < history; ++i) {
    const place from = input_place(p, sequence, p.tokens - history + i, c);
    const int64_t to = (sequence * history + i) * p.d + c;
    if (p.x.type == MAMBA_I8)
      ((int8_t *)p.state)[to] = ((const int8_t *)from.data)[from.element];
    else if (p.x.type == MAMBA_F32)
      ((float *)p.state)[to] = ((const float *)from.data)[from.element];
    else
      ((uint16_t *)p.state)[to] = ((const uint16_t *)from.data)[from.element];
  }
}

/* The combinations of types that the recipes make have code of their own: the first output of the input's
 * type, and perhaps a second in int8. */
template <mamba_type T> __device__ inline conv typed(conv p) {
  if (T != ANY_TYPE) {
    p.x.type = p.outputs[0].type = T;
    p.outputs[1].type = MAMBA_I8;
    p.output_count = p.output_count > 1 ? 2 : 1;
  }
  return p;
}

bool is_usual(const conv &p) {
  return p.width == 4 && p.x.type != ANY_TYPE && p.outputs[0].type == p.x.type &&
         (p.output_count == 1 || (p.output_count == 2 && p.outputs[1].type == MAMBA_I8));
}

/* Inputs are in registers for WIDTH > 0; WIDTH 0 takes any width and reads every input `width` times.
 * Integer sums are below 2^24 for widths up to 1040 (127 * 127 * 1040), hence exact as floats. */
template <bool INTEGERS, int WIDTH, mamba_type T>
__global__ void __launch_bounds__(THREADS) conv1d(const __grid_constant__ conv arguments) {
  const conv p = typed<T>(arguments);
  if (p.tokens == 1)
    start_next();
  const int32_t c = blockIdx.x * THREADS + threadIdx.x, first = blockIdx.y * STEPS;
  const int64_t sequence = blockIdx.z;
  if (c >= p.d)
    return;
  const int32_t end = min(first + STEPS, p.tokens);
  const float bias = p.bias ? p.bias[c] : 0.0f, multiplier = INTEGERS ? p.multiplier[c] : 1.0f;
  if constexpr (WIDTH > 0) {
    float w[WIDTH];
#pragma unroll
    for (int j = 0; j < WIDTH; ++j)
      w[j] = load_weight<INTEGERS>(p, j, c);
    wait_for_previous();
    uint32_t inputs[STEPS + WIDTH - 1];
#pragma unroll
    for (int i = 0; i < STEPS + WIDTH - 1; ++i) {
      const int32_t t = first + i - (WIDTH - 1);
      inputs[i] = t < end ? load_stored(p, input_place(p, sequence, t, c)) : 0;
    }
    float values[STEPS + WIDTH - 1];
#pragma unroll
    for (int i = 0; i < STEPS + WIDTH - 1; ++i)
      values[i] = input_value<INTEGERS>(p, inputs[i], c);
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      float v = 0;
#pragma unroll
      for (int j = 0; j < WIDTH; ++j)
        v = fmaf(w[j], values[i + j], v);
      if (first + i < end)
        finish(p, sequence, first + i, c, INTEGERS ? v * multiplier : v, bias);
    }
  } else {
    wait_for_previous();
    for (int32_t t = first; t < end; ++t) {
      float v = 0;
      for (int32_t j = 0; j < p.width; ++j) {
        const uint32_t input = load_stored(p, input_place(p, sequence, t - (p.width - 1) + j, c));
        v = fmaf(load_weight<INTEGERS>(p, j, c), input_value<INTEGERS>(p, input, c), v);
      }
      finish(p, sequence, t, c, INTEGERS ? v * multiplier : v, bias);
    }
  }
  if (first == 0)
    keep_state(p, sequence, c);
}

typedef void (*conv_kernel)(conv);

conv_kernel choose(const conv &p, bool integers) {
  if (is_usual(p) && integers)
    return conv1d<true, 4, MAMBA_I8>;
  if (is_usual(p) && p.x.type == MAMBA_F16)
    return conv1d<false, 4, MAMBA_F16>;
  if (is_usual(p) && p.x.type == MAMBA_F32)
    return conv1d<false, 4, MAMBA_F32>;
  if (p.width == 4)
    return integers ? conv1d<true, 4, ANY_TYPE> : conv1d<false, 4, ANY_TYPE>;
  return integers ? conv1d<true, 0, ANY_TYPE> : conv1d<false, 0, ANY_TYPE>;
}

} // namespace
} // namespace mamba

cudaError_t mamba_cuda_conv1d(mamba_input x, const void *w, mamba_type w_type, const float *multiplier,
                              const float *bias, bool apply_silu, void *state, int32_t batch, int32_t tokens,
                              int32_t d, int32_t width, const mamba_output *outputs, int32_t output_count,
                              cudaStream_t stream) {
  using namespace mamba;
  const int32_t most_blocks = 65535; /* along y and z */
  const bool integers = x.type == MAMBA_I8 && w_type == MAMBA_I8;
  if (batch < 0 || batch > most_blocks || tokens < 0 || tokens > most_blocks * STEPS || d <= 0 || width < 1 ||
      width > 1024 || output_count < 1 || output_count > MAMBA_CUDA_MAX_OUTPUTS ||
      (integers && !multiplier) || (!integers && w_type != MAMBA_F32))
    return cudaErrorInvalidValue;
  if (batch == 0 || tokens == 0)
    return cudaSuccess;
  conv p = {x, w, multiplier, bias, apply_silu, state, tokens, d, width, output_count, {}};
  for (int32_t o = 0; o < output_count; ++o)
    p.outputs[o] = outputs[o];
  return launch(choose(p, integers), dim3(ceil_div(d, THREADS), ceil_div(tokens, STEPS), batch), THREADS, 0,
                stream, (int64_t)batch * tokens, p);
}
