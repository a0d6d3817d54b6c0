/* What the generated model.c gives to the hand-written runtime. */
#ifndef MAMBA_PROGRAM_H
#define MAMBA_PROGRAM_H

#include "mamba_kernels.h"
#include "threads.h"

#include <stddef.h>

/* One chunk: `tokens` tokens of each of `sequences` sequences, as every worker sees it. */
typedef struct mamba_run {
  const int32_t *ids;           /* [sequences, tokens] */
  int32_t sequences, tokens;    /* at least 1 each; their product, the rows, is at most the program's chunk */
  int32_t logit_rows;           /* the last rows whose logits are wanted; 0 for none */
  float *logits;                /* [logit_rows, vocabulary] */
  const unsigned char *weights; /* the tensors of weights.bin */
  unsigned char *arena;         /* buffers between kernels */
  unsigned char *state;         /* what layers carry from chunk to chunk: see mamba_state_of */
  int32_t first, capacity;      /* of all `capacity` sequences, the run is of those from `first` on */
  mamba_pool *pool;
} mamba_run;

/* One of a sequence's states: its place among the states of one sequence. */
typedef struct mamba_state_place {
  size_t offset, bytes;
} mamba_state_place;

/* Where the state of sequence `first` lies in memory that holds `capacity` sequences; those of the sequences
 * after it follow, so that a kernel sees [batch, ...]. */
static inline unsigned char *mamba_state_of(unsigned char *state, int32_t capacity, int32_t first,
                                            mamba_state_place place) {
  return state + place.offset * (size_t)capacity + place.bytes * (size_t)first;
}

typedef struct mamba_program {
  int32_t vocabulary, end_of_text, chunk;
  int max_threads;
  size_t arena_bytes, state_bytes, weights_bytes;
  size_t step_bytes;     /* of weights that one step reads, for all sequences together */
  uint64_t weights_hash; /* of the tensors, see weights.h */
  const mamba_state_place *states;
  int state_count;
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
