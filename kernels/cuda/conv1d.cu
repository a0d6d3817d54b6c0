/* mamba_cuda_conv1d: a thread does STEPS time steps of one channel, or of two adjacent ones; in decode one.
 * All their inputs are loaded first, so that many loads are in flight; an input is read once (plus width - 1
 * per tile of time). The thread of the first tile of time also owns the channel's state: nobody else reads or
 * writes it, so no order between blocks is needed.
 *
 * Bound: in prefill bytes, and nearly as much the instructions of silu; latency in decode.
 *
 * Reaches on an H200, 5120 channels, two outputs: 14.6 us for 1024 tokens. */
#include "functions.cuh"
#include "mamba_cuda.h"
#include "values.cuh"

namespace mamba {
namespace {

constexpr int THREADS = 128;
constexpr mamba_type ANY_TYPE = MAMBA_BF16; /* bf16 has no code of its own */
constexpr int MANY_STEPS = 8;               /* of time, that a thread does where there are many */

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

/* COUNT adjacent elements as they are stored, in one access: 1 or 2 (then `i` is even). */
template <int COUNT>
__device__ inline void load_adjacent(const mamba_input &in, int64_t i, uint32_t (&bits)[COUNT]) {
  if constexpr (COUNT == 1) {
    bits[0] = load_bits(in, i);
  } else if (in.type == MAMBA_I8) {
    const char2 v = *(const char2 *)((const int8_t *)in.data + i);
    bits[0] = (uint32_t)(int32_t)v.x;
    bits[1] = (uint32_t)(int32_t)v.y;
  } else if (in.type == MAMBA_F32) {
    const uint2 v = *(const uint2 *)((const float *)in.data + i);
    bits[0] = v.x;
    bits[1] = v.y;
  } else {
    const ushort2 v = *(const ushort2 *)((const uint16_t *)in.data + i);
    bits[0] = v.x;
    bits[1] = v.y;
  }
}

template <int COUNT>
__device__ inline void store_adjacent(const mamba_output &out, int64_t i, const uint32_t (&bits)[COUNT]) {
  if constexpr (COUNT == 1)
    store_bits(out.data, out.type, i, bits[0]);
  else if (out.type == MAMBA_I8)
    *(char2 *)((int8_t *)out.data + i) = make_char2((int8_t)bits[0], (int8_t)bits[1]);
  else if (out.type == MAMBA_F32)
    *(uint2 *)((float *)out.data + i) = make_uint2(bits[0], bits[1]);
  else
    *(ushort2 *)((uint16_t *)out.data + i) = make_ushort2((uint16_t)bits[0], (uint16_t)bits[1]);
}

/* An input as the convolution computes with it: the integer itself, or the float value. */
template <bool INTEGERS> __device__ float input_value(const conv &p, uint32_t bits, int32_t c) {
  return INTEGERS ? (float)(int32_t)bits : value_of(p.x, bits, c);
}

template <bool INTEGERS> __device__ float load_weight(const conv &p, int32_t j, int32_t c) {
  const int64_t i = (int64_t)j * p.d + c;
  return INTEGERS ? (float)((const int8_t *)p.w)[i] : ((const float *)p.w)[i];
}

/* v: the sums of ROWS steps from `row` on, of which `count` are inside, of COUNT channels from c on. */
template <int ROWS, int COUNT>
__device__ inline void finish(const conv &p, int64_t row, int32_t count, int32_t c, float (&v)[ROWS][COUNT],
                              const float (&bias)[COUNT]) {
  const auto each = [&](auto change) {
#pragma unroll
    for (int k = 0; k < ROWS; ++k)
#pragma unroll
      for (int i = 0; i < COUNT; ++i)
        v[k][i] = change(v[k][i], i);
  };
  if (p.bias)
    each([&](float value, int i) { return value + bias[i]; });
  if (p.apply_silu)
    each([](float value, int) { return silu(value); });
#pragma unroll
  for (int o = 0; o < MAMBA_CUDA_MAX_OUTPUTS; ++o) {
    if (o >= p.output_count)
      break;
#pragma unroll
    for (int k = 0; k < ROWS; ++k) {
      uint32_t bits[COUNT];
#pragma unroll
      for (int i = 0; i < COUNT; ++i)
        bits[i] = stored_bits(p.outputs[o], c + i, v[k][i]);
      if (k < count)
        store_adjacent(p.outputs[o], (row + k) * p.d + c, bits);
    }
  }
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

bool is_usual(const conv &p, bool integers) {
  return p.width == 4 && integers == (p.x.type == MAMBA_I8) && p.x.type != ANY_TYPE &&
         p.outputs[0].type == p.x.type &&
         (p.output_count == 1 || (p.output_count == 2 && p.outputs[1].type == MAMBA_I8));
}

/* Inputs are in registers for WIDTH > 0; WIDTH 0 takes any width and reads every input `width` times.
 * Integer sums are below 2^24 for widths up to 1040 (127 * 127 * 1040), hence exact as floats. */
template <bool INTEGERS, int WIDTH, mamba_type T, int COUNT, int STEPS>
__global__ void __launch_bounds__(THREADS) conv1d(const __grid_constant__ conv arguments) {
  const conv p = typed<T>(arguments);
  if (p.tokens == 1)
    start_next();
  const int32_t c = (blockIdx.x * THREADS + threadIdx.x) * COUNT, first = blockIdx.y * STEPS;
  const int64_t sequence = blockIdx.z;
  if (c >= p.d)
    return;
  const int32_t end = min(first + STEPS, p.tokens);
  float bias[COUNT], multiplier[COUNT];
#pragma unroll
  for (int i = 0; i < COUNT; ++i) {
    bias[i] = p.bias ? p.bias[c + i] : 0.0f;
    multiplier[i] = INTEGERS ? p.multiplier[c + i] : 1.0f;
  }
  if constexpr (WIDTH > 0) {
    float w[WIDTH][COUNT];
#pragma unroll
    for (int j = 0; j < WIDTH; ++j)
#pragma unroll
      for (int i = 0; i < COUNT; ++i)
        w[j][i] = load_weight<INTEGERS>(p, j, c + i);
    wait_for_previous();
    /* The inputs before the tile are adjacent rows too, in x or in the state. Past the end, the last is
     * repeated. */
    const place past = input_place(p, sequence, first - (WIDTH - 1), c),
                own = input_place(p, sequence, first, c);
    const mamba_input history = {past.data, p.x.type, 0, NULL};
    uint32_t inputs[STEPS + WIDTH - 1][COUNT];
#pragma unroll
    for (int k = 0; k < WIDTH - 1; ++k)
      load_adjacent(history, past.element + (int64_t)k * p.d, inputs[k]);
#pragma unroll
    for (int k = 0; k < STEPS; ++k)
      load_adjacent(p.x, own.element + (int64_t)min(k, end - first - 1) * p.d, inputs[WIDTH - 1 + k]);
    float values[STEPS + WIDTH - 1][COUNT], v[STEPS][COUNT];
#pragma unroll
    for (int k = 0; k < STEPS + WIDTH - 1; ++k)
#pragma unroll
      for (int i = 0; i < COUNT; ++i)
        values[k][i] = input_value<INTEGERS>(p, inputs[k][i], c + i);
#pragma unroll
    for (int k = 0; k < STEPS; ++k)
#pragma unroll
      for (int i = 0; i < COUNT; ++i) {
        v[k][i] = 0;
#pragma unroll
        for (int j = 0; j < WIDTH; ++j)
          v[k][i] = fmaf(w[j][i], values[k + j][i], v[k][i]);
        v[k][i] = INTEGERS ? v[k][i] * multiplier[i] : v[k][i];
      }
    finish(p, sequence * p.tokens + first, end - first, c, v, bias);
    if constexpr (STEPS == 1) { /* the inputs but the oldest are the state now */
#pragma unroll
      for (int k = 0; k < WIDTH - 1; ++k)
        store_adjacent(mamba_output{p.state, p.x.type, p.d, 0, NULL}, past.element + (int64_t)k * p.d,
                       inputs[k + 1]);
      return;
    }
  } else {
    static_assert(COUNT == 1, "");
    wait_for_previous();
    for (int32_t t = first; t < end; ++t) {
      float v[1][1] = {};
      for (int32_t j = 0; j < p.width; ++j) {
        const place from = input_place(p, sequence, t - (p.width - 1) + j, c);
        const uint32_t input = load_bits({from.data, p.x.type, 0, NULL}, from.element);
        v[0][0] = fmaf(load_weight<INTEGERS>(p, j, c), input_value<INTEGERS>(p, input, c), v[0][0]);
      }
      v[0][0] = INTEGERS ? v[0][0] * multiplier[0] : v[0][0];
      finish(p, sequence * p.tokens + t, 1, c, v, bias);
    }
  }
  if (first == 0)
#pragma unroll
    for (int i = 0; i < COUNT; ++i)
      keep_state(p, sequence, c + i);
}

typedef void (*conv_kernel)(conv);

template <int COUNT, int STEPS> conv_kernel choose_usual(const conv &p, bool integers) {
  return integers                ? conv1d<true, 4, MAMBA_I8, COUNT, STEPS>
         : p.x.type == MAMBA_F16 ? conv1d<false, 4, MAMBA_F16, COUNT, STEPS>
                                 : conv1d<false, 4, MAMBA_F32, COUNT, STEPS>;
}

conv_kernel choose(const conv &p, bool integers, bool pairs) {
  if (is_usual(p, integers))
    return pairs           ? choose_usual<2, MANY_STEPS>(p, integers)
           : p.tokens == 1 ? choose_usual<1, 1>(p, integers)
                           : choose_usual<1, MANY_STEPS>(p, integers);
  if (p.width == 4)
    return integers ? conv1d<true, 4, ANY_TYPE, 1, MANY_STEPS> : conv1d<false, 4, ANY_TYPE, 1, MANY_STEPS>;
  return integers ? conv1d<true, 0, ANY_TYPE, 1, MANY_STEPS> : conv1d<false, 0, ANY_TYPE, 1, MANY_STEPS>;
}

/* Whether two adjacent channels can be accessed at once, and it pays: there are many steps. */
bool has_pairs(const conv &p, bool integers) {
  const size_t most = 2 * sizeof(float);
  bool pairs = is_usual(p, integers) && p.d % 2 == 0 && p.tokens >= MANY_STEPS &&
               is_aligned(p.x.data, most) && is_aligned(p.state, most);
  for (int o = 0; o < p.output_count; ++o)
    pairs = pairs && is_aligned(p.outputs[o].data, most);
  return pairs;
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
  if (batch < 0 || batch > most_blocks || tokens < 0 || tokens > most_blocks * MANY_STEPS || d <= 0 ||
      width < 1 || width > 1024 || output_count < 1 || output_count > MAMBA_CUDA_MAX_OUTPUTS ||
      (integers && !multiplier) || (!integers && w_type != MAMBA_F32))
    return cudaErrorInvalidValue;
  if (batch == 0 || tokens == 0)
    return cudaSuccess;
  conv p = {x, w, multiplier, bias, apply_silu, state, tokens, d, width, output_count, {}};
  for (int32_t o = 0; o < output_count; ++o)
    p.outputs[o] = outputs[o];
  const bool pairs = has_pairs(p, integers);
  return launch(choose(p, integers, pairs),
                dim3(ceil_div(d, pairs ? 2 * THREADS : THREADS), ceil_div(tokens, MANY_STEPS), batch),
                THREADS, 0, stream, (int64_t)batch * tokens, p);
}
