/* The statistics of a module's activations, collected while the executor runs. */
#ifndef MAMBA_CALIBRATE_COLLECTOR_H
#define MAMBA_CALIBRATE_COLLECTOR_H

#include "mamba/executor.h"
#include "mamba/statistics.h"
#include "threads.h"

/* The record of one value. */
typedef struct SiteRecord {
  MlirValue value;
  MambaStatistics *statistics;
} SiteRecord;

/* What one worker has seen of the value that is being observed: its share of the rows. */
typedef struct CollectorShare {
  MambaStatistics *statistics;
  MambaStatus status;
  MambaError error;
} CollectorShare;

typedef struct Collector {
  SiteRecord *records; /* in program order */
  size_t count;
  CollectorShare *shares; /* one per worker */
  mamba_pool *pool;
  MambaStatus status; /* the first failure */
  MambaError error;
  /* What is being observed: the record of that number, and its [rows, channels] values. */
  size_t next;
  const float *data;
  int64_t rows, channels;
} Collector;

/* Finds the values to record in @forward: the f32 activations that quantization may store in fewer bits or
 * transform. That is every part of a projection (a slice), and everything that a matrix, a convolution, a
 * scan, a Hadamard transform, a clamp or a quantization reads. Nothing is recorded yet. MAMBA_INVALID when
 * there is no such value. */
MAMBA_MUST_CHECK MambaStatus collectorCreate(Collector *collector, MlirOperation module, MambaError *error);

/* Makes empty records, which the workers of `pool` fill; it is borrowed. */
MAMBA_MUST_CHECK MambaStatus collectorStart(Collector *collector, mamba_pool *pool, MambaError *error);
/* The observer for an executor of the module; `context` is the collector. A failure is kept for
 * collectorFinish. */
void collectorObserve(void *context, const MambaObservation *observation);
/* Whether everything could be recorded: records[i].statistics. Sums are integers, so a record does not depend
 * on how the rows were divided. */
MAMBA_MUST_CHECK MambaStatus collectorFinish(const Collector *collector, MambaError *error);

/* Safe on a zeroed collector. */
void collectorDestroy(Collector *collector);

#endif
