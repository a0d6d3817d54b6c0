/* The byte-level BPE tokenizer in a GGUF file: written as the tokenizer.json that it came from, so that one
 * reader decides what is supported. What llama.cpp's converter does not keep (which added tokens see
 * normalized text) follows the rule of the tokenizers that it converts: special tokens do not. */
#include "mamba/gguf.h"
#include "tokenizer_model.h"

#include <jansson.h>
#include <string.h>

/* llama.cpp's llama_token_type. */
enum { TOKEN_NORMAL = 1, TOKEN_UNKNOWN = 2, TOKEN_CONTROL = 3, TOKEN_USER = 4, TOKEN_UNUSED = 5 };

static MambaStatus failMemory(const MambaGguf *file, MambaError *error) {
  return mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory", mambaGgufGetLabel(file));
}

static bool textIs(MambaGgufText text, const char *wanted) {
  return text.size == strlen(wanted) && memcmp(text.data, wanted, text.size) == 0;
}

/* The named ways of splitting text into words whose pattern is GPT-2's, and whether text is normalized first.
 */
static MambaStatus readPreTokenizer(const MambaGguf *file, bool *nfc, MambaError *error) {
  static const char key[] = "tokenizer.ggml.pre";
  static const struct {
    const char *name;
    bool nfc;
  } known[] = {{"gpt-2", false}, {"olmo", true}, {"mpt", true}};
  MambaGgufText text;
  const MambaStatus status = mambaGgufGetText(file, key, &text, error);
  if (status != MAMBA_OK)
    return status;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (textIs(text, known[i].name)) {
      *nfc = known[i].nfc;
      return MAMBA_OK;
    }
  }
  return mambaFail(error, MAMBA_UNSUPPORTED, "%s: key '%s': expected gpt-2, olmo or mpt, found \"%.*s\"",
                   mambaGgufGetLabel(file), key, (int)text.size, text.data);
}

static MambaStatus expectModel(const MambaGguf *file, MambaError *error) {
  static const char key[] = "tokenizer.ggml.model", begin[] = "tokenizer.ggml.add_bos_token";
  MambaGgufText text;
  bool adds = false;
  MambaStatus status = mambaGgufGetText(file, key, &text, error);
  if (status == MAMBA_OK && !textIs(text, "gpt2"))
    return mambaFail(error, MAMBA_UNSUPPORTED, "%s: key '%s': expected \"gpt2\", found \"%.*s\"",
                     mambaGgufGetLabel(file), key, (int)text.size, text.data);
  if (status == MAMBA_OK && mambaGgufHas(file, begin))
    status = mambaGgufGetBool(file, begin, &adds, error);
  if (status == MAMBA_OK && adds)
    return mambaFail(error, MAMBA_UNSUPPORTED, "%s: key '%s': expected false, found true",
                     mambaGgufGetLabel(file), begin);
  return status;
}

/* in_vocabulary: of an added token, whether model.vocab has it, too. */
static MambaStatus addToken(const MambaGguf *file, json_t *vocabulary, json_t *added, size_t id,
                            MambaGgufText text, int32_t type, bool in_vocabulary, MambaError *error) {
  json_t *spelled = json_stringn(text.data, text.size);
  MambaStatus status = MAMBA_OK;
  if (!spelled || memchr(text.data, 0, text.size)) {
    status = mambaFail(error, MAMBA_INVALID, "%s: token %zu: expected UTF-8 without zero bytes",
                       mambaGgufGetLabel(file), id);
  } else if (type < TOKEN_NORMAL || type > TOKEN_UNUSED || type == TOKEN_UNKNOWN) {
    status = mambaFail(error, MAMBA_UNSUPPORTED,
                       "%s: token %zu: expected type 1, 3, 4 or 5 (normal, control, user, unused), found %d",
                       mambaGgufGetLabel(file), id, type);
  } else if (type == TOKEN_NORMAL || (type != TOKEN_UNUSED && in_vocabulary)) {
    const char *key = json_string_value(spelled);
    if (json_object_get(vocabulary, key))
      status = mambaFail(error, MAMBA_INVALID, "%s: token %zu: \"%s\" is there twice",
                         mambaGgufGetLabel(file), id, key);
    else if (json_object_set_new(vocabulary, key, json_integer((json_int_t)id)) != 0)
      status = failMemory(file, error);
  }
  if (status == MAMBA_OK && (type == TOKEN_CONTROL || type == TOKEN_USER)) {
    const int control = type == TOKEN_CONTROL;
    json_t *token =
        json_pack("{s:I, s:O, s:b, s:b, s:b, s:b, s:b}", "id", (json_int_t)id, "content", spelled,
                  "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", !control, "special", control);
    if (!token || json_array_append_new(added, token) != 0)
      status = failMemory(file, error);
  }
  json_decref(spelled);
  return status;
}

/* One more than the id of the last normal token. */
static size_t endOfNormal(MambaGgufArray types) {
  size_t end = 0;
  for (size_t id = 0; types.left; id++)
    if (mambaGgufNextInt32(&types) == TOKEN_NORMAL)
      end = id + 1;
  return end;
}

/* Added tokens between normal ones were in the vocabulary when it was trained; those behind came later. */
static MambaStatus readTokens(const MambaGguf *file, json_t *vocabulary, json_t *added, MambaError *error) {
  MambaGgufArray tokens, types;
  MambaStatus status = mambaGgufGetTexts(file, "tokenizer.ggml.tokens", &tokens, error);
  if (status == MAMBA_OK)
    status = mambaGgufGetInt32s(file, "tokenizer.ggml.token_type", &types, error);
  if (status == MAMBA_OK && tokens.left != types.left)
    status = mambaFail(error, MAMBA_INVALID, "%s: expected a type for each of %zu tokens, found %zu",
                       mambaGgufGetLabel(file), tokens.left, types.left);
  const size_t end = status == MAMBA_OK ? endOfNormal(types) : 0;
  for (size_t id = 0; status == MAMBA_OK && tokens.left; id++) {
    const MambaGgufText text = mambaGgufNextText(&tokens);
    status = addToken(file, vocabulary, added, id, text, mambaGgufNextInt32(&types), id < end, error);
  }
  return status;
}

static MambaStatus readMerges(const MambaGguf *file, json_t *merges, MambaError *error) {
  MambaGgufArray array;
  MambaStatus status = mambaGgufGetTexts(file, "tokenizer.ggml.merges", &array, error);
  for (size_t i = 0; status == MAMBA_OK && array.left; i++) {
    const MambaGgufText text = mambaGgufNextText(&array);
    json_t *merge = json_stringn(text.data, text.size);
    if (!merge)
      status = mambaFail(error, MAMBA_INVALID, "%s: merge %zu: expected UTF-8", mambaGgufGetLabel(file), i);
    else if (json_array_append_new(merges, merge) != 0)
      status = failMemory(file, error);
  }
  return status;
}

MambaStatus mambaTokenizerModelReadGgufFile(const MambaGguf *file, TokenizerModel *model, MambaError *error) {
  json_t *vocabulary = json_object(), *added = json_array(), *merges = json_array(), *root = NULL;
  bool nfc = false, prefix = false;
  MambaStatus status = vocabulary && added && merges ? expectModel(file, error) : failMemory(file, error);
  if (status == MAMBA_OK)
    status = readPreTokenizer(file, &nfc, error);
  if (status == MAMBA_OK && mambaGgufHas(file, "tokenizer.ggml.add_space_prefix"))
    status = mambaGgufGetBool(file, "tokenizer.ggml.add_space_prefix", &prefix, error);
  if (status == MAMBA_OK)
    status = readTokens(file, vocabulary, added, error);
  if (status == MAMBA_OK)
    status = readMerges(file, merges, error);
  if (status != MAMBA_OK)
    goto cleanup;
  root = json_pack("{s:s, s:{s:s, s:b, s:b}, s:{s:s}, s:O, s:{s:s, s:O, s:O}}", "version", "1.0",
                   "pre_tokenizer", "type", "ByteLevel", "add_prefix_space", (int)prefix, "use_regex", 1,
                   "decoder", "type", "ByteLevel", "added_tokens", added, "model", "type", "BPE", "vocab",
                   vocabulary, "merges", merges);
  if (!root || (nfc && json_object_set_new(root, "normalizer", json_pack("{s:s}", "type", "NFC")) != 0))
    status = failMemory(file, error);
  else
    status = mambaTokenizerModelReadJsonValue(root, mambaGgufGetLabel(file), model, error);

cleanup:
  json_decref(root);
  json_decref(merges);
  json_decref(added);
  json_decref(vocabulary);
  return status;
}

MambaStatus mambaTokenizerModelReadGguf(const char *path, TokenizerModel *model, MambaError *error) {
  MambaGguf *file = NULL;
  MambaStatus status = mambaGgufOpen(path, &file, error);
  if (status == MAMBA_OK)
    status = mambaTokenizerModelReadGgufFile(file, model, error);
  mambaGgufClose(file);
  return status;
}
