#include "storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kKinds[STORE_COUNT] = {"tensor",  "fitted", "pNN", "token",
                                                "channel", "w8",     "f16", "f32"};

static bool isMatrixInput(SiteKind site) {
  return site == SITE_IN || site == SITE_UX || site == SITE_DT || site == SITE_Y || site == SITE_HEAD;
}

/* A scale that is found at run time needs a reader that takes one: a matrix. One scale per channel needs a
 * reader that applies it before a sum, or weights that take it. A matrix of floats reads f32. */
static bool isPossible(SiteKind site, StorageKind kind) {
  switch (kind) {
  case STORE_TOKEN:
  case STORE_W8:
    return isMatrixInput(site);
  case STORE_CHANNEL:
    return site == SITE_U || site == SITE_UX || site == SITE_Z || site == SITE_B || site == SITE_C;
  case STORE_F16:
    return !isMatrixInput(site);
  default:
    return true;
  }
}

/* "p99.99" */
static bool parsePercentile(MlirStringRef text, double *percentile) {
  char number[32], *end;
  if (text.length < 2 || text.length > sizeof number || text.data[0] != 'p')
    return false;
  memcpy(number, text.data + 1, text.length - 1);
  number[text.length - 1] = 0;
  *percentile = strtod(number, &end);
  return !*end && *percentile > 0 && *percentile <= 100;
}

MambaStatus storageParse(SiteKind site, MlirStringRef text, SiteStorage *storage, MambaError *error) {
  char list[128] = "";
  SiteStorage parsed = {STORE_PERCENTILE, 0};
  if (!parsePercentile(text, &parsed.percentile)) {
    parsed.kind = STORE_TENSOR;
    while (parsed.kind < STORE_COUNT &&
           (parsed.kind == STORE_PERCENTILE || !mambaRefIs(text, kKinds[parsed.kind])))
      parsed.kind++;
  }
  if (parsed.kind < STORE_COUNT && isPossible(site, parsed.kind)) {
    *storage = parsed;
    return MAMBA_OK;
  }
  for (int k = 0; k < STORE_COUNT; k++) {
    const size_t used = strlen(list);
    if (isPossible(site, (StorageKind)k))
      snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", kKinds[k]);
  }
  return mambaFail(error, MAMBA_INVALID, "expected %s=%s, found '%.*s'", kSiteNames[site], list,
                   (int)text.length, text.data);
}
