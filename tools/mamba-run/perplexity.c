/* mamba-run perplexity: how well the model predicts a text. */
#include "run.h"

#include "bundle/sampling.h"
#include "mamba/progress.h"
#include "threads.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  BATCH = 8,  /* windows that run together */
  PIECE = 32, /* tokens of each whose logits are in memory */
  MAX_WORKERS = 64,
};

typedef struct Measurement {
  const int32_t *ids; /* [windows, window] */
  int64_t window, windows;
  double *sums; /* [windows]: negative log likelihood of a window */
  int64_t vocabulary;
  mamba_pool *pool;
  /* A piece: [batch, tokens] logits, the ids that come next, and what they cost. */
  int64_t rows;
  int32_t *inputs, *targets;
  float *logits;
  double *costs;
} Measurement;

static void costShare(void *context, mamba_worker worker) {
  const Measurement *m = context;
  for (int64_t row = worker.index; row < m->rows; row += worker.count)
    m->costs[row] = mamba_negative_log_likelihood(m->logits + row * m->vocabulary, (int32_t)m->vocabulary,
                                                  m->targets[row]);
}

/* Windows [first, first + batch), from the reset state. Every window predicts its tokens 2 to `window`. */
static MambaStatus measureBatch(Measurement *m, MambaExecutor *executor, int64_t first, MambaError *error) {
  const int64_t batch = mambaExecutorBatch(executor);
  mambaExecutorReset(executor);
  for (int64_t done = 0; done < m->window - 1;) {
    const int64_t tokens = m->window - 1 - done < PIECE ? m->window - 1 - done : PIECE;
    m->rows = batch * tokens;
    for (int64_t b = 0; b < batch; b++) {
      const int32_t *from = m->ids + (first + b) * m->window + done;
      memcpy(m->inputs + b * tokens, from, (size_t)tokens * sizeof *from);
      memcpy(m->targets + b * tokens, from + 1, (size_t)tokens * sizeof *from);
    }
    for (int64_t row = 0; row < m->rows; row++)
      if (m->targets[row] >= m->vocabulary)
        return mambaFail(error, MAMBA_INVALID,
                         "expected token ids below the vocabulary of %" PRId64 ", found %" PRId32,
                         m->vocabulary, m->targets[row]);
    const MambaStatus status =
        mambaExecutorRun(executor, m->inputs, tokens, MAMBA_LOGITS_ALL, m->logits, error);
    if (status)
      return status;
    mamba_pool_run(m->pool, costShare, m);
    for (int64_t b = 0; b < batch; b++)
      for (int64_t t = 0; t < tokens; t++)
        m->sums[first + b] += m->costs[b * tokens + t];
    done += tokens;
  }
  return MAMBA_OK;
}

static MambaStatus measure(Measurement *m, const RunOptions *options, const Model *model, MambaError *error) {
  MambaExecutor *executor = NULL;
  MambaStatus status = MAMBA_OK;
  MambaProgress progress = mambaProgressStart(model->path, "windows", m->windows);
  double sum = 0;
  for (int64_t first = 0; first < m->windows && !status; first += BATCH) {
    const int64_t batch = m->windows - first < BATCH ? m->windows - first : BATCH;
    if (executor && mambaExecutorBatch(executor) != batch) {
      mambaExecutorDestroy(executor);
      executor = NULL;
    }
    if (!executor)
      status = modelExecutor(model, batch, options->threads, &executor, error);
    if (!status && !m->logits) {
      m->vocabulary = mambaExecutorVocabulary(executor);
      m->logits = malloc((size_t)(batch * PIECE * m->vocabulary) * sizeof *m->logits);
      if (!m->logits)
        status = mambaFail(error, MAMBA_NO_MEMORY, "no memory for the logits of %" PRId64 " tokens",
                           batch * PIECE);
    }
    if (!status)
      status = measureBatch(m, executor, first, error);
    char note[64];
    const int64_t done = first + batch;
    for (int64_t w = first; w < done; w++)
      sum += m->sums[w];
    snprintf(note, sizeof note, "perplexity %.4f", exp(sum / (double)(done * (m->window - 1))));
    mambaProgressUpdate(&progress, done, note);
  }
  mambaProgressEnd(&progress);
  mambaExecutorDestroy(executor);
  return status;
}

static void report(const Measurement *m, int64_t tokens, bool json) {
  const double predictions = (double)(m->window - 1);
  double nll = 0, squares = 0;
  for (int64_t w = 0; w < m->windows; w++)
    nll += m->sums[w];
  nll /= predictions * (double)m->windows;
  for (int64_t w = 0; w < m->windows; w++)
    squares += (m->sums[w] / predictions - nll) * (m->sums[w] / predictions - nll);
  /* Of the mean over windows; one window tells nothing about it. */
  const double error = m->windows > 1 ? sqrt(squares / (double)(m->windows - 1) / (double)m->windows) : 0;
  printf(json ? "{\"nll\": %.9f, \"standard_error\": %.9f, \"perplexity\": %.6f, \"predictions\": %" PRId64
                ", \"windows\": %" PRId64 ", \"tokens\": %" PRId64 "}\n"
              : "nll %.6f (standard error %.6f)  perplexity %.4f  predictions %" PRId64 "  windows %" PRId64
                "  tokens %" PRId64 "\n",
         nll, error, exp(nll), m->windows * (m->window - 1), m->windows, tokens);
}

static MambaStatus allocate(Measurement *m, const RunOptions *options, MambaError *error) {
  const long processors = sysconf(_SC_NPROCESSORS_ONLN);
  const int64_t workers = options->threads ? options->threads : processors;
  m->pool = mamba_pool_create(workers < 1 ? 1 : workers > MAX_WORKERS ? MAX_WORKERS : (int)workers);
  m->sums = calloc((size_t)m->windows, sizeof *m->sums);
  m->inputs = calloc(BATCH * PIECE, sizeof *m->inputs);
  m->targets = calloc(BATCH * PIECE, sizeof *m->targets);
  m->costs = calloc(BATCH * PIECE, sizeof *m->costs);
  if (!m->pool || !m->sums || !m->inputs || !m->targets || !m->costs)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory or threads for %" PRId64 " windows", m->windows);
  return MAMBA_OK;
}

MambaStatus runPerplexity(const RunOptions *options, const Model *model, const char *file,
                          MambaError *error) {
  MambaTokenIds ids = {0};
  Measurement m = {.window = options->window};
  MambaStatus status = readFileIds(file, options, model, &ids, error);
  if (status)
    goto cleanup;
  m.ids = ids.ids;
  m.windows = ids.columns / m.window;
  if (!m.windows) {
    status = mambaFail(error, MAMBA_INVALID,
                       "%s: expected at least one window of %" PRId64 " tokens, found %" PRId64 " tokens",
                       file, m.window, ids.columns);
    goto cleanup;
  }
  status = allocate(&m, options, error);
  if (!status)
    status = measure(&m, options, model, error);
  if (!status)
    report(&m, ids.columns, options->json);
cleanup:
  mamba_pool_destroy(m.pool);
  free(m.sums);
  free(m.inputs);
  free(m.targets);
  free(m.logits);
  free(m.costs);
  mambaTokenIdsDestroy(&ids);
  return status;
}
