/* The generated model.c: the model as kernel calls that every worker of a pool makes. */
#ifndef MAMBA_PROGRAM_CPU_H
#define MAMBA_PROGRAM_CPU_H

#include "mamba_kernels.h"
#include "model.h"
#include "program.h"
#include "threads.h"

/* One chunk, as every worker sees it: see mamba_chunk. */
typedef struct mamba_run {
  const unsigned char *table; /* the embedding's row of every token, [sequences, tokens, row_bytes], */
  const int32_t *ids;         /* and its place there: 0, 1, 2, ... */
  int32_t sequences, tokens, logit_rows;
  float *logits;                 /* [logit_rows, vocabulary] */
  const unsigned char *weights;  /* the tensors of weights.bin */
  unsigned char *arena;          /* buffers between kernels */
  unsigned char *state;          /* what layers carry from chunk to chunk: see mamba_state_of */
  int32_t first, capacity;       /* of all `capacity` sequences, the run is of those from `first` on */
  mamba_layer_observer observer; /* NULL for none */
  void *observer_context;
  mamba_pool *pool;
} mamba_run;

/* Behind a layer, whose rows no worker changes before all have called this. */
static inline void mamba_show_layer(const mamba_run *run, mamba_worker worker, const char *name,
                                    const float *rows, int32_t channels) {
  if (!run->observer)
    return;
  if (worker.index == 0)
    run->observer(run->observer_context, name, rows, run->sequences * run->tokens, channels);
  mamba_pool_barrier(run->pool, worker);
}

void mamba_program_forward(const mamba_run *run, mamba_worker worker);

#endif
