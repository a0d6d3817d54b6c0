/* mamba-run perplexity: how well the model predicts a text. */
#include "predictor.h"

#include "mamba/pool.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static void report(const MambaTextEvaluation *text, int64_t tokens, bool json) {
  printf(json ? "{\"nll\": %.9f, \"standard_error\": %.9f, \"perplexity\": %.6f, \"predictions\": %" PRId64
                ", \"windows\": %" PRId64 ", \"tokens\": %" PRId64 "}\n"
              : "nll %.6f (standard error %.6f)  perplexity %.4f  predictions %" PRId64 "  windows %" PRId64
                "  tokens %" PRId64 "\n",
         text->nll, text->standard_error, exp(text->nll), text->predictions, text->windows, tokens);
}

MambaStatus runPerplexity(const RunOptions *options, const Model *model, const char *file,
                          MambaError *error) {
  MambaTokenIds ids = {0};
  MambaTextEvaluation text;
  Predictor predictor = {0};
  mamba_pool *pool = NULL;
  MambaStatus status = readFileIds(file, options, model, &ids, error);
  if (!status)
    status = mambaPoolCreate(options->threads, &pool, error);
  if (!status)
    status = predictorCreate(model, EVALUATION_BATCH, options->threads, &predictor, error);
  if (status)
    goto cleanup;
  status = mambaEvaluateText(&predictor.predictor, NULL, ids.ids, ids.columns, options->window, options->window,
                             pool, &text, error);
  if (status)
    mambaFailContext(error, "%s", file);
  else
    report(&text, ids.columns, options->json);
cleanup:
  predictorDestroy(&predictor);
  mamba_pool_destroy(pool);
  mambaTokenIdsDestroy(&ids);
  return status;
}
