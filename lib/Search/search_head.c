#include "search_head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "block_module.h"
#include "mamba/hadamard.h"
#include "mamba/passes.h"

enum { ROWS = 256 };

typedef struct Trial {
  MlirOperation module; /* the head by itself */
  int64_t rows, vocabulary;
  float *expected, *found; /* [rows, vocabulary] */
} Trial;

static double meanOf(const float *row, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; i++)
    sum += (double)row[i];
  return sum / (double)count;
}

static double errorOf(const Trial *t) {
  double difference = 0, energy = 0;
  for (int64_t row = 0; row < t->rows; row++) {
    const float *expected = t->expected + row * t->vocabulary, *found = t->found + row * t->vocabulary;
    const double expected_mean = meanOf(expected, t->vocabulary), found_mean = meanOf(found, t->vocabulary);
    for (int64_t i = 0; i < t->vocabulary; i++) {
      const double e = (double)expected[i] - expected_mean, d = (double)found[i] - found_mean - e;
      difference += d * d;
      energy += e * e;
    }
  }
  return energy > 0 ? difference / energy : difference > 0 ? INFINITY : 0;
}

static bool isPossible(const HeadSearch *search, const Candidate *candidate) {
  if (candidate->rotated && !mambaHadamardIsSupported(search->record->channels))
    return false;
  return !mambaTargetIsCuda(search->target) || !strstr(candidate->choices, "head=w8"); /* no such kernel */
}

static bool measure(const HeadSearch *search, Trial *t, const Candidate *candidate, double *error) {
  const MambaRotateOptions rotate = {.sites = "none"};
  const MambaInsertQdqOptions insert = {.weights = "row", .sites = "", .state = "f32"};
  const MlirOperation module = mlirOperationClone(t->module);
  SiteGroup *groups = NULL;
  intptr_t count = 0;
  MambaError message;
  bool ok = findSites(module, &groups, &count);
  if (ok)
    setChoices(&groups[0], candidate->choices);
  free(groups);
  ok = ok && mambaPassRotate(module, &rotate) && mambaPassFoldHadamard(module) &&
       mambaPassInsertQdq(module, &insert);
  if (ok && blockModuleRun(module, 1, t->rows, t->found, &message) != MAMBA_OK) {
    mambaEmitError(search->module, "mamba-search: %s", message.message);
    ok = false;
  }
  mlirOperationDestroy(module);
  *error = ok ? errorOf(t) : NAN;
  return ok;
}

/* The head in float: what it gives for the first rows. */
static bool prepare(const HeadSearch *search, Trial *t) {
  const BlockRecord *record = search->record;
  const int64_t rows = record->samples * record->length;
  MambaError error;
  t->rows = rows < ROWS ? rows : ROWS;
  t->vocabulary = mambaChannels(mlirOperationGetResult(search->group->sites[SITE_HEAD].reader, 0));
  const size_t bytes = (size_t)(t->rows * t->vocabulary) * sizeof *t->expected;
  t->expected = malloc(bytes);
  t->found = malloc(bytes);
  MambaStatus status =
      t->expected && t->found
          ? MAMBA_OK
          : mambaFail(&error, MAMBA_NO_MEMORY, "no memory for logits of two times %zu bytes", bytes);
  if (!status)
    status = blockRecordRead(record, search->block, search->input, &error);
  if (status) {
    mambaEmitFailure(search->module, "mamba-search", &error);
    return false;
  }
  t->module = blockModuleCreate(search->module, search->block, search->folder, search->input, t->rows,
                                record->channels);
  if (mlirOperationIsNull(t->module))
    return false;
  if (blockModuleRun(t->module, 1, t->rows, t->expected, &error) == MAMBA_OK)
    return true;
  mambaEmitFailure(search->module, "mamba-search", &error);
  return false;
}

bool searchHead(const HeadSearch *search, const char **head) {
  Trial t = {.module = {NULL}};
  double errors[MAX_CANDIDATES];
  bool ok = prepare(search, &t);
  for (int c = 0; ok && kHead.candidates[c].choices; c++) {
    errors[c] = NAN;
    if (isPossible(search, &kHead.candidates[c]))
      ok = measure(search, &t, &kHead.candidates[c], &errors[c]);
  }
  if (ok) {
    const int chosen = decisionChoose(&kHead, errors, search->slack);
    const char *choices = kHead.candidates[chosen].choices;
    decisionRecord(&kHead, errors, chosen, search->group);
    *head = strstr(choices, "head=token") ? "token" : strstr(choices, "head=w8") ? "w8" : "16";
  }
  if (!mlirOperationIsNull(t.module))
    mlirOperationDestroy(t.module);
  free(t.expected);
  free(t.found);
  return ok;
}
