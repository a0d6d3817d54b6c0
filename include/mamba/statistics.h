/* What calibration records of a value with C channels: extremes, moments, and a histogram of |x| fine
 * enough for any percentile.
 *
 * Everything is a count, an extreme or a sum of integers, so adding rows in any order, or in parts that
 * are merged, gives the same record to the bit. Infinities and NaN are counted and otherwise ignored.
 * Memory: 24 bytes a channel and 8 KiB per power of two that occurs. */
#ifndef MAMBA_STATISTICS_H
#define MAMBA_STATISTICS_H

#include "mamba/status.h"

#include <jansson.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct MambaStatistics MambaStatistics;

/* An empty record for 1 to 2^31 - 1 channels. The caller destroys it. */
MAMBA_MUST_CHECK MambaStatus mambaStatisticsCreate(int64_t channels, MambaStatistics **statistics,
                                                   MambaError *error);
/* NULL is allowed. */
void mambaStatisticsDestroy(MambaStatistics *statistics);

/* Adds `rows` rows of C values. MAMBA_INVALID at 2^36 values (the sums' bound) or 2^32 at once,
 * MAMBA_NO_MEMORY; the record then is unchanged. */
MAMBA_MUST_CHECK MambaStatus mambaStatisticsAdd(MambaStatistics *statistics, const float *values,
                                                int64_t rows, MambaError *error);
/* The same in steps that many workers can share: each counts its share of the values into a tally of its own
 * (mambaTallyAdd), and widens the extremes of its share of the channels (mambaStatisticsWiden); then, when
 * all have done so, each takes its part of what the tallies hold (mambaStatisticsTake), which leaves them
 * empty. A tally is 6 MiB, most of them never touched. */
typedef struct MambaTally MambaTally;
MAMBA_MUST_CHECK MambaStatus mambaTallyCreate(MambaTally **tally, MambaError *error);
/* NULL is allowed. */
void mambaTallyDestroy(MambaTally *tally);
/* At most 2^32 - 1 values from one taking to the next. */
void mambaTallyAdd(MambaTally *tally, const float *values, int64_t count);
/* MAMBA_INVALID unless the record can take that many values more. */
MAMBA_MUST_CHECK MambaStatus mambaStatisticsCheckRoom(const MambaStatistics *statistics, int64_t values,
                                                      MambaError *error);
/* Channels [begin, end) of `rows` rows of C values. */
void mambaStatisticsWiden(MambaStatistics *statistics, const float *values, int64_t rows, int64_t begin,
                          int64_t end);
/* Part `part` of `parts`. MAMBA_NO_MEMORY: this part was not taken. */
MAMBA_MUST_CHECK MambaStatus mambaStatisticsTake(MambaStatistics *statistics, MambaTally *const *tallies,
                                                 int tally_count, int part, int parts, MambaError *error);
/* Adds everything that `other` holds; both have as many channels, else MAMBA_INVALID. */
MAMBA_MUST_CHECK MambaStatus mambaStatisticsMerge(MambaStatistics *statistics, const MambaStatistics *other,
                                                  MambaError *error);

int64_t mambaStatisticsGetChannels(const MambaStatistics *statistics);
/* Finite values, and the others. */
int64_t mambaStatisticsGetCount(const MambaStatistics *statistics);
int64_t mambaStatisticsGetNonFinite(const MambaStatistics *statistics);

/* Extremes of all finite values; 0 when there are none. */
float mambaStatisticsGetAbsmax(const MambaStatistics *statistics);
float mambaStatisticsGetMin(const MambaStatistics *statistics);
float mambaStatisticsGetMax(const MambaStatistics *statistics);
/* Mean and standard deviation (of the population) from exact sums; 0 when there are no values. */
double mambaStatisticsGetMean(const MambaStatistics *statistics);
double mambaStatisticsGetDeviation(const MambaStatistics *statistics);
/* The fourth standardized moment, 3 for a Gaussian; 0 where all values are equal. Third and fourth powers
 * are those of the middle of a value's bin: within 1% unless the mean is several deviations from zero. */
double mambaStatisticsGetKurtosis(const MambaStatistics *statistics);

/* Extremes of each channel: C values, borrowed. A channel without finite values has 0, +infinity and
 * -infinity. */
const float *mambaStatisticsGetChannelAbsmax(const MambaStatistics *statistics);
const float *mambaStatisticsGetChannelMin(const MambaStatistics *statistics);
const float *mambaStatisticsGetChannelMax(const MambaStatistics *statistics);

/* Counts |x| in `bins` bins of the same width over [0, absmax], each value in the bin of its place in the
 * record's finer histogram. All in the first one when absmax is 0. */
void mambaStatisticsGetHistogram(const MambaStatistics *statistics, uint64_t *counts, size_t bins);

/* The p-th percentile of |x|, p in (0, 100]: with n values and v the one of rank ceil(p n / 100) (in double)
 * in increasing order, a number in [v, v (1 + 2^-10)] (for |v| >= 2^-126), at most the absolute maximum; for
 * p = 100 that maximum. 0 when there are no values. */
double mambaStatisticsGetPercentile(const MambaStatistics *statistics, double p);

/* The limit L whose int8 quantization, with the scale L / 127, has the least squared error over the values
 * that were seen: what saturates costs more the smaller L is, what does not, less. One of absmax * 2^(-k /
 * 16), k from 0 to 64; each value is taken for the middle of its bin of the histogram. 0 when all values are.
 */
double mambaStatisticsGetFittedLimit(const MambaStatistics *statistics);

/* The whole record as a new JSON object, which the caller owns. */
MAMBA_MUST_CHECK MambaStatus mambaStatisticsToJson(const MambaStatistics *statistics, json_t **object,
                                                   MambaError *error);
/* The record that an object holds; `label` names it in messages. MAMBA_INVALID says which member was
 * wrong. The caller destroys *statistics. */
MAMBA_MUST_CHECK MambaStatus mambaStatisticsFromJson(const json_t *object, const char *label,
                                                     MambaStatistics **statistics, MambaError *error);

#ifdef __cplusplus
}
#endif
#endif
