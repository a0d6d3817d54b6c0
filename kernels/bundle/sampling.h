/* Choosing the next token, and what a model thought of a given one. */
#ifndef MAMBA_SAMPLING_H
#define MAMBA_SAMPLING_H

#include "draw.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mamba_sampling {
  double temperature; /* logits are divided by it; 0 takes the most probable token */
  int32_t top_k;      /* only the k most probable tokens; 0 for all */
  double top_p;       /* of those, the fewest whose probabilities add up to p; 1 for all */
  uint64_t seed;
} mamba_sampling;

/* One sequence's random numbers. */
typedef struct mamba_sampler {
  mamba_sampling options;
  uint64_t random;
} mamba_sampler;

mamba_sampler mamba_sampler_start(mamba_sampling options);

/* How the next token is drawn. */
mamba_draw mamba_sampler_draw(mamba_sampler *sampler);

/* The id that is drawn from logits [vocabulary]: the same on every machine, a GPU included. Of equal logits
 * the smaller id counts as the more probable; a NaN is not drawn, but where there is nothing else id 0 is. */
int32_t mamba_draw_token(const mamba_draw *draw, const float *logits, int32_t vocabulary);

/* The id of the largest logit, the smallest such id. A NaN is never the largest; 0 where there is nothing
 * else. */
int32_t mamba_largest_logit(const float *logits, int32_t vocabulary);

/* -log softmax(logits)[id], in double. */
double mamba_negative_log_likelihood(const float *logits, int32_t vocabulary, int32_t id);

#ifdef __cplusplus
}
#endif
#endif
