/* The hand-written scanner against PCRE2 with the pattern itself. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "support.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

static const char pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/* Of each class some of every length in UTF-8, spaces of all kinds, and what contractions are made of. All
 * have had their classes since Unicode 6.0, so that versions do not matter. */
static const char *const alphabet[] = {
    "a",          "S",      "\u00e9",     "\u4e2d", "\U00010400", "\u02b0", "\u0e01", "s",
    "t",          "r",      "e",          "v",      "m",          "l",      "d",      "'",
    "'",          "'",      "ll",         "re",     "1",          "\u00bd", "\u0663", "\u2167",
    "\U0001d7d8", "\u3007", " ",          " ",      " ",          "\n",     "\t",     "\r",
    "\v",         "\f",     "\xc2\x85",   "\u00a0", "\u1680",     "\u2003", "\u2028", "\u2029",
    "\u202f",     "\u205f", "\u3000",     "!",      "-",          "\u0301", "\u200b", "\u200d",
    "\ufeff",     "\u0600", "\U0001f600", "\ue000", "\x01",       "\x1c",   "\x1f",   "_",
};

static void sameWords(void **state) {
  (void)state;
  MambaTokenizer *tokenizer = openTokenizer(TINY_JSON);
  int code;
  PCRE2_SIZE where;
  uint64_t random = 42;
  pcre2_code *regex =
      pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &code, &where, NULL);
  assert_non_null(regex);
  pcre2_match_data *match = pcre2_match_data_create_from_pattern(regex, NULL);
  assert_non_null(match);
  for (int round = 0; round < 200000; round++) {
    char text[256] = "";
    for (uint32_t n = randomBelow(&random, 24); n > 0; n--)
      strcat(text, alphabet[randomBelow(&random, sizeof alphabet / sizeof *alphabet)]);
    const size_t size = strlen(text);
    for (size_t at = 0; at < size;) {
      assert_true(pcre2_match(regex, (PCRE2_SPTR)text, size, at, 0, match, NULL) > 0);
      const PCRE2_SIZE *span = pcre2_get_ovector_pointer(match);
      assert_int_equal(span[0], at);
      const size_t length = mambaTextWordLength(tokenizer, (const unsigned char *)text + at, size - at);
      if (length != span[1] - at)
        fail_msg("\"%s\" at %zu: expected a word of %zu bytes, found %zu", text, at, (size_t)span[1] - at,
                 length);
      at += length;
    }
  }
  pcre2_match_data_free(match);
  pcre2_code_free(regex);
  mambaTokenizerDestroy(tokenizer);
}

/* The regular expression library may know an older Unicode than the tables: classes of what it calls assigned
 * must agree. To it U+180E is still a space, which it was before Unicode 6.3. */
static void sameClasses(void **state) {
  (void)state;
  static const char classes[] = "^(?:(\\p{Cn})|(\\p{L})|(\\p{N})|(\\s)|(.))$";
  static const unsigned expected[] = {
      0, 0, MAMBA_CLASS_LETTER, MAMBA_CLASS_NUMBER, MAMBA_CLASS_SPACE, MAMBA_CLASS_OTHER};
  MambaTokenizer *tokenizer = openTokenizer(TINY_JSON);
  int code;
  PCRE2_SIZE where;
  pcre2_code *regex =
      pcre2_compile((PCRE2_SPTR)classes, PCRE2_ZERO_TERMINATED,
                    PCRE2_UTF | PCRE2_UCP | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY, &code, &where, NULL);
  assert_non_null(regex);
  pcre2_match_data *match = pcre2_match_data_create_from_pattern(regex, NULL);
  assert_non_null(match);
  for (uint32_t c = 0; c < MAMBA_TEXT_SCALARS; c++) {
    unsigned char text[4];
    if ((c >= 0xD800 && c < 0xE000) || c == 0x180E)
      continue;
    const unsigned size = mambaTextEncode(c, text);
    const int group = pcre2_match(regex, text, size, 0, 0, match, NULL) - 1; /* the last group that is set */
    assert_in_range(group, 1, 5);
    if (group > 1 && (mambaTextProperties(tokenizer, c) & MAMBA_PROPERTY_CLASS) != expected[group])
      fail_msg("U+%04X: expected class %u", (unsigned)c, expected[group]);
  }
  pcre2_match_data_free(match);
  pcre2_code_free(regex);
  mambaTokenizerDestroy(tokenizer);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sameWords),
      cmocka_unit_test(sameClasses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
