/* Perplexity of a model on a text. */
#ifndef MAMBA_PERPLEXITY_H
#define MAMBA_PERPLEXITY_H

#include "model.h"

typedef struct mamba_perplexity {
  double nll;         /* mean negative log likelihood, natural logarithm; perplexity is exp(nll) */
  size_t windows;     /* of `window` ids each */
  size_t predictions; /* windows * (window - 1) */
} mamba_perplexity;

/* Cuts ids into windows that do not overlap and drops an incomplete last one. Every window starts from
 * the reset state and predicts its tokens 2 to `window` (at least 2). `progress` may be NULL; it is called
 * after every window. The model's sequence is lost. */
mamba_code mamba_measure_perplexity(mamba_model *model, const int32_t *ids, size_t count, size_t window,
                                    void (*progress)(const mamba_perplexity *so_far, size_t windows),
                                    mamba_perplexity *result, mamba_error *error);

#endif
