/* What rows of logits say about the ids that came next, worked out by all workers. */
#ifndef MAMBA_EVALUATE_SCORES_H
#define MAMBA_EVALUATE_SCORES_H

#include "mamba/evaluate.h"
#include "threads.h"

enum { SCORE_ROWS = 256 }; /* of logits in memory, of all sequences together */

typedef struct RowScore {
  double nll;
  bool found; /* the target is the most probable id */
  /* Where there is a reference. */
  double reference_nll, divergence;
  bool agrees;
} RowScore;

typedef struct Scores {
  const MambaPredictor *model, *reference; /* reference: may be NULL */
  mamba_pool *pool;
  int64_t tokens;            /* of each sequence that run at a time, at most */
  float *logits[2];          /* [batch, tokens, vocabulary] of each */
  int32_t *inputs, *targets; /* [batch, tokens] */
  RowScore *rows;            /* [batch, tokens] */
  int64_t row_count;
} Scores;

/* MAMBA_INVALID when the two do not fit together. The caller ends *scores with scoresDestroy, also after an error. */
MAMBA_MUST_CHECK MambaStatus scoresCreate(const MambaPredictor *model, const MambaPredictor *reference,
                                          mamba_pool *pool, Scores *scores, MambaError *error);
void scoresDestroy(Scores *scores);

/* All sequences back to their start. */
MAMBA_MUST_CHECK MambaStatus scoresReset(Scores *scores, MambaError *error);

/* Runs inputs [batch, tokens]; with `score` fills rows [batch, tokens] for targets [batch, tokens]. At most
 * scores->tokens of them. */
MAMBA_MUST_CHECK MambaStatus scoresRun(Scores *scores, int64_t tokens, bool score, MambaError *error);

#endif
