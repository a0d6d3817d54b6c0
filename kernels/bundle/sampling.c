#include "sampling.h"

#include "mamba_math.h"

#include <stdlib.h>

typedef struct candidate {
  float logit;
  int32_t id;
} candidate;

struct mamba_sampler {
  mamba_sampling options;
  int32_t vocabulary;
  uint64_t random;
  candidate *best;       /* [vocabulary] */
  double *probabilities; /* [vocabulary] */
};

mamba_sampler *mamba_sampler_create(int32_t vocabulary, mamba_sampling options) {
  mamba_sampler *sampler = calloc(1, sizeof *sampler);
  if (!sampler)
    return NULL;
  sampler->options = options;
  sampler->vocabulary = vocabulary;
  sampler->random = options.seed;
  sampler->best = malloc((size_t)vocabulary * sizeof *sampler->best);
  sampler->probabilities = malloc((size_t)vocabulary * sizeof *sampler->probabilities);
  if (sampler->best && sampler->probabilities)
    return sampler;
  mamba_sampler_destroy(sampler);
  return NULL;
}

void mamba_sampler_destroy(mamba_sampler *sampler) {
  if (!sampler)
    return;
  free(sampler->best);
  free(sampler->probabilities);
  free(sampler);
}

/* Uniform in [0, 1): the top 53 bits of SplitMix64 (Steele, Lea and Flood, 2014). */
static double uniform(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static bool is_better(candidate a, candidate b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

static int by_probability(const void *left, const void *right) {
  const candidate a = *(const candidate *)left, b = *(const candidate *)right;
  return is_better(b, a) - is_better(a, b);
}

/* Restores the heap below `root`: every candidate is no better than its children, the worst is first. */
static void sift_down(candidate *heap, int32_t count, int32_t root) {
  for (;;) {
    int32_t worst = root;
    for (int32_t child = 2 * root + 1; child <= 2 * root + 2; ++child)
      if (child < count && is_better(heap[worst], heap[child]))
        worst = child;
    if (worst == root)
      return;
    const candidate moved = heap[root];
    heap[root] = heap[worst];
    heap[worst] = moved;
    root = worst;
  }
}

/* The `count` best of all tokens, best first. A NaN is never better than anything. */
static void select_best(const float *logits, int32_t vocabulary, candidate *best, int32_t count) {
  for (int32_t id = 0; id < count; ++id)
    best[id] = (candidate){logits[id], id};
  if (count < vocabulary) {
    for (int32_t root = count / 2 - 1; root >= 0; --root)
      sift_down(best, count, root);
    for (int32_t id = count; id < vocabulary; ++id) {
      const candidate next = {logits[id], id};
      if (is_better(next, best[0])) {
        best[0] = next;
        sift_down(best, count, 0);
      }
    }
  }
  qsort(best, (size_t)count, sizeof *best, by_probability);
}

int32_t mamba_largest_logit(const float *logits, int32_t vocabulary) {
  int32_t best = 0;
  for (int32_t id = 1; id < vocabulary; ++id)
    if (logits[id] > logits[best] || (logits[best] != logits[best] && logits[id] == logits[id]))
      best = id;
  return best;
}

int32_t mamba_sampler_next(mamba_sampler *sampler, const float *logits) {
  const mamba_sampling *options = &sampler->options;
  if (options->temperature <= 0)
    return mamba_largest_logit(logits, sampler->vocabulary);
  const bool limited = options->top_k > 0 && options->top_k < sampler->vocabulary;
  const int32_t count = limited ? options->top_k : sampler->vocabulary;
  candidate *best = sampler->best;
  select_best(logits, sampler->vocabulary, best, count);
  double total = 0;
  for (int32_t i = 0; i < count; ++i) {
    sampler->probabilities[i] = mambaExp((float)((best[i].logit - best[0].logit) / options->temperature));
    total += sampler->probabilities[i];
  }
  int32_t kept = 0;
  double mass = 0;
  while (kept < count && (kept == 0 || mass < options->top_p * total))
    mass += sampler->probabilities[kept++];
  double left = uniform(&sampler->random) * mass;
  int32_t choice = 0;
  while (choice < kept - 1 && left >= sampler->probabilities[choice])
    left -= sampler->probabilities[choice++];
  return best[choice].id;
}

double mamba_negative_log_likelihood(const float *logits, int32_t vocabulary, int32_t id) {
  double largest = logits[0], sum = 0;
  for (int32_t i = 1; i < vocabulary; ++i)
    largest = logits[i] > largest ? logits[i] : largest;
  for (int32_t i = 0; i < vocabulary; ++i)
    sum += exp(logits[i] - largest);
  return log(sum) + largest - logits[id];
}
