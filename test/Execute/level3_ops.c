/* Level 3: every value of a layer has the bytes that the kernels give when they are called by hand in the
 * order of the IR, over two runs, so that states matter. */
#include "level3.h"

#include "mamba_kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 2, TOKENS = 5, ROWS = BATCH * TOKENS, PROJECTED = L3_RANK + 2 * L3_STATES };

typedef struct Values {
  float h[ROWS * L3_D];
  int8_t in[ROWS * L3_D];
  int8_t x[ROWS * L3_INNER];
  uint16_t z[ROWS * L3_INNER];
  int8_t u[ROWS * L3_INNER], ux[ROWS * L3_INNER];
  int8_t dt[ROWS * L3_RANK];
  float b[ROWS * L3_STATES];
  uint16_t c[ROWS * L3_STATES];
  float delta[ROWS * L3_INNER], y[ROWS * L3_INNER];
  int8_t r[ROWS * L3_INNER];
  float rs[ROWS];
  float o[ROWS * L3_D], s[ROWS * L3_D];
  uint16_t n[ROWS * L3_D];
  int8_t q[ROWS * L3_D];
  float qs[ROWS];
  float logits[ROWS * L3_IDS];
  int8_t conv_state[BATCH * (L3_WIDTH - 1) * L3_INNER];
  float ssm_state[BATCH * L3_STATES * L3_INNER];
} Values;

static mamba_output floats(float *data, int32_t channels) {
  return (mamba_output){.data = data, .type = MAMBA_F32, .channels = channels};
}

static mamba_output halves(uint16_t *data, int32_t channels) {
  return (mamba_output){.data = data, .type = MAMBA_F16, .channels = channels};
}

static mamba_output integers(int8_t *data, int32_t channels, float inv_scale) {
  return (mamba_output){.data = data, .type = MAMBA_I8, .channels = channels, .inv_scale = inv_scale};
}

static void compute(const Level3 *m, const int32_t *ids, Values *v) {
  const mamba_worker alone = {0, 1};
  const float u_scale = 1 / L3_U_INVERSE;
  mamba_embedding(ids, m->table, MAMBA_F32, ROWS, L3_D, v->h, alone);
  mamba_rms_norm(v->h, NULL, NULL, m->gamma, 1e-5f, ROWS, L3_D, integers(v->in, L3_D, 1 / L3_IN_SCALE), NULL,
                 alone);
  const mamba_output xz[] = {integers(v->x, L3_INNER, L3_X_INVERSE), halves(v->z, L3_INNER)};
  mamba_linear_i8(v->in, NULL, m->in_proj, m->in_multiplier, NULL, ROWS, L3_D, 2 * L3_INNER, xz, 2, alone);
  mamba_output us[] = {integers(v->u, L3_INNER, L3_U_INVERSE), integers(v->ux, L3_INNER, 0)};
  us[1].inv_scales = m->ux_inverse;
  mamba_conv1d((mamba_input){.data = v->x, .type = MAMBA_I8}, m->conv, MAMBA_I8, m->conv_multiplier,
               m->conv_bias, true, v->conv_state, BATCH, TOKENS, L3_INNER, L3_WIDTH, us, 2, alone);
  const mamba_output projected[] = {integers(v->dt, L3_RANK, L3_DT_INVERSE), floats(v->b, L3_STATES),
                                    halves(v->c, L3_STATES)};
  mamba_linear_i8(v->ux, NULL, m->x_proj, m->x_multiplier, NULL, ROWS, L3_INNER, PROJECTED, projected, 3,
                  alone);
  const mamba_output delta = floats(v->delta, L3_INNER);
  mamba_linear_i8(v->dt, NULL, m->dt_proj, m->dt_multiplier, m->dt_bias, ROWS, L3_RANK, L3_INNER, &delta, 1,
                  alone);
  mamba_selective_scan((mamba_input){.data = v->u, .type = MAMBA_I8, .scale = u_scale},
                       (mamba_input){.data = v->delta, .type = MAMBA_F32}, true, m->a,
                       (mamba_input){.data = v->b, .type = MAMBA_F32},
                       (mamba_input){.data = v->c, .type = MAMBA_F16}, m->d,
                       (mamba_input){.data = v->z, .type = MAMBA_F16}, v->ssm_state, BATCH, TOKENS, L3_INNER,
                       L3_STATES, floats(v->y, L3_INNER), alone);
  float scratch[L3_INNER];
  mamba_hadamard(v->y, false, ROWS, L3_INNER, scratch, integers(v->r, L3_INNER, 0), v->rs, alone);
  const mamba_output o = floats(v->o, L3_D);
  mamba_linear_i8(v->r, v->rs, m->out_proj, m->out_multiplier, NULL, ROWS, L3_INNER, L3_D, &o, 1, alone);
  mamba_rms_norm(v->h, v->o, v->s, m->gamma, 1e-5f, ROWS, L3_D, halves(v->n, L3_D), NULL, alone);
  mamba_quantize((mamba_input){.data = v->n, .type = MAMBA_F16}, ROWS, L3_D, integers(v->q, L3_D, 0), v->qs,
                 alone);
  const mamba_output logits = floats(v->logits, L3_IDS);
  mamba_linear_i8(v->q, v->qs, m->head, m->head_multiplier, NULL, ROWS, L3_D, L3_IDS, &logits, 1, alone);
}

typedef struct Expected {
  const Values *values;
  int seen;
} Expected;

static void compare(void *context, const MambaObservation *observation) {
  Expected *expected = context;
  const Values *v = expected->values;
  const struct {
    const char *name;
    const void *data;
    size_t bytes;
    float scale;
  } known[] = {
      {"in", v->in, sizeof v->in, L3_IN_SCALE},
      {"x", v->x, sizeof v->x, 1 / L3_X_INVERSE},
      {"z", v->z, sizeof v->z, 0},
      {"u", v->u, sizeof v->u, 1 / L3_U_INVERSE},
      {"ux", v->ux, sizeof v->ux, 0}, /* per channel */
      {"dt", v->dt, sizeof v->dt, 1 / L3_DT_INVERSE},
      {"B", v->b, sizeof v->b, 0},
      {"C", v->c, sizeof v->c, 0},
      {"delta", v->delta, sizeof v->delta, 0},
      {"y", v->y, sizeof v->y, 0},
      {"r", v->r, sizeof v->r, 0}, /* per token */
      {"rs", v->rs, sizeof v->rs, 0},
      {"o", v->o, sizeof v->o, 0},
      {"s", v->s, sizeof v->s, 0},
      {"n", v->n, sizeof v->n, 0},
      {"q", v->q, sizeof v->q, 0},
      {"qs", v->qs, sizeof v->qs, 0},
      {"logits", v->logits, sizeof v->logits, 0},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (!mambaRefIs(observation->name, known[i].name))
      continue;
    assert_int_equal(observation->rows, ROWS);
    assert_int_equal((size_t)(observation->rows * observation->channels) *
                         mambaElementSize(observation->element),
                     known[i].bytes);
    assert_false(observation->wide);
    assert_true(observation->scale == known[i].scale);
    if (memcmp(observation->data, known[i].data, known[i].bytes))
      fail_msg("%s: other bytes than the kernels'", known[i].name);
    expected->seen++;
  }
}

static void testLayer(void **state) {
  (void)state;
  static const int32_t ids[2][ROWS] = {{1, 0, 8, 3, 3, 2, 7, 7, 0, 5}, {4, 4, 1, 0, 2, 6, 8, 5, 3, 1}};
  static Level3 model;
  static Values values;
  Fixture fixture;
  fixtureCreate(&fixture);
  level3Fill(&model);
  level3Parse(&fixture, &model);
  memset(&values, 0, sizeof values);
  Expected expected = {&values, 0};
  MambaExecutor *executor = fixtureExecutor(&fixture, BATCH, (MambaExecutorOptions){.threads = 2});
  mambaExecutorObserve(executor, compare, &expected);
  for (int run = 0; run < 2; run++) {
    float logits[ROWS * L3_IDS];
    compute(&model, ids[run], &values);
    runExecutor(executor, ids[run], TOKENS, MAMBA_LOGITS_ALL, logits);
    assert_memory_equal(logits, values.logits, sizeof logits);
    assert_int_equal(expected.seen, 18 * (run + 1));
  }
  mambaExecutorDestroy(executor);
  fixtureDestroy(&fixture);
}

/* The head reads selected tokens only: the last of each sequence; and none is computed when none is wanted.
 */
static void testLast(void **state) {
  (void)state;
  static const int32_t ids[ROWS] = {1, 0, 8, 3, 3, 2, 7, 7, 0, 5};
  static Level3 model;
  Fixture fixture;
  fixtureCreate(&fixture);
  level3Fill(&model);
  level3Parse(&fixture, &model);
  MambaExecutor *executor = fixtureExecutor(&fixture, BATCH, (MambaExecutorOptions){.threads = 2});
  float all[BATCH][TOKENS][L3_IDS], last[BATCH][L3_IDS], next[2][BATCH][L3_IDS];
  runExecutor(executor, ids, TOKENS, MAMBA_LOGITS_ALL, &all[0][0][0]);
  runExecutor(executor, ids, 1, MAMBA_LOGITS_LAST, &next[0][0][0]);
  mambaExecutorReset(executor);
  runExecutor(executor, ids, TOKENS, MAMBA_LOGITS_LAST, &last[0][0]);
  for (int sequence = 0; sequence < BATCH; sequence++)
    assert_memory_equal(last[sequence], all[sequence][TOKENS - 1], sizeof last[sequence]);
  mambaExecutorReset(executor);
  runExecutor(executor, ids, TOKENS, MAMBA_LOGITS_NONE, NULL);
  runExecutor(executor, ids, 1, MAMBA_LOGITS_LAST, &next[1][0][0]);
  assert_memory_equal(next[0], next[1], sizeof next[0]);
  mambaExecutorDestroy(executor);
  fixtureDestroy(&fixture);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(testLayer), cmocka_unit_test(testLast)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
