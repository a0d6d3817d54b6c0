/* Perplexity on a text, alone or beside a reference. */
#include "scores.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sums over the predictions of one window. */
typedef struct Window {
  double nll, reference_nll, divergence;
  int64_t predictions, agreed;
} Window;

typedef struct Measurement {
  Scores scores;
  const int32_t *ids;
  int64_t window, stride, count;
  Window *windows; /* [count] */
} Measurement;

/* The place in window w from which its ids are predicted. */
static int64_t firstTarget(const Measurement *m, int64_t w) {
  return w && m->stride < m->window ? m->window - m->stride : 1;
}

static void addRow(Window *window, const RowScore *row) {
  window->nll += row->nll;
  window->reference_nll += row->reference_nll;
  window->divergence += row->divergence;
  window->predictions++;
  window->agreed += row->agrees;
}

/* Windows [first, first + batch). Those behind the last one are the last one again, and do not count. */
static MambaStatus measureBatch(Measurement *m, int64_t first, MambaError *error) {
  Scores *s = &m->scores;
  const int64_t batch = s->model->batch;
  MambaStatus status = scoresReset(s, error);
  for (int64_t done = 0, tokens; done < m->window - 1 && !status; done += tokens) {
    tokens = m->window - 1 - done < s->tokens ? m->window - 1 - done : s->tokens;
    const bool score = done + tokens >= firstTarget(m, first);
    for (int64_t b = 0; b < batch; b++) {
      const int64_t w = first + b < m->count ? first + b : m->count - 1;
      const int32_t *from = m->ids + w * m->stride + done;
      memcpy(s->inputs + b * tokens, from, (size_t)tokens * sizeof *from);
      memcpy(s->targets + b * tokens, from + 1, (size_t)tokens * sizeof *from);
    }
    status = scoresRun(s, tokens, score, error);
    for (int64_t b = 0; b < batch && first + b < m->count && score && !status; b++)
      for (int64_t t = 0; t < tokens; t++)
        if (done + t + 1 >= firstTarget(m, first + b))
          addRow(&m->windows[first + b], &s->rows[b * tokens + t]);
  }
  return status;
}

/* The standard error of the mean of windows' means; `mean` is over predictions. 0 for one window, which tells
 * nothing about it. */
static double errorOf(const Measurement *m, double mean, double (*value)(const Window *window)) {
  double squares = 0;
  for (int64_t w = 0; w < m->count; w++) {
    const double difference = value(&m->windows[w]) / (double)m->windows[w].predictions - mean;
    squares += difference * difference;
  }
  return m->count > 1 ? sqrt(squares / (double)(m->count - 1) / (double)m->count) : 0;
}

static double nllOf(const Window *window) {
  return window->nll;
}
static double referenceOf(const Window *window) {
  return window->reference_nll;
}
static double increaseOf(const Window *window) {
  return window->nll - window->reference_nll;
}

static MambaTextEvaluation summarize(const Measurement *m, int64_t windows) {
  Window sum = {0};
  for (int64_t w = 0; w < windows; w++) {
    sum.nll += m->windows[w].nll;
    sum.reference_nll += m->windows[w].reference_nll;
    sum.divergence += m->windows[w].divergence;
    sum.predictions += m->windows[w].predictions;
    sum.agreed += m->windows[w].agreed;
  }
  const double n = (double)sum.predictions;
  return (MambaTextEvaluation){.windows = windows,
                               .predictions = sum.predictions,
                               .nll = sum.nll / n,
                               .reference_nll = sum.reference_nll / n,
                               .increase = (sum.nll - sum.reference_nll) / n,
                               .divergence = sum.divergence / n,
                               .agreement = (double)sum.agreed / n};
}

static MambaStatus measure(Measurement *m, MambaError *error) {
  MambaProgress progress = mambaProgressStart("evaluating", "windows", m->count);
  MambaStatus status = MAMBA_OK;
  for (int64_t first = 0; first < m->count && !status; first += m->scores.model->batch) {
    const int64_t end = first + m->scores.model->batch, done = end < m->count ? end : m->count;
    char note[64];
    status = measureBatch(m, first, error);
    snprintf(note, sizeof note, "perplexity %.4f", status ? 0 : exp(summarize(m, done).nll));
    mambaProgressUpdate(&progress, done, note);
  }
  mambaProgressEnd(&progress);
  return status;
}

MambaStatus mambaEvaluateText(const MambaPredictor *model, const MambaPredictor *reference, const int32_t *ids,
                              int64_t count, int64_t window, int64_t stride, mamba_pool *pool,
                              MambaTextEvaluation *result, MambaError *error) {
  Measurement m = {.ids = ids, .window = window, .stride = stride};
  if (window < 2 || stride < 1 || stride > window)
    return mambaFail(error, MAMBA_INVALID,
                     "expected windows of at least 2 tokens and a stride from 1 to the window's %" PRId64
                     ", found %" PRId64,
                     window, stride);
  if (count < window)
    return mambaFail(error, MAMBA_INVALID,
                     "expected at least one window of %" PRId64 " tokens, found %" PRId64 " tokens", window, count);
  m.count = (count - window) / stride + 1;
  MambaStatus status = scoresCreate(model, reference, pool, &m.scores, error);
  if (!status) {
    m.windows = calloc((size_t)m.count, sizeof *m.windows);
    status = m.windows ? measure(&m, error)
                       : mambaFail(error, MAMBA_NO_MEMORY, "no memory for %" PRId64 " windows", m.count);
  }
  if (!status) {
    *result = summarize(&m, m.count);
    result->standard_error = errorOf(&m, result->nll, nllOf);
    result->reference_error = errorOf(&m, result->reference_nll, referenceOf);
    result->increase_error = errorOf(&m, result->increase, increaseOf);
  }
  free(m.windows);
  scoresDestroy(&m.scores);
  return status;
}
