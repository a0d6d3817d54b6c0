/* The generated model.cu: the model as calls that put kernels into a stream. */
#ifndef MAMBA_PROGRAM_CUDA_H
#define MAMBA_PROGRAM_CUDA_H

#include "cuda/mamba_cuda.h"
#include "program.h"

/* One chunk. All pointers are into the GPU's memory. */
typedef struct mamba_cuda_run {
  const int32_t *ids; /* [sequences, tokens] */
  int32_t sequences, tokens, logit_rows;
  float *logits;                /* [logit_rows, vocabulary] */
  const unsigned char *weights; /* the tensors of weights.bin */
  unsigned char *arena;         /* buffers between kernels */
  unsigned char *state;         /* what layers carry from chunk to chunk: see mamba_state_of */
  int32_t first, capacity;      /* of all `capacity` sequences, the run is of those from `first` on */
  cudaStream_t stream;
  const char *failed_at; /* set when a call fails: the layer */
} mamba_cuda_run;

/* In a function that returns cudaError_t: leaves it with the error of a call that fails. */
#define MAMBA_CALL(name, ...)                                                                                \
  do {                                                                                                       \
    const cudaError_t mamba_call_error = (__VA_ARGS__);                                                      \
    if (mamba_call_error != cudaSuccess) {                                                                   \
      run->failed_at = name;                                                                                 \
      return mamba_call_error;                                                                               \
    }                                                                                                        \
  } while (0)

#ifdef __cplusplus
extern "C" {
#endif

/* Puts into the arena what decode of one sequence, run->first, reads there; again for another one. */
cudaError_t mamba_program_prepare(mamba_cuda_run *run);

/* The same bytes; decode is for one token of each sequence and takes the kernels that are best for that. */
cudaError_t mamba_program_prefill(mamba_cuda_run *run);
cudaError_t mamba_program_decode(mamba_cuda_run *run);

#ifdef __cplusplus
}
#endif
#endif
