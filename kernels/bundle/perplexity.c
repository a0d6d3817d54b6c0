#include "perplexity.h"

#include "failure.h"
#include "sampling.h"

#include <stdlib.h>

/* Adds up what the window's tokens cost. logits: [mamba_model_max_sequences(), vocabulary]. */
static mamba_code measure_window(mamba_model *model, const int32_t *ids, size_t window, float *logits,
                                 double *sum, mamba_error *error) {
  const size_t vocabulary = (size_t)mamba_model_vocabulary(), chunk = (size_t)mamba_model_max_sequences();
  mamba_code code = mamba_model_reset(model, error);
  for (size_t done = 0; done < window - 1 && !code;) {
    const size_t tokens = window - 1 - done < chunk ? window - 1 - done : chunk;
    code = mamba_model_forward(model, ids + done, tokens, logits, error);
    if (code)
      break;
    for (size_t i = 0; i < tokens; ++i)
      *sum += mamba_negative_log_likelihood(logits + i * vocabulary, (int32_t)vocabulary, ids[done + i + 1]);
    done += tokens;
  }
  return code;
}

mamba_code mamba_measure_perplexity(mamba_model *model, const int32_t *ids, size_t count, size_t window,
                                    void (*progress)(const mamba_perplexity *so_far, size_t windows),
                                    mamba_perplexity *result, mamba_error *error) {
  const size_t windows = window < 2 ? 0 : count / window;
  if (!windows)
    return mamba_failure(error, MAMBA_CODE_ARGUMENT,
                         "expected at least one window of %zu tokens (and 2), found %zu tokens", window,
                         count);
  mamba_code code = MAMBA_CODE_OK;
  double sum = 0;
  mamba_perplexity so_far = {0};
  float *logits =
      malloc((size_t)mamba_model_max_sequences() * (size_t)mamba_model_vocabulary() * sizeof *logits);
  if (!logits)
    code = mamba_failure(error, MAMBA_CODE_MEMORY, "no memory for the logits of %d tokens",
                         (int)mamba_model_max_sequences());
  for (size_t w = 0; w < windows && !code; ++w) {
    code = measure_window(model, ids + w * window, window, logits, &sum, error);
    so_far.windows = w + 1;
    so_far.predictions = (w + 1) * (window - 1);
    so_far.nll = sum / (double)so_far.predictions;
    if (!code && progress)
      progress(&so_far, windows);
  }
  if (!code)
    *result = so_far;
  free(logits);
  return code;
}
