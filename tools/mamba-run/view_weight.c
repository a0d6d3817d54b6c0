/* mamba-run view: the distribution of a weight. */
#include "view.h"

#include "mamba/half.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BINS = 80 };

static double valueAt(const MambaConstant *constant, size_t i) {
  switch (constant->element) {
  case MAMBA_ELEMENT_I8:
    return ((const int8_t *)constant->data)[i];
  case MAMBA_ELEMENT_F16:
    return mambaHalfToFloat(((const uint16_t *)constant->data)[i]);
  case MAMBA_ELEMENT_BF16:
    return mambaBfloatToFloat(((const uint16_t *)constant->data)[i]);
  default:
    return ((const float *)constant->data)[i];
  }
}

typedef struct Summary {
  double low, high, mean, deviation;
  size_t finite;
  uint64_t counts[BINS];
} Summary;

static void summarize(const MambaConstant *constant, Summary *s) {
  double sum = 0, squares = 0;
  *s = (Summary){.low = INFINITY, .high = -INFINITY};
  for (size_t i = 0; i < constant->count; i++) {
    const double x = valueAt(constant, i);
    if (!isfinite(x))
      continue;
    s->finite++;
    s->low = fmin(s->low, x);
    s->high = fmax(s->high, x);
    sum += x;
    squares += x * x;
  }
  if (!s->finite)
    return;
  s->mean = sum / (double)s->finite;
  s->deviation = sqrt(fmax(0, squares / (double)s->finite - s->mean * s->mean));
  const double width = s->high > s->low ? (s->high - s->low) / BINS : 1;
  for (size_t i = 0; i < constant->count; i++) {
    const double x = valueAt(constant, i);
    const int bin = isfinite(x) ? (int)((x - s->low) / width) : -1;
    if (bin >= 0)
      s->counts[bin < BINS ? bin : BINS - 1]++;
  }
}

static void describe(MambaHtml *page, const MambaConstant *constant, const Summary *s) {
  const struct {
    const char *label;
    double value;
  } rows[] = {
      {"minimum", s->low}, {"maximum", s->high}, {"mean", s->mean}, {"standard deviation", s->deviation}};
  char text[MAMBA_HTML_NUMBER];
  mambaHtmlMarkup(page, "<figcaption>");
  mambaHtmlElement(page, "span", "%s values", mambaHtmlCount((double)constant->count, text));
  for (size_t i = 0; s->finite && i < sizeof rows / sizeof rows[0]; i++)
    mambaHtmlElement(page, "span", " · %s %s", rows[i].label, mambaHtmlNumber(rows[i].value, text));
  if (s->finite < constant->count)
    mambaHtmlElement(page, "span class='bad'", " · %zu are not finite", constant->count - s->finite);
  mambaHtmlMarkup(page, "</figcaption>");
}

MambaStatus viewWeight(MambaHtml *page, MambaParameters *parameters, MlirValue weight, MambaError *error) {
  MambaConstant constant = {0};
  Summary summary;
  char label[256];
  const MlirStringRef name = mambaValueName(weight);
  const MambaStatus status = mambaParametersEvaluate(parameters, weight, false, &constant, error);
  if (status == MAMBA_NO_MEMORY)
    return status;
  if (status) {
    mambaHtmlElement(page, "p class='muted'", "%s", error->message);
    return MAMBA_OK;
  }
  summarize(&constant, &summary);
  snprintf(label, sizeof label, "distribution of %.*s", (int)name.length, name.data);
  mambaHtmlMarkup(page, "<figure>");
  if (summary.finite)
    mambaHtmlHistogram(
        page, &(MambaHistogram){.counts = summary.counts,
                                .bins = BINS,
                                .low = summary.low,
                                .high = summary.high > summary.low ? summary.high : summary.low + BINS,
                                .label = label});
  describe(page, &constant, &summary);
  mambaHtmlMarkup(page, "</figure>");
  mambaConstantDestroy(&constant);
  return MAMBA_OK;
}
