/* What goes in comes out: all of Unicode, all bytes, long words. */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool isSurrogate(uint32_t c) {
  return c >= 0xD800 && c < 0xE000;
}

static void everyScalar(void **state) {
  (void)state;
  static const char *const around[][2] = {{"", ""}, {"a ", "b"}};
  MambaTokenizer *tokenizer = openTokenizer(TINY_JSON);
  for (uint32_t c = 0; c < MAMBA_TEXT_SCALARS; c++)
    for (size_t i = 0; i < 2 && !isSurrogate(c); i++) {
      unsigned char text[16];
      size_t size = strlen(around[i][0]);
      memcpy(text, around[i][0], size);
      size += mambaTextEncode(c, text + size);
      memcpy(text + size, around[i][1], strlen(around[i][1]));
      assertRoundTrip(tokenizer, text, size + strlen(around[i][1]));
    }
  mambaTokenizerDestroy(tokenizer);
}

/* Every scalar, one after the other, as one text. */
static void wholeUnicode(void **state) {
  (void)state;
  MambaTokenizer *tokenizer = openTokenizer(TINY_JSON);
  unsigned char *text = malloc(4 * (size_t)MAMBA_TEXT_SCALARS);
  size_t size = 0;
  assert_non_null(text);
  for (uint32_t c = 0; c < MAMBA_TEXT_SCALARS; c++)
    if (!isSurrogate(c))
      size += mambaTextEncode(c, text + size);
  assertRoundTrip(tokenizer, text, size);
  free(text);
  mambaTokenizerDestroy(tokenizer);
}

static void illFormedBytes(void **state) {
  (void)state;
  MambaTokenizer *tokenizer = openTokenizer(TINY_JSON);
  uint64_t random = 7;
  unsigned char text[64];
  for (unsigned a = 0; a < 256; a++)
    for (unsigned b = 0; b < 256; b++) {
      const unsigned char pair[] = {(unsigned char)a, (unsigned char)b, 'x'};
      assertRoundTrip(tokenizer, pair, sizeof pair);
    }
  for (int i = 0; i < 20000; i++) {
    const size_t size = randomBelow(&random, sizeof text);
    for (size_t k = 0; k < size; k++)
      text[k] = (unsigned char)randomBelow(&random, 256);
    assertRoundTrip(tokenizer, text, size);
  }
  mambaTokenizerDestroy(tokenizer);
}

/* Bytes that UTF-8 never uses and that a vocabulary leaves out are dropped, others kept. */
static void absentBytes(void **state) {
  (void)state;
  MambaTokenizer *tokenizer = openTokenizer(optionalData("models/mid/tokenizer.json"));
  const char text[] = "a\xFF\xC0"
                      "b\x80";
  int32_t *ids = NULL;
  char *decoded = NULL;
  size_t count, size;
  assert_int_equal(mambaTokenizerEncode(tokenizer, text, sizeof text - 1, &ids, &count), MAMBA_TOKENIZER_OK);
  assert_int_equal(mambaTokenizerDecode(tokenizer, ids, count, false, &decoded, &size), MAMBA_TOKENIZER_OK);
  assert_string_equal(decoded, "ab\x80");
  free(ids);
  free(decoded);
  mambaTokenizerDestroy(tokenizer);
}

/* Words of a megabyte: a merge loop that is quadratic would take hours. */
static void longWords(void **state) {
  (void)state;
  static const char *const paths[] = {TINY_JSON, ADDED_JSON, PREFIX_JSON};
  const size_t size = 1 << 20;
  char *text = malloc(size + 1);
  assert_non_null(text);
  text[0] = ' '; /* what PREFIX_JSON would add */
  for (size_t p = 0; p < 3; p++) {
    MambaTokenizer *tokenizer = openTokenizer(paths[p]);
    const clock_t start = clock();
    memset(text + 1, 'a', size);
    assertRoundTrip(tokenizer, text, size + 1);
    memset(text + 1, ' ', size);
    assertRoundTrip(tokenizer, text, size + 1);
    for (size_t i = 1; i < size; i += 2) /* U+0301 and U+0323 in turn: one run of marks to reorder */
      memcpy(text + i, i % 4 == 1 ? "\u0301" : "\u0323", 2);
    int32_t *ids = NULL;
    size_t count;
    assert_int_equal(mambaTokenizerEncode(tokenizer, text, size + 1, &ids, &count), MAMBA_TOKENIZER_OK);
    free(ids);
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 60);
    mambaTokenizerDestroy(tokenizer);
  }
  free(text);
}

static void tooLong(void **state) {
  (void)state;
  MambaTokenizer *tokenizer = openTokenizer(TINY_JSON);
  int32_t *ids = NULL;
  size_t count;
  assert_int_equal(mambaTokenizerEncode(tokenizer, "", MAMBA_TOKENIZER_MAX_TEXT + 1, &ids, &count),
                   MAMBA_TOKENIZER_TOO_LONG);
  assert_null(ids);
  mambaTokenizerDestroy(tokenizer);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(everyScalar), cmocka_unit_test(wholeUnicode), cmocka_unit_test(illFormedBytes),
      cmocka_unit_test(absentBytes), cmocka_unit_test(longWords),    cmocka_unit_test(tooLong),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
