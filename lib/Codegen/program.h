/* Planned IR as the emitters read it: calls, tensors, states and buffers, each with its C identifier. */
#ifndef MAMBA_CODEGEN_PROGRAM_H
#define MAMBA_CODEGEN_PROGRAM_H

#include "mamba/parameters.h"
#include "names.h"

/* A constant with a dimension: it goes into weights.bin. */
typedef struct MambaProgramTensor {
  MlirValue value;
  const char *name;       /* after the checkpoint: "layers.0.mixer.in_proj.weight" */
  const char *identifier;
  size_t offset, bytes;   /* in the tensors of weights.bin */
} MambaProgramTensor;

typedef struct MambaProgramState {
  MlirOperation op;
  MlirType type;
  const char *identifier;
  size_t offset, bytes;
} MambaProgramState;

/* A result of a kernel: a buffer in the arena. */
typedef struct MambaProgramBuffer {
  MlirValue value;
  const char *identifier;
  int64_t offset;
} MambaProgramBuffer;

typedef struct MambaProgram {
  MlirOperation module, forward;
  MambaParameters *parameters;
  MlirOperation *calls; /* the kernel ops in order; the last one computes the logits */
  intptr_t call_count;
  MambaProgramTensor *tensors;
  size_t tensor_count;
  MambaProgramState *states;
  size_t state_count;
  MambaProgramBuffer *buffers; /* of all results but the logits */
  size_t buffer_count;
  int64_t vocabulary, chunk, threads;
  size_t arena_bytes, state_bytes, weights_bytes;
  uint64_t weights_hash; /* set by mambaWriteWeights */
  MambaNames names, labels;
} MambaProgram;

/* Reads and checks a module for target "cpu". The caller destroys *program, which borrows the module. */
MAMBA_MUST_CHECK MambaStatus mambaProgramCreate(MlirOperation module, MambaProgram **program, MambaError *error);
void mambaProgramDestroy(MambaProgram *program);

/* What a value is called; NULL for one that the program does not hold. */
const MambaProgramTensor *mambaProgramFindTensor(const MambaProgram *program, MlirValue value);
const MambaProgramBuffer *mambaProgramFindBuffer(const MambaProgram *program, MlirValue value);
const MambaProgramState *mambaProgramFindState(const MambaProgram *program, MlirOperation op);

/* The layer that a call belongs to, such as "layers.0.mixer.in_proj": its weight's name where it has one, else its
 * own. */
MlirStringRef mambaProgramCallName(MlirOperation call);

/* The value of a constant of rank 0. */
MAMBA_MUST_CHECK MambaStatus mambaProgramScalar(const MambaProgram *program, MlirValue value, float *scalar,
                                                MambaError *error);

/* `count` rounded up to what every tensor and buffer is aligned to. */
size_t mambaProgramAlign(size_t count);

#endif
