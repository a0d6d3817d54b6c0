/* The scan's input u is clamped, for the scan and for x_proj, at a percentile of what calibration saw. */
#include "mamba/passes.h"

#include <stdlib.h>

#include "builders.h"
#include "choices.h"
#include "site_statistics.h"

/* What arXiv 2410.13229 gives for its smallest model and its largest, mamba-2.8b, whose u has 5120 channels.
 */
static double publishedPercentile(MlirValue u) {
  return mambaChannels(u) < 5120 ? 99.999 : 99.9;
}

static MlirValue clamp(MlirValue u, double limit, MlirBlock body) {
  MambaBuilder builder = builderAfter(u, body);
  MambaOpState state = {.kind = MAMBA_OP_CLAMP,
                        .location = suffixed(builder.context, mambaValueName(u), "_clamped"),
                        .operands = {u},
                        .results = {mlirValueGetType(u)},
                        .result_count = 1};
  mambaSetFloat(&state, "limit", limit);
  return mlirOperationGetResult(mambaBuild(&builder, &state), 0);
}

static bool clampBlock(const SiteGroup *group, SiteStatistics *statistics, double percentile) {
  const Site scan = group->sites[SITE_U], x_proj = group->sites[SITE_UX];
  const MlirValue u = siteOperand(scan);
  if (mambaDefiningKind(u) != MAMBA_OP_SILU || !mlirValueEqual(u, siteOperand(x_proj))) {
    mambaEmitError(scan.reader,
                   "expected the scan and x_proj to read the convolution's `silu` itself, found `%s` "
                   "and `%s`: clamp before quantizing, and once",
                   mambaOpMnemonic(mambaDefiningKind(u)),
                   mambaOpMnemonic(mambaDefiningKind(siteOperand(x_proj))));
    return false;
  }
  Choice choice;
  bool given;
  double limit = 0;
  if (!choiceGet(scan, SITE_U, CHOICE_CLAMP, &choice, &given))
    return false;
  if (given && !choice.enabled)
    return true;
  if (given)
    percentile = choice.number;
  if (!siteStatisticsPercentile(statistics, u, percentile > 0 ? percentile : publishedPercentile(u), &limit))
    return false;
  if (limit > 0) { /* else u is zero wherever it was looked at */
    const MlirValue clamped = clamp(u, limit, mlirOperationGetBlock(scan.reader));
    siteReplace(scan, clamped);
    siteReplace(x_proj, clamped);
  }
  return true;
}

bool mambaPassClampScan(MlirOperation module, const MambaClampScanOptions *options) {
  if (!(options->percentile >= 0 && options->percentile <= 100)) {
    mambaEmitError(module,
                   "mamba-clamp-scan: percentile: expected a number in (0, 100], or 0 for the paper's own, "
                   "found %g",
                   options->percentile);
    return false;
  }
  SiteStatistics statistics = {.module = module};
  SiteGroup *groups = NULL;
  intptr_t count = 0;
  bool ok = findSites(module, &groups, &count);
  for (intptr_t i = 0; ok && i < count; i++)
    if (!mlirOperationIsNull(groups[i].scan))
      ok = clampBlock(&groups[i], &statistics, options->percentile);
  siteStatisticsDestroy(&statistics);
  free(groups);
  return ok;
}
