/* The model of this bundle as a C library.
 *
 *   mamba_model *model;
 *   mamba_error error;
 *   if (mamba_model_create("weights.bin", 4, 1, &model, &error)) ...error.message...
 *   mamba_model_prefill(model, ids, count, logits, &error);   the prompt
 *   mamba_model_step(model, &id, logits, &error);             one token more
 *   mamba_model_destroy(model);
 *
 * A model holds one sequence or several, which a call continues by the same number of tokens, reading the
 * weights once for all. Any split of a sequence into calls gives the same bytes, beside any other
 * sequences, with any number of threads and on any processor. No function prints or exits; one model is used
 * by one thread at a time, several models by several. On failure a function has described the reason in
 * *error and changed nothing; but after MAMBA_CODE_DEVICE the GPU's memory is lost: destroy the model. */
#ifndef MAMBA_MODEL_H
#define MAMBA_MODEL_H

#include "sampling.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mamba_code {
  MAMBA_CODE_OK = 0,
  MAMBA_CODE_ARGUMENT, /* an argument is out of range */
  MAMBA_CODE_FILE,     /* a file cannot be read, is damaged, or belongs to another model */
  MAMBA_CODE_MEMORY,   /* memory or threads were refused */
  MAMBA_CODE_BUILD,    /* this build does not keep the numerics contract */
  MAMBA_CODE_DEVICE,   /* there is no GPU that can run this program, or the GPU reports a failure */
} mamba_code;

typedef struct mamba_error {
  mamba_code code;
  char message[512]; /* one line */
} mamba_error;

typedef struct mamba_model mamba_model;

/* Loads the weights and allocates the memory of `sequences` sequences, at most mamba_model_max_sequences();
 * nothing is allocated later. `threads` is at most mamba_model_max_threads(); 0 takes one for each processor.
 * On a GPU it is 0 or 1, and the model lives on the device that is current for the calling thread. The caller
 * destroys *model. */
mamba_code mamba_model_create(const char *weights_path, int threads, int32_t sequences, mamba_model **model,
                              mamba_error *error);
void mamba_model_destroy(mamba_model *model); /* NULL is allowed */

/* Constants of the model. */
int32_t mamba_model_vocabulary(void);    /* ids are in [0, vocabulary); also the number of logits */
int32_t mamba_model_end_of_text(void);   /* the id that ends a text, or -1 */
int32_t mamba_model_chunk(void);         /* tokens that are processed at a time, of all sequences together */
int32_t mamba_model_max_sequences(void); /* also the most rows of logits that are computed at a time */
int mamba_model_max_threads(void);

/* The functions below are about `count` sequences from `first` on; at the start about all. */
mamba_code mamba_model_select(mamba_model *model, int32_t first, int32_t count, mamba_error *error);

/* Continue every selected sequence by `count` ids: ids [selected, count].
 * prefill: logits [selected, vocabulary] after the last ids; may be NULL.  step: the same with a count of 1.
 * forward: logits [selected, count, vocabulary], row i of a sequence after its ids[i]; one sequence after
 * the other. */
mamba_code mamba_model_prefill(mamba_model *model, const int32_t *ids, size_t count, float *logits,
                               mamba_error *error);
mamba_code mamba_model_forward(mamba_model *model, const int32_t *ids, size_t count, float *logits,
                               mamba_error *error);
mamba_code mamba_model_step(mamba_model *model, const int32_t *ids, float *logits, mamba_error *error);

/* Continue every selected sequence by one id: next [selected] gets the ids of the largest logits, of equal
 * ones the smallest id. On a GPU the logits stay there. `next` may be `ids`. */
mamba_code mamba_model_step_greedy(mamba_model *model, const int32_t *ids, int32_t *next, mamba_error *error);

/* The same with ids that are drawn: draws [selected], each from its sequence's sampler (sampling.h). */
mamba_code mamba_model_step_sample(mamba_model *model, const int32_t *ids, const mamba_draw *draws, int32_t *next,
                                   mamba_error *error);

/* Selected sequences back to their start. */
mamba_code mamba_model_reset(mamba_model *model, mamba_error *error);

/* What every layer puts out: `name` as in the checkpoint, "layers.3", and the residual stream behind that
 * layer, rows [selected, tokens of a chunk, channels]; valid during the call, in which no function of the
 * model may be called. */
typedef void (*mamba_layer_observer)(void *context, const char *name, const float *rows, int32_t count,
                                     int32_t channels);

/* Shows what layers put out, chunk by chunk in their order, in all later calls; NULL: no longer.
 * MAMBA_CODE_ARGUMENT on a GPU, where layers leave nothing behind. */
mamba_code mamba_model_observe(mamba_model *model, mamba_layer_observer observer, void *context,
                               mamba_error *error);

/* The state of the first selected sequence as mamba_model_state_size() bytes; load accepts what save wrote
 * of any sequence with the same weights, on any machine. */
size_t mamba_model_state_size(void);
mamba_code mamba_model_save_state(const mamba_model *model, void *bytes, mamba_error *error);
mamba_code mamba_model_load_state(mamba_model *model, const void *bytes, size_t size, mamba_error *error);

#ifdef __cplusplus
}
#endif
#endif
