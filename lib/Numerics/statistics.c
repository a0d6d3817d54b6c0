#include "tally.h"

#include "mamba/half.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static MambaStatus failMemory(MambaError *error) {
  return mambaFail(error, MAMBA_NO_MEMORY, "statistics: out of memory");
}

MambaStatus mambaStatisticsCreate(int64_t channels, MambaStatistics **statistics, MambaError *error) {
  if (channels < 1 || channels > INT32_MAX)
    return mambaFail(error, MAMBA_INVALID, "statistics: expected 1 to 2147483647 channels, found %lld",
                     (long long)channels);
  MambaStatistics *s = calloc(1, sizeof *s);
  if (!s)
    return failMemory(error);
  s->channels = channels;
  s->absmax = calloc((size_t)channels, 3 * sizeof *s->absmax);
  if (!s->absmax) {
    mambaStatisticsDestroy(s);
    return failMemory(error);
  }
  s->min = s->absmax + channels;
  s->max = s->min + channels;
  /* A channel without values has min > max, so that the first value sets both. */
  for (int64_t c = 0; c < channels; ++c) {
    s->min[c] = INFINITY;
    s->max[c] = -INFINITY;
  }
  *statistics = s;
  return MAMBA_OK;
}

void mambaStatisticsDestroy(MambaStatistics *s) {
  if (!s)
    return;
  for (int e = 0; e < EXPONENT_COUNT; ++e)
    free(s->octaves[e]);
  free(s->absmax);
  free(s);
}

Octave *mambaStatisticsTouch(MambaStatistics *s, int exponent) {
  if (!s->octaves[exponent])
    s->octaves[exponent] = calloc(1, sizeof(Octave));
  return s->octaves[exponent];
}

/* Widens extremes by a row. A loop over channels alone, so that compilers make vectors of it; -0 and +0 are
 * one value here, or which came first would show. */
static void widenByRow(float *restrict min, float *restrict max, const float *restrict row,
                       int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) {
    const float value = row[c] + 0.0f;
    const bool is_finite = fabsf(value) <= FLT_MAX;
    const float low = is_finite ? value : INFINITY, high = is_finite ? value : -INFINITY;
    min[c] = low < min[c] ? low : min[c];
    max[c] = high > max[c] ? high : max[c];
  }
}

/* The largest magnitude of each channel that has values. */
static void setAbsmax(MambaStatistics *s, int64_t begin, int64_t end) {
  for (int64_t c = begin; c < end; ++c)
    if (s->min[c] <= s->max[c])
      s->absmax[c] = -s->min[c] > s->max[c] ? -s->min[c] : s->max[c];
}

void mambaStatisticsWiden(MambaStatistics *s, const float *values, int64_t rows, int64_t begin, int64_t end) {
  for (int64_t row = 0; row < rows; ++row)
    widenByRow(s->min + begin, s->max + begin, values + row * s->channels + begin, end - begin);
  setAbsmax(s, begin, end);
}

/* Whether `more` values still fit. */
static bool hasRoom(const MambaStatistics *s, int64_t more) {
  return more <= MAX_VALUES - s->count - s->nonFinite;
}

MambaStatus mambaStatisticsCheckRoom(const MambaStatistics *s, int64_t values, MambaError *error) {
  return hasRoom(s, values)
             ? MAMBA_OK
             : mambaFail(error, MAMBA_INVALID, "statistics: more than 2^36 values, or 2^32 at once");
}

MambaStatus mambaStatisticsTake(MambaStatistics *s, MambaTally *const *tallies, int tally_count, int part,
                                int parts, MambaError *error) {
  for (int e = part; e < EXPONENT_COUNT; e += parts)
    for (int t = 0; t < tally_count; ++t)
      if (tallies[t]->totals[e] && !mambaStatisticsTouch(s, e))
        return failMemory(error);
  for (int e = part; e < EXPONENT_COUNT; e += parts)
    for (int t = 0; t < tally_count; ++t)
      if (tallies[t]->totals[e])
        mambaTallyMoveOctave(tallies[t], e, s->octaves[e]);
  for (int t = 0; t < tally_count && part == 0; ++t) {
    s->count += tallies[t]->finite;
    s->nonFinite += tallies[t]->nonFinite;
    tallies[t]->finite = tallies[t]->nonFinite = 0;
  }
  return MAMBA_OK;
}

MambaStatus mambaStatisticsAdd(MambaStatistics *s, const float *values, int64_t rows, MambaError *error) {
  const bool counts = rows >= 0 && rows <= UINT32_MAX / s->channels; /* in a tally */
  MambaStatus status = mambaStatisticsCheckRoom(s, counts ? rows * s->channels : INT64_MAX, error);
  MambaTally *tally = NULL;
  if (!status)
    status = mambaTallyCreate(&tally, error);
  if (!status) {
    mambaTallyAdd(tally, values, rows * s->channels);
    status = mambaStatisticsTake(s, &tally, 1, 0, 1, error);
  }
  if (!status)
    mambaStatisticsWiden(s, values, rows, 0, s->channels);
  mambaTallyDestroy(tally);
  return status;
}

MambaStatus mambaStatisticsMerge(MambaStatistics *s, const MambaStatistics *other, MambaError *error) {
  if (other->channels != s->channels)
    return mambaFail(error, MAMBA_INVALID, "statistics: expected %lld channels to merge, found %lld",
                     (long long)s->channels, (long long)other->channels);
  const MambaStatus status = mambaStatisticsCheckRoom(s, other->count + other->nonFinite, error);
  if (status)
    return status;
  for (int e = 0; e < EXPONENT_COUNT; ++e)
    if (other->octaves[e] && !mambaStatisticsTouch(s, e))
      return failMemory(error);
  s->count += other->count;
  s->nonFinite += other->nonFinite;
  for (int64_t c = 0; c < s->channels; ++c) {
    s->absmax[c] = fmaxf(s->absmax[c], other->absmax[c]);
    s->min[c] = fminf(s->min[c], other->min[c]);
    s->max[c] = fmaxf(s->max[c], other->max[c]);
  }
  for (int e = 0; e < EXPONENT_COUNT; ++e) {
    const Octave *from = other->octaves[e];
    if (!from)
      continue;
    Octave *into = s->octaves[e];
    into->sum += from->sum;
    into->squareLow += from->squareLow;
    into->squareHigh += from->squareHigh;
    into->cubes += from->cubes;
    for (int b = 0; b < BIN_COUNT; ++b)
      into->bins[b] += from->bins[b];
  }
  return MAMBA_OK;
}

int64_t mambaStatisticsGetChannels(const MambaStatistics *s) {
  return s->channels;
}
int64_t mambaStatisticsGetCount(const MambaStatistics *s) {
  return s->count;
}
int64_t mambaStatisticsGetNonFinite(const MambaStatistics *s) {
  return s->nonFinite;
}
const float *mambaStatisticsGetChannelAbsmax(const MambaStatistics *s) {
  return s->absmax;
}
const float *mambaStatisticsGetChannelMin(const MambaStatistics *s) {
  return s->min;
}
const float *mambaStatisticsGetChannelMax(const MambaStatistics *s) {
  return s->max;
}

float mambaStatisticsGetAbsmax(const MambaStatistics *s) {
  float absmax = 0;
  for (int64_t c = 0; c < s->channels; ++c)
    absmax = fmaxf(absmax, s->absmax[c]);
  return absmax;
}

float mambaStatisticsGetMin(const MambaStatistics *s) {
  float min = INFINITY;
  for (int64_t c = 0; c < s->channels; ++c)
    min = fminf(min, s->min[c]);
  return s->count > 0 ? min : 0;
}

float mambaStatisticsGetMax(const MambaStatistics *s) {
  float max = -INFINITY;
  for (int64_t c = 0; c < s->channels; ++c)
    max = fmaxf(max, s->max[c]);
  return s->count > 0 ? max : 0;
}

/* 2^x with the exponent of the octave's unit, the last place of its values. */
static int getUnit(int exponent) {
  return (exponent > 0 ? exponent : 1) - 150;
}

double mambaStatisticsGetMean(const MambaStatistics *s) {
  double sum = 0;
  for (int e = 0; e < EXPONENT_COUNT; ++e)
    if (s->octaves[e])
      sum += ldexp((double)s->octaves[e]->sum, getUnit(e));
  return s->count > 0 ? sum / (double)s->count : 0;
}

/* The mean of the squares. */
static double getSquare(const MambaStatistics *s) {
  double squares = 0;
  for (int e = 0; e < EXPONENT_COUNT; ++e)
    if (s->octaves[e])
      squares +=
          ldexp(ldexp((double)s->octaves[e]->squareHigh, SQUARE_LOW_BITS) + (double)s->octaves[e]->squareLow,
                2 * getUnit(e));
  return s->count > 0 ? squares / (double)s->count : 0;
}

double mambaStatisticsGetDeviation(const MambaStatistics *s) {
  const double mean = mambaStatisticsGetMean(s);
  const double variance = getSquare(s) - mean * mean;
  return variance > 0 ? sqrt(variance) : 0;
}

double mambaStatisticsBinValue(int exponent, int bin) {
  const uint32_t middle = ((uint32_t)bin << HIDDEN_BITS) + (1u << (HIDDEN_BITS - 1));
  return mambaFloatFromBits(((uint32_t)exponent << 23) + middle);
}

double mambaStatisticsGetKurtosis(const MambaStatistics *s) {
  double cubes = 0, fourths = 0;
  for (int e = 0; e < EXPONENT_COUNT; ++e) {
    if (!s->octaves[e])
      continue;
    for (int b = 0; b < BIN_COUNT; ++b)
      fourths += (double)s->octaves[e]->bins[b] * pow(mambaStatisticsBinValue(e, b), 4);
    cubes += ldexp((double)s->octaves[e]->cubes, 3 * (getUnit(e) + HIDDEN_BITS - 1) + CUBE_BITS);
  }
  const double n = (double)s->count, mean = mambaStatisticsGetMean(s), square = getSquare(s);
  const double variance = square - mean * mean;
  /* Rounding leaves a constant a variance that is not quite zero. */
  if (s->count == 0 || variance <= 1e-12 * square)
    return 0;
  return (fourths / n - 4 * mean * cubes / n + 6 * mean * mean * square - 3 * pow(mean, 4)) /
         (variance * variance);
}

void mambaStatisticsGetHistogram(const MambaStatistics *s, uint64_t *counts, size_t bins) {
  const double absmax = mambaStatisticsGetAbsmax(s);
  for (size_t i = 0; i < bins; ++i)
    counts[i] = 0;
  for (int e = 0; e < EXPONENT_COUNT; ++e)
    for (int b = 0; s->octaves[e] && b < BIN_COUNT; ++b) {
      const double place = absmax > 0 ? mambaStatisticsBinValue(e, b) / absmax * (double)bins : 0;
      counts[place < (double)bins ? (size_t)place : bins - 1] += (uint64_t)s->octaves[e]->bins[b];
    }
}

double mambaStatisticsGetPercentile(const MambaStatistics *s, double p) {
  const double absmax = mambaStatisticsGetAbsmax(s);
  const double rank = ceil(p * (double)s->count / 100);
  int64_t below = 0;
  for (int e = 0; e < EXPONENT_COUNT; ++e) {
    if (!s->octaves[e])
      continue;
    for (uint32_t b = 0; b < BIN_COUNT; ++b) {
      below += s->octaves[e]->bins[b];
      if ((double)below >= rank && below > 0) {
        /* The largest value that the bin can hold. */
        const uint32_t last = (b + 1) << HIDDEN_BITS;
        return fmin(absmax, mambaFloatFromBits(((uint32_t)e << 23) + last - 1));
      }
    }
  }
  return absmax;
}
