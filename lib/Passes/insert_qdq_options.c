#include "insert_qdq_options.h"

#include <string.h>

#include "choices.h"

/* "site=kind" */
static MambaStatus parseEntry(MlirStringRef entry, Storage *storage, MambaError *error) {
  Choice choice;
  MambaStatus status = choiceParse(entry, &choice, error);
  if (!status && choice.property != CHOICE_STORAGE)
    status =
        mambaFail(error, MAMBA_INVALID, "expected site=kind, found '%.*s'", (int)entry.length, entry.data);
  if (!status) {
    storage->sites[choice.site] = choice.storage;
    storage->given[choice.site] = true;
  }
  return status;
}

bool parseStorage(MlirOperation module, const MambaInsertQdqOptions *options, Storage *storage) {
  memset(storage, 0, sizeof *storage);
  storage->sites[SITE_HEAD].kind = STORE_F32;
  storage->row_scales = !strcmp(options->weights, "row");
  if (!storage->row_scales && strcmp(options->weights, "tensor")) {
    mambaEmitError(module, "mamba-insert-qdq: weights: expected row or tensor, found '%s'", options->weights);
    return false;
  }
  storage->state_i8 = !strcmp(options->state, "i8");
  if (!storage->state_i8 && strcmp(options->state, "f32")) {
    mambaEmitError(module, "mamba-insert-qdq: state: expected f32 or i8, found '%s'", options->state);
    return false;
  }
  const char *rest = options->sites;
  MlirStringRef entry;
  MambaError error;
  while (nextEntry(&rest, &entry))
    if (parseEntry(entry, storage, &error)) {
      mambaEmitError(module, "mamba-insert-qdq: sites: %s", error.message);
      return false;
    }
  return true;
}

/* A matrix of floats gives f32: no kernel would round that to f16. */
static void widen(Storage *storage, SiteKind matrix, SiteKind first, SiteKind second) {
  const SiteKind results[] = {first, second};
  for (int i = 0; i < 2 && !isIntegers(storage->sites[matrix]); i++)
    if (storage->sites[results[i]].kind == STORE_F16)
      storage->sites[results[i]].kind = STORE_F32;
}

bool storageOfGroup(const Storage *options, const SiteGroup *group, Storage *storage) {
  *storage = *options;
  for (int kind = 0; kind < SITE_COUNT; kind++) {
    Choice choice;
    bool given;
    if (mlirOperationIsNull(group->sites[kind].reader))
      continue;
    if (!choiceGet(group->sites[kind], (SiteKind)kind, CHOICE_STORAGE, &choice, &given))
      return false;
    if (given) {
      storage->sites[kind] = choice.storage;
      storage->given[kind] = true;
    }
  }
  if (!storage->given[SITE_UX])
    storage->sites[SITE_UX] = storage->sites[SITE_U];
  widen(storage, SITE_IN, SITE_X, SITE_Z);
  widen(storage, SITE_UX, SITE_B, SITE_C);
  return true;
}
