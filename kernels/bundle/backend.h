/* What the runtime needs of the machine that runs the kernels: memory for the model, and one chunk of it at a
 * time. A bundle has one implementation, backend_cpu.c or backend_cuda.c. */
#ifndef MAMBA_BACKEND_H
#define MAMBA_BACKEND_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mamba_backend mamba_backend;

/* `tokens` tokens of each of `sequences` sequences, of all from `first` on. */
typedef struct mamba_chunk {
  const int32_t *ids;        /* [sequences, tokens], checked */
  int32_t sequences, tokens; /* at least 1 each; their product, the rows, is at most the program's chunk */
  int32_t first;
  int32_t logit_rows; /* the last rows whose logits are wanted, at most the program's; 0 for none */
  float *logits;      /* [logit_rows, vocabulary], or NULL */
  int32_t *best;      /* [logit_rows]: the id of the largest logit, the smallest such id; or NULL */
  const mamba_draw *draws; /* [logit_rows]: how `best` is drawn instead, or NULL */
} mamba_chunk;

/* Loads the weights and takes all memory, states of `sequences` (1 to the program's logit_rows) zeroed.
 * `threads` is from 0, the backend's own choice, to the program's max_threads. The caller destroys *backend.
 */
mamba_code mamba_backend_create(const char *weights_path, int threads, int32_t sequences,
                                mamba_backend **backend, mamba_error *error);
void mamba_backend_destroy(mamba_backend *backend); /* NULL is allowed */

/* Runs a chunk to its end. */
mamba_code mamba_backend_run(mamba_backend *backend, const mamba_chunk *chunk, mamba_error *error);

/* See mamba_model_observe. */
mamba_code mamba_backend_observe(mamba_backend *backend, mamba_layer_observer observer, void *context,
                                 mamba_error *error);

/* States of sequences [first, first + count) back to zero. */
mamba_code mamba_backend_reset(mamba_backend *backend, int32_t first, int32_t count, mamba_error *error);

/* The states of one sequence, at their places in state_bytes bytes; what lies between is left alone. */
mamba_code mamba_backend_read_state(const mamba_backend *backend, int32_t sequence, unsigned char *bytes,
                                    mamba_error *error);
mamba_code mamba_backend_write_state(mamba_backend *backend, int32_t sequence, const unsigned char *bytes,
                                     mamba_error *error);

/* ---- For the benchmark -------------------------------------------------------------------------- */

/* What computes, in words: an instruction set, or a GPU. Valid once a model was created. */
const char *mamba_backend_name(void);

/* Bytes that a model of `sequences` takes on the GPU, in one piece; 0 for the CPU. */
size_t mamba_backend_device_bytes(int32_t sequences);

/* Bytes a second at which `threads` threads, or the GPU, read a buffer of four times the largest cache (at
 * least 256 MiB) from begin to end: the best of five runs. */
mamba_code mamba_read_bandwidth(int threads, double *bytes_per_second, mamba_error *error);

#ifdef __cplusplus
}
#endif
#endif
