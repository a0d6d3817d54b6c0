/* The statistics of a module's activations, collected while the executor runs. */
#ifndef MAMBA_CALIBRATE_COLLECTOR_H
#define MAMBA_CALIBRATE_COLLECTOR_H

#include "mamba/executor.h"
#include "mamba/statistics.h"
#include "threads.h"

/* The record of one value, or of a state. */
typedef struct SiteRecord {
  MlirOperation op;   /* that defines it */
  MlirValue value;    /* null for a state */
  MlirStringRef name; /* of the value, which may be empty, or of the state's symbol */
  int64_t channels;   /* of a state all numbers of a sequence */
  MambaStatistics *statistics;
} SiteRecord;

/* What one worker has of a collector. */
typedef struct CollectorShare {
  MambaTally *tally;  /* of its rows */
  size_t next;        /* record that is expected to be observed next */
  MambaStatus status; /* the first failure */
  MambaError error;
} CollectorShare;

typedef struct Collector {
  SiteRecord *records; /* values in program order, then states */
  size_t count;
  CollectorShare *shares; /* one per worker, */
  MambaTally **tallies;   /* and their tallies */
  int workers;
} Collector;

/* Finds the values to record in @forward: the f32 activations that quantization may store in fewer bits or
 * transform. That is every part of a projection (a slice), and everything that a matrix, a convolution, a
 * scan, a Hadamard transform, a clamp or a quantization reads; and the states of scans. Nothing is recorded
 * yet. MAMBA_INVALID when there is no such value. */
MAMBA_MUST_CHECK MambaStatus collectorCreate(Collector *collector, MlirOperation module, MambaError *error);

/* Makes empty records, which `workers` workers fill. */
MAMBA_MUST_CHECK MambaStatus collectorStart(Collector *collector, int workers, MambaError *error);
/* The observer for values and states of an executor of the module with as many workers; `context` is the
 * collector. A failure is kept for collectorFinish. */
void collectorObserve(void *context, const MambaObservation *observation, mamba_pool *pool,
                      mamba_worker worker);
/* States are recorded after 16, 48, 80, ... tokens of a sequence, and at the end of a shorter one. The next
 * such place, or `length`. */
enum { STATE_FIRST = 16, STATE_STRIDE = 32 };
int64_t collectorNextState(int64_t done, int64_t length);
/* Records the executor's states if `done` tokens of `length` is such a place. */
void collectorObserveStates(Collector *collector, const MambaExecutor *executor, int64_t done,
                            int64_t length);
/* Whether everything could be recorded: records[i].statistics. Sums are integers, so a record does not depend
 * on how the rows were divided. */
MAMBA_MUST_CHECK MambaStatus collectorFinish(const Collector *collector, MambaError *error);

/* Safe on a zeroed collector. */
void collectorDestroy(Collector *collector);

#endif
