/* The reference executor: runs @forward of a module at any level, on the kernels of kernels/.
 *
 * Level 3 in the executor is the definition of a compiled program's result, bit for bit. */
#ifndef MAMBA_EXECUTOR_H
#define MAMBA_EXECUTOR_H

#include "mamba/ir.h"
#include "mamba/pool.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct MambaExecutor MambaExecutor;

/* Where the bytes of a constant are already, such as in a mapped file: in its own type, row-major, at a
 * multiple of 64 bytes, unchanged while the executor lives. NULL for one that the executor shall evaluate.
 * With `weight_memory` they must be in a mapped file (mamba/mapped_file.h). */
typedef const void *(*MambaConstantSource)(void *context, MlirValue constant);

/* What the compiler keeps of a model when it runs it: the whole of a small one. */
enum { MAMBA_COMPILER_WEIGHT_MEMORY = 32 << 20 };

typedef struct MambaExecutorOptions {
  int threads;                   /* workers; 0 for one per processor */
  bool wide;                     /* level 1 and 2 in f64 instead of f32: for proofs, slow */
  MambaConstantSource constants; /* NULL where every constant is to be evaluated; not asked when `wide` */
  void *context;                 /* of `constants` */
  size_t weight_memory; /* bytes of weights that may stay in memory; 0 for all of them. What is beyond is read
                           from files, the checkpoint's or temporary ones, and leaves memory after every op
                           that read it, so that a model need not fit */
} MambaExecutorOptions;

/* A value that was just computed, for an observer. data: [rows, channels] of `element` (of double when
 * `wide`), valid during the call. scale: of an i8 value, its static scale where the IR tells one for the
 * whole tensor, else 0. */
typedef struct MambaObservation {
  MlirValue value;
  MlirStringRef name; /* its checkpoint name, may be empty */
  MambaElement element;
  bool wide;
  float scale;
  int64_t rows, channels; /* rows = batch * tokens of the chunk; of logits, only those that were asked for */
  const void *data;
} MambaObservation;

typedef void (*MambaObserver)(void *context, const MambaObservation *observation);
/* One that all workers of the executor's pool call with the same observation, to share what it does; the
 * executor goes on when all have returned. They can wait for each other with mamba_pool_barrier. */
typedef void (*MambaSharedObserver)(void *context, const MambaObservation *observation, mamba_pool *pool,
                                    mamba_worker worker);

/* Checks that the executor knows every op of @forward, evaluates its constants and allocates states for
 * `batch` sequences. Where an op is at fault, a diagnostic at it has told and the error's message is
 * empty. `module` is borrowed and must not change while the executor lives. */
MAMBA_MUST_CHECK MambaStatus mambaExecutorCreate(MlirOperation module, int64_t batch,
                                                 MambaExecutorOptions options, MambaExecutor **executor,
                                                 MambaError *error);
void mambaExecutorDestroy(MambaExecutor *executor);

/* Channels of the value that @forward returns: numbers in one row of logits. */
int64_t mambaExecutorVocabulary(const MambaExecutor *executor);
int64_t mambaExecutorBatch(const MambaExecutor *executor);

/* Which rows of logits a run gives. */
typedef enum MambaLogits { MAMBA_LOGITS_NONE, MAMBA_LOGITS_LAST, MAMBA_LOGITS_ALL } MambaLogits;

/* Runs `tokens` more tokens of every sequence: ids [batch, tokens], each a row of the embedding, else
 * MAMBA_INVALID and nothing happens. logits: f32 [batch, tokens, vocabulary] for ALL, [batch, vocabulary] for
 * LAST, else NULL. States carry over to the next call; any split of a sequence into calls gives the same
 * bytes. Long inputs are processed in chunks, so memory does not grow with `tokens`. */
MAMBA_MUST_CHECK MambaStatus mambaExecutorRun(MambaExecutor *executor, const int32_t *ids, int64_t tokens,
                                              MambaLogits which, float *logits, MambaError *error);

/* Back to the start of all sequences: every state is zero. */
void mambaExecutorReset(MambaExecutor *executor);

/* `observer` sees every computed value of later runs, in program order, a chunk of tokens at a time; NULL for
 * none. */
void mambaExecutorObserve(MambaExecutor *executor, MambaObserver observer, void *context);
/* The same, shared by all workers; it takes the place of any other observer. */
void mambaExecutorObserveShared(MambaExecutor *executor, MambaSharedObserver observer, void *context);

/* Shows every state once, as it is now: rows = batch, channels = all numbers of a sequence, `name` that of
 * its symbol, no value. */
void mambaExecutorShowStates(const MambaExecutor *executor, MambaSharedObserver observer, void *context);

#ifdef __cplusplus
}
#endif
#endif
