/* Normalization against libutf8proc's own. */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static MambaTokenizer *tokenizer;

static int setUp(void **state) {
  (void)state;
  tokenizer = openTokenizer(ADDED_JSON);
  return 0;
}

static int tearDown(void **state) {
  (void)state;
  mambaTokenizerDestroy(tokenizer);
  return 0;
}

static void assertSameNfc(const unsigned char *text, size_t size) {
  MambaTextBytes found = {0};
  utf8proc_uint8_t *expected = NULL;
  const utf8proc_ssize_t length =
      utf8proc_map(text, (utf8proc_ssize_t)size, &expected, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  assert_true(length >= 0);
  assert_true(mambaTextNormalize(tokenizer, text, size, &found));
  assert_int_equal(found.size, length);
  if (length)
    assert_memory_equal(found.data, expected, (size_t)length);
  free(expected);
  free(found.data);
}

/* libutf8proc 2.8 takes U+11A7 for a trailing consonant of Hangul and drops it after a syllable. */
static void notATrailingConsonant(void **state) {
  (void)state;
  static const char text[] = "\uac00\u11a7 \u1100\u1161\u11a7", expected[] = "\uac00\u11a7 \uac00\u11a7";
  MambaTextBytes found = {0};
  assert_true(mambaTextNormalize(tokenizer, (const unsigned char *)text, sizeof text - 1, &found));
  assert_int_equal(found.size, sizeof expected - 1);
  assert_memory_equal(found.data, expected, sizeof expected - 1);
  free(found.data);
}

static bool isSurrogate(uint32_t c) {
  return c >= 0xD800 && c < 0xE000;
}

/* Each scalar after a letter that composes with many marks, and before marks of two classes. */
static void everyScalar(void **state) {
  (void)state;
  static const char *const around[][2] = {{"", ""}, {"A", ""}, {"", "\u0301"}, {"o\u0323", "\u0302\u0323"}};
  for (uint32_t c = 0; c < MAMBA_TEXT_SCALARS; c++)
    for (size_t i = 0; i < 4 && !isSurrogate(c); i++) {
      unsigned char text[32];
      size_t size = strlen(around[i][0]);
      memcpy(text, around[i][0], size);
      size += mambaTextEncode(c, text + size);
      memcpy(text + size, around[i][1], strlen(around[i][1]));
      assertSameNfc(text, size + strlen(around[i][1]));
    }
}

/* Sequences of those scalars that normalization is about. */
static void randomSequences(void **state) {
  (void)state;
  static uint32_t pool[MAMBA_TEXT_SCALARS];
  uint32_t count = 0;
  uint64_t random = 99;
  const unsigned active = MAMBA_PROPERTY_JOINS | MAMBA_PROPERTY_CHANGES | MAMBA_PROPERTY_DECOMPOSES |
                          0xFF << MAMBA_PROPERTY_CCC_SHIFT;
  for (uint32_t c = 0; c < MAMBA_TEXT_SCALARS; c++)
    if (!isSurrogate(c) && (mambaTextProperties(tokenizer, c) & active))
      pool[count++] = c;
  for (uint32_t i = 0; i < tokenizer->compositionCount; i++)
    pool[count++] = tokenizer->compositions[3 * i];
  assert_true(count > 2000);
  for (int round = 0; round < 200000; round++) {
    unsigned char text[128];
    size_t size = 0;
    for (uint32_t n = randomBelow(&random, 16); n > 0; n--) {
      const uint32_t kind = randomBelow(&random, 8);
      const uint32_t c = kind == 0   ? 'a' + randomBelow(&random, 26)
                         : kind == 1 ? 0x1100 + randomBelow(&random, 0x100) /* Hangul letters */
                         : kind == 2 ? 0xAC00 + randomBelow(&random, 11172) /* and syllables */
                         : kind == 3 ? 0x300 + randomBelow(&random, 0x70)   /* Latin marks */
                                     : pool[randomBelow(&random, count)];
      size += mambaTextEncode(c == 0x11A7 ? 0x11A8 : c, text + size);
    }
    assertSameNfc(text, size);
  }
}

/* Ill-formed bytes pass and keep marks on both sides apart. */
static void illFormedBytes(void **state) {
  (void)state;
  const char text[] = "e\xFF\u0301 e\u0301\xE2\x82 A\xCC";
  const char expected[] = "e\xFF\u0301 \u00e9\xE2\x82 A\xCC";
  MambaTextBytes found = {0};
  assert_true(mambaTextNormalize(tokenizer, (const unsigned char *)text, sizeof text - 1, &found));
  assert_int_equal(found.size, sizeof expected - 1);
  assert_memory_equal(found.data, expected, sizeof expected - 1);
  free(found.data);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(everyScalar),
      cmocka_unit_test(randomSequences),
      cmocka_unit_test(illFormedBytes),
      cmocka_unit_test(notATrailingConsonant),
  };
  return cmocka_run_group_tests(tests, setUp, tearDown);
}
