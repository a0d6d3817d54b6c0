/* Reports for people: where a model's activations have outliers, and the page of a compilation.
 *
 * What is known of the activations is a JSON object, which the pass mamba-report-outliers writes:
 *
 *   {"version": 1, "sigmas": 6,
 *    "sites": [{"layer": 0, "site": "x", "value": "layers.0.mixer.x", "channels": 512, "mean": ..., "std": ...,
 *               "kurtosis": ..., "absmax": ..., "p99.9": ..., "p99.99": ..., "p99.999": ...,
 *               "outliers": [17, 200],           channels, in increasing order
 *               "maxima": [...],                 largest |x - mean| of each channel, or of each of 128 groups
 *               "histogram": [...]}, ...],       of |x|, in bins of one width over [0, absmax]
 *    "recurrence": [{"site": "x", "layers": 12, "outliers": 5, "positions": 3, "recurring": [[17, 12], ...],
 *                    "overlap": 4.2}, ...]}
 *
 * A channel is an outlier where a value of it is more than `sigmas` standard deviations from the mean, both over all
 * channels of the site: the criterion of Mamba-PTQ (Pierro and Abreu, arXiv 2407.12397), with its six. "recurring" has
 * the channels that are outliers in at least two layers, with in how many, most first; "overlap" is how often two
 * layers have the same outlier, over how often they would if each had as many at random positions. */
#ifndef MAMBA_REPORT_H
#define MAMBA_REPORT_H

#include "mamba/comparison.h"
#include "mamba/html.h"
#include "mamba/statistics.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An object without sites; NULL when memory is short. The caller owns it. */
json_t *mambaOutliersCreate(double sigmas);
/* Adds the site of a layer; -1 for what belongs to none. */
MAMBA_MUST_CHECK MambaStatus mambaOutliersAdd(json_t *report, int64_t layer, const char *site, const char *value,
                                              const MambaStatistics *statistics, MambaError *error);
/* Sets "recurrence", of what was added. */
MAMBA_MUST_CHECK MambaStatus mambaOutliersFinish(json_t *report, MambaError *error);
/* Prints it as a table. */
void mambaOutliersPrint(const json_t *report, FILE *file);

/* What the page of a compilation shows. */
typedef struct MambaReportPage {
  const char *name, *recipe, *target; /* of the model, how it was quantized, what it will run on */
  const json_t *outliers;             /* as above; NULL where the recipe measures nothing */
  const json_t *scales;               /* value name: the scale of its int8 values */
  const MambaComparison *comparison;  /* with the float model, over compared_tokens tokens */
  int64_t compared_tokens;
  size_t weights, token_bytes, buffers, state; /* bytes; token_bytes: of the weights that one token reads */
  double seconds;                              /* predicted for a token on the target; 0 for a CPU */
} MambaReportPage;

/* Appends the whole page to the empty `page`. */
void mambaReportWrite(const MambaReportPage *report, MambaHtml *page);

#ifdef __cplusplus
}
#endif
#endif
