/* What rows of logits say about the ids that came next, worked out by all workers. */
#ifndef MAMBA_EVALUATE_SCORES_H
#define MAMBA_EVALUATE_SCORES_H

#include "mamba/evaluate.h"
#include "threads.h"

enum { SCORE_TOKENS = 32 }; /* of each sequence whose logits are in memory */

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
  float *logits[2];           /* [batch, SCORE_TOKENS, vocabulary] of each */
  int32_t *inputs, *targets;  /* [batch, SCORE_TOKENS] */
  RowScore *rows;             /* [batch, SCORE_TOKENS] */
  int64_t row_count;
} Scores;

/* MAMBA_INVALID when the two do not fit together. The caller ends *scores with scoresDestroy, also after an error. */
MAMBA_MUST_CHECK MambaStatus scoresCreate(const MambaPredictor *model, const MambaPredictor *reference,
                                          mamba_pool *pool, Scores *scores, MambaError *error);
void scoresDestroy(Scores *scores);

/* All sequences back to their start. */
MAMBA_MUST_CHECK MambaStatus scoresReset(Scores *scores, MambaError *error);

/* Runs inputs [batch, tokens]; with `score` fills rows [batch, tokens] for targets [batch, tokens]. At most
 * SCORE_TOKENS tokens. */
MAMBA_MUST_CHECK MambaStatus scoresRun(Scores *scores, int64_t tokens, bool score, MambaError *error);

#endif
