#include "bundle/sampling.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { VOCABULARY = 6, DRAWS = 4000 };

static const float kLogits[VOCABULARY] = {0.0f, 2.0f, 1.0f, 2.0f, -1.0f, -30.0f};

/* How often each id is drawn. */
static void draw(mamba_sampling options, int counts[VOCABULARY]) {
  mamba_sampler *sampler = mamba_sampler_create(VOCABULARY, options);
  assert_non_null(sampler);
  for (int i = 0; i < VOCABULARY; i++)
    counts[i] = 0;
  for (int i = 0; i < DRAWS; i++) {
    const int32_t id = mamba_sampler_next(sampler, kLogits);
    assert_in_range(id, 0, VOCABULARY - 1);
    counts[id]++;
  }
  mamba_sampler_destroy(sampler);
}

static void zeroTemperatureTakesTheFirstOfTheBest(void **state) {
  (void)state;
  int counts[VOCABULARY];
  draw((mamba_sampling){.temperature = 0, .top_p = 1}, counts);
  assert_int_equal(counts[1], DRAWS);
}

static void aNanIsNeverTheLargest(void **state) {
  (void)state;
  const float logits[4][3] = {{NAN, -1.0f, 2.0f}, {1.0f, NAN, 1.0f}, {NAN, NAN, -INFINITY}, {NAN, NAN, NAN}};
  const int32_t largest[4] = {2, 0, 2, 0};
  for (int i = 0; i < 4; i++)
    assert_int_equal(mamba_largest_logit(logits[i], 3), largest[i]);
}

static void frequenciesAreTheSoftmax(void **state) {
  (void)state;
  int counts[VOCABULARY];
  double total = 0;
  for (int i = 0; i < VOCABULARY; i++)
    total += exp(kLogits[i] / 0.8);
  draw((mamba_sampling){.temperature = 0.8, .top_p = 1, .seed = 3}, counts);
  for (int i = 0; i < VOCABULARY; i++) {
    const double p = exp(kLogits[i] / 0.8) / total;
    /* Five standard deviations. */
    assert_true(fabs(counts[i] - DRAWS * p) <= 5 * sqrt(DRAWS * p * (1 - p)) + 1e-6);
  }
}

static void topKKeepsTheKBest(void **state) {
  (void)state;
  int counts[VOCABULARY];
  draw((mamba_sampling){.temperature = 5, .top_k = 3, .top_p = 1}, counts);
  for (int i = 0; i < VOCABULARY; i++)
    assert_true((counts[i] > 0) == (i == 1 || i == 2 || i == 3));
}

static void topPKeepsTheFewestThatReachP(void **state) {
  (void)state;
  int counts[VOCABULARY];
  /* The probabilities of 1 and 3 are 0.392 each, of 2 is 0.144. */
  draw((mamba_sampling){.temperature = 1, .top_p = 0.39}, counts);
  assert_int_equal(counts[1], DRAWS);
  draw((mamba_sampling){.temperature = 1, .top_p = 0.5}, counts);
  assert_true(counts[1] > 0 && counts[3] > 0);
  assert_int_equal(counts[1] + counts[3], DRAWS);
}

static void theSeedDecides(void **state) {
  (void)state;
  int first[VOCABULARY], again[VOCABULARY], other[VOCABULARY];
  draw((mamba_sampling){.temperature = 1, .top_p = 1, .seed = 1}, first);
  draw((mamba_sampling){.temperature = 1, .top_p = 1, .seed = 1}, again);
  draw((mamba_sampling){.temperature = 1, .top_p = 1, .seed = 2}, other);
  assert_memory_equal(first, again, sizeof first);
  assert_memory_not_equal(first, other, sizeof first);
}

static void likelihoodIsTheLogSoftmax(void **state) {
  (void)state;
  const float large[3] = {1000.0f, 1001.0f, -1000.0f};
  assert_float_equal(mamba_negative_log_likelihood(large, 3, 0), log1p(exp(1.0)), 1e-12);
  assert_float_equal(mamba_negative_log_likelihood(large, 3, 2), 2001 + log1p(exp(-1.0)), 1e-9);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(zeroTemperatureTakesTheFirstOfTheBest),
      cmocka_unit_test(aNanIsNeverTheLargest),
      cmocka_unit_test(frequenciesAreTheSoftmax),
      cmocka_unit_test(topKKeepsTheKBest),
      cmocka_unit_test(topPKeepsTheFewestThatReachP),
      cmocka_unit_test(theSeedDecides),
      cmocka_unit_test(likelihoodIsTheLogSoftmax),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
