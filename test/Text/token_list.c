/* Token ids written as text. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "text/token_list.h"

static void lists(void **state) {
  (void)state;
  static const struct {
    const char *text;
    size_t count;
    int32_t ids[4];
  } cases[] = {
      {"", 0, {0}},
      {" , \n", 0, {0}},
      {"7", 1, {7}},
      {"1,2, 3\n", 3, {1, 2, 3}},
      {",,0\t2147483647,", 2, {0, 2147483647}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int32_t *ids = NULL;
    size_t count, length;
    const char *wrong;
    assert_true(mambaTokenListParse(cases[i].text, &ids, &count, &wrong, &length));
    assert_int_equal(count, cases[i].count);
    assert_memory_equal(ids, cases[i].ids, count * sizeof *ids);
    free(ids);
  }
}

static void refused(void **state) {
  (void)state;
  static const struct {
    const char *text, *wrong;
    size_t before;
  } cases[] = {
      {"x", "x", 0},     {"1,2x,3", "2x", 1},
      {"5 -1", "-1", 1}, {"2147483648", "2147483648", 0},
      {"1;2", "1;2", 0}, {"3,99999999999999999999 4", "99999999999999999999", 1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int32_t *ids = NULL;
    size_t count, length;
    const char *wrong;
    assert_false(mambaTokenListParse(cases[i].text, &ids, &count, &wrong, &length));
    assert_int_equal(count, cases[i].before);
    assert_int_equal(length, strlen(cases[i].wrong));
    assert_memory_equal(wrong, cases[i].wrong, length);
    assert_null(ids);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(lists), cmocka_unit_test(refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
