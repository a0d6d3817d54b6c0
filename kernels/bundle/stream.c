#include "stream.h"

#include "failure.h"
#include "token_list.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What a conversation needs: the last line, its ids, and room for the most logits so far. */
typedef struct stream {
  mamba_model *model;
  char *line;
  size_t line_capacity;
  int32_t *ids;
  float *logits;
  size_t row_capacity;
} stream;

/* `memory` with room for `count` items, or NULL, where it is as before. */
static void *grow(void *memory, size_t count, size_t size) {
  return count > SIZE_MAX / size ? NULL : realloc(memory, count * size);
}

/* The next line without its end; false at the end of the input. */
static bool read_line(stream *s, FILE *in, mamba_code *code, mamba_error *error) {
  size_t length = 0;
  for (int c; (c = getc(in)) != EOF && c != '\n';) {
    if (length + 1 >= s->line_capacity) {
      const size_t capacity = s->line_capacity ? 2 * s->line_capacity : 1 << 12;
      char *larger = grow(s->line, capacity, 1);
      if (!larger) {
        *code = mamba_failure(error, MAMBA_CODE_MEMORY, "no memory for a line of %zu bytes", length);
        return false;
      }
      s->line = larger;
      s->line_capacity = capacity;
    }
    s->line[length++] = (char)c;
  }
  if (length)
    s->line[length] = 0;
  else if (!feof(in) && s->line)
    s->line[0] = 0;
  return length || !feof(in);
}

static mamba_code parse(stream *s, const char *text, size_t *count, mamba_error *error) {
  const char *wrong;
  size_t length;
  free(s->ids);
  s->ids = NULL;
  if (mambaTokenListParse(text, &s->ids, count, &wrong, &length))
    return MAMBA_CODE_OK;
  return wrong ? mamba_failure(error, MAMBA_CODE_ARGUMENT, "token %zu of a line: expected an id, found '%.*s'",
                               *count, (int)length, wrong)
               : mamba_failure(error, MAMBA_CODE_MEMORY, "no memory for the ids of a line");
}

static mamba_code answer(stream *s, size_t count, FILE *out, mamba_error *error) {
  const size_t vocabulary = (size_t)mamba_model_vocabulary();
  if (count > s->row_capacity) {
    float *larger = grow(s->logits, count, vocabulary * sizeof *larger);
    if (!larger)
      return mamba_failure(error, MAMBA_CODE_MEMORY, "no memory for the logits of %zu tokens", count);
    s->logits = larger;
    s->row_capacity = count;
  }
  const mamba_code code = mamba_model_forward(s->model, s->ids, count, s->logits, error);
  if (code)
    return code;
  if (fwrite(s->logits, vocabulary * sizeof *s->logits, count, out) != count || fflush(out))
    return mamba_failure(error, MAMBA_CODE_FILE, "standard output: %s", strerror(errno));
  return MAMBA_CODE_OK;
}

static mamba_code respond(stream *s, FILE *out, mamba_error *error) {
  const char *text = s->line ? s->line : "";
  const bool silent = *text == '-';
  size_t count;
  if (!*text)
    return mamba_model_reset(s->model, error);
  const mamba_code code = parse(s, text + silent, &count, error);
  if (code || !count)
    return code;
  return silent ? mamba_model_prefill(s->model, s->ids, count, NULL, error) : answer(s, count, out, error);
}

mamba_code mamba_stream(mamba_model *model, FILE *in, FILE *out, mamba_error *error) {
  stream s = {.model = model};
  const int32_t vocabulary = mamba_model_vocabulary();
  mamba_code code = MAMBA_CODE_OK;
  if (fwrite(&vocabulary, sizeof vocabulary, 1, out) != 1 || fflush(out))
    code = mamba_failure(error, MAMBA_CODE_FILE, "standard output: %s", strerror(errno));
  while (!code && read_line(&s, in, &code, error))
    code = respond(&s, out, error);
  free(s.line);
  free(s.ids);
  free(s.logits);
  return code;
}
