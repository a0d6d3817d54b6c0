#include "token_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char kSeparators[] = ", \t\r\n";

bool mambaTokenListParse(const char *text, int32_t **ids, size_t *count, const char **wrong,
                         size_t *wrong_length) {
  /* An id takes a digit and a separator at least. */
  int32_t *list = malloc((strlen(text) / 2 + 1) * sizeof *list);
  *count = 0;
  *wrong = NULL;
  if (!list)
    return false;
  for (text += strspn(text, kSeparators); *text; text += strspn(text, kSeparators)) {
    char *end;
    errno = 0;
    const long id = strtol(text, &end, 10);
    if (end == text || (*end && !strchr(kSeparators, *end)) || errno || id < 0 || id > INT32_MAX) {
      *wrong = text;
      *wrong_length = strcspn(text, kSeparators);
      free(list);
      return false;
    }
    list[(*count)++] = (int32_t)id;
    text = end;
  }
  *ids = list;
  return true;
}
