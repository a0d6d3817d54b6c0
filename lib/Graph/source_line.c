#include "source_line.h"

#include <stdio.h>
#include <string.h>

typedef struct Span {
  const char *data;
  size_t size;
} Span;

/* Takes what is before the first of `ends`, or everything, off the front. */
static Span takeUntil(Span *rest, const char *ends) {
  size_t n = 0;
  while (n < rest->size && !strchr(ends, rest->data[n]))
    n++;
  const Span taken = {rest->data, n};
  rest->data += n;
  rest->size -= n;
  return taken;
}

static void skip(Span *rest, size_t count) {
  count = count < rest->size ? count : rest->size;
  rest->data += count;
  rest->size -= count;
}

/* An entry is: File "/path/file.py", line 378, in forward, and the code on the next line. */
void describeSourceLine(const char *stack, size_t stack_size, char *text, size_t size) {
  static const char mark[] = "File \"", line_mark[] = "\", line ";
  size_t last = stack_size;
  for (size_t i = 0; i + sizeof mark - 1 <= stack_size; i++)
    if (memcmp(stack + i, mark, sizeof mark - 1) == 0)
      last = i + sizeof mark - 1;
  if (last == stack_size)
    return;
  Span rest = {stack + last, stack_size - last};
  Span path = takeUntil(&rest, "\"\n");
  if (rest.size < sizeof line_mark || memcmp(rest.data, line_mark, sizeof line_mark - 1) != 0)
    return;
  skip(&rest, sizeof line_mark - 1);
  const Span line = takeUntil(&rest, ",\n");
  takeUntil(&rest, "\n");
  while (rest.size && strchr("\n ", *rest.data))
    skip(&rest, 1);
  const Span code = takeUntil(&rest, "\n");
  for (size_t i = path.size; i > 0; i--)
    if (path.data[i - 1] == '/') {
      skip(&path, i);
      break;
    }
  snprintf(text, size, " at %.*s:%.*s '%.*s'", (int)path.size, path.data, (int)line.size, line.data,
           (int)code.size, code.data);
}
