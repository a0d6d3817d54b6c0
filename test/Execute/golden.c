/* Levels 1 and 3, unquantized, against golden outputs: logits, hidden states and greedy continuations that an
 * independent implementation computed in f32 from the same weights (models/tiny/golden.json says which). */
#include "support.h"

#include "mamba/passes.h"
#include "mamba/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Golden {
  MambaSafetensors *file;
  Fixture fixture;
} Golden;

static const MambaTensorView *tensor(const Golden *golden, const char *name) {
  return mambaSafetensorsFind(golden->file, name);
}

static float *readFloats(const Golden *golden, const char *name) {
  const MambaTensorView *view = tensor(golden, name);
  assert_non_null(view);
  MambaError error;
  float *values = allocate(mambaTensorGetCount(view) * sizeof *values);
  assert_int_equal(mambaTensorReadF32(view, 0, mambaTensorGetCount(view), values, &error), MAMBA_OK);
  return values;
}

static int32_t *readIds(const Golden *golden, const char *name, int64_t *count) {
  const MambaTensorView *view = tensor(golden, name);
  assert_non_null(view);
  assert_int_equal(view->dtype, MAMBA_DTYPE_I32);
  int32_t *ids = allocate(view->bytes);
  memcpy(ids, view->data, view->bytes);
  *count = (int64_t)mambaTensorGetCount(view);
  return ids;
}

static double maxError(const float *a, const float *b, int64_t count) {
  double largest = 0;
  for (int64_t i = 0; i < count; i++) {
    const double error = fabs((double)a[i] - b[i]);
    largest = error > largest || isnan(error) ? error : largest;
  }
  return largest;
}

static bool openGolden(Golden *golden, const char *model) {
  char path[1024];
  MambaError error;
  snprintf(path, sizeof path, "%s/golden.safetensors", model);
  assert_int_equal(mambaSafetensorsOpen(path, &golden->file, &error), MAMBA_OK);
  fixtureCreate(&golden->fixture);
  fixtureImport(&golden->fixture, model);
  return true;
}

static void closeGolden(Golden *golden) {
  fixtureDestroy(&golden->fixture);
  mambaSafetensorsClose(golden->file);
}

/* All logits of a batch of two, or the last four rows of each, as the file has them. */
static void checkLogits(const Golden *golden) {
  int64_t count;
  int32_t *ids = readIds(golden, "input_ids", &count);
  const int64_t tokens = count / 2;
  const bool all = tensor(golden, "logits") != NULL;
  float *expected = readFloats(golden, all ? "logits" : "logits_last4");
  const int64_t rows = all ? tokens : 4;
  MambaExecutor *executor = fixtureExecutor(&golden->fixture, 2, (MambaExecutorOptions){0});
  const int64_t vocabulary = mambaExecutorVocabulary(executor);
  float *logits = allocate((size_t)(count * vocabulary) * sizeof *logits);
  runExecutor(executor, ids, tokens, MAMBA_LOGITS_ALL, logits);
  for (int64_t sequence = 0; sequence < 2; sequence++) {
    const float *found = logits + ((sequence + 1) * tokens - rows) * vocabulary;
    const double error = maxError(found, expected + sequence * rows * vocabulary, rows * vocabulary);
    print_message("logits of sequence %d: largest error %.3g\n", (int)sequence, error);
    assert_true(error <= 1e-3);
  }
  mambaExecutorDestroy(executor);
  free(logits);
  free(expected);
  free(ids);
}

typedef struct Hidden {
  const Golden *golden;
  float *embedding, *states, *final_norm;
  int64_t rows, channels;
  int layers, seen;
} Hidden;

static void compareHidden(void *context, const MambaObservation *observation) {
  Hidden *hidden = context;
  char name[64] = "";
  const float *expected = NULL;
  int layer, end = 0;
  snprintf(name, sizeof name, "%.*s", (int)observation->name.length, observation->name.data);
  if (!strcmp(name, "embeddings"))
    expected = hidden->embedding;
  else if (!strcmp(name, "norm_f"))
    expected = hidden->final_norm;
  else if (sscanf(name, "layers.%d%n", &layer, &end) == 1 && !name[end])
    expected = hidden->states + layer * hidden->rows * hidden->channels;
  if (!expected)
    return;
  assert_int_equal(observation->rows, hidden->rows);
  assert_int_equal(observation->channels, hidden->channels);
  assert_int_equal(observation->element, MAMBA_ELEMENT_F32);
  const double error = maxError(observation->data, expected, hidden->rows * hidden->channels);
  if (!(error <= 1e-3))
    fail_msg("%s: largest error %g", name, error);
  hidden->seen++;
}

/* The residual stream after every layer, by name. */
static void checkHidden(const Golden *golden) {
  int64_t tokens;
  int32_t *ids = readIds(golden, "hidden_input_ids", &tokens);
  float *last = readFloats(golden, "hidden_logits_last");
  const MambaTensorView *states = tensor(golden, "hidden_states");
  Hidden hidden = {.golden = golden,
                   .embedding = readFloats(golden, "hidden_embedding"),
                   .states = readFloats(golden, "hidden_states"),
                   .final_norm = readFloats(golden, "hidden_final_norm"),
                   .rows = states->shape[1],
                   .channels = states->shape[2],
                   .layers = (int)states->shape[0]};
  MambaExecutor *executor = fixtureExecutor(&golden->fixture, 1, (MambaExecutorOptions){.threads = 1});
  const int64_t vocabulary = mambaExecutorVocabulary(executor);
  float *logits = allocate((size_t)vocabulary * sizeof *logits);
  mambaExecutorObserve(executor, compareHidden, &hidden);
  runExecutor(executor, ids, tokens, MAMBA_LOGITS_LAST, logits);
  assert_int_equal(hidden.seen, hidden.layers + 2);
  assert_true(maxError(logits, last, vocabulary) <= 1e-3);
  mambaExecutorDestroy(executor);
  free(logits);
  free(hidden.embedding);
  free(hidden.states);
  free(hidden.final_norm);
  free(last);
  free(ids);
}

static int32_t largest(const float *values, int64_t count) {
  int64_t best = 0;
  for (int64_t i = 1; i < count; i++)
    best = values[i] > values[best] ? i : best;
  return (int32_t)best;
}

static void checkGreedy(const Golden *golden) {
  int64_t prompt_count, count;
  int32_t *prompt = readIds(golden, "greedy_prompt_ids", &prompt_count);
  int32_t *expected = readIds(golden, "greedy_ids", &count);
  MambaExecutor *executor = fixtureExecutor(&golden->fixture, 1, (MambaExecutorOptions){0});
  const int64_t vocabulary = mambaExecutorVocabulary(executor);
  float *logits = allocate((size_t)vocabulary * sizeof *logits);
  runExecutor(executor, prompt, prompt_count, MAMBA_LOGITS_LAST, logits);
  for (int64_t i = 0; i < count; i++) {
    const int32_t id = largest(logits, vocabulary);
    assert_int_equal(id, expected[i]);
    runExecutor(executor, &id, 1, MAMBA_LOGITS_LAST, logits);
  }
  mambaExecutorDestroy(executor);
  free(logits);
  free(expected);
  free(prompt);
}

/* f64 throughout gives the same within f32's error. */
static void checkWide(const Golden *golden) {
  int64_t tokens;
  int32_t *ids = readIds(golden, "hidden_input_ids", &tokens);
  float *last = readFloats(golden, "hidden_logits_last");
  MambaExecutor *executor = fixtureExecutor(&golden->fixture, 1, (MambaExecutorOptions){.wide = true});
  const int64_t vocabulary = mambaExecutorVocabulary(executor);
  float *logits = allocate((size_t)vocabulary * sizeof *logits);
  runExecutor(executor, ids, tokens, MAMBA_LOGITS_LAST, logits);
  assert_true(maxError(logits, last, vocabulary) <= 1e-4);
  mambaExecutorDestroy(executor);
  free(logits);
  free(last);
  free(ids);
}

/* At level 1 and, in the kernels of an unquantized bundle, at level 3. */
static void checkModel(const char *model) {
  Golden golden;
  openGolden(&golden, model);
  checkWide(&golden);
  for (int level = 1; level <= 3; level += 2) {
    if (level == 3)
      assert_true(mambaPassFuseKernels(mlirModuleGetOperation(golden.fixture.module)));
    checkLogits(&golden);
    checkHidden(&golden);
    checkGreedy(&golden);
  }
  closeGolden(&golden);
}

static void testTiny(void **state) {
  (void)state;
  checkModel("../models/tiny");
}

/* Norms without a weight on dt, B and C. */
static void testFalcon(void **state) {
  (void)state;
  checkModel("Import/falcon/model");
}

static void testMid(void **state) {
  (void)state;
  const char *model = testData("models/mid");
  if (!model)
    skip();
  checkModel(model);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testTiny),
      cmocka_unit_test(testFalcon),
      cmocka_unit_test(testMid),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
