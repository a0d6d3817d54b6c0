/* How good a model is: perplexity on a text, completion of last words, and how far its predictions are from those
 * of another model. */
#ifndef MAMBA_EVALUATE_H
#define MAMBA_EVALUATE_H

#include "mamba/executor.h"
#include "mamba/progress.h"
#include "mamba/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mamba_pool mamba_pool; /* of threads.h */

/* Whatever gives logits: `batch` sequences that go on side by side. */
typedef struct MambaPredictor {
  void *context;
  int64_t batch, vocabulary;
  /* Every sequence back to its start. */
  MambaStatus (*reset)(void *context, MambaError *error);
  /* `tokens` more of every sequence: ids [batch, tokens], logits f32 [batch, tokens, vocabulary] or NULL. */
  MambaStatus (*run)(void *context, const int32_t *ids, int64_t tokens, float *logits, MambaError *error);
} MambaPredictor;

/* The executor is borrowed. */
MambaPredictor mambaPredictorOfExecutor(MambaExecutor *executor);

/* ---- Perplexity ------------------------------------------------------------------------------------ */

typedef struct MambaTextEvaluation {
  int64_t windows, predictions;
  double nll, standard_error; /* mean negative log likelihood of a token, in nats; its error, over windows */
  /* Where there is a reference, all in nats but the last one. */
  double reference_nll, reference_error;
  double increase, increase_error; /* nll - reference_nll: the error is that of differences on the same windows */
  double divergence;               /* mean Kullback-Leibler divergence of the predictions from the reference's */
  double agreement;                /* fraction of tokens where both find the same next one most probable */
} MambaTextEvaluation;

/* Windows of `window` (at least 2) ids begin at every `stride`-th id (1 to `window`); an incomplete one is dropped.
 * Each starts from the reset state. The first predicts its ids 2 to `window`, the others those of them that no
 * earlier window has predicted. `reference` may be NULL; else it has the same batch and vocabulary. */
MAMBA_MUST_CHECK MambaStatus mambaEvaluateText(const MambaPredictor *model, const MambaPredictor *reference,
                                               const int32_t *ids, int64_t count, int64_t window, int64_t stride,
                                               mamba_pool *pool, MambaTextEvaluation *result, MambaError *error);

/* ---- Completion ------------------------------------------------------------------------------------ */

/* A text whose last `targets` ids are to be found. */
typedef struct MambaCompletion {
  int32_t *ids;
  int64_t count, targets; /* 1 <= targets < count */
} MambaCompletion;

typedef struct MambaCompletions {
  MambaCompletion *items;
  int64_t count;
} MambaCompletions;

/* Reads LAMBADA's format, one object {"text": ...} a line: what is behind the last space is to be found, as
 * lm-evaluation-harness's lambada_openai cuts and encodes it. At most `limit` lines where that is not 0. */
MAMBA_MUST_CHECK MambaStatus mambaCompletionsRead(const char *path, const MambaTokenizer *tokenizer, int64_t limit,
                                                  MambaCompletions *completions, MambaError *error);
/* Safe on zeros. */
void mambaCompletionsDestroy(MambaCompletions *completions);

typedef struct MambaCompletionEvaluation {
  int64_t examples, correct; /* correct: every target was the most probable id */
  double nll;                /* mean over examples of their targets' negative log likelihood, in nats */
} MambaCompletionEvaluation;

MAMBA_MUST_CHECK MambaStatus mambaEvaluateCompletions(const MambaPredictor *model,
                                                      const MambaCompletions *completions, mamba_pool *pool,
                                                      MambaCompletionEvaluation *result, MambaError *error);

#ifdef __cplusplus
}
#endif
#endif
