/* x becomes H^T (H x) where a linear layer reads it: nothing changes, but H x is there to be quantized. */
#include "mamba/passes.h"

#include <stdlib.h>

#include "builders.h"
#include "mamba/hadamard.h"
#include "sites.h"

static bool rotate(Site site, MlirBlock body) {
  const MlirValue value = siteOperand(site);
  const MlirStringRef name = mambaValueName(value);
  if (mambaDefiningKind(value) == MAMBA_OP_HADAMARD) {
    mambaEmitError(mambaDefiningOp(value), "'%.*s' is rotated already", (int)name.length, name.data);
    return false;
  }
  if (!mambaHadamardIsSupported(mambaChannels(value))) {
    mambaEmitError(
        mambaDefiningOp(value),
        "no Hadamard matrix for the %lld channels of '%.*s': expected 2^k times 1, 12, 20, 28 or 40",
        (long long)mambaChannels(value), (int)name.length, name.data);
    return false;
  }
  MambaBuilder builder = builderAfter(value, body);
  const int64_t axis = mambaRank(value) - 1;
  const MlirValue rotated =
      mambaBuildHadamard(&builder, suffixed(builder.context, name, "_rotated"), value, axis, false);
  const MlirValue restored =
      mambaBuildHadamard(&builder, suffixed(builder.context, name, "_restored"), rotated, axis, true);
  siteReplace(site, restored);
  return true;
}

static bool parseSites(MlirOperation module, const char *list, bool wanted[SITE_COUNT]) {
  MlirStringRef entry;
  while (nextEntry(&list, &entry)) {
    const SiteKind kind = siteNamed(entry);
    if (kind != SITE_Y && kind != SITE_IN && kind != SITE_HEAD) {
      mambaEmitError(module, "mamba-rotate: sites: expected y, in or head, found '%.*s'", (int)entry.length,
                     entry.data);
      return false;
    }
    wanted[kind] = true;
  }
  return true;
}

bool mambaPassRotate(MlirOperation module, const MambaRotateOptions *options) {
  bool wanted[SITE_COUNT] = {false};
  SiteGroup *groups = NULL;
  intptr_t count = 0;
  bool ok = parseSites(module, options->sites, wanted) && findSites(module, &groups, &count);
  for (intptr_t i = 0; ok && i < count; i++)
    for (int kind = 0; ok && kind < SITE_COUNT; kind++)
      if (wanted[kind] && !mlirOperationIsNull(groups[i].sites[kind].reader))
        ok = rotate(groups[i].sites[kind], mambaForwardBody(module));
  free(groups);
  return ok;
}
