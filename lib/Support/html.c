#include "mamba/html.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The content policy makes a browser refuse whatever would leave the page, scripts included. */
static const char kHead[] = "<meta charset=\"utf-8\">\n"
                            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                            "style-src 'unsafe-inline'\">\n"
                            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                            "<meta name=\"color-scheme\" content=\"light dark\">\n";

static const char kStyle[] =
    ":root{--paper:#f6f7f9;--card:#fff;--ink:#1c2330;--muted:#667085;--line:#dfe3ea;--accent:#2f6fd6;"
    "--soft:#e4edfb;--warm:#c2620c;--bad:#c62f3c}\n"
    "@media(prefers-color-scheme:dark){:root{--paper:#12161d;--card:#1a2029;--ink:#e3e7ee;--muted:#97a2b3;"
    "--line:#2d3643;--accent:#78adff;--soft:#213450;--warm:#f0a45a;--bad:#ff7d87}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}\n"
    "main{max-width:76rem;margin:0 auto;padding:2rem 1.25rem 4rem}\n"
    "h1{font-size:1.6rem;line-height:1.25;margin:0 0 .5rem;overflow-wrap:anywhere}\n"
    "h2{font-size:1.15rem;margin:2rem 0 .75rem}\n"
    "h3{font-size:1rem;margin:1.25rem 0 .5rem}\n"
    "code,pre,.mono{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.86em}\n"
    "pre{background:var(--paper);border:1px solid var(--line);border-radius:6px;padding:.6rem .8rem;"
    "overflow:auto;margin:.5rem 0}\n"
    ".muted{color:var(--muted)}\n"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem 1.1rem;"
    "margin:.75rem 0}\n"
    ".scroll{overflow-x:auto}\n"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:.28rem .7rem;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}\n"
    "th{color:var(--muted);font-weight:600;font-size:.85em}\n"
    ".num{text-align:right}\n"
    "summary{cursor:pointer}\n"
    "summary:hover{color:var(--accent)}\n"
    ":focus-visible{outline:2px solid var(--accent);outline-offset:2px}\n"
    "figure{margin:.5rem 0}\n"
    "figcaption{color:var(--muted);font-size:.85em}\n"
    "svg text{fill:var(--muted);font:11px system-ui,sans-serif}\n"
    ".bar{fill:var(--accent)}.axis{stroke:var(--line)}.mark{stroke:var(--warm);stroke-width:1.5}\n"
    "svg .mark-label{fill:var(--warm)}\n";

/* ---- Text ------------------------------------------------------------------------------------------- */

/* Room for that many bytes and a terminator, or NULL. */
static char *reserve(MambaHtml *page, size_t bytes) {
  if (page->failed || bytes >= SIZE_MAX / 2 - page->size) {
    page->failed = true;
    return NULL;
  }
  if (page->size + bytes + 1 > page->capacity) {
    const size_t capacity = 2 * (page->size + bytes) + 4096;
    char *larger = realloc(page->text, capacity);
    if (!larger) {
      page->failed = true;
      return NULL;
    }
    page->text = larger;
    page->capacity = capacity;
  }
  return page->text + page->size;
}

static void append(MambaHtml *page, const char *bytes, size_t count) {
  char *at = reserve(page, count);
  if (!at)
    return;
  memcpy(at, bytes, count);
  at[count] = 0;
  page->size += count;
}

static void appendText(MambaHtml *page, const char *text) {
  append(page, text, strlen(text));
}

static void appendFormat(MambaHtml *page, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  const int length = vsnprintf(NULL, 0, format, args);
  char *at = length < 0 ? NULL : reserve(page, (size_t)length);
  if (at) {
    vsnprintf(at, (size_t)length + 1, format, again);
    page->size += (size_t)length;
  } else {
    page->failed = true;
  }
  va_end(again);
}

void mambaHtmlMarkup(MambaHtml *page, const char *format, ...) {
  va_list args;
  va_start(args, format);
  appendFormat(page, format, args);
  va_end(args);
}

/* Bytes of the UTF-8 character there, 0 for what is none (Unicode 15, table 3-7). */
static size_t characterAt(const unsigned char *p, size_t left) {
  const size_t length = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;
  if (!length || length > left)
    return 0;
  for (size_t i = 1; i < length; i++)
    if ((p[i] & 0xc0) != 0x80)
      return 0;
  const bool overlong = (*p == 0xe0 && p[1] < 0xa0) || (*p == 0xf0 && p[1] < 0x90);
  const bool outside = (*p == 0xed && p[1] > 0x9f) || (*p == 0xf4 && p[1] > 0x8f);
  return overlong || outside ? 0 : length;
}

void mambaHtmlText(MambaHtml *page, const char *text, size_t length) {
  for (size_t i = 0; i < length;) {
    const unsigned char c = (unsigned char)text[i];
    const size_t size = characterAt((const unsigned char *)text + i, length - i);
    if (!size || (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
      appendText(page, "\xef\xbf\xbd");
    else if (c == '&')
      appendText(page, "&amp;");
    else if (c == '<')
      appendText(page, "&lt;");
    else if (c == '>')
      appendText(page, "&gt;");
    else if (c == '"')
      appendText(page, "&quot;");
    else if (c == '\'')
      appendText(page, "&#39;");
    else
      append(page, text + i, size);
    i += size ? size : 1;
  }
}

void mambaHtmlElement(MambaHtml *page, const char *tag, const char *format, ...) {
  MambaHtml text = {0};
  va_list args;
  va_start(args, format);
  appendFormat(&text, format, args);
  va_end(args);
  mambaHtmlMarkup(page, "<%s>", tag);
  mambaHtmlText(page, text.text ? text.text : "", text.size);
  mambaHtmlMarkup(page, "</%.*s>", (int)strcspn(tag, " "), tag);
  page->failed |= text.failed;
  mambaHtmlDestroy(&text);
}

/* ---- Pages ------------------------------------------------------------------------------------------ */

void mambaHtmlBegin(MambaHtml *page, const char *title, const char *style) {
  appendText(page, "<!doctype html>\n<html lang=\"en\">\n<head>\n");
  appendText(page, kHead);
  mambaHtmlElement(page, "title", "%s", title);
  appendText(page, "\n<style>\n");
  appendText(page, kStyle);
  appendText(page, style ? style : "");
  appendText(page, "</style>\n</head>\n<body>\n<main>\n");
  mambaHtmlElement(page, "h1", "%s", title);
}

void mambaHtmlEnd(MambaHtml *page) {
  appendText(page, "</main>\n</body>\n</html>\n");
}

MambaStatus mambaHtmlFinish(const MambaHtml *page, MambaError *error) {
  return page->failed ? mambaFail(error, MAMBA_NO_MEMORY, "no memory for a page of %zu bytes", page->size)
                      : MAMBA_OK;
}

void mambaHtmlDestroy(MambaHtml *page) {
  free(page->text);
  *page = (MambaHtml){0};
}

/* ---- Numbers and drawings --------------------------------------------------------------------------- */

const char *mambaHtmlNumber(double value, char text[MAMBA_HTML_NUMBER]) {
  snprintf(text, MAMBA_HTML_NUMBER, "%.4g", value);
  return text;
}

const char *mambaHtmlCount(double count, char text[MAMBA_HTML_NUMBER]) {
  static const char *const units[] = {"", " K", " M", " G", " T"};
  size_t unit = 0;
  for (; fabs(count) >= (unit ? 999.5 : 9999.5) && unit + 1 < sizeof units / sizeof units[0]; unit++)
    count /= 1000;
  snprintf(text, MAMBA_HTML_NUMBER, "%.*f%s", unit ? 1 : 0, count, units[unit]);
  return text;
}

enum { WIDTH = 320, HEIGHT = 72, AXIS = 16, LABEL = 13 }; /* of a histogram, in CSS pixels */

void mambaHtmlHistogram(MambaHtml *page, const MambaHistogram *h) {
  char low[MAMBA_HTML_NUMBER], high[MAMBA_HTML_NUMBER];
  uint64_t most = 1;
  for (size_t i = 0; i < h->bins; i++)
    most = h->counts[i] > most ? h->counts[i] : most;
  const int top = h->mark_count ? LABEL : 0, bottom = top + HEIGHT;
  mambaHtmlMarkup(page, "<svg width=\"%d\" height=\"%d\" role=\"img\">", WIDTH, bottom + AXIS);
  mambaHtmlElement(page, "title", "%s", h->label);
  appendText(page, "<path class=\"bar\" d=\"");
  for (size_t i = 0; i < h->bins; i++)
    if (h->counts[i])
      mambaHtmlMarkup(page, "M%.1f %dV%.1fH%.1fV%dz", (double)WIDTH * (double)i / (double)h->bins, bottom,
                      bottom - HEIGHT * sqrt((double)h->counts[i] / (double)most),
                      (double)WIDTH * (double)(i + 1) / (double)h->bins, bottom);
  mambaHtmlMarkup(page, "\"/><path class=\"axis\" d=\"M0 %d.5H%d\"/>", bottom, WIDTH);
  for (size_t i = 0; i < h->mark_count; i++) {
    const double x = WIDTH * (h->marks[i].value - h->low) / (h->high - h->low);
    if (!(x >= 0 && x <= WIDTH))
      continue;
    mambaHtmlMarkup(page, "<path class=\"mark\" d=\"M%.1f %dV%d\"/>", x, top, bottom);
    mambaHtmlMarkup(page, "<text class=\"mark-label\" x=\"%.1f\" y=\"10\" text-anchor=\"%s\">", x,
                    x < WIDTH / 5.0       ? "start"
                    : x > 4 * WIDTH / 5.0 ? "end"
                                          : "middle");
    mambaHtmlText(page, h->marks[i].label, strlen(h->marks[i].label));
    appendText(page, "</text>");
  }
  mambaHtmlMarkup(page, "<text x=\"0\" y=\"%d\">%s</text>", bottom + AXIS - 3, mambaHtmlNumber(h->low, low));
  mambaHtmlMarkup(page, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text></svg>", WIDTH,
                  bottom + AXIS - 3, mambaHtmlNumber(h->high, high));
}
