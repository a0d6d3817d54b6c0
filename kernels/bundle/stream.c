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
  FILE *out;
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
  return wrong
             ? mamba_failure(error, MAMBA_CODE_ARGUMENT, "token %zu of a line: expected an id, found '%.*s'",
                             *count, (int)length, wrong)
             : mamba_failure(error, MAMBA_CODE_MEMORY, "no memory for the ids of a line");
}

static mamba_code check_output(bool written, mamba_error *error) {
  return written ? MAMBA_CODE_OK
                 : mamba_failure(error, MAMBA_CODE_FILE, "standard output: %s", strerror(errno));
}

static mamba_code put_number(stream *s, int32_t number, mamba_error *error) {
  return check_output(fwrite(&number, sizeof number, 1, s->out) == 1 && !fflush(s->out), error);
}

static mamba_code answer(stream *s, size_t count, mamba_error *error) {
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
  return check_output(
      fwrite(s->logits, vocabulary * sizeof *s->logits, count, s->out) == count && !fflush(s->out), error);
}

/* A mamba_layer_observer. What cannot be written is noticed at the end of the answer. */
static void show(void *context, const char *name, const float *rows, int32_t count, int32_t channels) {
  const stream *s = context;
  const int32_t length = (int32_t)strlen(name), shape[] = {count, channels};
  fwrite(&length, sizeof length, 1, s->out);
  fwrite(name, 1, (size_t)length, s->out);
  fwrite(shape, sizeof shape, 1, s->out);
  fwrite(rows, (size_t)channels * sizeof *rows, (size_t)count, s->out);
}

static mamba_code answer_layers(stream *s, size_t count, mamba_error *error) {
  if (mamba_model_observe(s->model, show, s, error))
    return put_number(s, -1, error);
  mamba_code code = mamba_model_prefill(s->model, s->ids, count, NULL, error);
  if (!code)
    code = mamba_model_observe(s->model, NULL, NULL, error);
  if (!code)
    code = check_output(!ferror(s->out), error);
  return code ? code : put_number(s, 0, error);
}

static mamba_code respond(stream *s, mamba_error *error) {
  const char *text = s->line ? s->line : "";
  const bool silent = *text == '-', layers = *text == '+';
  size_t count;
  if (!*text)
    return mamba_model_reset(s->model, error);
  const mamba_code code = parse(s, text + (silent || layers), &count, error);
  if (code || !count)
    return code;
  return silent   ? mamba_model_prefill(s->model, s->ids, count, NULL, error)
         : layers ? answer_layers(s, count, error)
                  : answer(s, count, error);
}

mamba_code mamba_stream(mamba_model *model, FILE *in, FILE *out, mamba_error *error) {
  stream s = {.model = model, .out = out};
  mamba_code code = put_number(&s, mamba_model_vocabulary(), error);
  while (!code && read_line(&s, in, &code, error))
    code = respond(&s, error);
  free(s.line);
  free(s.ids);
  free(s.logits);
  return code;
}
