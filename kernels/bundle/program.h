/* What the compiler generates for the hand-written runtime: the sizes of the model (program.c), sequences
 * with known logits (golden.c), and its kernel calls, which only the backend knows (model.c or model.cu). */
#ifndef MAMBA_PROGRAM_H
#define MAMBA_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One of a sequence's states: its place among the states of one sequence. */
typedef struct mamba_state_place {
  size_t offset, bytes;
} mamba_state_place;

typedef struct mamba_program {
  const char *target; /* "cpu", or the GPU that the plan was made for */
  int architecture;   /* the GPU's compute capability, as 87; 0 for the CPU */
  int32_t vocabulary, end_of_text;
  int32_t chunk;      /* the most rows, sequences times tokens, of one run */
  int32_t logit_rows; /* the most rows of logits of one run, and so the most sequences; at most the chunk */
  int max_threads;
  size_t arena_bytes, state_bytes, weights_bytes;
  size_t step_bytes;     /* of weights that one step reads, for all sequences together */
  uint64_t weights_hash; /* of the tensors, see weights.h */
  size_t table_offset;   /* in the tensors: the embedding, [vocabulary, row_bytes] bytes */
  size_t row_bytes;
  const mamba_state_place *states;
  int state_count;
} mamba_program;

extern const mamba_program mamba_model_program;

/* Where state `index` of sequence `first` lies in memory that holds `capacity` sequences; those of the
 * sequences after it follow, so that a kernel sees [batch, ...]. */
static inline unsigned char *mamba_state_of(unsigned char *state, int32_t capacity, int32_t first,
                                            int index) {
  const mamba_state_place place = mamba_model_program.states[index];
  return state + place.offset * (size_t)capacity + place.bytes * (size_t)first;
}

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

#ifdef __cplusplus
}
#endif
#endif
