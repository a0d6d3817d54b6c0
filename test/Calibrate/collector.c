/* What calibration records is what the executor computes, whichever way the work is divided. */
#include "collector.h"

#include "self_text.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SEQUENCES = 6, LENGTH = 40 };

/* Runs the given ids at once, which makes enough values for the workers to share them, or the model's own
 * text, in batches of `batch` on `workers`, and gives the records as one text. */
static char *calibrate(Fixture *f, const int32_t *ids, int64_t batch, int workers, uint64_t seed) {
  Collector collector = {0};
  MambaError error;
  mamba_pool *pool = mamba_pool_create(workers);
  assert_non_null(pool);
  assert_int_equal(collectorCreate(&collector, mlirModuleGetOperation(f->module), &error), MAMBA_OK);
  assert_int_equal(collectorStart(&collector, workers, &error), MAMBA_OK);
  MambaExecutor *executor = fixtureExecutor(f, batch, (MambaExecutorOptions){.threads = workers});
  mambaExecutorObserveShared(executor, collectorObserve, &collector);
  MambaProgress progress = mambaProgressStart("test", "tokens", SEQUENCES * LENGTH);
  for (int64_t first = 0; first < SEQUENCES; first += batch) {
    const SelfText text = {.seed = seed, .first_sequence = first, .length = LENGTH};
    mambaExecutorReset(executor);
    assert_int_equal(
        ids ? mambaExecutorRun(executor, ids + first * LENGTH, LENGTH, MAMBA_LOGITS_NONE, NULL, &error)
            : selfTextRun(&text, executor, &collector, pool, &progress, 0, &error),
        MAMBA_OK);
  }
  assert_int_equal(collectorFinish(&collector, &error), MAMBA_OK);
  json_t *all = json_array();
  for (size_t i = 0; i < collector.count; i++) {
    json_t *record;
    /* States are seen after 16 tokens of self text only. */
    const int64_t rows = !mlirValueIsNull(collector.records[i].value) ? SEQUENCES * LENGTH : ids ? 0 : SEQUENCES;
    assert_int_equal(mambaStatisticsGetCount(collector.records[i].statistics),
                     rows * collector.records[i].channels);
    assert_int_equal(mambaStatisticsToJson(collector.records[i].statistics, &record, &error), MAMBA_OK);
    json_array_append_new(all, record);
  }
  char *text = json_dumps(all, JSON_COMPACT);
  assert_non_null(text);
  json_decref(all);
  mambaExecutorDestroy(executor);
  collectorDestroy(&collector);
  mamba_pool_destroy(pool);
  return text;
}

static void test_same_record_for_any_batch_and_workers(void **state) {
  (void)state;
  Fixture f;
  fixtureCreate(&f);
  fixtureImport(&f, "../models/tiny");
  char *expected = calibrate(&f, NULL, SEQUENCES, 1, 7);
  char *batches = calibrate(&f, NULL, 2, 1, 7), *workers = calibrate(&f, NULL, SEQUENCES, 3, 7);
  char *seed = calibrate(&f, NULL, SEQUENCES, 1, 8);
  assert_true(!strcmp(expected, batches));
  assert_true(!strcmp(expected, workers));
  assert_false(!strcmp(expected, seed));
  free(expected);
  free(batches);
  free(workers);
  free(seed);
  fixtureDestroy(&f);
}

static void test_same_record_of_shared_values(void **state) {
  (void)state;
  static int32_t ids[SEQUENCES * LENGTH];
  Fixture f;
  for (int i = 0; i < SEQUENCES * LENGTH; i++)
    ids[i] = i * 1009 % 4096;
  fixtureCreate(&f);
  fixtureImport(&f, "../models/tiny");
  char *expected = calibrate(&f, ids, 1, 1, 0);
  char *batches = calibrate(&f, ids, 2, 3, 0), *workers = calibrate(&f, ids, SEQUENCES, 2, 0);
  assert_true(!strcmp(expected, batches));
  assert_true(!strcmp(expected, workers));
  free(expected);
  free(batches);
  free(workers);
  fixtureDestroy(&f);
}

/* The values that passes ask for, in one block and behind the last. */
static void test_records_every_site(void **state) {
  (void)state;
  static const char *const block[] = {"in", "x", "z", "u", "dt", "B", "C", "delta", "y"};
  Fixture f;
  Collector collector = {0};
  MambaError error;
  fixtureCreate(&f);
  fixtureImport(&f, "../models/tiny");
  assert_int_equal(collectorCreate(&collector, mlirModuleGetOperation(f.module), &error), MAMBA_OK);
  assert_int_equal(collector.count, 12 * 9 + 1 + 12);
  for (size_t i = 0; i < 9; i++) {
    char name[64];
    snprintf(name, sizeof name, "layers.0.mixer.%s", block[i]);
    assert_true(mambaRefIs(mambaValueName(collector.records[i].value), name));
  }
  assert_true(mambaRefIs(mambaValueName(collector.records[12 * 9].value), "norm_f"));
  assert_true(mambaRefIs(collector.records[12 * 9 + 1].name, "layers.0.ssm"));
  assert_int_equal(collector.records[12 * 9 + 1].channels, 16 * 512);
  collectorDestroy(&collector);
  fixtureDestroy(&f);
}

typedef struct Largest {
  float absmax;
  double sum;
  int64_t count;
} Largest;

static void observeGate(void *context, const MambaObservation *o) {
  Largest *largest = context;
  if (!mambaRefIs(o->name, "layers.5.mixer.y"))
    return;
  for (int64_t i = 0; i < o->rows * o->channels; i++) {
    const float v = ((const float *)o->data)[i];
    largest->absmax = fmaxf(largest->absmax, fabsf(v));
    largest->sum += v;
    largest->count++;
  }
}

static void test_records_what_is_computed(void **state) {
  (void)state;
  const int32_t ids[] = {498, 728, 433, 843, 468, 604, 263, 1549, 12, 281, 634, 259, 685, 1855, 288, 395};
  Fixture f;
  Collector collector = {0};
  MambaError error;
  Largest largest = {0};
  fixtureCreate(&f);
  fixtureImport(&f, "../models/tiny");
  MambaExecutor *executor = fixtureExecutor(&f, 1, (MambaExecutorOptions){.threads = 1});
  mambaExecutorObserve(executor, observeGate, &largest);
  runExecutor(executor, ids, 16, MAMBA_LOGITS_NONE, NULL);
  mambaExecutorReset(executor);
  assert_int_equal(collectorCreate(&collector, mlirModuleGetOperation(f.module), &error), MAMBA_OK);
  assert_int_equal(collectorStart(&collector, 1, &error), MAMBA_OK);
  mambaExecutorObserveShared(executor, collectorObserve, &collector);
  runExecutor(executor, ids, 16, MAMBA_LOGITS_NONE, NULL);
  assert_int_equal(collectorFinish(&collector, &error), MAMBA_OK);
  const MambaStatistics *y = collector.records[5 * 9 + 8].statistics;
  assert_int_equal(mambaStatisticsGetCount(y), largest.count);
  assert_true(mambaStatisticsGetAbsmax(y) == largest.absmax);
  assert_true(fabs(mambaStatisticsGetMean(y) - largest.sum / (double)largest.count) < 1e-6);
  collectorDestroy(&collector);
  mambaExecutorDestroy(executor);
  fixtureDestroy(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_same_record_for_any_batch_and_workers),
      cmocka_unit_test(test_same_record_of_shared_values),
      cmocka_unit_test(test_records_every_site),
      cmocka_unit_test(test_records_what_is_computed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
