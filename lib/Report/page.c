/* The page of a compilation: size and speed, error by layer, outliers, and how every value is spread. */
#include "mamba/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 8, HEAT_WIDTH = 500, HEAT_ROW = 10, CHART_HEIGHT = 180, CHART_LEFT = 40, BAR = 22 };

static const char kStyle[] =
    ".tiles{display:flex;flex-wrap:wrap;gap:.75rem}.tile{background:var(--card);border:1px solid var(--line);"
    "border-radius:10px;padding:.7rem 1rem;min-width:9rem}.tile b{display:block;font-size:1.4rem;line-height:1.3}\n"
    ".maps{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(34rem,100%),1fr));gap:.25rem 1rem}\n"
    ".pair{display:grid;grid-template-columns:repeat(auto-fill,minmax(22rem,1fr));gap:1rem}\n"
    ".h0{fill:#eef3f8}.h1{fill:#d3e3f1}.h2{fill:#aacfe4}.h3{fill:#7ab5d4}.h4{fill:#f2c77a}.h5{fill:#ec9a4b}"
    ".h6{fill:#d9603b}.h7{fill:#a8232f}\n"
    "@media(prefers-color-scheme:dark){.h0{fill:#1f2733}.h1{fill:#24394d}.h2{fill:#2a526d}.h3{fill:#34748f}"
    ".h4{fill:#8a6a2c}.h5{fill:#c07a2e}.h6{fill:#e05f3c}.h7{fill:#ff8a7a}}\n"
    "figcaption b{color:var(--ink)}.good{fill:var(--accent)}.poor{fill:var(--bad)}.key rect{rx:2}\n";

static double numberOf(const json_t *object, const char *name) {
  return json_number_value(json_object_get(object, name));
}

static const char *textOf(const json_t *object, const char *name) {
  const char *text = json_string_value(json_object_get(object, name));
  return text ? text : "";
}

/* ---- Size and speed ---------------------------------------------------------------------------------- */

static void tile(MambaHtml *page, const char *what, const char *format, double value) {
  mambaHtmlMarkup(page, "<div class=\"tile\"><span class=\"muted\">");
  mambaHtmlText(page, what, strlen(what));
  mambaHtmlMarkup(page, "</span><b>");
  mambaHtmlMarkup(page, format, value);
  mambaHtmlMarkup(page, "</b></div>");
}

static void writeSize(const MambaReportPage *r, MambaHtml *page) {
  static const int bandwidths[] = {10, 25, 50, 100, 200};
  const double bytes = (double)r->token_bytes;
  mambaHtmlMarkup(page, "<div class=\"tiles\">");
  tile(page, "weights", "%.1f MB", (double)r->weights / 1e6);
  tile(page, "read for each token", "%.1f MB", bytes / 1e6);
  tile(page, "buffers", "%.1f KB", (double)r->buffers / 1e3);
  tile(page, "state of a sequence", "%.1f KB", (double)r->state / 1e3);
  if (r->seconds > 0) {
    tile(page, "predicted for a token", "%.3f ms", 1e3 * r->seconds);
    tile(page, "predicted", "%.0f tokens/s", 1 / r->seconds);
  }
  mambaHtmlMarkup(page, "</div>\n");
  if (r->seconds > 0)
    return;
  mambaHtmlMarkup(page, "<p>One sequence at a time is bound by memory: every token reads these weights once. The most "
                        "tokens a second that memory allows (docs/performance.md has how near programs come):</p>\n"
                        "<div class=\"scroll\"><table><tr><th>GB/s</th>");
  for (size_t i = 0; i < sizeof bandwidths / sizeof *bandwidths; i++)
    mambaHtmlMarkup(page, "<th class=\"num\">%d</th>", bandwidths[i]);
  mambaHtmlMarkup(page, "</tr><tr><td>tokens/s</td>");
  for (size_t i = 0; i < sizeof bandwidths / sizeof *bandwidths; i++)
    mambaHtmlMarkup(page, "<td class=\"num\">%.0f</td>", 1e9 * bandwidths[i] / (bytes > 0 ? bytes : 1));
  mambaHtmlMarkup(page, "</tr></table></div>\n");
}

/* ---- Error by layer ---------------------------------------------------------------------------------- */

static void writeBars(const MambaComparison *comparison, long layers, MambaHtml *page) {
  const int width = CHART_LEFT + (int)layers * BAR + 10;
  mambaHtmlMarkup(page, "<div class=\"scroll\"><svg width=\"%d\" height=\"%d\" role=\"img\"><title>signal to noise of "
                        "the residual stream behind each layer</title>",
                  width, CHART_HEIGHT + 40);
  for (int decibels = 0; decibels <= 60; decibels += 20)
    mambaHtmlMarkup(page, "<path class=\"axis\" d=\"M%d %d.5H%d\"/><text x=\"%d\" y=\"%d\" text-anchor=\"end\">%d</text>",
                    CHART_LEFT, 10 + CHART_HEIGHT - decibels * CHART_HEIGHT / 60, width, CHART_LEFT - 6,
                    14 + CHART_HEIGHT - decibels * CHART_HEIGHT / 60, decibels);
  for (size_t i = 0; i < comparison->count; i++) {
    const MambaComparedValue *v = &comparison->values[i];
    const long layer = mambaComparedLayer(v);
    if (layer < 0)
      continue;
    const double decibels = mambaComparedDecibels(v), height = fmax(1, fmin(decibels, 60) * CHART_HEIGHT / 60);
    const int x = CHART_LEFT + (int)layer * BAR;
    mambaHtmlMarkup(page, "<rect class=\"%s\" x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" rx=\"2\"><title>layer %ld: "
                          "%.1f dB</title></rect><text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%ld</text>",
                    decibels < 20 ? "poor" : "good", x + 3, 10 + CHART_HEIGHT - height, BAR - 6, height, layer,
                    decibels, x + BAR / 2, CHART_HEIGHT + 26, layer);
  }
  mambaHtmlMarkup(page, "</svg></div>\n");
}

static void writeError(const MambaReportPage *r, MambaHtml *page) {
  enum { WORST = 12 };
  const MambaComparison *c = r->comparison;
  long layers = 0;
  for (size_t i = 0; i < c->count; i++)
    if (mambaComparedLayer(&c->values[i]) >= layers)
      layers = mambaComparedLayer(&c->values[i]) + 1;
  mambaHtmlMarkup(page,
                  "<h2>Error by layer</h2>\n<section class=\"card\"><p>This program's values against the float model's, "
                  "over %lld tokens: signal to noise in dB of the residual stream behind each layer. 20 dB is an error "
                  "of a tenth, 40 dB of a hundredth.</p>\n",
                  (long long)r->compared_tokens);
  if (layers)
    writeBars(c, layers, page);
  mambaHtmlMarkup(page, "<h3>The values that lost most</h3><div class=\"scroll\"><table><tr><th>value</th><th "
                        "class=\"num\">SNR (dB)</th><th class=\"num\">largest error</th><th class=\"num\">largest "
                        "value</th></tr>\n");
  for (size_t i = 0; i < c->count && i < WORST; i++) {
    const MambaComparedValue *v = &c->values[i];
    if (v->noise == 0)
      break;
    mambaHtmlMarkup(page, "<tr>");
    mambaHtmlElement(page, "td class='mono'", "%s", v->name);
    mambaHtmlMarkup(page, "<td class=\"num\">%.1f</td><td class=\"num\">%.4g</td><td class=\"num\">%.4g</td></tr>\n",
                    mambaComparedDecibels(v), v->max_error, v->max_value);
  }
  mambaHtmlMarkup(page, "</table></div></section>\n");
}

/* ---- Heat maps --------------------------------------------------------------------------------------- */

/* From below two deviations to beyond a hundred; the fifth begins at the report's criterion. */
static int levelOf(double deviations, double sigmas) {
  const double limits[LEVELS - 1] = {2, 3, 4.5, sigmas, 2 * sigmas, 4 * sigmas, 16 * sigmas};
  int level = 0;
  while (level < LEVELS - 1 && deviations > limits[level])
    level++;
  return level;
}

/* The cells of one colour in a row, neighbours as one rectangle. */
static void writeRow(const json_t *entry, double sigmas, int level, int y, MambaHtml *page) {
  const json_t *maxima = json_object_get(entry, "maxima");
  const size_t cells = json_array_size(maxima);
  const double deviation = numberOf(entry, "std"), step = (double)HEAT_WIDTH / (double)(cells ? cells : 1);
  for (size_t i = 0, end; i < cells; i = end) {
    end = i + 1;
    if (levelOf(json_number_value(json_array_get(maxima, i)) / (deviation > 0 ? deviation : 1), sigmas) != level)
      continue;
    while (end < cells &&
           levelOf(json_number_value(json_array_get(maxima, end)) / (deviation > 0 ? deviation : 1), sigmas) == level)
      end++;
    mambaHtmlMarkup(page, "M%.1f %dH%.1fv%dH%.1fz", CHART_LEFT + step * (double)i, y, CHART_LEFT + step * (double)end,
                    HEAT_ROW - 1, CHART_LEFT + step * (double)i);
  }
}

static void writeHeatMap(const json_t *sites, const json_t *recurrence, double sigmas, MambaHtml *page) {
  const char *site = textOf(recurrence, "site");
  const int height = (int)numberOf(recurrence, "layers") * HEAT_ROW;
  json_t *entry, *pair;
  size_t i;
  mambaHtmlMarkup(page, "<figure><figcaption><b class=\"mono\">");
  mambaHtmlText(page, site, strlen(site));
  if (numberOf(recurrence, "outliers") > 0)
    mambaHtmlMarkup(page, "</b>: %.0f outliers at %.0f positions", numberOf(recurrence, "outliers"),
                    numberOf(recurrence, "positions"));
  else
    mambaHtmlMarkup(page, "</b>: no outliers");
  if (numberOf(recurrence, "overlap") > 0)
    mambaHtmlMarkup(page, "; layers share them %.1f times as often as chance would", numberOf(recurrence, "overlap"));
  json_array_foreach(json_object_get(recurrence, "recurring"), i, pair)
    if (i < 4)
      mambaHtmlMarkup(page, "%s %" JSON_INTEGER_FORMAT " in %" JSON_INTEGER_FORMAT " layers", i ? "," : ": channel",
                      json_integer_value(json_array_get(pair, 0)), json_integer_value(json_array_get(pair, 1)));
  mambaHtmlMarkup(page, "</figcaption><div class=\"scroll\"><svg width=\"%d\" height=\"%d\" role=\"img\">",
                  CHART_LEFT + HEAT_WIDTH, height + 2);
  mambaHtmlElement(page, "title", "channel maxima of %s, a row for each layer", site);
  for (int level = 0; level < LEVELS; level++) {
    mambaHtmlMarkup(page, "<path class=\"h%d\" d=\"", level);
    json_array_foreach(sites, i, entry)
      if (!strcmp(textOf(entry, "site"), site))
        writeRow(entry, sigmas, level, (int)numberOf(entry, "layer") * HEAT_ROW, page);
    mambaHtmlMarkup(page, "\"/>");
  }
  for (int layer = 0; layer * HEAT_ROW < height; layer += 4)
    mambaHtmlMarkup(page, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%d</text>", CHART_LEFT - 6,
                    layer * HEAT_ROW + HEAT_ROW - 1, layer);
  mambaHtmlMarkup(page, "</svg></div></figure>\n");
}

static void writeKey(double sigmas, MambaHtml *page) {
  const double limits[LEVELS] = {0, 2, 3, 4.5, sigmas, 2 * sigmas, 4 * sigmas, 16 * sigmas};
  mambaHtmlMarkup(page, "<div class=\"scroll\"><svg class=\"key\" width=\"%d\" height=\"30\" role=\"img\"><title>colours</title>",
                  LEVELS * 70);
  for (int level = 0; level < LEVELS; level++)
    mambaHtmlMarkup(page, "<rect class=\"h%d\" x=\"%d\" y=\"2\" width=\"66\" height=\"10\"/><text x=\"%d\" y=\"25\">"
                          "&gt; %g &#963;</text>",
                    level, level * 70, level * 70, limits[level]);
  mambaHtmlMarkup(page, "</svg></div>\n");
}

/* ---- Histograms -------------------------------------------------------------------------------------- */

static void writeHistogram(const json_t *entry, const json_t *scales, MambaHtml *page) {
  enum { MOST_BINS = 256 };
  uint64_t counts[MOST_BINS];
  const json_t *histogram = json_object_get(entry, "histogram");
  const size_t bins = json_array_size(histogram) < MOST_BINS ? json_array_size(histogram) : MOST_BINS;
  const double scale = numberOf(scales, textOf(entry, "value")), absmax = numberOf(entry, "absmax");
  for (size_t i = 0; i < bins; i++)
    counts[i] = (uint64_t)json_integer_value(json_array_get(histogram, i));
  const double high = fmax(absmax, 127 * scale);
  /* Bins end at absmax; where the scale reaches further, empty ones follow. */
  size_t all = absmax > 0 && bins ? (size_t)ceil((double)bins * high / absmax - 1e-4) : bins;
  all = all < MOST_BINS ? all : MOST_BINS;
  for (size_t i = bins; i < all; i++)
    counts[i] = 0;
  const double end = bins ? absmax * (double)all / (double)bins : 1;
  /* Rounding must not put the clamp behind the end. */
  const MambaHistogramMark marks[] = {{fmin(127 * scale, end), "clamp"}, {numberOf(entry, "p99.99"), "p99.99"}};
  mambaHtmlMarkup(page, "<figure>");
  mambaHtmlHistogram(page, &(MambaHistogram){.counts = counts,
                                             .bins = all,
                                             .low = 0,
                                             .high = end,
                                             .marks = scale > 0 ? marks : marks + 1,
                                             .mark_count = scale > 0 ? 2 : 1,
                                             .label = textOf(entry, "value")});
  mambaHtmlMarkup(page, "<figcaption>");
  mambaHtmlElement(page, "b class='mono'", "%s", textOf(entry, "value"));
  mambaHtmlMarkup(page, "<br>&#963; %.3g, kurtosis %.1f, %zu of %.0f channels are outliers<br>", numberOf(entry, "std"),
                  numberOf(entry, "kurtosis"), json_array_size(json_object_get(entry, "outliers")),
                  numberOf(entry, "channels"));
  if (scale > 0)
    mambaHtmlMarkup(page, "int8, scale %.4g: clamped at %.4g", scale, 127 * scale);
  else
    mambaHtmlMarkup(page, "no static scale for the whole tensor");
  mambaHtmlMarkup(page, "</figcaption></figure>\n");
}

static void writeTableRow(const json_t *entry, MambaHtml *page) {
  static const char *const columns[] = {"absmax", "p99.999", "p99.99", "p99.9", "std"};
  mambaHtmlMarkup(page, "<tr>");
  mambaHtmlElement(page, "td class='mono'", "%s", textOf(entry, "value"));
  for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
    mambaHtmlMarkup(page, "<td class=\"num\">%.4g</td>", numberOf(entry, columns[i]));
  mambaHtmlMarkup(page, "<td class=\"num\">%.1f</td><td class=\"num\">%zu</td><td class=\"mono\">",
                  numberOf(entry, "kurtosis"), json_array_size(json_object_get(entry, "outliers")));
  json_t *channel;
  size_t i;
  json_array_foreach(json_object_get(entry, "outliers"), i, channel)
    if (i < 8)
      mambaHtmlMarkup(page, "%" JSON_INTEGER_FORMAT " ", json_integer_value(channel));
  mambaHtmlMarkup(page, "%s</td></tr>\n", i > 8 ? "..." : "");
}

static void writeSpread(const MambaReportPage *r, const json_t *sites, const char *site, MambaHtml *page) {
  json_t *entry;
  size_t i;
  mambaHtmlMarkup(page, "<details class=\"card\"><summary><b class=\"mono\">");
  mambaHtmlText(page, site, strlen(site));
  mambaHtmlMarkup(page, "</b></summary>\n<div class=\"scroll\"><table><tr><th>value</th><th class=\"num\">absmax</th><th "
                        "class=\"num\">p99.999</th><th class=\"num\">p99.99</th><th class=\"num\">p99.9</th><th "
                        "class=\"num\">&#963;</th><th class=\"num\">kurtosis</th><th class=\"num\">outliers</th>"
                        "<th>channels</th></tr>\n");
  json_array_foreach(sites, i, entry)
    if (!strcmp(textOf(entry, "site"), site))
      writeTableRow(entry, page);
  mambaHtmlMarkup(page, "</table></div>\n<div class=\"pair\">\n");
  json_array_foreach(sites, i, entry)
    if (!strcmp(textOf(entry, "site"), site))
      writeHistogram(entry, r->scales, page);
  mambaHtmlMarkup(page, "</div></details>\n");
}

static void writeOutliers(const MambaReportPage *r, MambaHtml *page) {
  const json_t *sites = json_object_get(r->outliers, "sites"),
               *recurrences = json_object_get(r->outliers, "recurrence");
  const double sigmas = numberOf(r->outliers, "sigmas");
  json_t *recurrence;
  size_t i;
  mambaHtmlMarkup(page,
                  "<h2>Outliers</h2>\n<section class=\"card\"><p>The largest distance of each channel from its site's "
                  "mean, in standard deviations of the site: a row for each layer, channels from left to right. Warm "
                  "colours are outlier channels, beyond %g &#963; (Mamba-PTQ, arXiv 2407.12397); a column of them is a "
                  "position that recurs.</p>\n",
                  sigmas);
  writeKey(sigmas, page);
  mambaHtmlMarkup(page, "<div class=\"maps\">\n");
  json_array_foreach(recurrences, i, recurrence)
    writeHeatMap(sites, recurrence, sigmas, page);
  mambaHtmlMarkup(page, "</div></section>\n<h2>How values are spread</h2>\n<p>Magnitudes, heights as square roots. What lies to "
                        "the right of the clamp saturates; a step of the scale is 1/127 of the way to it.</p>\n");
  json_array_foreach(recurrences, i, recurrence)
    writeSpread(r, sites, textOf(recurrence, "site"), page);
}

void mambaReportWrite(const MambaReportPage *report, MambaHtml *page) {
  mambaHtmlBegin(page, report->name, kStyle);
  mambaHtmlMarkup(page, "<p class=\"muted\">");
  mambaHtmlText(page, "recipe ", 7);
  mambaHtmlElement(page, "b", "%s", report->recipe);
  mambaHtmlText(page, ", target ", 9);
  mambaHtmlElement(page, "b", "%s", report->target);
  mambaHtmlMarkup(page, "</p>\n");
  writeSize(report, page);
  writeError(report, page);
  if (report->outliers)
    writeOutliers(report, page);
  else
    mambaHtmlMarkup(page, "<h2>Outliers</h2><p class=\"muted\">This recipe measures no activations.</p>\n");
  mambaHtmlEnd(page);
}
