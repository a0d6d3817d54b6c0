/* What calibration saw of a value, as the passes ask for it. */
#ifndef MAMBA_PASSES_SITE_STATISTICS_H
#define MAMBA_PASSES_SITE_STATISTICS_H

#include "mamba/ir.h"
#include "mamba/json.h"
#include "mamba/statistics.h"

/* The records that mamba-calibrate left: the `mamba.stats` of each op, and the file that the module's
 * `mamba.statistics` names, read on first use. */
typedef struct SiteStatistics {
  MlirOperation module;
  json_t *file; /* its "sites" are records of mamba/statistics.h by value name; null before it is read */
} SiteStatistics;

void siteStatisticsDestroy(SiteStatistics *statistics);

/* The percentile of |value|, in (0, 100]; 100 is the absolute maximum. From the op's summary where that has
 * it, else from the file. False after a diagnostic. */
bool siteStatisticsPercentile(SiteStatistics *statistics, MlirValue value, double percentile, double *result);

/* The limit of least squared error in int8 (mambaStatisticsGetFittedLimit), likewise. */
bool siteStatisticsFitted(SiteStatistics *statistics, MlirValue value, double *result);

/* The whole record of that name in the file, of a value or of a state, which the caller destroys. NULL after a
 * diagnostic at `op`. */
MambaStatistics *siteStatisticsRecord(SiteStatistics *statistics, MlirOperation op, MlirStringRef name);

/* Builds the absolute maximum of each channel of a value, [channels] f32, as a weight of the file of
 * mamba-calibrate that has them. False after a diagnostic. */
bool siteStatisticsBuildChannelAbsmax(SiteStatistics *statistics, MambaBuilder *builder, MlirValue value,
                                      MlirValue *result);

#endif
