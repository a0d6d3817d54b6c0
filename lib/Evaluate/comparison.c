/* See mamba/comparison.h. */
#include "mamba/comparison.h"

#include "mamba/half.h"
#include "mamba/progress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 64 }; /* tokens that both models run before the other one goes on */

/* A value of the first model, and how the second one's value of that name differs. */
typedef struct Entry {
  MambaComparedValue value;
  float *data;                  /* [rows, channels]: what the first model computed in this piece */
  int64_t rows, capacity, next; /* next: the row that the second model computes next */
  bool is_compared;
} Entry; /* in the order in which the first model computes them */

typedef struct Collection {
  Entry *entries;
  size_t count, capacity;
  size_t next;  /* where the search for a name begins */
  int64_t done; /* tokens in the pieces before this one */
  bool left_out;
  MambaStatus status;
  MambaError *error;
} Collection;

/* ---- Observing -------------------------------------------------------------------------------------- */

/* Values come in the same order in every piece, so the search usually ends at once. */
static Entry *find(Collection *c, MlirStringRef name) {
  for (size_t i = 0; i < c->count; i++, c->next = (c->next + 1) % c->count)
    if (mambaRefIs(name, c->entries[c->next].value.name))
      return &c->entries[c->next];
  return NULL;
}

static void failMemory(Collection *c) {
  c->status = mambaFail(c->error, MAMBA_NO_MEMORY, "no memory for the values of %d tokens", PIECE);
}

static Entry *add(Collection *c, const MambaObservation *o) {
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
  Entry entry = {.value = {.name = strndup(o->name.data, o->name.length), .channels = o->channels}};
  if (!entry.value.name) {
    failMemory(c);
    return NULL;
  }
  c->entries[c->count] = entry;
  return &c->entries[c->count++];
}

/* False where an integer has no scale for the whole tensor. */
static bool isReadable(Collection *c, const MambaObservation *o) {
  if (!o->name.length || c->status)
    return false;
  const bool readable = o->element != MAMBA_ELEMENT_I8 || o->scale > 0;
  c->left_out |= !readable;
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
  Collection *c = context;
  if (!isReadable(c, o))
    return;
  Entry *e = find(c, o->name);
  if (!e)
    e = add(c, o);
  if (!e || e->value.channels != o->channels)
    return;
  if (e->rows + o->rows > e->capacity) {
    const int64_t capacity = e->rows + o->rows;
    float *larger = realloc(e->data, (size_t)(capacity * e->value.channels) * sizeof *larger);
    if (!larger) {
      failMemory(c);
      return;
    }
    e->data = larger;
    e->capacity = capacity;
  }
  for (int64_t i = 0; i < o->rows * o->channels; i++)
    e->data[e->rows * e->value.channels + i] = valueAt(o, i);
  e->rows += o->rows;
}

static void measure(void *context, const MambaObservation *o) {
  Collection *c = context;
  Entry *e = isReadable(c, o) ? find(c, o->name) : NULL;
  if (!e || e->value.channels != o->channels || e->next + o->rows > e->rows)
    return;
  const float *expected = e->data + e->next * e->value.channels;
  for (int64_t i = 0; i < o->rows * o->channels; i++) {
    const double a = expected[i], difference = (double)valueAt(o, i) - a;
    e->value.signal += a * a;
    e->value.noise += difference * difference;
    if (fabs(difference) > e->value.max_error) {
      e->value.max_error = fabs(difference);
      e->value.token = c->done + e->next + i / o->channels;
      e->value.channel = i % o->channels;
    }
    e->value.max_value = fmax(e->value.max_value, fabs(a));
  }
  e->next += o->rows;
  e->is_compared = true;
}

/* ---- Running ---------------------------------------------------------------------------------------- */

/* A MambaComparable's; `context` is the executor. */
static MambaStatus runExecutor(void *context, const int32_t *ids, int64_t tokens, MambaObserver observer,
                               void *observer_context, MambaError *error) {
  MambaExecutor *executor = context;
  float *logits = malloc((size_t)(tokens * mambaExecutorVocabulary(executor)) * sizeof *logits);
  if (!logits)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for the logits of %lld tokens", (long long)tokens);
  mambaExecutorObserve(executor, observer, observer_context);
  const MambaStatus status = mambaExecutorRun(executor, ids, tokens, MAMBA_LOGITS_ALL, logits, error);
  mambaExecutorObserve(executor, NULL, NULL);
  free(logits);
  return status;
}

MambaComparable mambaComparableExecutor(MambaExecutor *executor) {
  return (MambaComparable){.context = executor, .run = runExecutor};
}

static MambaStatus runBoth(Collection *c, const MambaComparable models[2], const int32_t *ids, int64_t count,
                           MambaError *error) {
  const MambaObserver observers[] = {keep, measure};
  MambaProgress progress = mambaProgressStart("comparing", "tokens", count);
  MambaStatus status = MAMBA_OK;
  for (int64_t done = 0; done < count && !status;) {
    const int64_t tokens = count - done < PIECE ? count - done : PIECE;
    for (int m = 0; m < 2 && !status; m++) {
      status = models[m].run(models[m].context, ids + done, tokens, observers[m], c, error);
      if (status)
        mambaFailContext(error, "the %s model", m ? "second" : "first");
    }
    for (size_t i = 0; i < c->count; i++)
      c->entries[i].rows = c->entries[i].next = 0;
    status = status ? status : c->status;
    c->done = done += tokens;
    mambaProgressUpdate(&progress, done, NULL);
  }
  mambaProgressEnd(&progress);
  return status;
}

/* ---- Results ---------------------------------------------------------------------------------------- */

double mambaComparedDecibels(const MambaComparedValue *value) {
  return value->noise == 0 ? INFINITY : 10 * log10(value->signal / value->noise);
}

long mambaComparedLayer(const MambaComparedValue *value) {
  static const char prefix[] = "layers.";
  char *end;
  if (strncmp(value->name, prefix, sizeof prefix - 1))
    return -1;
  const char *number = value->name + sizeof prefix - 1;
  const long layer = strtol(number, &end, 10);
  return *end || end == number ? -1 : layer;
}

static int worstFirst(const void *left, const void *right) {
  const MambaComparedValue *a = left, *b = right;
  const double x = mambaComparedDecibels(a), y = mambaComparedDecibels(b);
  return x < y ? -1 : x > y ? 1 : strcmp(a->name, b->name);
}

/* Moves the values that both models have. */
static MambaStatus takeCompared(Collection *c, MambaComparison *comparison, MambaError *error) {
  size_t count = 0;
  for (size_t i = 0; i < c->count; i++)
    count += c->entries[i].is_compared;
  if (!count)
    return mambaFail(error, MAMBA_INVALID,
                     "expected values with the same names, found none; was IR printed without locations?");
  MambaComparedValue *values = malloc(count * sizeof *values);
  if (!values)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for %zu values", count);
  *comparison = (MambaComparison){.values = values, .left_out = c->left_out};
  for (size_t i = 0; i < c->count; i++)
    if (c->entries[i].is_compared) {
      values[comparison->count++] = c->entries[i].value;
      c->entries[i].value.name = NULL;
    }
  const char *first = NULL; /* the name's address stays the same */
  for (size_t i = 0; i < count && !first; i++)
    first = values[i].noise != 0 ? values[i].name : NULL;
  qsort(values, count, sizeof *values, worstFirst);
  while (comparison->first < count && values[comparison->first].name != first)
    comparison->first++;
  return MAMBA_OK;
}

MambaStatus mambaCompare(MambaComparable first, MambaComparable second, const int32_t *ids, int64_t count,
                         MambaComparison *comparison, MambaError *error) {
  const MambaComparable models[] = {first, second};
  Collection c = {.error = error};
  MambaStatus status = runBoth(&c, models, ids, count, error);
  if (!status)
    status = takeCompared(&c, comparison, error);
  for (size_t i = 0; i < c.count; i++) {
    free(c.entries[i].value.name);
    free(c.entries[i].data);
  }
  free(c.entries);
  return status;
}

void mambaComparisonDestroy(MambaComparison *comparison) {
  for (size_t i = 0; i < comparison->count; i++)
    free(comparison->values[i].name);
  free(comparison->values);
}
