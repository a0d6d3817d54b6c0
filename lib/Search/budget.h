/* How many bytes the weights of a program may take, and which blocks can stay in 16 bits within that. */
#ifndef MAMBA_SEARCH_BUDGET_H
#define MAMBA_SEARCH_BUDGET_H

#include "sites.h"

typedef struct Budget {
  double left;   /* bytes, when every matrix is int8 */
  double *extra; /* bytes of each block for 16 bits; negative once it has them or cannot */
} Budget;

/* `text` is a number of bytes, with a unit (B, KB, KiB, MB, MiB, GB, GiB). Counts what a bundle's weights
 * file has: int8 matrices with their scales and packing, vectors in f32, and the head as `head` says ("token"
 * or "16"). MAMBA_INVALID for another text and where int8 alone takes more. The caller destroys the budget.
 */
MAMBA_MUST_CHECK MambaStatus budgetCreate(MlirOperation module, const SiteGroup *groups, intptr_t count,
                                          const char *text, const char *head, Budget *budget,
                                          MambaError *error);
/* The block of the largest error that still fits, taken off the budget; -1 when there is none. */
intptr_t budgetNext(Budget *budget, const double *errors, intptr_t count);
void budgetDestroy(Budget *budget);

#endif
