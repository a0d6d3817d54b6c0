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
  mamba_sampler sampler = mamba_sampler_start(options);
  for (int i = 0; i < VOCABULARY; i++)
    counts[i] = 0;
  for (int i = 0; i < DRAWS; i++) {
    const mamba_draw how = mamba_sampler_draw(&sampler);
    const int32_t id = mamba_draw_token(&how, kLogits, VOCABULARY);
    assert_in_range(id, 0, VOCABULARY - 1);
    counts[id]++;
  }
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

/* A draw by sorting, for comparison. */
static int32_t draw_sorted(const mamba_draw *how, const float *logits, int32_t count) {
  enum { MOST = 2000 };
  uint64_t keys[MOST], masses[MOST], total = 0, kept = 0, sum = 0;
  assert_true(count <= MOST);
  for (int32_t i = 0; i < count; i++) {
    int32_t at = i;
    const uint64_t key = mambaDrawKey(logits[i], i);
    for (; at > 0 && keys[at - 1] > key; at--)
      keys[at] = keys[at - 1];
    keys[at] = key;
  }
  const int32_t most = how->top_k < count ? how->top_k : count;
  for (int32_t i = 0; i < most; i++)
    total += masses[i] = mambaDrawMass(logits[mambaDrawId(keys[i])], logits[mambaDrawId(keys[0])], how->inv_temperature);
  for (int32_t i = 0; i < most && (how->top_p >= 1 || kept < mambaDrawNeeded(total, how->top_p)); i++)
    kept += masses[i];
  const uint64_t point = mambaDrawPoint(how->random, kept);
  int32_t chosen = 0;
  for (sum = masses[0]; sum <= point; sum += masses[++chosen])
    ;
  return mambaDrawId(keys[chosen]);
}

static void drawsAreThoseOfASortedList(void **state) {
  (void)state;
  enum { COUNT = 1500 };
  static float logits[COUNT];
  uint32_t random = 1;
  for (int draw_number = 0; draw_number < 300; draw_number++) {
    for (int i = 0; i < COUNT; i++) {
      random = random * 1664525u + 1013904223u;
      logits[i] = draw_number % 3 == 0 ? (float)(random >> 30) : (float)(int32_t)random * 0x1p-28f;
    }
    logits[draw_number] = draw_number % 2 ? INFINITY : -INFINITY;
    logits[draw_number + 7] = draw_number % 5 ? -0.0f : NAN;
    mamba_sampler sampler = mamba_sampler_start((mamba_sampling){.temperature = 0.3 + draw_number % 4,
                                                                 .top_k = draw_number % 7 * 50,
                                                                 .top_p = draw_number % 3 ? 0.1 * (draw_number % 10) : 1,
                                                                 .seed = (uint64_t)draw_number});
    const mamba_draw how = mamba_sampler_draw(&sampler);
    assert_int_equal(mamba_draw_token(&how, logits, COUNT), draw_sorted(&how, logits, COUNT));
  }
}

static void theProductsUpperHalf(void **state) {
  (void)state;
  assert_true(mambaDrawPoint(UINT64_MAX, UINT64_MAX) == UINT64_MAX - 1);
  assert_true(mambaDrawPoint(UINT64_C(1) << 63, 7) == 3);
  assert_true(mambaDrawPoint(UINT64_C(0xfedcba9876543210), UINT64_C(0x0123456789abcdef)) == UINT64_C(0x0121fa00ad77d742));
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
      cmocka_unit_test(drawsAreThoseOfASortedList),
      cmocka_unit_test(theProductsUpperHalf),
      cmocka_unit_test(theSeedDecides),
      cmocka_unit_test(likelihoodIsTheLogSoftmax),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
