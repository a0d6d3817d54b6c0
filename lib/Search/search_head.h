/* The head: in int8, or as it is stored. */
#ifndef MAMBA_SEARCH_SEARCH_HEAD_H
#define MAMBA_SEARCH_SEARCH_HEAD_H

#include "block_record.h"
#include "decisions.h"
#include "mamba/target.h"

typedef struct HeadSearch {
  MlirOperation module;      /* the model, level 1 */
  const SiteGroup *group;    /* the head's */
  const BlockRecord *record; /* has what the head reads as that of `block` */
  intptr_t block;
  const char *folder; /* for its files: see blockModuleCreate */
  float *input;       /* memory for all rows of the record */
  double slack;       /* see decisionChoose */
  const MambaTarget *target;
} HeadSearch;

/* Runs the head over the first rows of the record with each candidate, writes down what was chosen, and gives
 * "token", "w8" or "16" for it. The error is the energy of the difference of the logits over that of the
 * logits, both without their mean over the vocabulary, which predictions do not depend on. False after a
 * diagnostic. */
bool searchHead(const HeadSearch *search, const char **head);

#endif
