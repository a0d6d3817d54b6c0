/* mamba-run compare: how far two modules are apart, value by value. */
#include "run.h"

#include "mamba/half.h"
#include "mamba/progress.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 64 }; /* tokens that both modules run before the other one goes on */

/* A value of the first module, and how the second one's value of that name differs. */
typedef struct Entry {
  char *name;
  int64_t channels;
  float *data;                  /* [rows, channels]: what the first module computed in this piece */
  int64_t rows, capacity, next; /* next: the row that the second module computes next */
  bool is_compared;
  double signal, noise; /* sums of squares: of the first, of the difference */
  double max_error, max_value;
} Entry;

typedef struct Comparison {
  Entry *entries;
  size_t count, capacity;
  size_t next;      /* where the search for a name begins */
  int64_t unscaled; /* observations of integers whose scale is known at run time only */
  MambaStatus status;
  MambaError *error;
} Comparison;

/* ---- Observing -------------------------------------------------------------------------------------- */

/* Values come in the same order in every piece, so the search usually ends at once. */
static Entry *find(Comparison *c, MlirStringRef name) {
  for (size_t i = 0; i < c->count; i++, c->next = (c->next + 1) % c->count)
    if (mambaRefIs(name, c->entries[c->next].name))
      return &c->entries[c->next];
  return NULL;
}

static void failMemory(Comparison *c) {
  c->status = mambaFail(c->error, MAMBA_NO_MEMORY, "no memory for the values of %d tokens", PIECE);
}

static Entry *add(Comparison *c, const MambaObservation *o) {
  if (c->count == c->capacity) {
    const size_t capacity = c->capacity ? 2 * c->capacity : 64;
    Entry *larger = realloc(c->entries, capacity * sizeof *larger);
    if (!larger) {
      failMemory(c);
      return NULL;
    }
    c->entries = larger;
    c->capacity = capacity;
  }
  Entry entry = {.name = strndup(o->name.data, o->name.length), .channels = o->channels};
  if (!entry.name) {
    failMemory(c);
    return NULL;
  }
  c->entries[c->count] = entry;
  return &c->entries[c->count++];
}

/* False where an integer has no scale for the whole tensor. */
static bool isReadable(Comparison *c, const MambaObservation *o) {
  if (!o->name.length || c->status)
    return false;
  const bool readable = o->element != MAMBA_ELEMENT_I8 || o->scale > 0;
  c->unscaled += !readable;
  return readable;
}

static float valueAt(const MambaObservation *o, int64_t index) {
  switch (o->element) {
  case MAMBA_ELEMENT_I8:
    return (float)((const int8_t *)o->data)[index] * o->scale;
  case MAMBA_ELEMENT_F16:
    return mambaHalfToFloat(((const uint16_t *)o->data)[index]);
  case MAMBA_ELEMENT_BF16:
    return mambaBfloatToFloat(((const uint16_t *)o->data)[index]);
  default:
    return ((const float *)o->data)[index];
  }
}

static void keep(void *context, const MambaObservation *o) {
  Comparison *c = context;
  if (!isReadable(c, o))
    return;
  Entry *e = find(c, o->name);
  if (!e)
    e = add(c, o);
  if (!e || e->channels != o->channels)
    return;
  if (e->rows + o->rows > e->capacity) {
    const int64_t capacity = e->rows + o->rows;
    float *larger = realloc(e->data, (size_t)(capacity * e->channels) * sizeof *larger);
    if (!larger) {
      failMemory(c);
      return;
    }
    e->data = larger;
    e->capacity = capacity;
  }
  for (int64_t i = 0; i < o->rows * o->channels; i++)
    e->data[e->rows * e->channels + i] = valueAt(o, i);
  e->rows += o->rows;
}

static void measure(void *context, const MambaObservation *o) {
  Comparison *c = context;
  Entry *e = isReadable(c, o) ? find(c, o->name) : NULL;
  if (!e || e->channels != o->channels || e->next + o->rows > e->rows)
    return;
  const float *expected = e->data + e->next * e->channels;
  for (int64_t i = 0; i < o->rows * o->channels; i++) {
    const double a = expected[i], difference = (double)valueAt(o, i) - a;
    e->signal += a * a;
    e->noise += difference * difference;
    e->max_error = fmax(e->max_error, fabs(difference));
    e->max_value = fmax(e->max_value, fabs(a));
  }
  e->next += o->rows;
  e->is_compared = true;
}

/* ---- Running ---------------------------------------------------------------------------------------- */

static MambaStatus runBoth(Comparison *c, const RunOptions *options, const Model *models[2],
                           const MambaTokenIds *ids, MambaError *error) {
  MambaExecutor *executors[2] = {NULL};
  float *logits = NULL;
  MambaProgress progress = mambaProgressStart("comparing", "tokens", ids->columns);
  MambaStatus status = modelExecutor(models[0], 1, options->threads, &executors[0], error);
  if (!status)
    status = modelExecutor(models[1], 1, options->threads, &executors[1], error);
  if (status)
    goto cleanup;
  const int64_t n0 = mambaExecutorVocabulary(executors[0]), n1 = mambaExecutorVocabulary(executors[1]);
  logits = malloc((size_t)(PIECE * (n0 > n1 ? n0 : n1)) * sizeof *logits);
  if (!logits) {
    status = mambaFail(error, MAMBA_NO_MEMORY, "no memory for the logits of %d tokens", PIECE);
    goto cleanup;
  }
  mambaExecutorObserve(executors[0], keep, c);
  mambaExecutorObserve(executors[1], measure, c);
  for (int64_t done = 0; done < ids->columns && !status;) {
    const int64_t tokens = ids->columns - done < PIECE ? ids->columns - done : PIECE;
    for (int m = 0; m < 2 && !status; m++) {
      status = mambaExecutorRun(executors[m], ids->ids + done, tokens, MAMBA_LOGITS_ALL, logits, error);
      if (status)
        mambaFailContext(error, "%s", models[m]->path);
    }
    for (size_t i = 0; i < c->count; i++)
      c->entries[i].rows = c->entries[i].next = 0;
    status = status ? status : c->status;
    done += tokens;
    mambaProgressUpdate(&progress, done, NULL);
  }
cleanup:
  mambaProgressEnd(&progress);
  free(logits);
  mambaExecutorDestroy(executors[0]);
  mambaExecutorDestroy(executors[1]);
  return status;
}

/* ---- Reporting -------------------------------------------------------------------------------------- */

/* Signal to noise in decibels; infinite for equal values. */
static double decibels(const Entry *e) {
  return e->noise == 0 ? INFINITY : 10 * log10(e->signal / e->noise);
}

static int worstFirst(const void *left, const void *right) {
  const Entry *a = left, *b = right;
  if (a->is_compared != b->is_compared)
    return b->is_compared - a->is_compared;
  const double x = decibels(a), y = decibels(b);
  return x < y ? -1 : x > y ? 1 : strcmp(a->name, b->name);
}

static void reportText(const Comparison *c, size_t compared, int64_t tokens) {
  printf("%10s %12s %12s  %s\n", "SNR (dB)", "max error", "max value", "value");
  for (size_t i = 0; i < compared; i++) {
    const Entry *e = &c->entries[i];
    if (e->noise == 0)
      printf("%10s %12s %12.5g  %s\n", "equal", "0", e->max_value, e->name);
    else
      printf("%10.2f %12.5g %12.5g  %s\n", decibels(e), e->max_error, e->max_value, e->name);
  }
  printf("%zu values of both modules over %" PRId64 " tokens", compared, tokens);
  if (c->unscaled)
    printf("; integers with a scale for each token were left out");
  putchar('\n');
}

/* Names come from IR, where any byte may stand. */
static void printJsonString(const char *text) {
  putchar('"');
  for (; *text; text++)
    if (*text == '"' || *text == '\\')
      printf("\\%c", *text);
    else if ((unsigned char)*text < 0x20)
      printf("\\u%04x", (unsigned char)*text);
    else
      putchar(*text);
  putchar('"');
}

static void reportJson(const Comparison *c, size_t compared, int64_t tokens) {
  printf("{\"tokens\": %" PRId64 ", \"values\": [", tokens);
  for (size_t i = 0; i < compared; i++) {
    const Entry *e = &c->entries[i];
    printf("%s\n  {\"name\": ", i ? "," : "");
    printJsonString(e->name);
    printf(", \"snr_db\": ");
    if (isfinite(decibels(e)))
      printf("%.4f", decibels(e));
    else
      printf("null");
    printf(", \"equal\": %s, \"max_error\": %.9g, \"max_value\": %.9g}", e->noise == 0 ? "true" : "false",
           e->max_error, e->max_value);
  }
  puts("\n]}");
}

MambaStatus runCompare(const RunOptions *options, const Model *model, const Model *other, MambaError *error) {
  const Model *models[2] = {model, other};
  Comparison c = {.error = error};
  MambaTokenIds ids = {0};
  size_t compared = 0;
  MambaStatus status = readInputIds(options, model, &ids, error);
  if (!status)
    status = runBoth(&c, options, models, &ids, error);
  for (size_t i = 0; i < c.count; i++)
    compared += c.entries[i].is_compared;
  if (!status && !compared)
    status = mambaFail(error, MAMBA_INVALID,
                       "%s and %s: expected values with the same names, found none; was IR printed "
                       "without locations?",
                       model->path, other->path);
  if (!status) {
    qsort(c.entries, c.count, sizeof *c.entries, worstFirst);
    (options->json ? reportJson : reportText)(&c, compared, ids.columns);
  }
  for (size_t i = 0; i < c.count; i++) {
    free(c.entries[i].name);
    free(c.entries[i].data);
  }
  free(c.entries);
  mambaTokenIdsDestroy(&ids);
  return status;
}
