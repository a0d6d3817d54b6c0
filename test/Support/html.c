/* Pages: what is escaped, what a number looks like, how tall a bar is. */
#include "mamba/html.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void expectText(const char *text, size_t length, const char *expected) {
  MambaHtml page = {0};
  MambaError error;
  mambaHtmlText(&page, text, length);
  assert_int_equal(mambaHtmlFinish(&page, &error), MAMBA_OK);
  assert_string_equal(page.text, expected);
  mambaHtmlDestroy(&page);
}

static void test_escaping(void **state) {
  (void)state;
  expectText("a<b>&\"'", 7, "a&lt;b&gt;&amp;&quot;&#39;");
  expectText("x\0y\x7f\n", 5, "x\xef\xbf\xbdy\xef\xbf\xbd\n");
  expectText("\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x8d", 9, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x8d");
  expectText("\xc3", 1, "\xef\xbf\xbd");                                 /* cut */
  expectText("\xc0\xbc", 2, "\xef\xbf\xbd\xef\xbf\xbd");                 /* '<' spelled too long */
  expectText("\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* a surrogate */
}

static void test_page(void **state) {
  (void)state;
  MambaHtml page = {0};
  MambaError error;
  mambaHtmlBegin(&page, "</title><script>", NULL);
  mambaHtmlElement(&page, "td class='num'", "%d < %s", 1, "\"2\"");
  mambaHtmlEnd(&page);
  assert_int_equal(mambaHtmlFinish(&page, &error), MAMBA_OK);
  assert_int_equal(strlen(page.text), page.size);
  assert_non_null(strstr(page.text, "<title>&lt;/title&gt;&lt;script&gt;</title>"));
  assert_non_null(strstr(page.text, "<td class='num'>1 &lt; &quot;2&quot;</td>"));
  assert_null(strstr(page.text, "<script"));
  assert_null(strstr(page.text, "http:"));
  assert_null(strstr(page.text, "https:"));
  mambaHtmlDestroy(&page);
}

static void test_numbers(void **state) {
  (void)state;
  char text[MAMBA_HTML_NUMBER];
  assert_string_equal(mambaHtmlNumber(0.0401278250, text), "0.04013");
  assert_string_equal(mambaHtmlNumber(NAN, text), "nan");
  assert_string_equal(mambaHtmlCount(9999, text), "9999");
  assert_string_equal(mambaHtmlCount(6300000, text), "6.3 M");
  assert_string_equal(mambaHtmlCount(130e6, text), "130.0 M");
  assert_string_equal(mambaHtmlCount(-2.8e9, text), "-2.8 G");
}

static void test_histogram(void **state) {
  (void)state;
  const uint64_t counts[] = {1, 0, 4};
  const MambaHistogramMark marks[] = {{0, "<clamp>"}, {7, "outside"}};
  MambaHtml page = {0};
  MambaError error;
  mambaHtmlHistogram(&page, &(MambaHistogram){.counts = counts,
                                              .bins = 3,
                                              .low = -3,
                                              .high = 3,
                                              .marks = marks,
                                              .mark_count = 2,
                                              .label = "a & b"});
  assert_int_equal(mambaHtmlFinish(&page, &error), MAMBA_OK);
  /* The root of a quarter is half the height; nothing is drawn for an empty bin. */
  assert_non_null(strstr(page.text, "d=\"M0.0 85V49.0H106.7V85zM213.3 85V13.0H320.0V85z\""));
  assert_non_null(strstr(page.text, "M160.0 13V85"));
  assert_non_null(strstr(page.text, "&lt;clamp&gt;</text>"));
  assert_non_null(strstr(page.text, "<title>a &amp; b</title>"));
  assert_null(strstr(page.text, "outside"));
  mambaHtmlDestroy(&page);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_escaping), cmocka_unit_test(test_page),
                                     cmocka_unit_test(test_numbers), cmocka_unit_test(test_histogram)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
