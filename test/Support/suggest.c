/* Guesses: near names are found, far ones are not. */
#include "mamba/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *const kNames[] = {"orin", "orin-nano", "cpu", "y"};
enum { COUNT = sizeof kNames / sizeof kNames[0] };

static void expectGuess(const char *name, const char *expected) {
  MambaSuggestion s = mambaSuggestFor(name, strlen(name));
  char text[64] = "";
  for (size_t i = 0; i < COUNT; i++)
    mambaSuggestConsider(&s, kNames[i], strlen(kNames[i]));
  mambaSuggestAppend(&s, text, sizeof text);
  assert_string_equal(text, expected);
}

static void test_distances(void **state) {
  (void)state;
  expectGuess("orin", " (did you mean orin?)");
  expectGuess("roin", " (did you mean orin?)"); /* two of four characters, a third rounded up */
  expectGuess("ornxxa", "");                    /* three of six */
  expectGuess("orinnano", " (did you mean orin-nano?)");
  expectGuess("cp", " (did you mean cpu?)");
  expectGuess("z", ""); /* nothing would be left of it */
  expectGuess("", "");
}

static void test_long_names(void **state) {
  (void)state;
  char name[400];
  memset(name, 'a', sizeof name);
  MambaSuggestion s = mambaSuggestFor(name, sizeof name);
  mambaSuggestConsider(&s, name, sizeof name - 1);
  assert_null(s.nearest);
  s = mambaSuggestFor(name, 256);
  mambaSuggestConsider(&s, name, 300);
  assert_null(s.nearest);
  mambaSuggestConsider(&s, name, 255);
  assert_int_equal(s.nearest_length, 255);
  assert_int_equal(s.distance, 1);
}

static void test_description(void **state) {
  (void)state;
  const struct {
    const char *name;
    int number;
  } table[] = {{"first", 1}, {"second", 2}, {"third", 3}};
  char text[128], small[16];
  mambaSuggestDescribe("secnd!", 5, &table->name, 3, sizeof *table, text, sizeof text);
  assert_string_equal(text, "expected first, second or third, found 'secnd' (did you mean second?)");
  mambaSuggestDescribe("none", 4, &table->name, 1, sizeof *table, text, sizeof text);
  assert_string_equal(text, "expected first, found 'none'");
  mambaSuggestDescribe("secnd", 5, &table->name, 3, sizeof *table, small, sizeof small);
  assert_string_equal(small, "expected first,");
  static const char *const names[] = {"f32", "i8", NULL};
  assert_true(mambaSuggestKnows(names, sizeof *names, "i8", small, sizeof small));
  assert_string_equal(small, "expected first,");
  assert_false(mambaSuggestKnows(names, sizeof *names, "f23", text, sizeof text));
  assert_string_equal(text, "expected f32 or i8, found 'f23'");
  assert_false(mambaSuggestKnows(names, sizeof *names, "f3", text, sizeof text));
  assert_string_equal(text, "expected f32 or i8, found 'f3' (did you mean f32?)");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_distances), cmocka_unit_test(test_long_names),
                                     cmocka_unit_test(test_description)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
