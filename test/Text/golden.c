/* Ids that other implementations computed (golden.json says which), and sizes of whole files. */
#include "support.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void assertIds(const MambaTokenizer *tokenizer, const char *text, const json_t *expected) {
  int32_t *ids = NULL;
  size_t count = 0;
  assert_true(json_is_array(expected));
  assert_int_equal(mambaTokenizerEncode(tokenizer, text, strlen(text), &ids, &count), MAMBA_TOKENIZER_OK);
  bool same = count == json_array_size(expected);
  for (size_t i = 0; same && i < count; i++)
    same = ids[i] == json_integer_value(json_array_get(expected, i));
  if (!same) {
    char *wanted = json_dumps(expected, JSON_COMPACT);
    print_message("text \"%s\"\nexpected %s\nfound    ", text, wanted);
    for (size_t i = 0; i < count; i++)
      print_message("%s%d", i ? "," : "[", (int)ids[i]);
    print_message("]\n");
    free(wanted);
  }
  assert_true(same);
  free(ids);
}

/* Compares as the other implementation decodes: with U+FFFD for bytes that are not UTF-8. */
static void assertDecoded(const MambaTokenizer *tokenizer, const json_t *ids, const char *expected) {
  const size_t count = json_array_size(ids);
  int32_t *list = calloc(count + 1, sizeof *list);
  MambaUtf8Stream stream = {0};
  char *text = NULL;
  size_t size = 0;
  assert_non_null(list);
  for (size_t i = 0; i < count; i++)
    list[i] = (int32_t)json_integer_value(json_array_get(ids, i));
  assert_int_equal(mambaTokenizerDecode(tokenizer, list, count, true, &text, &size), MAMBA_TOKENIZER_OK);
  char *shown = calloc(MAMBA_UTF8_STREAM_CAPACITY(size) + 4, 1);
  assert_non_null(shown);
  size = mambaUtf8StreamPush(&stream, text, size, shown);
  mambaUtf8StreamFlush(&stream, shown + size);
  assert_string_equal(shown, expected);
  free(shown);
  free(list);
  free(text);
}

static void checkCases(const char *path, const char *name) {
  MambaTokenizer *tokenizer = openTokenizer(path);
  json_t *golden = json_load_file("Text/golden.json", 0, NULL);
  const json_t *cases = json_object_get(golden, "cases");
  assert_true(json_array_size(cases) > 50);
  for (size_t i = 0; i < json_array_size(cases); i++) {
    const json_t *entry = json_array_get(cases, i);
    const char *decoded = json_string_value(json_object_get(json_object_get(entry, "decoded"), name));
    assertIds(tokenizer, json_string_value(json_object_get(entry, "text")), json_object_get(entry, name));
    if (decoded)
      assertDecoded(tokenizer, json_object_get(entry, name), decoded);
  }
  json_decref(golden);
  mambaTokenizerDestroy(tokenizer);
}

static void casesTiny(void **state) {
  (void)state;
  checkCases(TINY_JSON, "tiny");
}

static void casesAdded(void **state) {
  (void)state;
  checkCases(ADDED_JSON, "added");
}

static void casesPrefix(void **state) {
  (void)state;
  checkCases(PREFIX_JSON, "prefix");
}

static void casesNeoX(void **state) {
  (void)state;
  checkCases(optionalData("models/mid/tokenizer.json"), "neox");
}

/* The sample model's prompt and greedy continuation. */
static void modelPrompt(void **state) {
  (void)state;
  MambaTokenizer *tokenizer = openTokenizer(TINY_JSON);
  json_t *golden = json_load_file("../models/tiny/golden.json", 0, NULL);
  assert_non_null(golden);
  assertIds(tokenizer, json_string_value(json_object_get(golden, "prompt")),
            json_object_get(golden, "prompt_ids"));
  assertDecoded(tokenizer, json_object_get(golden, "continuation_ids"),
                json_string_value(json_object_get(golden, "continuation_text")));
  json_decref(golden);
  mambaTokenizerDestroy(tokenizer);
}

static void assertFileCount(const char *tokenizerPath, const char *textPath, size_t expected) {
  MambaTokenizer *tokenizer = openTokenizer(tokenizerPath);
  size_t size, count = 0;
  char *text = readWholeFile(textPath, &size);
  int32_t *ids = NULL;
  assert_int_equal(mambaTokenizerEncode(tokenizer, text, size, &ids, &count), MAMBA_TOKENIZER_OK);
  assert_int_equal(count, expected);
  free(ids);
  free(text);
  mambaTokenizerDestroy(tokenizer);
}

static void wikiTextTiny(void **state) {
  (void)state;
  assertFileCount(TINY_JSON, optionalData("data/wiki.test.raw"), 452960);
}

static void wikiTextNeoX(void **state) {
  (void)state;
  char tokenizer[1024];
  strcpy(tokenizer, optionalData("models/mid/tokenizer.json"));
  assertFileCount(tokenizer, optionalData("data/wiki.test.raw"), 287159);
}

static void lookups(void **state) {
  (void)state;
  MambaTokenizer *tokenizer = openTokenizer(TINY_JSON);
  size_t size = 1;
  assert_int_equal(mambaTokenizerGetSize(tokenizer), 4096);
  assert_int_equal(mambaTokenizerFind(tokenizer, "<|endoftext|>", 13), 0);
  assert_int_equal(mambaTokenizerFind(tokenizer, "<|endoftext|", 12), -1);
  assert_true(mambaTokenizerIsSpecial(tokenizer, 0));
  assert_false(mambaTokenizerIsSpecial(tokenizer, 1));
  for (size_t i = 0; i < 4; i++) {
    const int32_t outside[] = {-1, 4096, INT32_MIN, INT32_MAX};
    mambaTokenizerGetBytes(tokenizer, outside[i], &size);
    assert_int_equal(size, 0);
    assert_false(mambaTokenizerIsSpecial(tokenizer, outside[i]));
  }
  mambaTokenizerDestroy(tokenizer);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(casesTiny),    cmocka_unit_test(casesAdded),  cmocka_unit_test(casesPrefix),
      cmocka_unit_test(casesNeoX),    cmocka_unit_test(modelPrompt), cmocka_unit_test(wikiTextTiny),
      cmocka_unit_test(wikiTextNeoX), cmocka_unit_test(lookups),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
