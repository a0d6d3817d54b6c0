#include "site_statistics.h"

#include <stdio.h>
#include <stdlib.h>

#include "mamba/statistics.h"

/* The symbol of the file with one tensor "<value name>.absmax" per site. */
#define CHANNEL_CHECKPOINT "statistics"

void siteStatisticsDestroy(SiteStatistics *statistics) {
  json_decref(statistics->file);
}

/* Where a diagnostic about a value belongs. */
static MlirOperation place(SiteStatistics *statistics, MlirValue value) {
  const MlirOperation op = mambaDefiningOp(value);
  return mlirOperationIsNull(op) ? statistics->module : op;
}

static bool fromSummary(MlirValue value, const char *key, double *result) {
  const MlirAttribute summary =
      mlirOperationGetDiscardableAttributeByName(mambaDefiningOp(value), mambaRef("mamba.stats"));
  if (mlirAttributeIsNull(summary) || !mlirAttributeIsADictionary(summary))
    return false;
  const MlirAttribute number = mlirDictionaryAttrGetElementByName(summary, mambaRef(key));
  if (mlirAttributeIsNull(number) || !mlirAttributeIsAFloat(number))
    return false;
  *result = mlirFloatAttrGetValueDouble(number);
  return true;
}

static bool open(SiteStatistics *statistics, MlirOperation op, MlirStringRef name) {
  if (statistics->file)
    return true;
  const MlirAttribute path =
      mlirOperationGetAttributeByName(statistics->module, mambaRef("mamba.statistics"));
  if (mlirAttributeIsNull(path) || !mlirAttributeIsAString(path)) {
    mambaEmitError(
        op, "no statistics of '%.*s': run mamba-calibrate first, with statistics=FILE for what its summary "
        "lacks",
        (int)name.length, name.data);
    return false;
  }
  char text[4096];
  const MlirStringRef ref = mlirStringAttrGetValue(path);
  snprintf(text, sizeof text, "%.*s", (int)ref.length, ref.data);
  MambaError error;
  if (mambaJsonReadObject(text, &statistics->file, &error) != MAMBA_OK) {
    mambaEmitError(statistics->module, "%s", error.message);
    return false;
  }
  return true;
}

MambaStatistics *siteStatisticsRecord(SiteStatistics *statistics, MlirOperation op, MlirStringRef name) {
  if (!open(statistics, op, name))
    return NULL;
  char text[256];
  snprintf(text, sizeof text, "%.*s", (int)name.length, name.data);
  const json_t *object = json_object_get(json_object_get(statistics->file, "sites"), text);
  if (!object) {
    mambaEmitError(
        op,
        "no statistics of '%s' in the statistics file: run mamba-calibrate after the passes that made it",
        text);
    return NULL;
  }
  MambaStatistics *record = NULL;
  MambaError error;
  if (mambaStatisticsFromJson(object, text, &record, &error) != MAMBA_OK)
    mambaEmitError(op, "statistics file: %s", error.message);
  return record;
}

static MambaStatistics *fromFile(SiteStatistics *statistics, MlirValue value) {
  return siteStatisticsRecord(statistics, place(statistics, value), mambaValueName(value));
}

bool siteStatisticsPercentile(SiteStatistics *statistics, MlirValue value, double percentile,
                              double *result) {
  char key[32];
  snprintf(key, sizeof key, percentile == 100 ? "absmax" : "p%.10g", percentile);
  if (fromSummary(value, key, result))
    return true;
  MambaStatistics *record = fromFile(statistics, value);
  if (record)
    *result = mambaStatisticsGetPercentile(record, percentile);
  mambaStatisticsDestroy(record);
  return record != NULL;
}

bool siteStatisticsFitted(SiteStatistics *statistics, MlirValue value, double *result) {
  if (fromSummary(value, "fitted", result))
    return true;
  MambaStatistics *record = fromFile(statistics, value);
  if (record)
    *result = mambaStatisticsGetFittedLimit(record);
  mambaStatisticsDestroy(record);
  return record != NULL;
}

bool siteStatisticsBuildChannelAbsmax(SiteStatistics *statistics, MambaBuilder *builder, MlirValue value,
                                      MlirValue *result) {
  const MlirStringRef name = mambaValueName(value);
  if (mlirOperationIsNull(mambaSymbol(statistics->module, mambaRef(CHANNEL_CHECKPOINT)))) {
    mambaEmitError(place(statistics, value),
                   "no statistics of the channels of '%.*s': run mamba-calibrate with statistics=FILE first",
                   (int)name.length, name.data);
    return false;
  }
  char key[256];
  snprintf(key, sizeof key, "%.*s.absmax", (int)name.length, name.data);
  const int64_t channels = mambaChannels(value);
  *result = mambaBuildWeight(builder, mambaRef(CHANNEL_CHECKPOINT), mambaRef(key),
                             mambaTensorType(builder->context, MAMBA_ELEMENT_F32, 1, &channels));
  return true;
}
