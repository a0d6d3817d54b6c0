/* The record of calibration: independent of order, exact moments, bounded percentiles, strict JSON. */
#include "mamba/statistics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 1000, CHANNELS = 7, COUNT = ROWS * CHANNELS };

static float data[COUNT];

/* Heavy tails over many powers of two, some zeros and equal values. */
static int fillData(void **state) {
  (void)state;
  uint32_t random = 1;
  for (int i = 0; i < COUNT; ++i) {
    random = random * 1664525u + 1013904223u;
    const float magnitude = ldexpf((float)(random >> 12) * 0x1p-20f, (int)(random >> 5 & 31) - 20);
    data[i] = random & 1 ? magnitude : -magnitude;
    if (i % 50 == 0)
      data[i] = i % 100 == 0 ? 0.0f : -0.0f;
    if (i % 9 == 0)
      data[i] = 1.5f;
  }
  return 0;
}

static MambaStatistics *create(int64_t channels) {
  MambaStatistics *statistics = NULL;
  MambaError error;
  assert_int_equal(mambaStatisticsCreate(channels, &statistics, &error), MAMBA_OK);
  return statistics;
}

static void add(MambaStatistics *statistics, const float *values, int64_t rows) {
  MambaError error;
  assert_int_equal(mambaStatisticsAdd(statistics, values, rows, &error), MAMBA_OK);
}

/* The record as text, which the caller frees. */
static char *getText(const MambaStatistics *statistics) {
  json_t *object = NULL;
  MambaError error;
  assert_int_equal(mambaStatisticsToJson(statistics, &object, &error), MAMBA_OK);
  char *text = json_dumps(object, JSON_SORT_KEYS);
  assert_non_null(text);
  json_decref(object);
  return text;
}

static void assertSame(const MambaStatistics *a, const MambaStatistics *b) {
  char *textA = getText(a), *textB = getText(b);
  assert_string_equal(textA, textB);
  free(textA);
  free(textB);
}

static void testOrderAndPartsDoNotMatter(void **state) {
  (void)state;
  MambaStatistics *whole = create(CHANNELS), *backwards = create(CHANNELS);
  add(whole, data, ROWS);
  for (int row = ROWS - 1; row >= 0; --row)
    add(backwards, data + row * CHANNELS, 1);
  assertSame(whole, backwards);
  MambaStatistics *parts[3] = {create(CHANNELS), create(CHANNELS), create(CHANNELS)};
  for (int row = 0; row < ROWS; ++row)
    add(parts[row * 7 % 3], data + row * CHANNELS, 1);
  MambaError error;
  assert_int_equal(mambaStatisticsMerge(parts[2], parts[0], &error), MAMBA_OK);
  assert_int_equal(mambaStatisticsMerge(parts[2], parts[1], &error), MAMBA_OK);
  assertSame(whole, parts[2]);
  for (int i = 0; i < 3; ++i)
    mambaStatisticsDestroy(parts[i]);
  mambaStatisticsDestroy(whole);
  mambaStatisticsDestroy(backwards);
}

/* Three tallies, twice, taken in two parts each time. */
static void testTalliesDoNotMatter(void **state) {
  (void)state;
  MambaError error;
  MambaStatistics *whole = create(CHANNELS), *shared = create(CHANNELS);
  MambaTally *tallies[3];
  add(whole, data, ROWS);
  for (int t = 0; t < 3; ++t)
    assert_int_equal(mambaTallyCreate(&tallies[t], &error), MAMBA_OK);
  for (int half = 0; half < 2; ++half) {
    const float *values = data + half * COUNT / 2;
    for (int t = 0; t < 3; ++t)
      mambaTallyAdd(tallies[t], values + t * COUNT / 6, (t + 1) * COUNT / 6 - t * COUNT / 6);
    mambaStatisticsWiden(shared, values, ROWS / 2, 0, 3);
    mambaStatisticsWiden(shared, values, ROWS / 2, 3, CHANNELS);
    for (int part = 0; part < 2; ++part)
      assert_int_equal(mambaStatisticsTake(shared, tallies, 3, part, 2, &error), MAMBA_OK);
  }
  assertSame(whole, shared);
  for (int t = 0; t < 3; ++t)
    mambaTallyDestroy(tallies[t]);
  mambaStatisticsDestroy(whole);
  mambaStatisticsDestroy(shared);
}

/* The sums of every octave, value by value as their definition says. */
static void testSumsAreExact(void **state) {
  (void)state;
  static int64_t sums[255][4];
  MambaStatistics *s = create(CHANNELS);
  json_t *object = NULL, *octave;
  const char *exponent;
  MambaError error;
  memset(sums, 0, sizeof sums);
  add(s, data, ROWS);
  for (int i = 0; i < COUNT; ++i) {
    uint32_t bits;
    memcpy(&bits, &data[i], sizeof bits);
    const int e = bits >> 23 & 255, sign = bits >> 31 ? -1 : 1;
    const int64_t m = (bits & 0x7fffff) + (e ? 0x800000 : 0), t = 2 * (m / 8192) + 1;
    sums[e][0] += sign * m;
    sums[e][1] += m * m % (1 << 24);
    sums[e][2] += m * m / (1 << 24);
    sums[e][3] += sign * (t * t * t / 512);
  }
  assert_int_equal(mambaStatisticsToJson(s, &object, &error), MAMBA_OK);
  assert_true(json_object_size(json_object_get(object, "octaves")) > 20);
  json_object_foreach(json_object_get(object, "octaves"), exponent, octave) {
    const int64_t *expected = sums[atoi(exponent)];
    const json_t *squares = json_object_get(octave, "squares");
    assert_int_equal(json_integer_value(json_object_get(octave, "sum")), expected[0]);
    assert_int_equal(json_integer_value(json_array_get(squares, 0)), expected[1]);
    assert_int_equal(json_integer_value(json_array_get(squares, 1)), expected[2]);
    assert_int_equal(json_integer_value(json_object_get(octave, "cubes")), expected[3]);
  }
  json_decref(object);
  mambaStatisticsDestroy(s);
}

static void testMomentsAndExtremes(void **state) {
  (void)state;
  MambaStatistics *s = create(CHANNELS);
  add(s, data, ROWS);
  double sum = 0, squares = 0;
  float absmax[CHANNELS] = {0}, min[CHANNELS], max[CHANNELS], whole = 0;
  for (int c = 0; c < CHANNELS; ++c)
    min[c] = max[c] = data[c];
  for (int i = 0; i < COUNT; ++i) {
    const int c = i % CHANNELS;
    sum += data[i];
    absmax[c] = fmaxf(absmax[c], fabsf(data[i]));
    min[c] = fminf(min[c], data[i]);
    max[c] = fmaxf(max[c], data[i]);
    whole = fmaxf(whole, fabsf(data[i]));
  }
  const double mean = sum / COUNT;
  for (int i = 0; i < COUNT; ++i)
    squares += (data[i] - mean) * (data[i] - mean);
  assert_int_equal(mambaStatisticsGetCount(s), COUNT);
  assert_int_equal(mambaStatisticsGetChannels(s), CHANNELS);
  assert_true(fabs(mambaStatisticsGetMean(s) - mean) <= 1e-12 * whole);
  assert_true(fabs(mambaStatisticsGetDeviation(s) / sqrt(squares / COUNT) - 1) < 1e-10);
  assert_memory_equal(mambaStatisticsGetChannelAbsmax(s), absmax, sizeof absmax);
  for (int c = 0; c < CHANNELS; ++c) {
    assert_true(mambaStatisticsGetChannelMin(s)[c] == min[c]);
    assert_true(mambaStatisticsGetChannelMax(s)[c] == max[c]);
  }
  assert_true(mambaStatisticsGetAbsmax(s) == whole);
  assert_true(mambaStatisticsGetMin(s) == -whole || mambaStatisticsGetMax(s) == whole);
  mambaStatisticsDestroy(s);
}

/* Against two passes in double, for values with a mean far from zero and with heavy tails. */
static void testKurtosis(void **state) {
  (void)state;
  static float values[COUNT];
  for (int shape = 0; shape < 3; ++shape) {
    double mean = 0, square = 0, fourth = 0;
    for (int i = 0; i < COUNT; ++i) {
      values[i] = shape == 0 ? data[i] : shape == 1 ? data[i] + 10 : 1 - cosf((float)i);
      mean += values[i] / (double)COUNT;
    }
    for (int i = 0; i < COUNT; ++i) {
      square += pow(values[i] - mean, 2) / COUNT;
      fourth += pow(values[i] - mean, 4) / COUNT;
    }
    MambaStatistics *s = create(CHANNELS);
    add(s, values, ROWS);
    assert_true(fabs(mambaStatisticsGetKurtosis(s) / (fourth / (square * square)) - 1) < 0.01);
    mambaStatisticsDestroy(s);
  }
  MambaStatistics *s = create(1);
  assert_true(mambaStatisticsGetKurtosis(s) == 0);
  add(s, (const float[]){0.1f, 0.1f, 0.1f}, 3);
  assert_true(mambaStatisticsGetKurtosis(s) == 0);
  mambaStatisticsDestroy(s);
}

static int compareFloats(const void *a, const void *b) {
  const float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static void testPercentilesAreBounded(void **state) {
  (void)state;
  static float sorted[COUNT];
  MambaStatistics *s = create(CHANNELS);
  add(s, data, ROWS);
  for (int i = 0; i < COUNT; ++i)
    sorted[i] = fabsf(data[i]);
  qsort(sorted, COUNT, sizeof sorted[0], compareFloats);
  for (int rank = 1; rank <= COUNT; ++rank) {
    const double p = 100.0 * (rank - 0.5) / COUNT; /* ceil(p n / 100) = rank */
    const double value = sorted[rank - 1], found = mambaStatisticsGetPercentile(s, p);
    assert_true(found >= value);
    assert_true(found <= value * (1 + 0x1p-10) || (value < 0x1p-126 && found < 0x1p-135));
  }
  assert_true(mambaStatisticsGetPercentile(s, 100) == sorted[COUNT - 1]);
  mambaStatisticsDestroy(s);
}

static void testHistogram(void **state) {
  (void)state;
  const float values[] = {0, 0.3f, -1.2f, 1.7f, -2.5f, 3.5f, -4, 4};
  const uint64_t expected[] = {2, 2, 1, 3};
  uint64_t counts[4];
  MambaStatistics *s = create(1);
  add(s, values, 8);
  mambaStatisticsGetHistogram(s, counts, 4);
  assert_memory_equal(counts, expected, sizeof expected);
  mambaStatisticsDestroy(s);
}

static void testNothingAndNonFinite(void **state) {
  (void)state;
  MambaStatistics *s = create(2);
  assert_true(mambaStatisticsGetMean(s) == 0 && mambaStatisticsGetDeviation(s) == 0);
  assert_true(mambaStatisticsGetMin(s) == 0 && mambaStatisticsGetMax(s) == 0);
  assert_true(mambaStatisticsGetAbsmax(s) == 0 && mambaStatisticsGetPercentile(s, 99) == 0);
  const float values[] = {NAN, 1, INFINITY, -2, -INFINITY, 3};
  add(s, values, 3);
  assert_int_equal(mambaStatisticsGetCount(s), 3);
  assert_int_equal(mambaStatisticsGetNonFinite(s), 3);
  assert_true(mambaStatisticsGetMin(s) == -2 && mambaStatisticsGetMax(s) == 3);
  assert_true(mambaStatisticsGetChannelMin(s)[0] == INFINITY);
  mambaStatisticsDestroy(s);
}

static void testRefusals(void **state) {
  (void)state;
  MambaError error;
  MambaStatistics *s = NULL, *two = create(2), *three = create(3);
  assert_int_equal(mambaStatisticsCreate(0, &s, &error), MAMBA_INVALID);
  assert_int_equal(mambaStatisticsCreate(INT64_C(1) << 31, &s, &error), MAMBA_INVALID);
  assert_null(s);
  assert_int_equal(mambaStatisticsMerge(two, three, &error), MAMBA_INVALID);
  assert_int_equal(mambaStatisticsAdd(two, data, INT64_C(1) << 36, &error), MAMBA_INVALID);
  assert_int_equal(mambaStatisticsAdd(two, data, -1, &error), MAMBA_INVALID);
  assert_int_equal(mambaStatisticsGetCount(two), 0);
  mambaStatisticsDestroy(two);
  mambaStatisticsDestroy(three);
  mambaStatisticsDestroy(NULL);
}

static MambaStatus readText(const char *text, MambaStatistics **s, MambaError *error) {
  json_t *object = json_loads(text, 0, NULL);
  assert_non_null(object);
  const MambaStatus status = mambaStatisticsFromJson(object, "test", s, error);
  json_decref(object);
  return status;
}

static void testJsonRestoresTheRecord(void **state) {
  (void)state;
  MambaError error;
  MambaStatistics *s = create(CHANNELS), *back = NULL;
  add(s, data, ROWS);
  const float odd[CHANNELS] = {NAN, INFINITY, 0x1p-149f, -0x1.fffffep127f, 0x1.fffffep127f, 1, -0.0f};
  add(s, odd, 1);
  char *text = getText(s);
  assert_int_equal(readText(text, &back, &error), MAMBA_OK);
  assertSame(s, back);
  assert_true(mambaStatisticsGetPercentile(s, 99.9) == mambaStatisticsGetPercentile(back, 99.9));
  add(s, data, ROWS);
  add(back, data, ROWS);
  assertSame(s, back);
  free(text);
  mambaStatisticsDestroy(s);
  mambaStatisticsDestroy(back);
}

static void testEmptyChannelsSurviveJson(void **state) {
  (void)state;
  MambaError error;
  MambaStatistics *s = create(2), *back = NULL;
  const float values[] = {1, NAN};
  add(s, values, 1);
  char *text = getText(s);
  assert_int_equal(readText(text, &back, &error), MAMBA_OK);
  assert_true(mambaStatisticsGetChannelMin(back)[1] == INFINITY);
  assertSame(s, back);
  free(text);
  mambaStatisticsDestroy(s);
  mambaStatisticsDestroy(back);
}

/* Each breaks one rule of a record that is right otherwise. */
static void testBrokenJsonIsRefused(void **state) {
  (void)state;
#define RECORD(channels, count, absmax, octaves)                                                             \
  "{\"channels\":" channels ",\"count\":" count ",\"non_finite\":0,\"channel_absmax\":" absmax               \
  ",\"channel_min\":[1],\"channel_max\":[1],\"octaves\":" octaves "}"
#define OCTAVE(name, bins)                                                                                   \
  "{\"" name "\":{\"sum\":8388608,\"squares\":[0,4194304],\"cubes\":16801804,\"bins\":" bins "}}"
  static const char *const broken[] = {
      "{}",
      RECORD("2", "1", "[1]", OCTAVE("127", "{\"0\":1}")),
      RECORD("-1", "1", "[1]", OCTAVE("127", "{\"0\":1}")),
      RECORD("4611686018427387904", "1", "[1]", OCTAVE("127", "{\"0\":1}")),
      RECORD("1", "2", "[1]", OCTAVE("127", "{\"0\":1}")),
      RECORD("1", "-1", "[1]", OCTAVE("127", "{\"0\":1}")),
      RECORD("1", "1", "[null]", OCTAVE("127", "{\"0\":1}")),
      RECORD("1", "1", "[1e300]", OCTAVE("127", "{\"0\":1}")),
      RECORD("1", "1", "[1]", "[]"),
      RECORD("1", "1", "[1]", OCTAVE("255", "{\"0\":1}")),
      RECORD("1", "1", "[1]", OCTAVE("0127", "{\"0\":1}")),
      RECORD("1", "1", "[1]", OCTAVE("", "{\"0\":1}")),
      RECORD("1", "1", "[1]", OCTAVE("127", "{\"1024\":1}")),
      RECORD("1", "1", "[1]", OCTAVE("127", "{\"-1\":1}")),
      RECORD("1", "1", "[1]", OCTAVE("127", "{\"0\":-1,\"1\":2}")),
      RECORD("1", "1", "[1]", OCTAVE("127", "{\"0\":0.5}")),
      RECORD("1", "1", "[1]", OCTAVE("127", "[1]")),
  };
  MambaError error;
  MambaStatistics *s = NULL;
  assert_int_equal(readText(RECORD("1", "1", "[1]", OCTAVE("127", "{\"0\":1}")), &s, &error), MAMBA_OK);
  assert_true(mambaStatisticsGetMean(s) == 1.0);
  mambaStatisticsDestroy(s);
  s = NULL;
  for (size_t i = 0; i < sizeof broken / sizeof broken[0]; ++i) {
    assert_int_equal(readText(broken[i], &s, &error), MAMBA_INVALID);
    assert_null(s);
    assert_int_equal(strncmp(error.message, "test: ", 6), 0);
  }
}

/* The error of int8 with that limit, from the values themselves. */
static double squaredError(const float *values, int count, double limit) {
  double sum = 0;
  for (int i = 0; i < count; ++i) {
    const double steps = fmin(nearbyint(fabs((double)values[i]) / (limit / 127)), 127);
    const double error = fabs((double)values[i]) - steps * limit / 127;
    sum += error * error;
  }
  return sum;
}

/* One value far above the rest is worth losing, where there are many of the rest. */
static void fittedLimit(void **state) {
  (void)state;
  enum { MANY = 100000 };
  float *values = malloc(MANY * sizeof *values);
  assert_non_null(values);
  MambaStatistics *s = create(1);
  assert_true(mambaStatisticsGetFittedLimit(s) == 0);
  uint32_t random = 1;
  for (int i = 0; i < MANY; ++i) {
    random = random * 1664525u + 1013904223u;
    values[i] = (float)(random >> 8) * 0x1p-23f - 1;
  }
  values[MANY / 2] = -8;
  add(s, values, MANY);
  const double fitted = mambaStatisticsGetFittedLimit(s), least = squaredError(values, MANY, fitted);
  assert_true(fitted > 0.5 && fitted < 6);
  for (int k = 0; k <= 64; ++k)
    assert_true(squaredError(values, MANY, 8 * exp2(-k / 16.0)) >= 0.999 * least);
  mambaStatisticsDestroy(s);
  free(values);

  /* A power of two in int8 steps of itself has no error. */
  const float one = 4;
  s = create(1);
  add(s, &one, 1);
  assert_true(mambaStatisticsGetFittedLimit(s) <= 4 && mambaStatisticsGetFittedLimit(s) > 3.9);
  mambaStatisticsDestroy(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testOrderAndPartsDoNotMatter),
      cmocka_unit_test(testTalliesDoNotMatter),
      cmocka_unit_test(testSumsAreExact),
      cmocka_unit_test(testMomentsAndExtremes),
      cmocka_unit_test(testKurtosis),
      cmocka_unit_test(testPercentilesAreBounded),
      cmocka_unit_test(testHistogram),
      cmocka_unit_test(testNothingAndNonFinite),
      cmocka_unit_test(testRefusals),
      cmocka_unit_test(testJsonRestoresTheRecord),
      cmocka_unit_test(testEmptyChannelsSurviveJson),
      cmocka_unit_test(testBrokenJsonIsRefused),
      cmocka_unit_test(fittedLimit),
  };
  return cmocka_run_group_tests(tests, fillData, NULL);
}
