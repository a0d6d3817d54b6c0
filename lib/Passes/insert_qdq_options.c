#include "insert_qdq_options.h"

#include <stdio.h>
#include <string.h>

static const char *const kKinds[STORE_COUNT] = {"tensor", "token", "channel", "f16", "f32"};

/* A scale that is found at run time needs a reader that takes one: a matrix. One scale per channel needs a
 * reader that applies it before a sum, or weights that take it. */
static bool isPossible(SiteKind site, StorageKind kind) {
  switch (kind) {
  case STORE_TOKEN:
    return site == SITE_IN || site == SITE_UX || site == SITE_DT || site == SITE_Y || site == SITE_HEAD;
  case STORE_CHANNEL:
    return site == SITE_U || site == SITE_UX || site == SITE_Z || site == SITE_B || site == SITE_C;
  default:
    return true;
  }
}

static bool refuseSite(MlirOperation module, MlirStringRef name) {
  char list[128] = "";
  for (int site = 0; site < SITE_COUNT; site++) {
    const size_t used = strlen(list);
    snprintf(list + used, sizeof list - used, "%s%s", site ? ", " : "", kSiteNames[site]);
  }
  mambaEmitError(module, "mamba-insert-qdq: sites: expected one of %s, found '%.*s'", list, (int)name.length,
                 name.data);
  return false;
}

static bool refuseKind(MlirOperation module, SiteKind site, MlirStringRef kind) {
  char list[128] = "";
  for (int k = 0; k < STORE_COUNT; k++) {
    const size_t used = strlen(list);
    if (isPossible(site, (StorageKind)k))
      snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", kKinds[k]);
  }
  mambaEmitError(module, "mamba-insert-qdq: sites: expected %s=%s, found '%.*s'", kSiteNames[site], list,
                 (int)kind.length, kind.data);
  return false;
}

/* "site=kind" */
static bool parseEntry(MlirOperation module, MlirStringRef entry, Storage *storage, bool given[SITE_COUNT]) {
  const char *equals = memchr(entry.data, '=', entry.length);
  const size_t split = equals ? (size_t)(equals - entry.data) : entry.length;
  const MlirStringRef name = mlirStringRefCreate(entry.data, split);
  const MlirStringRef text =
      equals ? mlirStringRefCreate(equals + 1, entry.length - split - 1) : mambaRef("");
  const SiteKind site = siteNamed(name);
  if (site == SITE_COUNT)
    return refuseSite(module, name);
  for (int kind = 0; kind < STORE_COUNT; kind++)
    if (mambaRefIs(text, kKinds[kind]) && isPossible(site, (StorageKind)kind)) {
      storage->sites[site] = (StorageKind)kind;
      given[site] = true;
      return true;
    }
  return refuseKind(module, site, text);
}

bool parseStorage(MlirOperation module, const MambaInsertQdqOptions *options, Storage *storage) {
  bool given[SITE_COUNT] = {false};
  memset(storage, 0, sizeof *storage);
  storage->sites[SITE_HEAD] = STORE_F32;
  storage->row_scales = !strcmp(options->weights, "row");
  if (!storage->row_scales && strcmp(options->weights, "tensor")) {
    mambaEmitError(module, "mamba-insert-qdq: weights: expected row or tensor, found '%s'", options->weights);
    return false;
  }
  const char *rest = options->sites;
  MlirStringRef entry;
  while (nextEntry(&rest, &entry))
    if (!parseEntry(module, entry, storage, given))
      return false;
  if (!given[SITE_UX])
    storage->sites[SITE_UX] = storage->sites[SITE_U];
  return true;
}
