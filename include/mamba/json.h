/* JSON input by jansson, as strict as it can be: UTF-8, no duplicate keys, nothing after the value,
 * numbers in range, no NUL in strings. */
#ifndef MAMBA_JSON_H
#define MAMBA_JSON_H

#include "mamba/status.h"
#include <jansson.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Parses an object. `label` names the text in messages. The caller owns *root (json_decref). */
MAMBA_MUST_CHECK MambaStatus mambaJsonParseObject(const void *text, size_t size, const char *label,
                                                  json_t **root, MambaError *error);
/* The same for the contents of a file. */
MAMBA_MUST_CHECK MambaStatus mambaJsonReadObject(const char *path, json_t **root, MambaError *error);

/* A place in JSON text, for objects too large to be held as a tree: their members are parsed one at a time.
 * Begins zeroed but for the label of the text in messages, the text and its size. */
typedef struct MambaJsonCursor {
  const char *label, *text;
  size_t size, at;
  bool at_begin; /* of an object: no comma comes before its first member */
} MambaJsonCursor;

/* Enters an object. */
MAMBA_MUST_CHECK MambaStatus mambaJsonEnter(MambaJsonCursor *cursor, MambaError *error);
/* Goes on to the value of the next member; *key is NULL where the object ends, and the cursor has left it,
 * else the caller's to free. A key may come twice. */
MAMBA_MUST_CHECK MambaStatus mambaJsonNextKey(MambaJsonCursor *cursor, char **key, MambaError *error);
/* Parses the value here. The caller owns *value. */
MAMBA_MUST_CHECK MambaStatus mambaJsonNextValue(MambaJsonCursor *cursor, json_t **value, MambaError *error);
/* Expects the end of the text. */
MAMBA_MUST_CHECK MambaStatus mambaJsonEnd(MambaJsonCursor *cursor, MambaError *error);

/* A value as a person should see it in "expected ..., found ...": compact ASCII JSON, cut with "..."
 * when long; "nothing" for NULL. Returns `text`. */
enum { MAMBA_JSON_TEXT = 64 };
const char *mambaJsonDescribe(const json_t *value, char text[MAMBA_JSON_TEXT]);

#ifdef __cplusplus
}
#endif
#endif
