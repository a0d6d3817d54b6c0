#include "scores.h"

#include "bundle/sampling.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* log of the sum of exponentials. */
static double logSum(const float *logits, int64_t count) {
  double largest = logits[0], sum = 0;
  for (int64_t i = 1; i < count; i++)
    largest = fmax(largest, logits[i]);
  for (int64_t i = 0; i < count; i++)
    sum += exp(logits[i] - largest);
  return largest + log(sum);
}

/* Sum of p (log p - log q), p the reference's. */
static double divergence(const float *p, const float *q, int64_t count) {
  const double p_sum = logSum(p, count), q_sum = logSum(q, count);
  double sum = 0;
  for (int64_t i = 0; i < count; i++) {
    const double log_p = p[i] - p_sum;
    sum += exp(log_p) * (log_p - (q[i] - q_sum));
  }
  return sum;
}

static RowScore scoreRow(const float *logits, const float *reference, int32_t vocabulary, int32_t target) {
  const int32_t best = mamba_largest_logit(logits, vocabulary);
  RowScore score = {.nll = mamba_negative_log_likelihood(logits, vocabulary, target), .found = best == target};
  if (reference) {
    score.reference_nll = mamba_negative_log_likelihood(reference, vocabulary, target);
    score.divergence = divergence(reference, logits, vocabulary);
    score.agrees = mamba_largest_logit(reference, vocabulary) == best;
  }
  return score;
}

static void scoreShare(void *context, mamba_worker worker) {
  const Scores *s = context;
  const int64_t vocabulary = s->model->vocabulary;
  for (int64_t row = worker.index; row < s->row_count; row += worker.count)
    s->rows[row] = scoreRow(s->logits[0] + row * vocabulary, s->reference ? s->logits[1] + row * vocabulary : NULL,
                            (int32_t)vocabulary, s->targets[row]);
}

MambaStatus scoresCreate(const MambaPredictor *model, const MambaPredictor *reference, mamba_pool *pool,
                         Scores *scores, MambaError *error) {
  const int64_t tokens = model->batch < SCORE_ROWS ? SCORE_ROWS / model->batch : 1;
  const size_t rows = (size_t)(model->batch * tokens), vocabulary = (size_t)model->vocabulary;
  *scores = (Scores){.model = model, .reference = reference, .pool = pool, .tokens = tokens};
  if (reference && (reference->vocabulary != model->vocabulary || reference->batch != model->batch))
    return mambaFail(error, MAMBA_INVALID,
                     "the model to compare with: expected a vocabulary of %" PRId64 ", found %" PRId64,
                     model->vocabulary, reference->vocabulary);
  scores->inputs = calloc(rows, sizeof *scores->inputs);
  scores->targets = calloc(rows, sizeof *scores->targets);
  scores->rows = calloc(rows, sizeof *scores->rows);
  for (int i = 0; i < (reference ? 2 : 1); i++)
    scores->logits[i] = rows <= SIZE_MAX / sizeof(float) / vocabulary ? malloc(rows * vocabulary * sizeof(float))
                                                                      : NULL;
  if (!scores->inputs || !scores->targets || !scores->rows || !scores->logits[0] ||
      (reference && !scores->logits[1]))
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for the logits of %zu tokens", rows);
  return MAMBA_OK;
}

void scoresDestroy(Scores *scores) {
  free(scores->inputs);
  free(scores->targets);
  free(scores->rows);
  free(scores->logits[0]);
  free(scores->logits[1]);
}

MambaStatus scoresReset(Scores *scores, MambaError *error) {
  const MambaStatus status = scores->model->reset(scores->model->context, error);
  return status || !scores->reference ? status : scores->reference->reset(scores->reference->context, error);
}

MambaStatus scoresRun(Scores *scores, int64_t tokens, bool score, MambaError *error) {
  const MambaPredictor *const predictors[] = {scores->model, scores->reference};
  scores->row_count = scores->model->batch * tokens;
  for (int64_t row = 0; score && row < scores->row_count; row++)
    if (scores->targets[row] < 0 || scores->targets[row] >= scores->model->vocabulary)
      return mambaFail(error, MAMBA_INVALID,
                       "expected token ids below the vocabulary of %" PRId64 ", found %" PRId32,
                       scores->model->vocabulary, scores->targets[row]);
  for (int i = 0; i < 2 && predictors[i]; i++) {
    const MambaStatus status =
        predictors[i]->run(predictors[i]->context, scores->inputs, tokens, score ? scores->logits[i] : NULL, error);
    if (status)
      return status;
  }
  if (score)
    mamba_pool_run(scores->pool, scoreShare, scores);
  return MAMBA_OK;
}

/* ---- The executor as a predictor --------------------------------------------------------------------- */

static MambaStatus resetExecutor(void *executor, MambaError *error) {
  (void)error;
  mambaExecutorReset(executor);
  return MAMBA_OK;
}

static MambaStatus runExecutor(void *executor, const int32_t *ids, int64_t tokens, float *logits,
                               MambaError *error) {
  return mambaExecutorRun(executor, ids, tokens, logits ? MAMBA_LOGITS_ALL : MAMBA_LOGITS_NONE, logits, error);
}

MambaPredictor mambaPredictorOfExecutor(MambaExecutor *executor) {
  return (MambaPredictor){.context = executor,
                          .batch = mambaExecutorBatch(executor),
                          .vocabulary = mambaExecutorVocabulary(executor),
                          .reset = resetExecutor,
                          .run = runExecutor};
}
