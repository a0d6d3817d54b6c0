/* mamba-report-outliers: what calibration has seen, site by site, and which channels stand out. */
#include "mamba/passes.h"
#include "mamba/report.h"
#include "mamba/output_file.h"

#include "site_statistics.h"
#include "sites.h"

#include <stdlib.h>
#include <string.h>

typedef struct Report {
  SiteStatistics statistics;
  json_t *outliers;
} Report;

static bool addNamed(Report *r, int64_t layer, const char *site, MlirOperation op, MlirStringRef name) {
  char text[256];
  MambaError error;
  MambaStatistics *record = siteStatisticsRecord(&r->statistics, op, name);
  if (!record)
    return false;
  snprintf(text, sizeof text, "%.*s", (int)name.length, name.data);
  const MambaStatus status = mambaOutliersAdd(r->outliers, layer, site, text, record, &error);
  if (status)
    mambaEmitError(op, "mamba-report-outliers: %s", error.message);
  mambaStatisticsDestroy(record);
  return !status;
}

static bool addValue(Report *r, int64_t layer, const char *site, MlirValue value) {
  return addNamed(r, layer, site, mambaDefiningOp(value), mambaValueName(value));
}

/* The value that the model has there, and, where a rotation is between, the rotated one. */
static bool addSite(Report *r, int64_t layer, const char *name, Site site) {
  const MlirValue rotated = siteOperand(siteTarget(site));
  MlirValue value = rotated;
  while (mambaDefiningKind(value) == MAMBA_OP_HADAMARD || mambaDefiningKind(value) == MAMBA_OP_CLAMP)
    value = mlirOperationGetOperand(mambaDefiningOp(value), 0);
  char rotated_name[32];
  snprintf(rotated_name, sizeof rotated_name, "%s_rotated", name);
  return addValue(r, layer, name, value) &&
         (mambaDefiningKind(rotated) != MAMBA_OP_HADAMARD || addValue(r, layer, rotated_name, rotated));
}

static bool addState(Report *r, int64_t layer, MlirOperation scan) {
  return addNamed(r, layer, "state", scan, mambaStringAttribute(scan, "state"));
}

/* Every value once: x_proj reads what the scan reads. */
static bool addBlock(Report *r, int64_t layer, const SiteGroup *group) {
  static const SiteKind kinds[] = {SITE_IN, SITE_X, SITE_Z, SITE_U, SITE_DT, SITE_B, SITE_C, SITE_Y};
  bool ok = true;
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && ok; i++)
    ok = addSite(r, layer, kSiteNames[kinds[i]], group->sites[kinds[i]]);
  return ok && addValue(r, layer, "delta", mambaOperand(group->scan, "dt")) && addState(r, layer, group->scan);
}

static MambaStatus writeJson(const char *path, const json_t *report, MambaError *error) {
  char *text = json_dumps(report, JSON_COMPACT);
  const MambaStatus status = text ? mambaOutputFileSave(path, text, strlen(text), error)
                                  : mambaFail(error, MAMBA_NO_MEMORY, "%s: no memory for the report", path);
  free(text);
  return status;
}

static MambaStatus writeText(const char *path, const json_t *report, MambaError *error) {
  char *text = NULL;
  size_t size = 0;
  FILE *file = open_memstream(&text, &size);
  if (file)
    mambaOutliersPrint(report, file);
  const bool failed = !file || fclose(file);
  const MambaStatus status = failed ? mambaFail(error, MAMBA_NO_MEMORY, "%s: no memory for the report", path)
                                    : mambaOutputFileSave(path, text, size, error);
  free(text);
  return status;
}

bool mambaPassReportOutliers(MlirOperation module, const MambaReportOutliersOptions *options) {
  Report r = {.statistics = {.module = module}};
  SiteGroup *groups = NULL;
  intptr_t count = 0;
  MambaError error;
  int64_t layer = 0;
  if (!findSites(module, &groups, &count))
    return false;
  r.outliers = mambaOutliersCreate(options->sigmas);
  bool ok = r.outliers;
  if (!ok)
    mambaEmitError(module, "out of memory");
  for (intptr_t i = 0; i < count && ok; i++)
    ok = mlirOperationIsNull(groups[i].scan) ? addSite(&r, -1, kSiteNames[SITE_HEAD], groups[i].sites[SITE_HEAD])
                                             : addBlock(&r, layer++, &groups[i]);
  if (ok) {
    MambaStatus status = mambaOutliersFinish(r.outliers, &error);
    if (!status && *options->json)
      status = writeJson(options->json, r.outliers, &error);
    if (!status && *options->text)
      status = writeText(options->text, r.outliers, &error);
    else if (!status && !*options->json)
      mambaOutliersPrint(r.outliers, stderr);
    if (status)
      mambaEmitError(module, "mamba-report-outliers: %s", error.message);
    ok = !status;
  }
  json_decref(r.outliers);
  siteStatisticsDestroy(&r.statistics);
  free(groups);
  return ok;
}
