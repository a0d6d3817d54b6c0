/* mamba_selective_scan_i8 against the plain reference, byte by byte, at once and with the tokens split in two
 * calls. Run it on every instruction set (MAMBA_ISA). */
#include "cases.h"
#include "reference.h"

enum { BATCH = 2 };

static const mamba_type types[] = {MAMBA_I8, MAMBA_F16, MAMBA_F32};

static mamba_type any_type(void) {
  return types[random_below(COUNT(types))];
}

/* Integers with positive scales behind them, for each sequence. */
static int8_t *random_state(int32_t d, int32_t n, data_kind kind) {
  const int64_t stride = (int64_t)(n + MAMBA_STATE_SCALE_ROWS) * d;
  int8_t *state = random_values(MAMBA_I8, BATCH * stride, kind);
  for (int sequence = 0; sequence < BATCH; ++sequence) {
    float *scales = random_scales(d);
    memcpy(state + sequence * stride + (int64_t)n * d, scales, (size_t)d * sizeof(float));
    free(scales);
  }
  return state;
}

/* The part of an input or output that begins at token `first` of the only sequence. */
static mamba_input input_from(mamba_input in, int32_t first, int32_t channels) {
  if (in.data)
    in.data = (const char *)in.data + (size_t)first * (size_t)channels * type_size(in.type);
  return in;
}

static void test_once(data_kind kind, int32_t tokens, int32_t d, int32_t n) {
  begin_case("selective_scan_i8 data %d tokens %d d %d n %d", kind, tokens, d, n);
  const int64_t rows = (int64_t)BATCH * tokens;
  const mamba_input u = random_input(any_type(), rows * d, d, kind),
                    b = random_input(any_type(), rows * n, n, kind),
                    c = random_input(any_type(), rows * n, n, kind);
  const mamba_input dt = random_input(random_bool() ? MAMBA_F16 : MAMBA_F32, rows * d, d, kind);
  mamba_input z = {.data = NULL};
  if (random_bool())
    z = random_input(any_type(), rows * d, d, kind);
  float *a = random_floats((int64_t)n * d, DATA_PLAIN), *skip = random_bool() ? random_floats(d, kind) : NULL;
  for (int64_t i = 0; i < (int64_t)n * d; ++i)
    a[i] = a[i] > 0 ? -a[i] : a[i];
  int8_t *actual_state = random_state(d, n, kind);
  const int64_t state_bytes = (int64_t)BATCH * (n + MAMBA_STATE_SCALE_ROWS) * d;
  int8_t *expected_state = copy_values(MAMBA_I8, state_bytes, actual_state);
  int8_t *split_state = copy_values(MAMBA_I8, state_bytes, actual_state);
  const mamba_output actual = unset_output(any_type(), rows * d, d);
  const mamba_output expected = similar_output(actual, rows * d), split = similar_output(actual, rows * d);
  const bool softplus = random_bool();
  ALL_WORKERS(mamba_selective_scan_i8(u, dt, softplus, a, b, c, skip, z, actual_state, BATCH, tokens, d, n,
                                      actual, worker));
  reference_selective_scan_i8(u, dt, softplus, a, b, c, skip, z, expected_state, BATCH, tokens, d, n,
                              expected);
  expect_equal("out", actual.type, rows * d, actual.data, expected.data);
  expect_equal("state", MAMBA_I8, state_bytes, actual_state, expected_state);
  for (int32_t sequence = 0; sequence < BATCH; ++sequence)
    for (int part = 0; part < 2; ++part) {
      const int32_t begin = part ? tokens / 2 : 0, some = part ? tokens - tokens / 2 : tokens / 2;
      const int32_t first = sequence * tokens + begin;
      mamba_output out = split;
      out.data = (char *)split.data + (size_t)first * (size_t)d * type_size(split.type);
      if (some)
        mamba_selective_scan_i8(input_from(u, first, d), input_from(dt, first, d), softplus, a,
                                input_from(b, first, n), input_from(c, first, n), skip,
                                input_from(z, first, d), split_state + sequence * (state_bytes / BATCH), 1,
                                some, d, n, out, (mamba_worker){0, 1});
    }
  expect_equal("out in two calls", split.type, rows * d, split.data, expected.data);
  expect_equal("state after two calls", MAMBA_I8, state_bytes, split_state, expected_state);
  release_input(u);
  release_input(dt);
  release_input(b);
  release_input(c);
  if (z.data)
    release_input(z);
  release_output(actual);
  release_output(expected);
  release_output(split);
  free(a);
  free(skip);
  free(actual_state);
  free(expected_state);
  free(split_state);
}

int main(void) {
  static const int32_t states[] = {16, 16, 1, 5, 17, 33};
  const int status = begin();
  if (status)
    return status;
  for (int round = 0; round < 120; ++round) {
    const int32_t tokens = 1 + random_below(round % 3 ? 8 : 40);
    const int32_t d = 1 + random_below(64);
    test_once((data_kind)(round % DATA_KINDS), tokens, d, states[round % COUNT(states)]);
  }
  return finish();
}
