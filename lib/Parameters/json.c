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
