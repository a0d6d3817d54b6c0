/* The JSON form of a record: what a reader wants to know first, then what restores the record exactly.
 *
 *   {"channels": 2, "count": 6, "non_finite": 0,
 *    "channel_absmax": [...], "channel_min": [...], "channel_max": [...],
 *    "octaves": {"127": {"sum": ..., "squares": [low, high], "cubes": ..., "bins": {"0": 3, "512": 3}}}}
 *
 * An octave is named by the biased exponent of its floats, a bin by their upper ten mantissa bits. The
 * minimum and maximum of a channel without values are null. */
#include "statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static MambaStatus failMemory(MambaError *error) {
  return mambaFail(error, MAMBA_NO_MEMORY, "statistics: out of memory");
}

/* ---- Writing ------------------------------------------------------------------------------------ */

/* Sets a member named by a number. False when memory runs out; `value` is taken in any case. */
static bool setNumbered(json_t *object, int number, json_t *value) {
  char key[16];
  snprintf(key, sizeof key, "%d", number);
  return json_object_set_new(object, key, value) == 0;
}

static json_t *writeFloats(const float *values, int64_t count) {
  json_t *array = json_array();
  for (int64_t i = 0; array && i < count; ++i)
    if (json_array_append_new(array, isfinite(values[i]) ? json_real(values[i]) : json_null()) != 0) {
      json_decref(array);
      return NULL;
    }
  return array;
}

static json_t *writeOctave(const Octave *octave) {
  json_t *bins = json_object();
  bool ok = bins != NULL;
  for (int b = 0; ok && b < BIN_COUNT; ++b)
    if (octave->bins[b] != 0)
      ok = setNumbered(bins, b, json_integer(octave->bins[b]));
  if (!ok) {
    json_decref(bins);
    return NULL;
  }
  return json_pack("{s:I, s:[I, I], s:I, s:o}", "sum", (json_int_t)octave->sum, "squares",
                   (json_int_t)octave->squareLow, (json_int_t)octave->squareHigh, "cubes",
                   (json_int_t)octave->cubes, "bins", bins);
}

static bool isEmpty(const Octave *octave) {
  for (int b = 0; b < BIN_COUNT; ++b)
    if (octave->bins[b] != 0)
      return false;
  return true;
}

MambaStatus mambaStatisticsToJson(const MambaStatistics *s, json_t **object, MambaError *error) {
  json_t *octaves = json_object();
  bool ok = octaves != NULL;
  for (int e = 0; ok && e < EXPONENT_COUNT; ++e)
    if (s->octaves[e] && !isEmpty(s->octaves[e]))
      ok = setNumbered(octaves, e, writeOctave(s->octaves[e]));
  if (!ok) {
    json_decref(octaves);
    return failMemory(error);
  }
  json_t *result =
      json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "channels", (json_int_t)s->channels, "count",
                (json_int_t)s->count, "non_finite", (json_int_t)s->nonFinite, "channel_absmax",
                writeFloats(s->absmax, s->channels), "channel_min", writeFloats(s->min, s->channels),
                "channel_max", writeFloats(s->max, s->channels), "octaves", octaves);
  if (!result)
    return failMemory(error);
  *object = result;
  return MAMBA_OK;
}

/* ---- Reading ------------------------------------------------------------------------------------ */

/* A count in [0, 2^36]; false for anything else. */
static bool readCount(const json_t *value, int64_t *count) {
  if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > MAX_VALUES)
    return false;
  *count = json_integer_value(value);
  return true;
}

/* A sum of at most 2^36 values of `bits` bits, not negative unless `isSigned`. */
static bool readSum(const json_t *value, int bits, bool isSigned, int64_t *sum) {
  if (!json_is_integer(value))
    return false;
  const json_int_t found = json_integer_value(value), bound = MAX_VALUES * ((INT64_C(1) << bits) - 1);
  if (found > bound || found < (isSigned ? -bound : 0))
    return false;
  *sum = found;
  return true;
}

/* A decimal number in [0, limit) without leading zeros; -1 for anything else. */
static int readNumber(const char *text, int limit) {
  int number = 0;
  for (const char *at = text; *at; ++at) {
    if (*at < '0' || *at > '9' || (at != text && *text == '0'))
      return -1;
    number = number * 10 + (*at - '0');
    if (number >= limit)
      return -1;
  }
  return *text ? number : -1;
}

/* `count` floats; null stands for `missing`. */
static bool readFloats(const json_t *array, int64_t count, float missing, float *values) {
  if (!json_is_array(array) || json_array_size(array) != (size_t)count)
    return false;
  for (int64_t i = 0; i < count; ++i) {
    const json_t *item = json_array_get(array, (size_t)i);
    if (json_is_null(item) && !isfinite(missing)) {
      values[i] = missing;
      continue;
    }
    values[i] = (float)json_number_value(item);
    if (!json_is_number(item) || !isfinite(values[i]))
      return false;
  }
  return true;
}

/* Reads an octave and adds its values to *found. */
static bool readOctave(json_t *object, Octave *octave, int64_t *found) {
  const json_t *squares = json_object_get(object, "squares");
  json_t *bins = json_object_get(object, "bins");
  if (!json_is_object(bins) || json_array_size(squares) != 2 ||
      !readSum(json_object_get(object, "sum"), 24, true, &octave->sum) ||
      !readSum(json_array_get(squares, 0), 24, false, &octave->squareLow) ||
      !readSum(json_array_get(squares, 1), 24, false, &octave->squareHigh) ||
      !readSum(json_object_get(object, "cubes"), 27, true, &octave->cubes))
    return false;
  const char *key;
  json_t *value;
  json_object_foreach(bins, key, value) {
    const int bin = readNumber(key, BIN_COUNT);
    if (bin < 0 || !readCount(value, &octave->bins[bin]) || octave->bins[bin] > MAX_VALUES - *found)
      return false;
    *found += octave->bins[bin];
  }
  return true;
}

static MambaStatus failMember(MambaError *error, const char *label, const char *expected) {
  return mambaFail(error, MAMBA_INVALID, "%s: expected %s", label, expected);
}

MambaStatus mambaStatisticsFromJson(const json_t *object, const char *label, MambaStatistics **statistics,
                                    MambaError *error) {
  MambaStatistics *s = NULL;
  int64_t channels = 0, found = 0;
  const json_t *absmax = json_object_get(object, "channel_absmax");
  /* The array bounds the allocation: a count alone could ask for any amount of memory. */
  if (!readCount(json_object_get(object, "channels"), &channels) ||
      json_array_size(absmax) != (size_t)channels)
    return failMember(error, label, "\"channels\" and as many numbers in \"channel_absmax\"");
  MambaStatus status = mambaStatisticsCreate(channels, &s, error);
  if (status != MAMBA_OK)
    return status;
  status = MAMBA_INVALID;
  if (!readCount(json_object_get(object, "count"), &s->count) ||
      !readCount(json_object_get(object, "non_finite"), &s->nonFinite) ||
      s->nonFinite > MAX_VALUES - s->count) {
    failMember(error, label, "\"count\" and \"non_finite\" from 0 to 2^36 together");
    goto cleanup;
  }
  if (!readFloats(absmax, channels, 0, s->absmax) ||
      !readFloats(json_object_get(object, "channel_min"), channels, INFINITY, s->min) ||
      !readFloats(json_object_get(object, "channel_max"), channels, -INFINITY, s->max)) {
    failMember(error, label,
               "one finite number per channel in each of \"channel_absmax\", \"channel_min\" "
               "and \"channel_max\" (null in the last two for a channel without values)");
    goto cleanup;
  }
  json_t *octaves = json_object_get(object, "octaves");
  if (!json_is_object(octaves)) {
    failMember(error, label, "an object \"octaves\"");
    goto cleanup;
  }
  const char *key;
  json_t *value;
  json_object_foreach(octaves, key, value) {
    const int exponent = readNumber(key, EXPONENT_COUNT);
    if (exponent < 0) {
      failMember(error, label, "octaves named 0 to 254");
      goto cleanup;
    }
    Octave *octave = mambaStatisticsTouch(s, exponent);
    if (!octave) {
      status = failMemory(error);
      goto cleanup;
    }
    if (!readOctave(value, octave, &found)) {
      mambaFail(error, MAMBA_INVALID,
                "%s: octave %d: expected \"sum\", two \"squares\", \"cubes\" and \"bins\" 0 to %d within their bounds",
                label, exponent, BIN_COUNT - 1);
      goto cleanup;
    }
  }
  if (found != s->count) {
    mambaFail(error, MAMBA_INVALID, "%s: expected bins that add up to the count %lld, found %lld", label,
              (long long)s->count, (long long)found);
    goto cleanup;
  }
  *statistics = s;
  s = NULL;
  status = MAMBA_OK;
cleanup:
  mambaStatisticsDestroy(s);
  return status;
}
