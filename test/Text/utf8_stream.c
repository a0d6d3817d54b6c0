/* Text that arrives in pieces. */
#include "support.h"

#include <string.h>

static void assertStream(const char *bytes, const char *expected, size_t piece) {
  MambaUtf8Stream stream = {0};
  char out[512];
  size_t size = 0;
  for (size_t at = 0; at < strlen(bytes); at += piece) {
    const size_t left = strlen(bytes) - at, n = left < piece ? left : piece;
    char part[MAMBA_UTF8_STREAM_CAPACITY(64)];
    const size_t written = mambaUtf8StreamPush(&stream, bytes + at, n, part);
    assert_true(written <= MAMBA_UTF8_STREAM_CAPACITY(n));
    memcpy(out + size, part, written);
    size += written;
  }
  size += mambaUtf8StreamFlush(&stream, out + size);
  assert_int_equal(stream.count, 0);
  out[size] = 0;
  assert_string_equal(out, expected);
}

/* Replacements as in table 3-8 of The Unicode Standard and as WHATWG's decoder makes them. */
static void anyCut(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"plain", "plain"},
      {"\u00e9\u4e2d\U0001f600", "\u00e9\u4e2d\U0001f600"},
      {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41"},
      {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41"},
      {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41\uFFFD\uFFFD\x42"},
      {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", "\uFFFD\uFFFD\uFFFD\uFFFD\x41"},
      {"end \xF0\x9F\x98", "end \uFFFD"},
      {"end \xE2", "end \uFFFD"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (size_t piece = 1; piece <= 16; piece++)
      assertStream(cases[i][0], cases[i][1], piece);
}

static void waitsForTheEnd(void **state) {
  (void)state;
  MambaUtf8Stream stream = {0};
  char out[MAMBA_UTF8_STREAM_CAPACITY(4)];
  assert_int_equal(mambaUtf8StreamPush(&stream, "\xF0\x9F", 2, out), 0);
  assert_int_equal(mambaUtf8StreamPush(&stream, "\x98", 1, out), 0);
  assert_int_equal(mambaUtf8StreamPush(&stream, "\x80", 1, out), 4);
  assert_memory_equal(out, "\U0001f600", 4);
  assert_int_equal(mambaUtf8StreamFlush(&stream, out), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(anyCut),
      cmocka_unit_test(waitsForTheEnd),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
