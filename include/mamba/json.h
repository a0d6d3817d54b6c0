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

/* A value as a person should see it in "expected ..., found ...": compact ASCII JSON, cut with "..."
 * when long; "nothing" for NULL. Returns `text`. */
enum { MAMBA_JSON_TEXT = 64 };
const char *mambaJsonDescribe(const json_t *value, char text[MAMBA_JSON_TEXT]);

#ifdef __cplusplus
}
#endif
#endif
