/* What mamba-search decides for a block, and what it chooses from. */
#ifndef MAMBA_SEARCH_DECISIONS_H
#define MAMBA_SEARCH_DECISIONS_H

#include <stdbool.h>

enum { DECISION_COUNT = 5, MAX_CANDIDATES = 8 };

/* Choices as mamba-rules reads them, and what they cost when the model runs: 0 for nothing, and one step more
 * for each larger amount of work (not a time; only the order counts). */
typedef struct Candidate {
  const char *choices; /* NULL behind the last */
  int cost;
  bool rotated; /* y is in Hadamard space */
} Candidate;

/* One decision: values whose errors are measured together, apart from all others. */
typedef struct Decision {
  const char *name; /* the first site of its choices */
  Candidate candidates[MAX_CANDIDATES];
} Decision;

extern const Decision kDecisions[DECISION_COUNT];

/* All matrices of a block as they are stored: what a budget leaves in 16 bits. */
extern const char *const kUnquantized;

#endif
