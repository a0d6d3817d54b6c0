/* Pages for people: one self-contained HTML file with its style (light and dark) and SVG drawings, no script and
 * nothing fetched from elsewhere.
 *
 * A page is text that grows. Text given to mambaHtmlText and mambaHtmlElement is escaped, so names from untrusted
 * files may go there and nowhere else. A lack of memory is remembered and told by mambaHtmlFinish. */
#ifndef MAMBA_HTML_H
#define MAMBA_HTML_H

#include "mamba/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Zeroed before use; freed by mambaHtmlDestroy. */
typedef struct MambaHtml {
  char *text; /* UTF-8, terminated; NULL while empty */
  size_t size, capacity;
  bool failed;
} MambaHtml;

/* The head of a page and its first heading; `style` is CSS of the page's own behind the common one, or NULL. The
 * common style has the custom properties --paper, --card, --ink, --muted, --line, --accent, --soft, --warm, --bad,
 * and styles for tables (numbers: class num), details, code, pre, figures, and sections of class card. */
void mambaHtmlBegin(MambaHtml *page, const char *title, const char *style);
void mambaHtmlEnd(MambaHtml *page);

/* Markup, as it is: literal text of ours and numbers, never names. */
void mambaHtmlMarkup(MambaHtml *page, const char *format, ...) MAMBA_PRINTF(2, 3);
/* Text or the value of a quoted attribute, escaped. Control characters and what is not UTF-8 become U+FFFD. */
void mambaHtmlText(MambaHtml *page, const char *text, size_t length);
/* <tag>text</tag>, the text escaped; `tag` may carry attributes: "td class='num'". */
void mambaHtmlElement(MambaHtml *page, const char *tag, const char *format, ...) MAMBA_PRINTF(3, 4);

/* A number as people read it: four significant digits, "12.5 M" style for counts. Returns `text`. */
enum { MAMBA_HTML_NUMBER = 32 };
const char *mambaHtmlNumber(double value, char text[MAMBA_HTML_NUMBER]);
const char *mambaHtmlCount(double count, char text[MAMBA_HTML_NUMBER]);

/* A vertical line in a histogram, such as where values are clamped. */
typedef struct MambaHistogramMark {
  double value;
  const char *label; /* shown on hovering and in the caption's place below the axis */
} MambaHistogramMark;

/* Bars over [low, high] in bins of the same width. Heights are square roots of the counts, so that tails can be
 * seen. Marks outside of the range are left out. */
typedef struct MambaHistogram {
  const uint64_t *counts;
  size_t bins;
  double low, high;
  const MambaHistogramMark *marks;
  size_t mark_count;
  const char *label; /* what it shows, for screen readers and on hovering */
} MambaHistogram;
void mambaHtmlHistogram(MambaHtml *page, const MambaHistogram *histogram);

/* MAMBA_NO_MEMORY when any of the above lacked memory. The text stays the page's. */
MAMBA_MUST_CHECK MambaStatus mambaHtmlFinish(const MambaHtml *page, MambaError *error);
void mambaHtmlDestroy(MambaHtml *page);

#ifdef __cplusplus
}
#endif
#endif
