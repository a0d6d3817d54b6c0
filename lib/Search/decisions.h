/* What mamba-search decides for a block and for the head, and what it chooses from. */
#ifndef MAMBA_SEARCH_DECISIONS_H
#define MAMBA_SEARCH_DECISIONS_H

#include "sites.h"

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
extern const Decision kHead;

/* All matrices of a block as they are stored: what a budget leaves in 16 bits. */
extern const char *const kUnquantized;

/* Puts every "site.property=value" of a text on the op of the group that reads the site. */
void setChoices(const SiteGroup *group, const char *choices);

/* The cheapest candidate whose error exceeds the least one by at most `slack`, and of these the most exact; 0
 * where every error is NaN. */
int decisionChoose(const Decision *decision, const double errors[], double slack);

/* The choices of a candidate, and the errors of all as `mamba.search` on the op that reads the decision's
 * site. */
void decisionRecord(const Decision *decision, const double errors[], int chosen, const SiteGroup *group);

#endif
