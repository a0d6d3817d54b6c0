#include "mamba/suggest.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST = 256 }; /* longer names are near to none */

/* The fewest characters to insert, leave out or replace on the way from one name to the other (Levenshtein).
 */
static size_t editDistance(const char *from, size_t from_length, const char *to, size_t to_length) {
  size_t row[LONGEST + 1];
  for (size_t j = 0; j <= to_length; j++)
    row[j] = j;
  for (size_t i = 0; i < from_length; i++) {
    size_t diagonal = row[0]; /* of the row before */
    row[0] = i + 1;
    for (size_t j = 0; j < to_length; j++) {
      const size_t replaced = diagonal + (from[i] != to[j]);
      const size_t shifted = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
      diagonal = row[j + 1];
      row[j + 1] = replaced < shifted ? replaced : shifted;
    }
  }
  return row[to_length];
}

MambaSuggestion mambaSuggestFor(const char *name, size_t length) {
  /* A name of which no character is left is another one. */
  const size_t third = (length + 2) / 3, most = third < length ? third : length ? length - 1 : 0;
  return (MambaSuggestion){.name = name, .length = length, .distance = most + 1};
}

void mambaSuggestConsider(MambaSuggestion *suggestion, const char *candidate, size_t length) {
  const size_t n = suggestion->length, apart = n > length ? n - length : length - n;
  if (!n || n > LONGEST || length > LONGEST || apart >= suggestion->distance)
    return;
  const size_t distance = editDistance(suggestion->name, n, candidate, length);
  if (distance < suggestion->distance) {
    suggestion->distance = distance;
    suggestion->nearest = candidate;
    suggestion->nearest_length = length;
  }
}

void mambaSuggestAppend(const MambaSuggestion *suggestion, char *text, size_t size) {
  const size_t used = strlen(text);
  if (suggestion->nearest && used < size)
    snprintf(text + used, size - used, " (did you mean %.*s?)", (int)suggestion->nearest_length,
             suggestion->nearest);
}

void mambaSuggestDescribe(const char *found, size_t length, const char *const *names, size_t count,
                          size_t stride, char *text, size_t size) {
  MambaSuggestion suggestion = mambaSuggestFor(found, length);
  size_t used = (size_t)snprintf(text, size, "expected ");
  for (size_t i = 0; i < count; i++) {
    const char *name = *(const char *const *)((const char *)names + i * stride);
    mambaSuggestConsider(&suggestion, name, strlen(name));
    if (used < size)
      used += (size_t)snprintf(text + used, size - used, "%s%s",
                               !i              ? ""
                               : i + 1 < count ? ", "
                                               : " or ",
                               name);
  }
  if (used < size)
    snprintf(text + used, size - used, ", found '%.*s'", length > 64 ? 64 : (int)length, found);
  mambaSuggestAppend(&suggestion, text, size);
}

bool mambaSuggestKnows(const char *const *names, size_t stride, const char *found, char *text, size_t size) {
  const char *name;
  size_t count = 0;
  bool known = false;
  while ((name = *(const char *const *)((const char *)names + count * stride))) {
    known |= !strcmp(name, found);
    count++;
  }
  if (!known)
    mambaSuggestDescribe(found, strlen(found), names, count, stride, text, size);
  return known;
}
