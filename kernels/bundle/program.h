/* What the generated model.c gives to the hand-written runtime. */
#ifndef MAMBA_PROGRAM_H
#define MAMBA_PROGRAM_H

#include "mamba_kernels.h"
#include "threads.h"

#include <stddef.h>

/* One chunk of tokens, as every worker sees it. */
typedef struct mamba_run {
  const int32_t *ids;
  int32_t tokens;               /* of this chunk: at least 1, at most the program's chunk */
  int32_t logit_rows;           /* the last rows whose logits are wanted; 0 for none */
  float *logits;                /* [logit_rows, vocabulary] */
  const unsigned char *weights; /* the tensors of weights.bin */
  unsigned char *arena;         /* buffers between kernels */
  unsigned char *state;         /* what layers carry from chunk to chunk */
  mamba_pool *pool;
} mamba_run;

typedef struct mamba_program {
  int32_t vocabulary, end_of_text, chunk;
  int max_threads;
  size_t arena_bytes, state_bytes, weights_bytes;
  uint64_t weights_hash; /* of the tensors, see weights.h */
  void (*forward)(const mamba_run *run, mamba_worker worker);
} mamba_program;

extern const mamba_program mamba_model_program;

/* Sequences with known logits (golden.c, generated from the compiler's reference executor). */
typedef struct mamba_golden {
  const char *name;
  const int32_t *ids;
  int32_t count;
  uint64_t digest; /* mamba_hash_of the logits of all ids */
  float last;      /* the first logit after the last id, for a message that says how far off */
} mamba_golden;

extern const mamba_golden mamba_golden_sequences[];
extern const int mamba_golden_count;

#endif
