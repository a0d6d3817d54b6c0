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

const char *mambaJsonDescribe(const json_t *value, char text[MAMBA_JSON_TEXT]) {
  const size_t capacity = MAMBA_JSON_TEXT - 1;
  if (!value) {
    strcpy(text, "nothing");
    return text;
  }
  /* Returns the whole length whatever fits. */
  const size_t length = json_dumpb(value, text, capacity, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
  if (length > capacity)
    memcpy(text + capacity - 3, "...", 3);
  text[length > capacity ? capacity : length] = '\0';
  return text;
}
