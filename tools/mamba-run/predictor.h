/* Where logits and values come from: the executor for IR and checkpoints, the program itself for a bundle. */
#ifndef MAMBA_RUN_PREDICTOR_H
#define MAMBA_RUN_PREDICTOR_H

#include "run.h"

#include "mamba/comparison.h"
#include "mamba/evaluate.h"

typedef struct BundleProcess BundleProcess;

/* Zeroed before use. */
typedef struct Predictor {
  MambaPredictor predictor;
  MambaExecutor *executor; /* one of the two */
  BundleProcess *process;
} Predictor;

/* `batch` sequences of the model; a bundle has one. */
MAMBA_MUST_CHECK MambaStatus predictorCreate(const Model *model, int64_t batch, int64_t threads,
                                             Predictor *predictor, MambaError *error);
void predictorDestroy(Predictor *predictor);
/* Its values: of a bundle those behind layers. The predictor is borrowed. */
MambaComparable predictorComparable(const Predictor *predictor);

/* Starts the bundle's program as `run stream` (see kernels/bundle/stream.h). */
MAMBA_MUST_CHECK MambaStatus bundleProcessStart(const char *path, int64_t threads, BundleProcess **process,
                                                MambaError *error);
/* Ends it. NULL is allowed. */
void bundleProcessEnd(BundleProcess *process);
/* The process is borrowed. */
MambaPredictor bundleProcessPredictor(BundleProcess *process);
/* Likewise. A run is MAMBA_UNSUPPORTED where the program does not show its layers: on a GPU. */
MambaComparable bundleProcessComparable(BundleProcess *process);

#endif
