/* The same bytes however a sequence is cut into runs, whatever else is in the batch, with any number of
 * threads, and wherever the constants are: level 1 of models/tiny, and level 3. And whose turn it is to
 * observe. */
#include "level3.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* More tokens than one chunk takes, for one sequence and for three. */
enum { BATCH = 3, TOKENS = 150 };

typedef struct Model {
  Fixture fixture;
  int32_t ids[BATCH * TOKENS];
  float *expected; /* the logits of all sequences in one run by one thread */
  int64_t vocabulary;
} Model;

static float *runBatch(const Model *model, MambaExecutor *executor) {
  const size_t count = (size_t)(BATCH * TOKENS * mambaExecutorVocabulary(executor));
  float *logits = allocate(count * sizeof *logits);
  runExecutor(executor, model->ids, TOKENS, MAMBA_LOGITS_ALL, logits);
  return logits;
}

static float *runAll(const Model *model, int threads) {
  MambaExecutor *executor =
      fixtureExecutor(&model->fixture, BATCH, (MambaExecutorOptions){.threads = threads});
  float *logits = runBatch(model, executor);
  mambaExecutorDestroy(executor);
  return logits;
}

static void prepare(Model *model, int32_t id_limit) {
  uint64_t seed = 7;
  for (int i = 0; i < BATCH * TOKENS; i++)
    model->ids[i] = (int32_t)((nextUniform(&seed) + 1) / 2 * (float)id_limit);
  MambaExecutor *executor = fixtureExecutor(&model->fixture, 1, (MambaExecutorOptions){.threads = 1});
  model->vocabulary = mambaExecutorVocabulary(executor);
  mambaExecutorDestroy(executor);
  model->expected = runAll(model, 1);
}

static void checkThreads(const Model *model) {
  for (int threads = 2; threads <= 3; threads++) {
    float *logits = runAll(model, threads);
    assert_memory_equal(logits, model->expected,
                        (size_t)(BATCH * TOKENS * model->vocabulary) * sizeof *logits);
    free(logits);
  }
}

/* With few of the weights in memory, or none but the small ones. */
static void checkWeightMemory(const Model *model) {
  static const size_t bytes[] = {1, 1 << 20};
  for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
    MambaExecutor *executor = fixtureExecutor(
        &model->fixture, BATCH, (MambaExecutorOptions){.threads = 2, .weight_memory = bytes[i]});
    float *logits = runBatch(model, executor);
    assert_memory_equal(logits, model->expected,
                        (size_t)(BATCH * TOKENS * model->vocabulary) * sizeof *logits);
    free(logits);
    mambaExecutorDestroy(executor);
  }
}

/* Each sequence alone, in runs of these lengths (the last one takes what is left). */
static void checkSplit(const Model *model, const int64_t *lengths, size_t count) {
  MambaExecutor *executor = fixtureExecutor(&model->fixture, 1, (MambaExecutorOptions){.threads = 2});
  float *logits = allocate((size_t)(TOKENS * model->vocabulary) * sizeof *logits);
  for (int sequence = 0; sequence < BATCH; sequence++) {
    const int32_t *ids = model->ids + sequence * TOKENS;
    size_t next = 0;
    mambaExecutorReset(executor);
    for (int64_t at = 0; at < TOKENS;) {
      int64_t length = lengths[next < count - 1 ? next++ : count - 1];
      length = length < TOKENS - at ? length : TOKENS - at;
      runExecutor(executor, ids + at, length, MAMBA_LOGITS_ALL, logits + at * model->vocabulary);
      at += length;
    }
    assert_memory_equal(logits, model->expected + sequence * TOKENS * model->vocabulary,
                        (size_t)(TOKENS * model->vocabulary) * sizeof *logits);
  }
  free(logits);
  mambaExecutorDestroy(executor);
}

/* Constants with a dimension, evaluated for the executor instead of by it. */
typedef struct Source {
  MambaParameters *parameters;
  MambaConstant given[64];
  size_t count;
} Source;

static const void *give(void *context, MlirValue value) {
  Source *source = context;
  MambaConstant *constant = &source->given[source->count];
  MambaError error;
  if (!mambaRank(value))
    return NULL;
  assert_true(source->count++ < sizeof source->given / sizeof source->given[0]);
  assert_int_equal(mambaParametersEvaluate(source->parameters, value, false, constant, &error), MAMBA_OK);
  return constant->data;
}

/* The bytes are read where they are: another content gives other logits. */
static void checkSource(const Model *model) {
  static Source source;
  MambaError error;
  const MlirOperation module = mlirModuleGetOperation(model->fixture.module);
  assert_int_equal(mambaParametersCreate(module, 1, &source.parameters, &error), MAMBA_OK);
  MambaExecutor *executor = fixtureExecutor(
      &model->fixture, BATCH, (MambaExecutorOptions){.threads = 2, .constants = give, .context = &source});
  const size_t count = (size_t)(BATCH * TOKENS * model->vocabulary);
  float *logits = runBatch(model, executor);
  assert_memory_equal(logits, model->expected, count * sizeof *logits);
  free(logits);
  for (size_t i = 0; i < source.count; i++)
    memset(source.given[i].data, 0, source.given[i].count * mambaElementSize(source.given[i].element));
  mambaExecutorReset(executor);
  logits = runBatch(model, executor);
  for (size_t i = 0; i < count; i++)
    assert_true(logits[i] == 0);
  free(logits);
  mambaExecutorDestroy(executor);
  for (size_t i = 0; i < source.count; i++)
    mambaConstantDestroy(&source.given[i]);
  mambaParametersDestroy(source.parameters);
}

/* Who has looked at how many values. */
enum { WATCHERS = 3 };
typedef struct Turns {
  long seen[WATCHERS]; /* each by its own worker */
  atomic_long left;    /* by all of them */
  atomic_int early;    /* looks at a value before everyone had left the one before */
} Turns;

/* A worker in turn is slow to leave. */
static void takeTurn(void *context, const MambaObservation *observation, mamba_pool *pool,
                     mamba_worker worker) {
  (void)observation;
  Turns *turns = context;
  const long before = turns->seen[worker.index]++;
  if (atomic_load(&turns->left) < before * WATCHERS)
    atomic_fetch_add(&turns->early, 1);
  if (before % mamba_pool_count(pool) == worker.index)
    nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
  atomic_fetch_add(&turns->left, 1);
}

/* What workers observe together they have all left before one observes the next value, of the same op too. */
static void checkObservation(const Model *model) {
  Turns turns = {.left = 0};
  MambaExecutor *executor =
      fixtureExecutor(&model->fixture, BATCH, (MambaExecutorOptions){.threads = WATCHERS});
  mambaExecutorObserveShared(executor, takeTurn, &turns);
  free(runBatch(model, executor));
  assert_true(turns.seen[0] > 0);
  assert_int_equal(turns.left, turns.seen[0] * WATCHERS);
  assert_int_equal(turns.early, 0);
  mambaExecutorDestroy(executor);
}

static void checkModel(Model *model) {
  checkThreads(model);
  checkObservation(model);
  checkWeightMemory(model);
  checkSplit(model, (const int64_t[]){TOKENS}, 1);
  checkSplit(model, (const int64_t[]){1}, 1);
  checkSplit(model, (const int64_t[]){2, 1, 129, 5, 1000}, 5);
  free(model->expected);
  fixtureDestroy(&model->fixture);
}

static void testLevel1(void **state) {
  (void)state;
  static Model model;
  fixtureCreate(&model.fixture);
  fixtureImport(&model.fixture, "../models/tiny");
  prepare(&model, 4096);
  checkModel(&model);
}

static void testLevel3(void **state) {
  (void)state;
  static Model model;
  static Level3 weights;
  fixtureCreate(&model.fixture);
  level3Fill(&weights);
  level3Parse(&model.fixture, &weights);
  prepare(&model, L3_IDS);
  checkSource(&model);
  checkModel(&model);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(testLevel1), cmocka_unit_test(testLevel3)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
