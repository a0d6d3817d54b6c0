#include "mamba/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, BINS = 64, MAXIMA = 128, MOST_RECURRING = 32 };

static MambaStatus failMemory(MambaError *error) {
  return mambaFail(error, MAMBA_NO_MEMORY, "outliers: out of memory");
}

json_t *mambaOutliersCreate(double sigmas) {
  return json_pack("{s:i, s:f, s:[]}", "version", VERSION, "sigmas", sigmas, "sites");
}

/* ---- A site ------------------------------------------------------------------------------------------ */

/* The largest |x - mean| of a channel; 0 for one without values. */
static double deviationOf(const MambaStatistics *s, int64_t channel, double mean) {
  const double above = mambaStatisticsGetChannelMax(s)[channel] - mean,
               below = mean - mambaStatisticsGetChannelMin(s)[channel];
  return fmax(0, fmax(above, below));
}

static json_t *findOutliers(const MambaStatistics *s, double mean, double limit) {
  json_t *outliers = json_array();
  for (int64_t c = 0; c < mambaStatisticsGetChannels(s); c++)
    if (deviationOf(s, c, mean) > limit)
      json_array_append_new(outliers, json_integer(c));
  return outliers;
}

static json_t *findMaxima(const MambaStatistics *s, double mean) {
  const int64_t channels = mambaStatisticsGetChannels(s), groups = channels < MAXIMA ? channels : MAXIMA;
  json_t *maxima = json_array();
  for (int64_t g = 0; g < groups; g++) {
    double largest = 0;
    for (int64_t c = g * channels / groups; c < (g + 1) * channels / groups; c++)
      largest = fmax(largest, deviationOf(s, c, mean));
    json_array_append_new(maxima, json_real(largest));
  }
  return maxima;
}

static json_t *histogramOf(const MambaStatistics *s) {
  uint64_t counts[BINS];
  json_t *histogram = json_array();
  mambaStatisticsGetHistogram(s, counts, BINS);
  for (int i = 0; i < BINS; i++)
    json_array_append_new(histogram, json_integer((json_int_t)counts[i]));
  return histogram;
}

MambaStatus mambaOutliersAdd(json_t *report, int64_t layer, const char *site, const char *value,
                             const MambaStatistics *s, MambaError *error) {
  const double mean = mambaStatisticsGetMean(s), deviation = mambaStatisticsGetDeviation(s);
  const double limit = json_number_value(json_object_get(report, "sigmas")) * deviation;
  json_t *entry = json_pack(
      "{s:I, s:s, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:o}", "layer", (json_int_t)layer, "site",
      site, "value", value, "channels", (json_int_t)mambaStatisticsGetChannels(s), "mean", mean, "std", deviation,
      "kurtosis", mambaStatisticsGetKurtosis(s), "absmax", (double)mambaStatisticsGetAbsmax(s), "p99.9",
      mambaStatisticsGetPercentile(s, 99.9), "p99.99", mambaStatisticsGetPercentile(s, 99.99), "p99.999",
      mambaStatisticsGetPercentile(s, 99.999), "outliers", findOutliers(s, mean, limit), "maxima",
      findMaxima(s, mean), "histogram", histogramOf(s));
  return entry && !json_array_append_new(json_object_get(report, "sites"), entry) ? MAMBA_OK : failMemory(error);
}

/* ---- Recurrence -------------------------------------------------------------------------------------- */

typedef struct Position {
  json_int_t channel;
  int64_t layers;
} Position;

static int mostFirst(const void *left, const void *right) {
  const Position *a = left, *b = right;
  if (a->layers != b->layers)
    return a->layers > b->layers ? -1 : 1;
  return a->channel < b->channel ? -1 : a->channel > b->channel;
}

static const char *siteOf(const json_t *entry) {
  return json_string_value(json_object_get(entry, "site"));
}

/* What the layers' sites of one name have in common. */
static json_t *recurrenceOf(const json_t *sites, const char *site) {
  json_t *entry;
  size_t i, j;
  json_t *channel;
  json_int_t channels = 0, layers = 0, outliers = 0, positions = 0;
  double squares = 0, pairs = 0; /* pairs: of layers, how many outliers they share */
  json_array_foreach(sites, i, entry) {
    const json_int_t count = json_integer_value(json_object_get(entry, "channels"));
    if (!strcmp(siteOf(entry), site) && count > channels)
      channels = count;
  }
  Position *at = calloc((size_t)channels + 1, sizeof *at);
  if (!at)
    return NULL;
  for (json_int_t c = 0; c < channels; c++)
    at[c].channel = c;
  json_array_foreach(sites, i, entry) {
    if (strcmp(siteOf(entry), site) != 0)
      continue;
    const json_t *found = json_object_get(entry, "outliers");
    const double size = (double)json_array_size(found);
    layers++;
    outliers += (json_int_t)json_array_size(found);
    squares += size * size;
    json_array_foreach(found, j, channel)
      at[json_integer_value(channel)].layers++;
  }
  for (json_int_t c = 0; c < channels; c++) {
    positions += at[c].layers > 0;
    pairs += (double)at[c].layers * (double)(at[c].layers - 1) / 2;
  }
  const double chance = ((double)outliers * (double)outliers - squares) / 2 / (double)channels;
  qsort(at, (size_t)channels, sizeof *at, mostFirst);
  json_t *recurring = json_array();
  for (json_int_t c = 0; c < channels && c < MOST_RECURRING && at[c].layers > 1; c++)
    json_array_append_new(recurring, json_pack("[I, I]", at[c].channel, (json_int_t)at[c].layers));
  free(at);
  return json_pack("{s:s, s:I, s:I, s:I, s:o, s:f}", "site", site, "layers", layers, "outliers", outliers,
                   "positions", positions, "recurring", recurring, "overlap", chance > 0 ? pairs / chance : 0.0);
}

MambaStatus mambaOutliersFinish(json_t *report, MambaError *error) {
  const json_t *sites = json_object_get(report, "sites");
  json_t *recurrence = json_array(), *seen = json_object(), *entry;
  size_t i;
  json_array_foreach(sites, i, entry) {
    if (json_integer_value(json_object_get(entry, "layer")) < 0 || json_object_get(seen, siteOf(entry)))
      continue;
    json_object_set_new(seen, siteOf(entry), json_true());
    json_array_append_new(recurrence, recurrenceOf(sites, siteOf(entry)));
  }
  json_decref(seen);
  return json_object_set_new(report, "recurrence", recurrence) ? failMemory(error) : MAMBA_OK;
}

/* ---- Table ------------------------------------------------------------------------------------------- */

static double numberOf(const json_t *entry, const char *name) {
  return json_number_value(json_object_get(entry, name));
}

static void printChannels(const json_t *channels, FILE *file) {
  enum { MOST = 8 };
  const size_t count = json_array_size(channels);
  fprintf(file, "%5zu ", count);
  for (size_t i = 0; i < count && i < MOST; i++)
    fprintf(file, " %" JSON_INTEGER_FORMAT, json_integer_value(json_array_get(channels, i)));
  fputs(count > MOST ? " ...\n" : "\n", file);
}

void mambaOutliersPrint(const json_t *report, FILE *file) {
  json_t *entry;
  size_t i;
  fprintf(file, "%5s %-11s %10s %10s %10s %10s %10s %9s  channels beyond %g sigma\n", "layer", "site", "absmax",
          "p99.999", "p99.99", "p99.9", "sigma", "kurtosis", numberOf(report, "sigmas"));
  json_array_foreach(json_object_get(report, "sites"), i, entry) {
    char layer[24] = "";
    if (numberOf(entry, "layer") >= 0)
      snprintf(layer, sizeof layer, "%.0f", numberOf(entry, "layer"));
    fprintf(file, "%5s %-11s %10.4g %10.4g %10.4g %10.4g %10.4g %9.1f  ", layer, siteOf(entry),
            numberOf(entry, "absmax"), numberOf(entry, "p99.999"), numberOf(entry, "p99.99"),
            numberOf(entry, "p99.9"), numberOf(entry, "std"), numberOf(entry, "kurtosis"));
    printChannels(json_object_get(entry, "outliers"), file);
  }
  fprintf(file, "\n%-11s %9s %9s  the same positions in several layers (overlap: times what chance would give)\n",
          "site", "outliers", "positions");
  json_array_foreach(json_object_get(report, "recurrence"), i, entry) {
    const json_t *recurring = json_object_get(entry, "recurring");
    fprintf(file, "%-11s %9.0f %9.0f  overlap %.1f", siteOf(entry), numberOf(entry, "outliers"),
            numberOf(entry, "positions"), numberOf(entry, "overlap"));
    for (size_t j = 0; j < json_array_size(recurring) && j < 6; j++) {
      const json_t *pair = json_array_get(recurring, j);
      fprintf(file, "%s %" JSON_INTEGER_FORMAT " in %" JSON_INTEGER_FORMAT, j ? "," : ";",
              json_integer_value(json_array_get(pair, 0)), json_integer_value(json_array_get(pair, 1)));
    }
    fputc('\n', file);
  }
}
