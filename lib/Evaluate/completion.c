/* Last words: LAMBADA's examples, and how many of them a model finds. */
#include "scores.h"

#include "mamba/json.h"
#include "mamba/mapped_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- Examples ---------------------------------------------------------------------------------------- */

void mambaCompletionsDestroy(MambaCompletions *completions) {
  for (int64_t i = 0; i < completions->count; i++)
    free(completions->items[i].ids);
  free(completions->items);
}

static MambaStatus encode(const MambaTokenizer *tokenizer, const char *text, size_t size, const char *label,
                          int32_t **ids, size_t *count, MambaError *error) {
  const MambaTokenizerResult result = mambaTokenizerEncode(tokenizer, text, size, ids, count);
  if (result == MAMBA_TOKENIZER_OK)
    return MAMBA_OK;
  return mambaFail(error, result == MAMBA_TOKENIZER_NO_MEMORY ? MAMBA_NO_MEMORY : MAMBA_INVALID, "%s: %s", label,
                   mambaTokenizerResultMessage(result));
}

/* The whole is encoded at once; what the text before the last space takes of it is the context. */
static MambaStatus makeExample(const char *text, size_t size, const MambaTokenizer *tokenizer, const char *label,
                               MambaCompletion *example, MambaError *error) {
  size_t context = size, whole_count = 0, context_count = 0;
  int32_t *whole = NULL, *context_ids = NULL;
  while (context > 0 && text[context - 1] != ' ')
    context--;
  MambaStatus status = encode(tokenizer, text, size, label, &whole, &whole_count, error);
  if (!status)
    status = encode(tokenizer, text, context ? context - 1 : 0, label, &context_ids, &context_count, error);
  free(context_ids);
  if (!status && (!context_count || context_count >= whole_count))
    status = mambaFail(error, MAMBA_INVALID, "%s: expected a text and a last word behind a space, found none",
                       label);
  if (status) {
    free(whole);
    return status;
  }
  *example = (MambaCompletion){whole, (int64_t)whole_count, (int64_t)(whole_count - context_count)};
  return MAMBA_OK;
}

static MambaStatus parseLine(const char *line, size_t size, const MambaTokenizer *tokenizer, const char *label,
                             MambaCompletion *example, MambaError *error) {
  json_t *object = NULL;
  MambaStatus status = mambaJsonParseObject(line, size, label, &object, error);
  if (status)
    return status;
  const json_t *text = json_object_get(object, "text");
  char found[MAMBA_JSON_TEXT];
  if (json_is_string(text))
    status = makeExample(json_string_value(text), json_string_length(text), tokenizer, label, example, error);
  else
    status = mambaFail(error, MAMBA_INVALID, "%s: expected a string \"text\", found %s", label,
                       mambaJsonDescribe(text, found));
  json_decref(object);
  return status;
}

MambaStatus mambaCompletionsRead(const char *path, const MambaTokenizer *tokenizer, int64_t limit,
                                 MambaCompletions *completions, MambaError *error) {
  MambaMappedFile file;
  MambaCompletions read = {0};
  MambaStatus status = mambaMappedFileOpen(path, &file, error);
  if (status)
    return status;
  const char *at = file.data, *end = at + file.size;
  int64_t capacity = 0;
  for (int64_t number = 1; at < end && (!limit || read.count < limit) && !status; number++) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    const char *line = at;
    const size_t size = (size_t)((newline ? newline : end) - at);
    char label[4096];
    at += size + 1;
    if (!size)
      continue;
    if (read.count == capacity) {
      capacity = capacity ? 2 * capacity : 1024;
      MambaCompletion *larger = realloc(read.items, (size_t)capacity * sizeof *larger);
      if (!larger) {
        status = mambaFail(error, MAMBA_NO_MEMORY, "%s: no memory for its examples", path);
        break;
      }
      read.items = larger;
    }
    snprintf(label, sizeof label, "%s:%" PRId64, path, number);
    status = parseLine(line, size, tokenizer, label, &read.items[read.count], error);
    read.count += !status;
  }
  mambaMappedFileClose(&file);
  if (!status && !read.count)
    status = mambaFail(error, MAMBA_INVALID, "%s: expected at least one example, found none", path);
  if (status)
    mambaCompletionsDestroy(&read);
  else
    *completions = read;
  return status;
}

/* ---- Evaluation -------------------------------------------------------------------------------------- */

/* The first place of `example` whose following id is a target. */
static int64_t firstPlace(const MambaCompletion *example) {
  return example->count - example->targets - 1;
}

static int byLength(const void *left, const void *right) {
  const MambaCompletion *a = *(const MambaCompletion *const *)left, *b = *(const MambaCompletion *const *)right;
  if (a->count != b->count)
    return a->count < b->count ? -1 : 1;
  return a < b ? -1 : a > b;
}

/* Examples of about one length side by side; ids behind the end of one change nothing that counts. The last batch
 * is filled with its last example. */
static MambaStatus measureBatch(Scores *s, const MambaCompletion **examples, int64_t count,
                                MambaCompletionEvaluation *result, MambaError *error) {
  const int64_t batch = s->model->batch, length = examples[count - 1]->count - 1;
  int64_t scored = firstPlace(examples[0]); /* from here on logits are wanted */
  bool *correct = malloc((size_t)count * sizeof *correct);
  MambaStatus status = correct ? scoresReset(s, error)
                               : mambaFail(error, MAMBA_NO_MEMORY, "no memory for %" PRId64 " examples", count);
  for (int64_t i = 0; i < count && !status; i++) {
    correct[i] = true;
    if (firstPlace(examples[i]) < scored)
      scored = firstPlace(examples[i]);
  }
  for (int64_t done = 0, tokens; done < length && !status; done += tokens) {
    const int64_t stop = done < scored ? scored : length;
    tokens = stop - done < s->tokens ? stop - done : s->tokens;
    for (int64_t b = 0; b < batch; b++) {
      const MambaCompletion *e = examples[b < count ? b : count - 1];
      for (int64_t t = 0; t < tokens; t++) {
        s->inputs[b * tokens + t] = done + t < e->count ? e->ids[done + t] : 0;
        s->targets[b * tokens + t] = done + t + 1 < e->count ? e->ids[done + t + 1] : 0;
      }
    }
    status = scoresRun(s, tokens, done >= scored, error);
    for (int64_t b = 0; b < count && done >= scored && !status; b++)
      for (int64_t t = 0; t < tokens; t++)
        if (done + t >= firstPlace(examples[b]) && done + t + 1 < examples[b]->count) {
          result->nll += s->rows[b * tokens + t].nll;
          correct[b] &= s->rows[b * tokens + t].found;
        }
  }
  for (int64_t b = 0; b < count && !status; b++)
    result->correct += correct[b];
  free(correct);
  return status;
}

MambaStatus mambaEvaluateCompletions(const MambaPredictor *model, const MambaCompletions *completions,
                                     mamba_pool *pool, MambaCompletionEvaluation *result, MambaError *error) {
  Scores scores = {0};
  MambaCompletionEvaluation sum = {.examples = completions->count};
  MambaProgress progress = mambaProgressStart("completing", "examples", completions->count);
  const MambaCompletion **sorted = malloc((size_t)completions->count * sizeof *sorted);
  MambaStatus status = sorted ? scoresCreate(model, NULL, pool, &scores, error)
                              : mambaFail(error, MAMBA_NO_MEMORY, "no memory for %" PRId64 " examples",
                                          completions->count);
  for (int64_t i = 0; i < completions->count && !status; i++)
    sorted[i] = &completions->items[i];
  if (!status)
    qsort(sorted, (size_t)completions->count, sizeof *sorted, byLength);
  for (int64_t first = 0; first < completions->count && !status; first += model->batch) {
    const int64_t left = completions->count - first, count = left < model->batch ? left : model->batch;
    status = measureBatch(&scores, sorted + first, count, &sum, error);
    mambaProgressUpdate(&progress, first + count, NULL);
  }
  mambaProgressEnd(&progress);
  sum.nll /= (double)completions->count;
  if (!status)
    *result = sum;
  scoresDestroy(&scores);
  free(sorted);
  return status;
}
