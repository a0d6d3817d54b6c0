/* Evaluation of a model whose predictions are known: after id i it gives id (i + 1) mod V the logit `sharp`, the
 * others 0, whatever came before; but the first prediction after a reset is uniform. */
#include "mamba/evaluate.h"

#include "tempdir.h"
#include "threads.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { VOCABULARY = 7, MAX_BATCH = 4 };

typedef struct Known {
  float sharp;
  int64_t batch, position, resets;
} Known;

static MambaStatus reset(void *context, MambaError *error) {
  (void)error;
  Known *known = context;
  known->position = 0;
  known->resets++;
  return MAMBA_OK;
}

static MambaStatus run(void *context, const int32_t *ids, int64_t tokens, float *logits, MambaError *error) {
  (void)error;
  Known *known = context;
  for (int64_t b = 0; b < known->batch; b++)
    for (int64_t t = 0; t < tokens && logits; t++)
      for (int64_t i = 0; i < VOCABULARY; i++)
        logits[(b * tokens + t) * VOCABULARY + i] =
            known->position + t > 0 && i == (ids[b * tokens + t] + 1) % VOCABULARY ? known->sharp : 0;
  known->position += tokens;
  return MAMBA_OK;
}

static MambaPredictor predictorOf(Known *known) {
  return (MambaPredictor){known, known->batch, VOCABULARY, reset, run};
}

/* Of an id that the model expects, and of one that it does not. */
static double expectedCost(double sharp) {
  return log(exp(sharp) + VOCABULARY - 1) - sharp;
}
static double surprisingCost(double sharp) {
  return log(exp(sharp) + VOCABULARY - 1);
}

static mamba_pool *pool;
static TempDir folder;

static void assertNear(double a, double b) {
  assert_true(fabs(a - b) < 1e-6);
}

/* 0 1 2 3 ... mod V: everything is as expected but what follows the first id of a window. */
static void testWindowsAndStrides(void **state) {
  (void)state;
  enum { COUNT = 205, WINDOW = 50 };
  int32_t ids[COUNT];
  MambaTextEvaluation result;
  MambaError error;
  for (int i = 0; i < COUNT; i++)
    ids[i] = i % VOCABULARY;
  for (int64_t batch = 1; batch <= MAX_BATCH; batch++) {
    Known known = {.sharp = 3, .batch = batch};
    const MambaPredictor model = predictorOf(&known);
    assert_int_equal(mambaEvaluateText(&model, NULL, ids, COUNT, WINDOW, WINDOW, pool, &result, &error), MAMBA_OK);
    assert_int_equal(result.windows, 4);
    assert_int_equal(result.predictions, 4 * (WINDOW - 1));
    assertNear(result.nll, (48 * expectedCost(3) + log(VOCABULARY)) / 49);
    assertNear(result.standard_error, 0); /* all windows alike */
    /* Windows at 0, 20, 40, ..., 140: the later ones predict 20 ids each, none of them the first. */
    assert_int_equal(mambaEvaluateText(&model, NULL, ids, COUNT, WINDOW, 20, pool, &result, &error), MAMBA_OK);
    assert_int_equal(result.windows, 8);
    assert_int_equal(result.predictions, 49 + 7 * 20);
    assertNear(result.nll, (188 * expectedCost(3) + log(VOCABULARY)) / 189);
    assert_int_equal(known.resets, (4 + batch - 1) / batch + (8 + batch - 1) / batch);
  }
}

static void testDistanceFromAReference(void **state) {
  (void)state;
  enum { COUNT = 120 };
  int32_t ids[COUNT];
  MambaTextEvaluation result;
  MambaError error;
  Known known = {.sharp = 1, .batch = 2}, other = {.sharp = 4, .batch = 2}, opposite = {.sharp = -2, .batch = 2};
  const MambaPredictor model = predictorOf(&known), reference = predictorOf(&other);
  for (int i = 0; i < COUNT; i++)
    ids[i] = i < 60 ? i % VOCABULARY : 3; /* the second window repeats one id */
  assert_int_equal(mambaEvaluateText(&model, &reference, ids, COUNT, 60, 60, pool, &result, &error), MAMBA_OK);
  const double first = (58 * expectedCost(1) + log(VOCABULARY)) / 59,
               second = (58 * surprisingCost(1) + log(VOCABULARY)) / 59;
  assertNear(result.nll, (first + second) / 2);
  assertNear(result.standard_error, fabs(first - second) / 2);
  const double p = exp(-expectedCost(4)), rest = exp(-surprisingCost(4));
  const double kl = p * (expectedCost(1) - expectedCost(4)) +
                    (VOCABULARY - 1) * rest * (surprisingCost(1) - surprisingCost(4));
  assertNear(result.divergence, 58 * kl / 59);
  assertNear(result.agreement, 1);
  assertNear(result.increase, result.nll - result.reference_nll);
  assert_true(result.increase_error > 0);
  /* Its most probable id is the first that is not the expected one. */
  const MambaPredictor wrong = predictorOf(&opposite);
  assert_int_equal(mambaEvaluateText(&wrong, &reference, ids, COUNT, 60, 60, pool, &result, &error), MAMBA_OK);
  assertNear(result.agreement, 1.0 / 59);
}

static void testTextRefusals(void **state) {
  (void)state;
  const int32_t ids[] = {1, 2, 3, VOCABULARY};
  Known known = {.sharp = 1, .batch = 1}, wide = {.sharp = 1, .batch = 1};
  MambaPredictor model = predictorOf(&known), other = predictorOf(&wide);
  MambaTextEvaluation result;
  MambaError error;
  assert_int_equal(mambaEvaluateText(&model, NULL, ids, 3, 4, 4, pool, &result, &error), MAMBA_INVALID);
  assert_int_equal(mambaEvaluateText(&model, NULL, ids, 4, 1, 1, pool, &result, &error), MAMBA_INVALID);
  assert_int_equal(mambaEvaluateText(&model, NULL, ids, 4, 3, 4, pool, &result, &error), MAMBA_INVALID);
  assert_int_equal(mambaEvaluateText(&model, NULL, ids, 4, 4, 4, pool, &result, &error), MAMBA_INVALID);
  assert_non_null(strstr(error.message, "below the vocabulary of 7, found 7"));
  other.vocabulary++;
  assert_int_equal(mambaEvaluateText(&model, &other, ids, 3, 3, 3, pool, &result, &error), MAMBA_INVALID);
}

/* An example is correct when all of its targets are, wherever it stands in a batch. */
static void testCompletions(void **state) {
  (void)state;
  int32_t right[] = {5, 1, 2, 3, 4, 5, 6, 0, 1, 2}, half[] = {1, 2, 4, 5}, wrong[] = {1, 2, 3, 1}, start[] = {1, 2};
  MambaCompletion items[] = {{right, 10, 7}, {half, 4, 2}, {wrong, 4, 1}, {right, 9, 2}, {start, 2, 1}};
  const MambaCompletions examples = {items, 5};
  for (int64_t batch = 1; batch <= MAX_BATCH; batch++) {
    Known known = {.sharp = 3, .batch = batch};
    const MambaPredictor model = predictorOf(&known);
    MambaCompletionEvaluation result;
    MambaError error;
    assert_int_equal(mambaEvaluateCompletions(&model, &examples, pool, &result, &error), MAMBA_OK);
    assert_int_equal(result.examples, 5);
    assert_int_equal(result.correct, 2);
    assertNear(result.nll, (10 * expectedCost(3) + 2 * surprisingCost(3) + log(VOCABULARY)) / 5);
  }
}

static MambaStatus readText(const char *text, int64_t limit, MambaCompletions *examples, MambaError *error) {
  MambaTokenizer *tokenizer = NULL;
  assert_int_equal(mambaTokenizerOpen("../models/tiny/tokenizer.json", &tokenizer, error), MAMBA_OK);
  tempDirWriteText(&folder, "lambada.jsonl", text);
  const MambaStatus status = mambaCompletionsRead(tempDirPath(&folder, "lambada.jsonl"), tokenizer, limit, examples, error);
  mambaTokenizerDestroy(tokenizer);
  return status;
}

static void testLastWords(void **state) {
  (void)state;
  static const char text[] = "{\"text\": \"The old man looked out\"}\n\n{\"text\": \"over the incomprehensibilities\"}\n";
  MambaCompletions examples = {0};
  MambaError error;
  assert_int_equal(readText(text, 0, &examples, &error), MAMBA_OK);
  assert_int_equal(examples.count, 2);
  assert_int_equal(examples.items[0].targets, 1);
  assert_true(examples.items[1].targets > 1);
  mambaCompletionsDestroy(&examples);
  assert_int_equal(readText(text, 1, &examples, &error), MAMBA_OK);
  assert_int_equal(examples.count, 1);
  mambaCompletionsDestroy(&examples);
  assert_int_equal(readText("{\"text\": \"word\"}\n", 0, &examples, &error), MAMBA_INVALID);
  assert_non_null(strstr(error.message, "lambada.jsonl:1: expected a text and a last word behind a space"));
  assert_int_equal(readText("{\"text\": \"a b\"}\n{\"word\": 1}\n", 0, &examples, &error), MAMBA_INVALID);
  assert_non_null(strstr(error.message, "lambada.jsonl:2: expected a string \"text\", found nothing"));
  assert_int_equal(readText("\n", 0, &examples, &error), MAMBA_INVALID);
}

static int setUp(void **state) {
  (void)state;
  pool = mamba_pool_create(3);
  tempDirCreate(&folder);
  return pool ? 0 : 1;
}

static int tearDown(void **state) {
  (void)state;
  mamba_pool_destroy(pool);
  tempDirRemove(&folder);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testWindowsAndStrides), cmocka_unit_test(testDistanceFromAReference),
      cmocka_unit_test(testTextRefusals),      cmocka_unit_test(testCompletions),
      cmocka_unit_test(testLastWords),
  };
  return cmocka_run_group_tests(tests, setUp, tearDown);
}
