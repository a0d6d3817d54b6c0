#include "mamba/json.h"
#include "mamba/mapped_file.h"

#include <string.h>

MambaStatus mambaJsonParseObject(const void *text, size_t size, const char *label, json_t **root,
                                 MambaError *error) {
  json_error_t where;
  json_t *value = json_loadb(size ? text : "", size, JSON_REJECT_DUPLICATES, &where);
  if (!value)
    return mambaFail(error, MAMBA_INVALID, "%s: not valid JSON: %s (line %d, column %d)", label, where.text,
                     where.line, where.column);
  if (!json_is_object(value)) {
    char found[MAMBA_JSON_TEXT];
    mambaJsonDescribe(value, found);
    json_decref(value);
    return mambaFail(error, MAMBA_INVALID, "%s: expected a JSON object, found %s", label, found);
  }
  *root = value;
  return MAMBA_OK;
}

MambaStatus mambaJsonReadObject(const char *path, json_t **root, MambaError *error) {
  MambaMappedFile file;
  MambaStatus status = mambaMappedFileOpen(path, &file, error);
  if (status != MAMBA_OK)
    return status;
  status = mambaJsonParseObject(file.data, file.size, path, root, error);
  mambaMappedFileClose(&file);
  return status;
}

/* ---- One member at a time ------------------------------------------------------------------------ */

static char peek(MambaJsonCursor *cursor) {
  while (cursor->at < cursor->size && strchr(" \t\r\n", cursor->text[cursor->at]) && cursor->text[cursor->at])
    cursor->at++;
  return cursor->at < cursor->size ? cursor->text[cursor->at] : '\0';
}

static MambaStatus expect(MambaJsonCursor *cursor, char wanted, MambaError *error) {
  if (peek(cursor) != wanted)
    return mambaFail(error, MAMBA_INVALID, "%s: not valid JSON: expected '%c' at byte %zu", cursor->label,
                     wanted, cursor->at);
  cursor->at++;
  return MAMBA_OK;
}

MambaStatus mambaJsonEnter(MambaJsonCursor *cursor, MambaError *error) {
  cursor->at_begin = true;
  return expect(cursor, '{', error);
}

MambaStatus mambaJsonNextKey(MambaJsonCursor *cursor, char **key, MambaError *error) {
  json_t *name = NULL;
  MambaStatus status = MAMBA_OK;
  const bool at_begin = cursor->at_begin;
  *key = NULL;
  cursor->at_begin = false;
  if (peek(cursor) == '}') {
    cursor->at++;
    return MAMBA_OK;
  }
  if (!at_begin)
    status = expect(cursor, ',', error);
  if (status == MAMBA_OK)
    status = mambaJsonNextValue(cursor, &name, error);
  if (status == MAMBA_OK && !json_is_string(name))
    status = mambaFail(error, MAMBA_INVALID, "%s: not valid JSON: expected a key before byte %zu",
                       cursor->label, cursor->at);
  if (status == MAMBA_OK)
    status = expect(cursor, ':', error);
  if (status == MAMBA_OK && !(*key = strdup(json_string_value(name))))
    status = mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory", cursor->label);
  json_decref(name);
  return status;
}

MambaStatus mambaJsonNextValue(MambaJsonCursor *cursor, json_t **value, MambaError *error) {
  json_error_t where;
  peek(cursor);
  *value = json_loadb(cursor->text + cursor->at, cursor->size - cursor->at,
                      JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, &where);
  if (!*value)
    return mambaFail(error, MAMBA_INVALID, "%s: not valid JSON: %s (at byte %zu)", cursor->label, where.text,
                     cursor->at + (size_t)(where.position < 0 ? 0 : where.position));
  cursor->at += (size_t)where.position; /* how much was read */
  return MAMBA_OK;
}

MambaStatus mambaJsonEnd(MambaJsonCursor *cursor, MambaError *error) {
  peek(cursor);
  if (cursor->at == cursor->size)
    return MAMBA_OK;
  return mambaFail(error, MAMBA_INVALID, "%s: not valid JSON: expected the end at byte %zu", cursor->label,
                   cursor->at);
}

/* ---- For messages --------------------------------------------------------------------------------- */

/* What json_dump_callback writes to: the first MAMBA_JSON_TEXT - 1 bytes, and how many there were. */
typedef struct Prefix {
  char *text;
  size_t length;
} Prefix;

static int appendPrefix(const char *bytes, size_t size, void *data) {
  enum { CAPACITY = MAMBA_JSON_TEXT - 1 };
  Prefix *prefix = data;
  if (prefix->length < CAPACITY)
    memcpy(prefix->text + prefix->length, bytes,
           size < CAPACITY - prefix->length ? size : CAPACITY - prefix->length);
  prefix->length += size;
  return prefix->length > CAPACITY ? -1 : 0; /* -1 ends the dump */
}

const char *mambaJsonDescribe(const json_t *value, char text[MAMBA_JSON_TEXT]) {
  Prefix prefix = {text, 0};
  if (!value)
    return strcpy(text, "nothing");
  json_dump_callback(value, appendPrefix, &prefix,
                     JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));
  if (prefix.length >= MAMBA_JSON_TEXT)
    strcpy(text + MAMBA_JSON_TEXT - 4, "...");
  else
    text[prefix.length] = '\0';
  return text;
}
