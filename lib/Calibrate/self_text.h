/* Text that the model writes for its own calibration. */
#ifndef MAMBA_CALIBRATE_SELF_TEXT_H
#define MAMBA_CALIBRATE_SELF_TEXT_H

#include "collector.h"
#include "mamba/progress.h"

typedef struct SelfText {
  uint64_t seed;
  int32_t first_token;    /* that every sequence begins with */
  int64_t first_sequence; /* the number of the executor's first sequence */
  int64_t length;         /* tokens of a sequence */
} SelfText;

/* Lets the executor run sequences of `length` tokens, each token but the first drawn from the softmax of the
 * logits before it (temperature 1). What is drawn depends on the seed, the number of the sequence and the
 * position only, so neither the batch nor the number of workers changes a token. The collector, if any, is
 * shown the states. `progress` advances by batch * length tokens from `done`. */
MAMBA_MUST_CHECK MambaStatus selfTextRun(const SelfText *text, MambaExecutor *executor, Collector *collector,
                                         mamba_pool *pool, MambaProgress *progress, int64_t done,
                                         MambaError *error);

#endif
