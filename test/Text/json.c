/* tokenizer.json files that must be refused, each for its reason: one change to a small valid file. */
#include "support.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

typedef struct Refusal {
  const char *pointer; /* what to set, as keys and indices separated by '/' */
  const char *value;   /* JSON, or NULL to remove it */
  MambaStatus status;
  const char *message; /* what the message contains after the path of the file */
} Refusal;

static const Refusal refusals[] = {
    {"version", "\"2.0\"", MAMBA_UNSUPPORTED, "version: only \"1.0\" is supported, found \"2.0\""},
    {"truncation", "{\"max_length\":8}", MAMBA_UNSUPPORTED, "truncation: only null is supported"},
    {"padding", "{\"strategy\":\"BatchLongest\"}", MAMBA_UNSUPPORTED, "padding: only null is supported"},
    {"normalizer", "{\"type\":\"NFKC\"}", MAMBA_UNSUPPORTED,
     "normalizer: only NFC is supported, found {\"type\":\"NFKC\"}"},
    {"normalizer/normalizers/0", "{\"type\":\"Lowercase\"}", MAMBA_UNSUPPORTED, "normalizer: only NFC"},
    {"pre_tokenizer", "null", MAMBA_UNSUPPORTED,
     "pre_tokenizer: only one ByteLevel is supported, found nothing"},
    {"pre_tokenizer", "{\"type\":\"Whitespace\"}", MAMBA_UNSUPPORTED,
     "pre_tokenizer: only ByteLevel is supported, found {\"type\":\"Whitespace\"}"},
    {"pre_tokenizer",
     "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\"},{\"type\":\"ByteLevel\"}]}",
     MAMBA_UNSUPPORTED, "pre_tokenizer: only one ByteLevel"},
    {"pre_tokenizer/use_regex", "1", MAMBA_INVALID, "pre_tokenizer: expected use_regex"},
    {"post_processor", "{\"type\":\"BertProcessing\"}", MAMBA_UNSUPPORTED,
     "post_processor: only ByteLevel or"},
    {"post_processor/single", "[{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":\"A\"}}]",
     MAMBA_UNSUPPORTED, "post_processor: only a TemplateProcessing that adds nothing"},
    {"decoder", "null", MAMBA_UNSUPPORTED, "decoder: only ByteLevel is supported, found nothing"},
    {"decoder", "{\"type\":\"Metaspace\"}", MAMBA_UNSUPPORTED, "decoder: only ByteLevel"},
    {"model", "[]", MAMBA_INVALID, "model: expected an object, found []"},
    {"model/type", "\"WordPiece\"", MAMBA_UNSUPPORTED, "model.type: only \"BPE\" is supported"},
    {"model/dropout", "0.1", MAMBA_UNSUPPORTED, "model.dropout: only null is supported"},
    {"model/continuing_subword_prefix", "\"##\"", MAMBA_UNSUPPORTED,
     "model.continuing_subword_prefix: only null"},
    {"model/end_of_word_suffix", "\"</w>\"", MAMBA_UNSUPPORTED, "model.end_of_word_suffix: only null"},
    {"model/byte_fallback", "true", MAMBA_UNSUPPORTED,
     "model.byte_fallback: only false is supported, found true"},
    {"model/ignore_merges", "\"no\"", MAMBA_INVALID, "model: expected ignore_merges, found \"no\""},
    {"model/vocab", NULL, MAMBA_INVALID, "model.vocab: expected an object, found nothing"},
    {"model/vocab/a", NULL, MAMBA_UNSUPPORTED,
     "expected a token for each byte of UTF-8, found none for 0x61"},
    {"model/vocab/a", "98", MAMBA_INVALID, "id 98 is given to"},
    {"model/vocab/a", "-1", MAMBA_INVALID, "id of \"a\": expected an integer from 0 to 4194303, found -1"},
    {"model/vocab/a", "4194304", MAMBA_INVALID, "id of \"a\": expected an integer from 0 to 4194303"},
    {"model/vocab/a", "1.5", MAMBA_INVALID, "id of \"a\": expected an integer"},
    {"model/vocab/a", "9223372036854775808", MAMBA_INVALID, "not valid JSON: too big integer"},
    {"model/merges", "{}", MAMBA_INVALID, "model.merges: expected an array, found {}"},
    {"model/merges/0", "\"a\"", MAMBA_INVALID,
     "model.merges[0]: expected \"a b\" or [\"a\", \"b\"], found \"a\""},
    {"model/merges/1", "\"a a a\"", MAMBA_INVALID, "model.merges[1]: expected"},
    {"model/merges/1", "[\"a\"]", MAMBA_INVALID, "model.merges[1]: expected"},
    {"model/merges/1", "[\"a\",7]", MAMBA_INVALID, "model.merges[1]: expected"},
    {"model/merges/2", "[\"zz\",\"a\"]", MAMBA_INVALID, "model.merges[2]: \"zz\" is not in model.vocab"},
    {"model/merges/2", "\"a zz\"", MAMBA_INVALID, "model.merges[2]: \"zz\" is not in model.vocab"},
    {"model/merges/2", "[\"q\",\"q\"]", MAMBA_INVALID, "model.merges[2]: \"qq\" is not in model.vocab"},
    {"model/merges/2", "[\"h\",\"e\"]", MAMBA_INVALID, "model.merges: ids 104 and 101 are merged twice"},
    {"added_tokens", "{}", MAMBA_INVALID, "added_tokens: expected an array, found {}"},
    {"added_tokens/0", "7", MAMBA_INVALID, "added_tokens[0].content: expected a string that is not empty"},
    {"added_tokens/0/content", "\"\"", MAMBA_INVALID, "added_tokens[0].content: expected a string"},
    {"added_tokens/0/id", "4194304", MAMBA_INVALID,
     "id of \"<|end|>\": expected an integer from 0 to 4194303"},
    {"added_tokens/0/id", "5", MAMBA_INVALID, "id 5 is given to \"<|end|>\" and to another token"},
    {"added_tokens/0/content", "\"the\"", MAMBA_INVALID, "added_tokens[0]: \"the\" has id"},
    {"added_tokens/1/content", "\"<|end|>\"", MAMBA_INVALID, "added_tokens[1]: \"<|end|>\" is there twice"},
    {"added_tokens/1/lstrip", NULL, MAMBA_INVALID, "added_tokens[1].lstrip: expected true or false"},
};

/* The text of the valid file with one change, made on the text level where the value is not valid JSON. */
static char *change(const char *pointer, const char *value) {
  json_t *root = json_load_file(ADDED_JSON, 0, NULL), *at = root;
  char keys[128], *key = keys, *slash;
  assert_non_null(root);
  strcpy(keys, pointer);
  for (; (slash = strchr(key, '/')); key = slash + 1) {
    *slash = 0;
    at = json_is_array(at) ? json_array_get(at, strtoul(key, NULL, 10)) : json_object_get(at, key);
    assert_non_null(at);
  }
  static const char mark[] = "\"THE CHANGE\"";
  json_t *hole = json_string("THE CHANGE");
  if (!value)
    assert_int_equal(json_object_del(at, key), 0);
  else if (json_is_array(at))
    assert_int_equal(json_array_set(at, strtoul(key, NULL, 10), hole), 0);
  else
    assert_int_equal(json_object_set(at, key, hole), 0);
  json_decref(hole);
  char *text = json_dumps(root, JSON_COMPACT);
  json_decref(root);
  if (!value)
    return text;
  char *place = strstr(text, mark);
  assert_non_null(place);
  char *changed = malloc(strlen(text) + strlen(value) + 1);
  assert_non_null(changed);
  const size_t before = (size_t)(place - text);
  memcpy(changed, text, before);
  strcpy(changed + before, value);
  strcat(changed, place + sizeof mark - 1);
  free(text);
  return changed;
}

static void assertRefused(const char *text, size_t size, MambaStatus status, const char *message) {
  TempDir dir;
  MambaError error = {0};
  unsigned char *image = NULL;
  size_t imageSize = 0;
  tempDirCreate(&dir);
  tempDirWrite(&dir, "tokenizer.json", text, size);
  const char *path = tempDirPath(&dir, "tokenizer.json");
  const MambaStatus found = mambaTokenizerMakeImage(path, &image, &imageSize, &error);
  if (found != status || strncmp(error.message, path, strlen(path)) != 0 || !strstr(error.message, message))
    fail_msg("expected status %d, \"%s\"\nfound status %d, \"%s\"", status, message, found, error.message);
  assert_null(image);
  tempDirRemove(&dir);
}

static void eachRefusal(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
    char *text = change(refusals[i].pointer, refusals[i].value);
    assertRefused(text, strlen(text), refusals[i].status, refusals[i].message);
    free(text);
  }
}

/* What changes no ids is accepted, and both spellings of a merge mean the same. */
static void eachAcceptance(void **state) {
  (void)state;
  static const char *const accepted[][2] = {
      {"version", NULL},
      {"post_processor", "null"},
      {"post_processor", "{\"type\":\"ByteLevel\",\"trim_offsets\":true}"},
      {"pre_tokenizer", "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\","
                        "\"add_prefix_space\":false}]}"},
      {"normalizer", "{\"type\":\"NFC\"}"},
      {"model/type", NULL},
      {"model/dropout", "0.0"},
      {"model/unk_token", "\"<|end|>\""},
      {"model/continuing_subword_prefix", "\"\""},
      {"model/byte_fallback", NULL},
      {"model/ignore_merges", NULL},
      {"model/merges/1", "\"h e\""},
  };
  size_t expectedSize;
  unsigned char *expected = NULL;
  MambaError error = {0};
  assert_int_equal(mambaTokenizerMakeImage(ADDED_JSON, &expected, &expectedSize, &error), MAMBA_OK);
  for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
    TempDir dir;
    unsigned char *image = NULL;
    size_t size;
    char *text = change(accepted[i][0], accepted[i][1]);
    tempDirCreate(&dir);
    tempDirWriteText(&dir, "tokenizer.json", text);
    if (mambaTokenizerMakeImage(tempDirPath(&dir, "tokenizer.json"), &image, &size, &error) != MAMBA_OK)
      fail_msg("%s", error.message);
    assert_int_equal(size, expectedSize);
    assert_memory_equal(image, expected, size);
    tempDirRemove(&dir);
    free(image);
    free(text);
  }
  free(expected);
}

static void notJson(void **state) {
  (void)state;
  MambaError error = {0};
  MambaTokenizer *tokenizer = NULL;
  assertRefused("", 0, MAMBA_INVALID, "not valid JSON");
  assertRefused("[]", 2, MAMBA_INVALID, "expected a JSON object, found []");
  assertRefused("{\"a\":1,\"a\":2}", 13, MAMBA_INVALID, "duplicate object key");
  assertRefused("{\"a\":\"\xFF\"}", 9, MAMBA_INVALID, "not valid JSON");
  assertRefused("MAMBATOK", 8, MAMBA_INVALID, "not valid JSON");
  assert_int_equal(mambaTokenizerOpen("Text/none.json", &tokenizer, &error), MAMBA_IO);
  assert_non_null(strstr(error.message, "Text/none.json"));
  assert_null(tokenizer);
}

/* Every truncation of the file is refused. */
static void truncations(void **state) {
  (void)state;
  size_t size;
  char *text = readWholeFile(ADDED_JSON, &size);
  while (size > 0 && text[size - 1] != '}')
    size--;
  for (size_t n = 0; n < size; n += 11)
    assertRefused(text, n, MAMBA_INVALID, "not valid JSON");
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(eachRefusal),
      cmocka_unit_test(eachAcceptance),
      cmocka_unit_test(notJson),
      cmocka_unit_test(truncations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
