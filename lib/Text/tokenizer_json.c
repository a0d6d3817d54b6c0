/* Reads Hugging Face's tokenizer.json. Whatever would make the ids differ from what that library gives is
 * refused by name; what cannot change them (offsets, padding-free post-processing) is accepted and ignored.
 */
#include "byte_alphabet.h"
#include "mamba/json.h"
#include "tokenizer_model.h"

#include <stdlib.h>
#include <string.h>

typedef struct JsonReader {
  const char *path;
  TokenizerModel *model;
  const json_t *vocabulary;
  json_t *addedContents; /* the contents of the added tokens so far, as keys */
  MambaError *error;
} JsonReader;

static MambaStatus noMemory(const JsonReader *reader) {
  return mambaFail(reader->error, MAMBA_NO_MEMORY, "%s: out of memory", reader->path);
}

static MambaStatus wrong(const JsonReader *reader, const char *where, const char *expected,
                         const json_t *found) {
  char text[MAMBA_JSON_TEXT];
  return mambaFail(reader->error, MAMBA_INVALID, "%s: %s: expected %s, found %s", reader->path, where,
                   expected, mambaJsonDescribe(found, text));
}

static MambaStatus unsupported(const JsonReader *reader, const char *where, const char *expected,
                               const json_t *found) {
  char text[MAMBA_JSON_TEXT];
  return mambaFail(reader->error, MAMBA_UNSUPPORTED, "%s: %s: only %s is supported, found %s", reader->path,
                   where, expected, mambaJsonDescribe(found, text));
}

/* Absent and null mean the same everywhere in the format. */
static const json_t *get(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  return json_is_null(value) ? NULL : value;
}

static bool typeIs(const json_t *object, const char *type) {
  const char *found = json_string_value(json_object_get(object, "type"));
  return found && strcmp(found, type) == 0;
}

/* Sets a flag of the tokenizer from a boolean that may be absent. */
static MambaStatus readFlag(const JsonReader *reader, const json_t *object, const char *where,
                            const char *key, bool fallback, uint32_t flag) {
  const json_t *value = get(object, key);
  if (value && !json_is_boolean(value))
    return wrong(reader, where, key, value);
  if (value ? json_is_true(value) : fallback)
    reader->model->flags |= flag;
  return MAMBA_OK;
}

/* Steps of a pipeline: NULL has none, a Sequence those listed under `key`, anything else is one itself. */
static size_t stepCount(const json_t *value, const char *key) {
  if (!value)
    return 0;
  return typeIs(value, "Sequence") ? json_array_size(json_object_get(value, key)) : 1;
}

static const json_t *stepAt(const json_t *value, const char *key, size_t i) {
  return typeIs(value, "Sequence") ? json_array_get(json_object_get(value, key), i) : value;
}

static MambaStatus readNormalizer(const JsonReader *reader, const json_t *root) {
  const json_t *normalizer = get(root, "normalizer");
  for (size_t i = 0; i < stepCount(normalizer, "normalizers"); i++) {
    const json_t *step = stepAt(normalizer, "normalizers", i);
    if (!typeIs(step, "NFC"))
      return unsupported(reader, "normalizer", "NFC", step);
    reader->model->flags |= MAMBA_IMAGE_NFC;
  }
  return MAMBA_OK;
}

static MambaStatus readPreTokenizer(const JsonReader *reader, const json_t *root) {
  static const char where[] = "pre_tokenizer";
  const json_t *preTokenizer = get(root, where);
  if (stepCount(preTokenizer, "pretokenizers") != 1)
    return unsupported(reader, where, "one ByteLevel", preTokenizer);
  const json_t *step = stepAt(preTokenizer, "pretokenizers", 0);
  if (!typeIs(step, "ByteLevel"))
    return unsupported(reader, where, "ByteLevel", step);
  MambaStatus status = readFlag(reader, step, where, "add_prefix_space", true, MAMBA_IMAGE_PREFIX_SPACE);
  if (status == MAMBA_OK)
    status = readFlag(reader, step, where, "use_regex", true, MAMBA_IMAGE_SPLIT_WORDS);
  return status;
}

static MambaStatus checkDecoder(const JsonReader *reader, const json_t *root) {
  const json_t *decoder = get(root, "decoder");
  if (stepCount(decoder, "decoders") != 1 || !typeIs(stepAt(decoder, "decoders", 0), "ByteLevel"))
    return unsupported(reader, "decoder", "ByteLevel", decoder);
  return MAMBA_OK;
}

/* ByteLevel changes offsets only; a template must be the text itself. */
static MambaStatus checkPostProcessor(const JsonReader *reader, const json_t *root) {
  static const char where[] = "post_processor";
  const json_t *processor = get(root, where);
  for (size_t i = 0; i < stepCount(processor, "processors"); i++) {
    const json_t *step = stepAt(processor, "processors", i);
    if (typeIs(step, "ByteLevel"))
      continue;
    if (!typeIs(step, "TemplateProcessing"))
      return unsupported(reader, where, "ByteLevel or a TemplateProcessing that adds nothing", step);
    const json_t *single = json_object_get(step, "single");
    if (json_array_size(single) != 1 || !json_object_get(json_array_get(single, 0), "Sequence"))
      return unsupported(reader, where, "a TemplateProcessing that adds nothing", single);
  }
  return MAMBA_OK;
}

/* Everything of the file but tokens and merges. */
static MambaStatus readPipeline(const JsonReader *reader, const json_t *root) {
  static const char *const mustBeAbsent[] = {"truncation", "padding"};
  const json_t *version = get(root, "version");
  if (version && (!json_is_string(version) || strcmp(json_string_value(version), "1.0") != 0))
    return unsupported(reader, "version", "\"1.0\"", version);
  for (size_t i = 0; i < 2; i++)
    if (get(root, mustBeAbsent[i]))
      return unsupported(reader, mustBeAbsent[i], "null", get(root, mustBeAbsent[i]));
  MambaStatus status = readNormalizer(reader, root);
  if (status == MAMBA_OK)
    status = readPreTokenizer(reader, root);
  if (status == MAMBA_OK)
    status = checkDecoder(reader, root);
  if (status == MAMBA_OK)
    status = checkPostProcessor(reader, root);
  return status;
}

/* The options of the model, and that it is a BPE: files from before 2020 have no type. */
static MambaStatus readModelOptions(const JsonReader *reader, const json_t *model) {
  static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
  if (!json_is_object(model))
    return wrong(reader, "model", "an object", model);
  if (get(model, "type") && !typeIs(model, "BPE"))
    return unsupported(reader, "model.type", "\"BPE\"", get(model, "type"));
  const json_t *dropout = get(model, "dropout");
  if (dropout && !(json_is_number(dropout) && json_number_value(dropout) == 0))
    return unsupported(reader, "model.dropout", "null", dropout);
  for (size_t i = 0; i < 2; i++) {
    const json_t *affix = get(model, affixes[i]);
    if (affix && !(json_is_string(affix) && json_string_length(affix) == 0))
      return mambaFail(reader->error, MAMBA_UNSUPPORTED, "%s: model.%s: only null is supported", reader->path,
                       affixes[i]);
  }
  if (get(model, "byte_fallback") && !json_is_false(get(model, "byte_fallback")))
    return unsupported(reader, "model.byte_fallback", "false", get(model, "byte_fallback"));
  return readFlag(reader, model, "model", "ignore_merges", false, MAMBA_IMAGE_IGNORE_MERGES);
}

static MambaStatus checkId(const JsonReader *reader, const char *token, const json_t *id) {
  char text[MAMBA_JSON_TEXT];
  if (json_is_integer(id) && json_integer_value(id) >= 0 && json_integer_value(id) < MAMBA_IMAGE_MAX_TOKENS)
    return MAMBA_OK;
  return mambaFail(reader->error, MAMBA_INVALID,
                   "%s: id of \"%s\": expected an integer from 0 to %d, found %s", reader->path, token,
                   MAMBA_IMAGE_MAX_TOKENS - 1, mambaJsonDescribe(id, text));
}

/* Allocates the tokens: one more than the largest id of vocabulary and added tokens. */
static MambaStatus allocateTokens(const JsonReader *reader, const json_t *added) {
  TokenizerModel *model = reader->model;
  const char *key;
  json_t *id;
  json_int_t largest = -1;
  json_object_foreach((json_t *)reader->vocabulary, key, id) {
    const MambaStatus status = checkId(reader, key, id);
    if (status != MAMBA_OK)
      return status;
    if (json_integer_value(id) > largest)
      largest = json_integer_value(id);
  }
  for (size_t i = 0; i < json_array_size(added); i++) {
    const json_t *token = json_array_get(added, i);
    const char *content = json_string_value(json_object_get(token, "content"));
    if (!content || !*content)
      return mambaFail(reader->error, MAMBA_INVALID,
                       "%s: added_tokens[%zu].content: expected a string that is not empty", reader->path, i);
    const MambaStatus status = checkId(reader, content, json_object_get(token, "id"));
    if (status != MAMBA_OK)
      return status;
    if (json_integer_value(json_object_get(token, "id")) > largest)
      largest = json_integer_value(json_object_get(token, "id"));
  }
  model->tokenCount = (size_t)(largest + 1);
  model->tokens = calloc(model->tokenCount + 1, sizeof *model->tokens);
  model->added = calloc(json_array_size(added) + 1, sizeof *model->added);
  return model->tokens && model->added ? MAMBA_OK : noMemory(reader);
}

/* Gives an id its bytes: those that the text spells in the byte alphabet or, like the library's decoder, the
 * text itself where it is spelled otherwise. */
static MambaStatus setToken(const JsonReader *reader, uint32_t id, const char *text, uint32_t flags) {
  TokenizerModel *model = reader->model;
  TokenizerToken *token = &model->tokens[id];
  bool spelled;
  if (token->used)
    return mambaFail(reader->error, MAMBA_INVALID, "%s: id %u is given to \"%s\" and to another token",
                     reader->path, id, text);
  token->bytes.at = model->text.size;
  if (!mambaByteAlphabetRead(text, strlen(text), &model->text, &spelled))
    return noMemory(reader);
  if (!spelled && !mambaTextBytesAppend(&model->text, text, strlen(text)))
    return noMemory(reader);
  token->bytes.size = model->text.size - token->bytes.at;
  token->flags = spelled ? flags : flags & ~(uint32_t)MAMBA_TOKEN_WORD;
  token->used = true;
  return MAMBA_OK;
}

static MambaStatus readVocabulary(const JsonReader *reader) {
  const char *key;
  json_t *id;
  json_object_foreach((json_t *)reader->vocabulary, key, id) {
    const MambaStatus status = setToken(reader, (uint32_t)json_integer_value(id), key, MAMBA_TOKEN_WORD);
    if (status != MAMBA_OK)
      return status;
  }
  for (int byte = 0; byte < 256; byte++) {
    char letter[3];
    mambaByteAlphabetSpell((unsigned char)byte, letter);
    id = json_object_get(reader->vocabulary, letter);
    const bool inUtf8 = byte < 0xC0 || (byte > 0xC1 && byte < 0xF5);
    if (!id && inUtf8)
      return mambaFail(
          reader->error, MAMBA_UNSUPPORTED,
          "%s: model.vocab: expected a token for each byte of UTF-8, found none for 0x%02x (\"%s\")",
          reader->path, byte, letter);
    reader->model->byteTokens[byte] = id ? (uint32_t)json_integer_value(id) : MAMBA_IMAGE_NO_TOKEN;
  }
  return MAMBA_OK;
}

static MambaStatus readAddedToken(const JsonReader *reader, size_t i, const json_t *token) {
  static const struct {
    const char *key;
    uint32_t flag;
  } flags[] = {{"single_word", MAMBA_ADDED_SINGLE_WORD},
               {"lstrip", MAMBA_ADDED_LSTRIP},
               {"rstrip", MAMBA_ADDED_RSTRIP},
               {"normalized", MAMBA_ADDED_NORMALIZED},
               {"special", 0}};
  TokenizerModel *model = reader->model;
  TokenizerAdded *added = &model->added[i];
  const char *content = json_string_value(json_object_get(token, "content"));
  const json_t *inVocabulary = json_object_get(reader->vocabulary, content);
  MambaStatus status = MAMBA_OK;
  added->id = (uint32_t)json_integer_value(json_object_get(token, "id"));
  for (size_t k = 0; k < sizeof flags / sizeof *flags; k++) {
    const json_t *value = json_object_get(token, flags[k].key);
    if (!json_is_boolean(value))
      return mambaFail(reader->error, MAMBA_INVALID, "%s: added_tokens[%zu].%s: expected true or false",
                       reader->path, i, flags[k].key);
    if (json_is_true(value))
      added->flags |= flags[k].flag;
  }
  if (json_object_get(reader->addedContents, content))
    return mambaFail(reader->error, MAMBA_INVALID, "%s: added_tokens[%zu]: \"%s\" is there twice",
                     reader->path, i, content);
  if (json_object_set_new(reader->addedContents, content, json_true()) != 0)
    return noMemory(reader);
  added->content = (TokenizerSpan){model->text.size, strlen(content)};
  if (!mambaTextBytesAppend(&model->text, content, strlen(content)))
    return noMemory(reader);
  if (!inVocabulary)
    status = setToken(reader, added->id, content, 0);
  else if (json_integer_value(inVocabulary) != (json_int_t)added->id)
    status = mambaFail(reader->error, MAMBA_INVALID,
                       "%s: added_tokens[%zu]: \"%s\" has id %u, but model.vocab gives it %lld", reader->path,
                       i, content, added->id, (long long)json_integer_value(inVocabulary));
  if (status == MAMBA_OK && json_is_true(json_object_get(token, "special")))
    model->tokens[added->id].flags |= MAMBA_TOKEN_SPECIAL;
  return status;
}

/* The two sides of a merge, in either spelling: "a b" or ["a", "b"]. */
static bool splitMerge(const json_t *merge, const char **left, size_t *leftSize, const char **right,
                       size_t *rightSize) {
  if (json_is_string(merge)) {
    const char *text = json_string_value(merge), *space = strchr(text, ' ');
    if (!space || strchr(space + 1, ' '))
      return false;
    *left = text;
    *leftSize = (size_t)(space - text);
    *right = space + 1;
    *rightSize = strlen(*right);
    return true;
  }
  const json_t *first = json_array_get(merge, 0), *second = json_array_get(merge, 1);
  if (json_array_size(merge) != 2 || !json_is_string(first) || !json_is_string(second))
    return false;
  *left = json_string_value(first);
  *leftSize = json_string_length(first);
  *right = json_string_value(second);
  *rightSize = json_string_length(second);
  return true;
}

static MambaStatus readMerge(const JsonReader *reader, size_t i, const json_t *merge,
                             MambaTextBytes *joined) {
  const char *left, *right;
  size_t leftSize, rightSize;
  char found[MAMBA_JSON_TEXT];
  if (!splitMerge(merge, &left, &leftSize, &right, &rightSize))
    return mambaFail(reader->error, MAMBA_INVALID,
                     "%s: model.merges[%zu]: expected \"a b\" or [\"a\", \"b\"], found %s", reader->path, i,
                     mambaJsonDescribe(merge, found));
  joined->size = 0;
  if (!mambaTextBytesAppend(joined, left, leftSize) || !mambaTextBytesAppend(joined, right, rightSize))
    return noMemory(reader);
  const struct {
    const char *text;
    size_t size;
  } names[] = {{left, leftSize}, {right, rightSize}, {(const char *)joined->data, joined->size}};
  for (size_t k = 0; k < 3; k++) {
    const json_t *id = json_object_getn(reader->vocabulary, names[k].text, names[k].size);
    if (!id)
      return mambaFail(reader->error, MAMBA_INVALID, "%s: model.merges[%zu]: \"%.*s\" is not in model.vocab",
                       reader->path, i, (int)names[k].size, names[k].text);
    reader->model->merges[3 * i + k] = (uint32_t)json_integer_value(id);
  }
  return MAMBA_OK;
}

static int compareMerges(const void *a, const void *b) {
  const uint32_t *x = a, *y = b;
  if (x[0] != y[0])
    return x[0] < y[0] ? -1 : 1;
  return x[1] < y[1] ? -1 : x[1] > y[1];
}

/* A pair that has two ranks would be merged by whichever the library happens to keep. */
static MambaStatus checkMergesDiffer(const JsonReader *reader) {
  const TokenizerModel *model = reader->model;
  const size_t row = 3 * sizeof *model->merges;
  MambaStatus status = MAMBA_OK;
  uint32_t *sorted = malloc(model->mergeCount * row + 1);
  if (!sorted)
    return noMemory(reader);
  memcpy(sorted, model->merges, model->mergeCount * row);
  qsort(sorted, model->mergeCount, row, compareMerges);
  for (size_t i = 1; i < model->mergeCount && status == MAMBA_OK; i++)
    if (compareMerges(sorted + 3 * (i - 1), sorted + 3 * i) == 0)
      status = mambaFail(reader->error, MAMBA_INVALID, "%s: model.merges: ids %u and %u are merged twice",
                         reader->path, sorted[3 * i], sorted[3 * i + 1]);
  free(sorted);
  return status;
}

static MambaStatus readMerges(const JsonReader *reader, const json_t *merges) {
  TokenizerModel *model = reader->model;
  MambaTextBytes joined = {0};
  MambaStatus status = MAMBA_OK;
  if (!json_is_array(merges))
    return wrong(reader, "model.merges", "an array", merges);
  model->mergeCount = json_array_size(merges);
  model->merges = calloc(3 * model->mergeCount + 1, sizeof *model->merges);
  if (!model->merges)
    return noMemory(reader);
  for (size_t i = 0; i < model->mergeCount && status == MAMBA_OK; i++)
    status = readMerge(reader, i, json_array_get(merges, i), &joined);
  free(joined.data);
  return status == MAMBA_OK ? checkMergesDiffer(reader) : status;
}

static MambaStatus readTokens(JsonReader *reader, const json_t *root) {
  const json_t *model = json_object_get(root, "model"), *added = get(root, "added_tokens");
  MambaStatus status = readModelOptions(reader, model);
  if (status != MAMBA_OK)
    return status;
  reader->vocabulary = json_object_get(model, "vocab");
  if (!json_is_object(reader->vocabulary))
    return wrong(reader, "model.vocab", "an object", reader->vocabulary);
  if (added && !json_is_array(added))
    return wrong(reader, "added_tokens", "an array", added);
  status = allocateTokens(reader, added);
  if (status == MAMBA_OK)
    status = readVocabulary(reader);
  for (size_t i = 0; i < json_array_size(added) && status == MAMBA_OK; i++) {
    status = readAddedToken(reader, i, json_array_get(added, i));
    reader->model->addedCount = i + 1;
  }
  return status == MAMBA_OK ? readMerges(reader, json_object_get(model, "merges")) : status;
}

MambaStatus mambaTokenizerModelReadJsonValue(const json_t *root, const char *path, TokenizerModel *model,
                                             MambaError *error) {
  JsonReader reader = {.path = path, .model = model, .error = error, .addedContents = json_object()};
  MambaStatus status = reader.addedContents ? readPipeline(&reader, root) : noMemory(&reader);
  if (status == MAMBA_OK)
    status = readTokens(&reader, root);
  json_decref(reader.addedContents);
  return status;
}

MambaStatus mambaTokenizerModelReadJson(const char *path, TokenizerModel *model, MambaError *error) {
  json_t *root = NULL;
  MambaStatus status = mambaJsonReadObject(path, &root, error);
  if (status == MAMBA_OK)
    status = mambaTokenizerModelReadJsonValue(root, path, model, error);
  json_decref(root);
  return status;
}
