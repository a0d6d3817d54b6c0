/* "Did you mean": which of the names that are known was probably meant. */
#ifndef MAMBA_SUGGEST_H
#define MAMBA_SUGGEST_H

#include "mamba/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A search for the name nearest to one that is unknown. Everything is borrowed. */
typedef struct MambaSuggestion {
  const char *name; /* the unknown one */
  size_t length;
  const char *nearest; /* NULL while no candidate was near enough */
  size_t nearest_length;
  size_t distance; /* edits from `name` to `nearest`, or one more than the most that are still near */
} MambaSuggestion;

/* Near is up to a third of the name's characters, rounded up, but not all of them: inserted, left out or replaced. */
MambaSuggestion mambaSuggestFor(const char *name, size_t length);
void mambaSuggestConsider(MambaSuggestion *suggestion, const char *candidate, size_t length);

/* Appends " (did you mean NAME?)" to a terminated text of at most `size` bytes, or nothing. */
void mambaSuggestAppend(const MambaSuggestion *suggestion, char *text, size_t size);

/* Writes "expected a, b or c, found 'x' (did you mean b?)". The `count` names lie `stride` bytes apart: sizeof *names,
 * or the size of the table's entries, which begin with the name. */
void mambaSuggestDescribe(const char *found, size_t length, const char *const *names, size_t count, size_t stride,
                          char *text, size_t size);

/* True if `found` is one of the names, which lie `stride` bytes apart with NULL behind the last. Otherwise writes the text
 * above. */
bool mambaSuggestKnows(const char *const *names, size_t stride, const char *found, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
