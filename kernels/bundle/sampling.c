#include "sampling.h"

#include <float.h>
#include <stdbool.h>
#include <string.h>

/* ---- Random numbers ------------------------------------------------------------------------------ */

mamba_sampler mamba_sampler_start(mamba_sampling options) {
  return (mamba_sampler){.options = options, .random = options.seed};
}

/* SplitMix64 (Steele, Lea and Flood, 2014). */
static uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

mamba_draw mamba_sampler_draw(mamba_sampler *sampler) {
  const mamba_sampling *options = &sampler->options;
  const bool greedy = !(options->temperature > 0);
  const double inverse = greedy ? 1 : 1 / options->temperature;
  return (mamba_draw){
      .random = next_random(&sampler->random),
      .top_p = options->top_p,
      .inv_temperature = inverse < FLT_MAX ? (float)inverse : FLT_MAX,
      .top_k = greedy               ? 1
               : options->top_k > 0 ? options->top_k
                                    : INT32_MAX,
  };
}

/* ---- Tokens -------------------------------------------------------------------------------------- */

/* Of a draw: the tokens whose keys are at most `limit`. */
typedef struct tokens {
  const float *logits;
  int32_t count; /* of all */
  float best, inv_temperature;
  uint64_t limit;
} tokens;

static uint64_t mass_of(const tokens *t, int32_t id) {
  return mambaDrawMass(t->logits[id], t->best, t->inv_temperature);
}

/* The key at which the weights' sum, in the order of the keys, exceeds `target`, which the sum of all does;
 * *reached is the sum up to it. Finds one digit of the key after the other. */
static uint64_t find(const tokens *t, bool by_mass, uint64_t target, uint64_t *reached) {
  enum { DIGIT = 11, BINS = 1 << DIGIT };
  uint64_t prefix = 0, before = 0, bins[BINS];
  for (int shift = 32 + MAMBA_DRAW_ID_BITS - DIGIT; shift >= 0; shift -= DIGIT) {
    uint32_t digit = 0;
    memset(bins, 0, sizeof bins);
    for (int32_t id = 0; id < t->count; ++id) {
      const uint64_t key = mambaDrawKey(t->logits[id], id);
      if (key >> shift >> DIGIT == prefix && key <= t->limit)
        bins[key >> shift & (BINS - 1)] += by_mass ? mass_of(t, id) : 1;
    }
    while (target - before >= bins[digit])
      before += bins[digit++];
    prefix = prefix << DIGIT | digit;
    *reached = before + bins[digit];
  }
  return prefix;
}

int32_t mamba_draw_token(const mamba_draw *draw, const float *logits, int32_t vocabulary) {
  const int32_t best = mamba_largest_logit(logits, vocabulary);
  tokens t = {logits, vocabulary, logits[best], draw->inv_temperature, UINT64_MAX};
  uint64_t mass = 0;
  if (draw->top_k < vocabulary)
    t.limit = find(&t, false, (uint64_t)draw->top_k - 1, &mass);
  mass = 0;
  for (int32_t id = 0; id < vocabulary; ++id)
    if (mambaDrawKey(logits[id], id) <= t.limit)
      mass += mass_of(&t, id);
  if (!mass) /* nothing but NaN */
    return best;
  if (draw->top_p < 1)
    t.limit = find(&t, true, mambaDrawNeeded(mass, draw->top_p) - 1, &mass);
  return mambaDrawId(find(&t, true, mambaDrawPoint(draw->random, mass), &mass));
}

int32_t mamba_largest_logit(const float *logits, int32_t vocabulary) {
  int32_t best = 0;
  for (int32_t id = 1; id < vocabulary; ++id)
    if (logits[id] > logits[best] || (logits[best] != logits[best] && logits[id] == logits[id]))
      best = id;
  return best;
}

double mamba_negative_log_likelihood(const float *logits, int32_t vocabulary, int32_t id) {
  double largest = logits[0], sum = 0;
  for (int32_t i = 1; i < vocabulary; ++i)
    largest = logits[i] > largest ? logits[i] : largest;
  for (int32_t i = 0; i < vocabulary; ++i)
    sum += exp(logits[i] - largest);
  return log(sum) + largest - logits[id];
}
