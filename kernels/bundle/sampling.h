/* Choosing the next token, and what a model thought of a given one. */
#ifndef MAMBA_SAMPLING_H
#define MAMBA_SAMPLING_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mamba_sampling {
  double temperature; /* logits are divided by it; 0 takes the most probable token */
  int32_t top_k;      /* only the k most probable tokens; 0 for all */
  double top_p;       /* of those, the fewest whose probabilities add up to p; 1 for all */
  uint64_t seed;
} mamba_sampling;

typedef struct mamba_sampler mamba_sampler;

/* NULL when memory is short. The caller destroys it. */
mamba_sampler *mamba_sampler_create(int32_t vocabulary, mamba_sampling options);
void mamba_sampler_destroy(mamba_sampler *sampler);

/* The next id. Of equal logits the smaller id counts as the more probable. The same seed and logits give
 * the same ids on every machine: no function of the C library is involved. */
int32_t mamba_sampler_next(mamba_sampler *sampler, const float *logits);

/* The id of the largest logit, the smallest such id. A NaN is never the largest; 0 where there is nothing
 * else. */
int32_t mamba_largest_logit(const float *logits, int32_t vocabulary);

/* -log softmax(logits)[id], in double. */
double mamba_negative_log_likelihood(const float *logits, int32_t vocabulary, int32_t id);

#ifdef __cplusplus
}
#endif
#endif
