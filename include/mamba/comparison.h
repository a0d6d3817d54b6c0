/* How far two models are apart, value by value: both run over the same tokens, and what has the same
 * checkpoint name in both is compared. */
#ifndef MAMBA_COMPARISON_H
#define MAMBA_COMPARISON_H

#include "mamba/executor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One value of both. Integers count as what they stand for. */
typedef struct MambaComparedValue {
  char *name;
  int64_t channels;
  double signal, noise;        /* sums of squares: of the first model's value, of the difference */
  double max_error, max_value; /* largest magnitudes: of the difference, of the first model's value */
  int64_t token, channel;      /* where the largest difference is first */
} MambaComparedValue;

typedef struct MambaComparison {
  MambaComparedValue *values; /* [count], worst first */
  size_t count;
  size_t first;  /* among the values, the one that the first model computes first of those that differ; count
                    if none */
  bool left_out; /* integers whose scale is known at run time only were not compared */
} MambaComparison;

/* Whatever shows its values while it runs one sequence. */
typedef struct MambaComparable {
  void *context;
  /* `tokens` more, and what is computed of them, to the observer. */
  MambaStatus (*run)(void *context, const int32_t *ids, int64_t tokens, MambaObserver observer,
                     void *observer_context, MambaError *error);
} MambaComparable;

/* The executor is borrowed; a run replaces its observer and takes it away. */
MambaComparable mambaComparableExecutor(MambaExecutor *executor);

/* Runs both, from where they are, over `count` tokens. MAMBA_INVALID when the two have no name in common. The
 * caller ends *comparison with mambaComparisonDestroy. */
MAMBA_MUST_CHECK MambaStatus mambaCompare(MambaComparable first, MambaComparable second, const int32_t *ids,
                                          int64_t count, MambaComparison *comparison, MambaError *error);

/* Safe on a zeroed comparison. */
void mambaComparisonDestroy(MambaComparison *comparison);

/* Signal to noise in decibels; infinite for equal values. */
double mambaComparedDecibels(const MambaComparedValue *value);

/* N where the value is "layers.N", the residual stream behind a layer; else -1. */
long mambaComparedLayer(const MambaComparedValue *value);

#ifdef __cplusplus
}
#endif
#endif
