/* x becomes H^T (H x) where a linear layer reads it: nothing changes, but H x is there to be quantized. */
#include "mamba/passes.h"

#include <stdlib.h>
#include <string.h>

#include "builders.h"
#include "choices.h"
#include "mamba/hadamard.h"
#include "mamba/suggest.h"
#include "rotate.h"

void refuseHadamard(MlirValue value) {
  const MlirStringRef name = mambaValueName(value);
  mambaEmitError(mambaDefiningOp(value),
                 "no Hadamard matrix for the %lld channels of '%.*s': expected 2^k times 1, 12, 20, 28 or 40",
                 (long long)mambaChannels(value), (int)name.length, name.data);
}

static bool rotate(Site site, MlirBlock body) {
  const MlirValue value = siteOperand(site);
  const MlirStringRef name = mambaValueName(value);
  if (mambaDefiningKind(value) == MAMBA_OP_HADAMARD) {
    mambaEmitError(mambaDefiningOp(value), "'%.*s' is rotated already", (int)name.length, name.data);
    return false;
  }
  if (!mambaHadamardIsSupported(mambaChannels(value))) {
    refuseHadamard(value);
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

typedef struct Wanted {
  bool sites[SITE_COUNT];
  bool residual;
} Wanted;

static bool parseSites(MlirOperation module, const char *list, Wanted *wanted) {
  MlirStringRef entry;
  while (strcmp(list, "none") && nextEntry(&list, &entry)) {
    const SiteKind kind = siteNamed(entry);
    const bool residual = mambaRefIs(entry, "residual");
    if (kind != SITE_Y && kind != SITE_IN && kind != SITE_HEAD && !residual) {
      static const char *const names[] = {"y", "in", "head", "residual"};
      char expected[256];
      mambaSuggestDescribe(entry.data, entry.length, names, 4, sizeof *names, expected, sizeof expected);
      mambaEmitError(module, "mamba-rotate: sites: %s", expected);
      return false;
    }
    if (residual)
      wanted->residual = true;
    else
      wanted->sites[kind] = true;
  }
  return true;
}

static bool rotateIfWanted(Site site, SiteKind kind, bool wanted, MlirBlock body) {
  Choice choice;
  bool given;
  if (!choiceGet(site, kind, CHOICE_ROTATE, &choice, &given))
    return false;
  /* A choice stays on its op when the pass runs once more for another site. */
  const bool done = given && mambaDefiningKind(siteOperand(site)) == MAMBA_OP_HADAMARD;
  return done || !(given ? choice.enabled : wanted) || rotate(site, body);
}

bool mambaPassRotate(MlirOperation module, const MambaRotateOptions *options) {
  Wanted wanted = {.residual = false};
  SiteGroup *groups = NULL;
  intptr_t count = 0;
  bool ok = parseSites(module, options->sites, &wanted) && findSites(module, &groups, &count);
  for (intptr_t i = 0; ok && i < count; i++)
    for (int kind = 0; ok && kind < SITE_COUNT; kind++)
      if (!mlirOperationIsNull(groups[i].sites[kind].reader))
        ok = rotateIfWanted(groups[i].sites[kind], (SiteKind)kind, wanted.sites[kind],
                            mambaForwardBody(module));
  if (ok && wanted.residual)
    ok = rotateResidual(module);
  free(groups);
  return ok;
}
