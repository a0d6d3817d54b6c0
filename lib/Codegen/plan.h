/* Planned IR as the emitters read it: calls, tensors, states and buffers, each with its C identifier. */
#ifndef MAMBA_CODEGEN_PLAN_H
#define MAMBA_CODEGEN_PLAN_H

#include "mamba/mapped_file.h"
#include "mamba/parameters.h"
#include "mamba/target.h"
#include "names.h"

/* A constant with a dimension: it goes into weights.bin. */
typedef struct MambaPlanTensor {
  MlirValue value;
  const char *name; /* after the checkpoint: "layers.0.mixer.in_proj.weight" */
  const char *identifier;
  size_t offset, bytes; /* in the tensors of weights.bin */
} MambaPlanTensor;

typedef struct MambaPlanState {
  MlirOperation op;
  MlirType type;
  const char *identifier;
  size_t offset, bytes;
} MambaPlanState;

/* A result of a kernel: a buffer in the arena. */
typedef struct MambaPlanBuffer {
  MlirValue value;
  const char *identifier;
  int64_t offset;
} MambaPlanBuffer;

typedef struct MambaPlan {
  MlirOperation module, forward;
  const MambaTarget *target;
  MambaParameters *parameters;
  MlirOperation *calls; /* the kernel ops in order; the last one computes the logits */
  intptr_t call_count;
  MambaPlanTensor *tensors;
  size_t tensor_count;
  MambaPlanState *states;
  size_t state_count;
  MambaPlanBuffer *buffers; /* of all results but the logits */
  size_t buffer_count;
  int64_t vocabulary, chunk, threads;
  size_t arena_bytes, state_bytes, weights_bytes;
  size_t step_bytes;       /* of weights that one step reads: of an embedding, one row */
  uint64_t weights_hash;   /* set by mambaWriteWeights, */
  MambaMappedFile weights; /* and the file that it wrote */
  MambaNames names, labels;
} MambaPlan;

/* Reads and checks a planned module. threads: that evaluate its constants; 0 for one per processor. The
 * caller destroys *plan, which borrows the module. */
MAMBA_MUST_CHECK MambaStatus mambaPlanCreate(MlirOperation module, int threads, MambaPlan **plan,
                                             MambaError *error);
void mambaPlanDestroy(MambaPlan *plan);

/* What a value is called; NULL for one that the program does not hold. */
const MambaPlanTensor *mambaPlanFindTensor(const MambaPlan *plan, MlirValue value);
const MambaPlanBuffer *mambaPlanFindBuffer(const MambaPlan *plan, MlirValue value);
const MambaPlanState *mambaPlanFindState(const MambaPlan *plan, MlirOperation op);

/* What a call computes, such as "layers.0.mixer.in_proj": a layer's name where it has a weight, else its
 * first result's. */
MlirStringRef mambaPlanCallName(MlirOperation call);

/* The table of the embedding; NULL in a program without one. */
const MambaPlanTensor *mambaPlanTable(const MambaPlan *plan);

/* The bytes of a tensor in the file of weights. */
const void *mambaPlanTensorData(const MambaPlan *plan, const MambaPlanTensor *tensor);

/* The value of a constant of rank 0. */
MAMBA_MUST_CHECK MambaStatus mambaPlanScalar(const MambaPlan *plan, MlirValue value, float *scalar,
                                             MambaError *error);

/* The most rows of logits that a program computes at a time, and so the most sequences. */
int64_t mambaPlanLogitRows(const MambaPlan *plan);

/* What a program of `sequences` sequences allocates on a GPU: see kernels/bundle/cuda/backend_cuda.c. */
size_t mambaPlanDeviceBytes(const MambaPlan *plan, size_t sequences);

/* `count` rounded up to what every tensor and buffer is aligned to. */
size_t mambaPlanAlign(size_t count);

#endif
