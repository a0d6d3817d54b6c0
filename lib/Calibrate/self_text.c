#include "self_text.h"

#include "mamba_math.h"

#include <inttypes.h>
#include <stdlib.h>

/* The finalizer of SplitMix64 (Steele, Lea and Flood, 2014). */
static uint64_t mix(uint64_t z) {
  z += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* Uniform in [0, 1), by where it is used rather than by how many were drawn before. */
static double uniformAt(uint64_t seed, int64_t sequence, int64_t position) {
  return (double)(mix(mix(mix(seed) + (uint64_t)sequence) + (uint64_t)position) >> 11) * 0x1p-53;
}

/* The token at which the cumulative softmax passes `point` in [0, 1). Overwrites the logits. */
static int32_t draw(float *logits, int64_t vocabulary, double point) {
  float largest = logits[0];
  for (int64_t i = 1; i < vocabulary; i++)
    largest = logits[i] > largest ? logits[i] : largest;
  for (int64_t i = 0; i < vocabulary; i++)
    logits[i] = mambaExp(logits[i] - largest);
  double total = 0;
  for (int64_t i = 0; i < vocabulary; i++)
    total += logits[i];
  double left = point * total;
  int64_t choice = 0;
  while (choice < vocabulary - 1 && left >= logits[choice])
    left -= logits[choice++];
  return (int32_t)choice;
}

typedef struct Draw {
  const SelfText *text;
  int64_t batch, vocabulary, position;
  float *logits; /* [batch, vocabulary] */
  int32_t *ids;  /* [batch] */
} Draw;

static void drawShare(void *context, mamba_worker worker) {
  const Draw *d = context;
  for (int64_t i = worker.index; i < d->batch; i += worker.count)
    d->ids[i] = draw(d->logits + i * d->vocabulary, d->vocabulary,
                     uniformAt(d->text->seed, d->text->first_sequence + i, d->position));
}

MambaStatus selfTextRun(const SelfText *text, MambaExecutor *executor, Collector *collector, mamba_pool *pool,
                        MambaProgress *progress, int64_t done, MambaError *error) {
  Draw d = {
      .text = text, .batch = mambaExecutorBatch(executor), .vocabulary = mambaExecutorVocabulary(executor)};
  MambaStatus status = MAMBA_OK;
  d.ids = calloc((size_t)d.batch, sizeof *d.ids);
  d.logits = d.vocabulary <= INT32_MAX / d.batch ? malloc((size_t)(d.batch * d.vocabulary) * sizeof *d.logits)
                                                 : NULL;
  if (!d.ids || !d.logits) {
    status = mambaFail(error, MAMBA_NO_MEMORY, "no memory for the logits of %" PRId64 " sequences", d.batch);
    goto cleanup;
  }
  for (int64_t i = 0; i < d.batch; i++)
    d.ids[i] = text->first_token;
  mambaExecutorReset(executor);
  while (d.position < text->length && !status) {
    const bool last = ++d.position == text->length;
    status = mambaExecutorRun(executor, d.ids, 1, last ? MAMBA_LOGITS_NONE : MAMBA_LOGITS_LAST,
                              last ? NULL : d.logits, error);
    if (!status && !last)
      mamba_pool_run(pool, drawShare, &d);
    if (!status && collector)
      collectorObserveStates(collector, executor, d.position, text->length);
    mambaProgressUpdate(progress, done + d.batch * d.position, NULL);
  }
cleanup:
  free(d.logits);
  free(d.ids);
  return status;
}
