/* What a program may cost, in bytes of weights or in the time of a token, and how many blocks can stay in 16
 * bits within that. */
#ifndef MAMBA_SEARCH_BUDGET_H
#define MAMBA_SEARCH_BUDGET_H

#include "mamba/target.h"
#include "sites.h"

typedef struct Budget {
  const char *text; /* borrowed: as the user gave it */
  double limit;     /* bytes, or seconds */
  bool is_time;
  const MambaTarget *target; /* borrowed: what a time is predicted for */
} Budget;

/* `text` is a number of bytes (B, KB, KiB, MB, MiB, GB, GiB or no unit) or of time (us, ms, s). MAMBA_INVALID
 * for another text, and for a time where the target's is not predicted: a CPU. */
MAMBA_MUST_CHECK MambaStatus budgetParse(const char *text, const MambaTarget *target, Budget *budget,
                                         MambaError *error);

/* The cost, in the budget's unit, of a program with the `blocks` worst blocks in 16 bits. */
typedef MambaStatus (*BudgetCost)(void *context, intptr_t blocks, double *cost, MambaError *error);

/* Into *blocks the largest number of `count` whose cost is within the limit, found by halving. MAMBA_INVALID
 * where not even 0 is. */
MAMBA_MUST_CHECK MambaStatus budgetSpend(const Budget *budget, BudgetCost cost, void *context, intptr_t count,
                                         intptr_t *blocks, MambaError *error);

/* ---- Costs ------------------------------------------------------------------------------------------ */

/* What a bundle's weights file has with int8 in all blocks but those that `is_float` is true for: matrices
 * with their scales and packing, vectors in f32, and the head as `head` says ("token", "w8" or "16"). */
double budgetBytes(MlirOperation module, const SiteGroup *groups, intptr_t count, const bool *is_float,
                   const char *head);

/* What mamba-plan predicts for a token of the module with its choices, in seconds: on a copy that goes
 * through the rest of the recipe `best`. `statistics` is a path for the file of a short calibration, which is
 * written anew. */
MAMBA_MUST_CHECK MambaStatus budgetSeconds(MlirOperation module, const MambaTarget *target, const char *head,
                                           const char *statistics, double *seconds, MambaError *error);

#endif
