/* A program on a bundle's model.h, compiled with the bundle by same_bytes.py: library WEIGHTS. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

#define CHECK(condition)                                                                                     \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      printf("library.c:%d: expected %s\n", __LINE__, #condition);                                           \
      failures++;                                                                                            \
    }                                                                                                        \
  } while (0)

/* A saved state continues as the sequence that it was taken from does, also in another model. */
static void check_states(mamba_model *model, const char *weights) {
  const int32_t begin[] = {5, 4, 3, 2, 1}, next[] = {7, 8, 9};
  const size_t bytes = (size_t)mamba_model_vocabulary() * sizeof(float);
  float *expected = malloc(bytes), *found = malloc(bytes);
  char *state = malloc(mamba_model_state_size());
  mamba_model *other = NULL;
  mamba_error error;
  CHECK(!mamba_model_create(weights, 1, 3, &other, &error));
  CHECK(!mamba_model_select(other, 1, 1, &error));
  CHECK(!mamba_model_prefill(model, begin, 5, NULL, &error));
  CHECK(!mamba_model_save_state(model, state, &error));
  CHECK(!mamba_model_prefill(model, next, 3, expected, &error));
  CHECK(!mamba_model_load_state(other, state, mamba_model_state_size(), &error));
  CHECK(!mamba_model_prefill(other, next, 3, found, &error));
  CHECK(!memcmp(expected, found, bytes));
  CHECK(!mamba_model_reset(model, &error));
  CHECK(!mamba_model_prefill(model, next, 3, found, &error));
  CHECK(memcmp(expected, found, bytes) != 0);
  CHECK(mamba_model_load_state(model, state, mamba_model_state_size() - 1, &error) == MAMBA_CODE_ARGUMENT);
  state[0] ^= 1;
  CHECK(mamba_model_load_state(model, state, mamba_model_state_size(), &error) == MAMBA_CODE_ARGUMENT);
  mamba_model_destroy(other);
  free(state);
  free(found);
  free(expected);
}

/* What is refused is described and changes nothing. */
static void check_errors(mamba_model *model, const char *weights) {
  const int32_t low = -1, high = mamba_model_vocabulary(), good[] = {1, 2};
  const int32_t second[] = {1, high};
  const size_t vocabulary = (size_t)mamba_model_vocabulary();
  float *logits = malloc(2 * vocabulary * sizeof *logits), *again = malloc(2 * vocabulary * sizeof *again);
  mamba_model *none = NULL;
  mamba_error error;
  CHECK(!mamba_model_reset(model, &error));
  CHECK(!mamba_model_forward(model, good, 2, logits, &error));
  CHECK(!mamba_model_reset(model, &error));
  CHECK(mamba_model_step(model, &low, again, &error) == MAMBA_CODE_ARGUMENT && strstr(error.message, "-1"));
  CHECK(mamba_model_step(model, &high, again, &error) == MAMBA_CODE_ARGUMENT);
  CHECK(mamba_model_prefill(model, second, 2, again, &error) == MAMBA_CODE_ARGUMENT &&
        strstr(error.message, "token 1"));
  CHECK(mamba_model_prefill(model, NULL, 0, again, &error) == MAMBA_CODE_ARGUMENT);
  CHECK(!mamba_model_prefill(model, NULL, 0, NULL, &error));
  CHECK(!mamba_model_forward(model, good, 2, again, &error));
  CHECK(!memcmp(logits, again, 2 * vocabulary * sizeof *logits));
  CHECK(mamba_model_create(weights, -1, 1, &none, &error) == MAMBA_CODE_ARGUMENT);
  CHECK(mamba_model_create(weights, mamba_model_max_threads() + 1, 1, &none, &error) == MAMBA_CODE_ARGUMENT);
  CHECK(mamba_model_create("no such file", 1, 1, &none, &error) == MAMBA_CODE_FILE);
  CHECK(mamba_model_create(weights, 1, 0, &none, &error) == MAMBA_CODE_ARGUMENT);
  CHECK(mamba_model_create(weights, 1, mamba_model_max_sequences() + 1, &none, &error) ==
        MAMBA_CODE_ARGUMENT);
  CHECK(none == NULL);
  CHECK(mamba_model_select(model, 0, 0, &error) == MAMBA_CODE_ARGUMENT);
  CHECK(mamba_model_select(model, 0, 2, &error) == MAMBA_CODE_ARGUMENT);
  CHECK(mamba_model_select(model, 1, 1, &error) == MAMBA_CODE_ARGUMENT);
  free(again);
  free(logits);
}

/* ---- Several sequences -------------------------------------------------------------------------- */

enum { PROMPT = 71, STEPS = 3, TEXT = PROMPT + STEPS }; /* eight prompts are several chunks, also of 512 */

static void fill_ids(int32_t *ids, int32_t sequence, int32_t count) {
  for (int32_t i = 0; i < count; ++i)
    ids[i] = (sequence * 1009 + i * 131 + 7) % mamba_model_vocabulary();
}

/* The logits after the prompt and after every step of one sequence, alone: [1 + STEPS, vocabulary]. */
static void run_alone(mamba_model *model, int32_t sequence, float *logits) {
  const size_t vocabulary = (size_t)mamba_model_vocabulary();
  int32_t ids[TEXT];
  mamba_error error;
  fill_ids(ids, sequence, TEXT);
  CHECK(!mamba_model_reset(model, &error));
  CHECK(!mamba_model_prefill(model, ids, PROMPT, logits, &error));
  for (size_t step = 0; step < STEPS; ++step)
    CHECK(!mamba_model_step(model, &ids[PROMPT + step], logits + (1 + step) * vocabulary, &error));
}

/* The same for sequences beside each other; those from `early` on begin after the prompt of the others. */
static void run_together(mamba_model *model, int32_t sequences, int32_t early, float *const *expected) {
  const size_t vocabulary = (size_t)mamba_model_vocabulary();
  float *logits = malloc((size_t)sequences * vocabulary * sizeof *logits);
  int32_t *ids = malloc((size_t)sequences * PROMPT * sizeof *ids);
  mamba_error error;
  const int32_t begin[] = {0, early, sequences};
  for (int part = 0; part < 2; ++part) {
    const int32_t first = begin[part], count = begin[part + 1] - begin[part];
    if (!count)
      continue;
    for (int32_t s = 0; s < count; ++s)
      fill_ids(ids + s * PROMPT, first + s, PROMPT);
    CHECK(!mamba_model_select(model, first, count, &error));
    CHECK(!mamba_model_reset(model, &error));
    CHECK(!mamba_model_prefill(model, ids, PROMPT, logits, &error));
    for (int32_t s = 0; s < count; ++s)
      CHECK(!memcmp(logits + (size_t)s * vocabulary, expected[first + s], vocabulary * sizeof *logits));
  }
  CHECK(!mamba_model_select(model, 0, sequences, &error));
  for (size_t step = 0; step < STEPS; ++step) {
    for (int32_t s = 0; s < sequences; ++s) {
      int32_t text[TEXT];
      fill_ids(text, s, TEXT);
      ids[s] = text[PROMPT + step];
    }
    CHECK(!mamba_model_step(model, ids, logits, &error));
    for (int32_t s = 0; s < sequences; ++s)
      CHECK(!memcmp(logits + (size_t)s * vocabulary, expected[s] + (1 + step) * vocabulary,
                    vocabulary * sizeof *logits));
  }
  free(ids);
  free(logits);
}

/* forward gives every sequence's logits, one sequence after the other. */
static void check_forward(mamba_model *alone, mamba_model *together) {
  const size_t values = 3 * (size_t)mamba_model_vocabulary();
  const int32_t ids[] = {9, 8, 7, 6, 5, 4};
  float *expected = malloc(2 * values * sizeof *expected), *found = malloc(2 * values * sizeof *found);
  mamba_error error;
  for (size_t s = 0; s < 2; ++s) {
    CHECK(!mamba_model_reset(alone, &error));
    CHECK(!mamba_model_forward(alone, ids + 3 * s, 3, expected + s * values, &error));
  }
  CHECK(!mamba_model_select(together, 0, 2, &error));
  CHECK(!mamba_model_reset(together, &error));
  CHECK(!mamba_model_forward(together, ids, 3, found, &error));
  CHECK(!memcmp(expected, found, 2 * values * sizeof *found));
  free(found);
  free(expected);
}

/* The ids of the largest logits, without the logits. */
static void check_greedy(mamba_model *alone, mamba_model *together) {
  const int32_t vocabulary = mamba_model_vocabulary();
  float *logits = malloc((size_t)vocabulary * sizeof *logits);
  int32_t ids[2] = {11, 12}, expected[2][STEPS];
  mamba_error error;
  for (int32_t s = 0; s < 2; ++s) {
    int32_t id = ids[s];
    CHECK(!mamba_model_reset(alone, &error));
    for (int step = 0; step < STEPS; ++step) {
      CHECK(!mamba_model_step(alone, &id, logits, &error));
      id = 0;
      for (int32_t i = 1; i < vocabulary; ++i)
        id = logits[i] > logits[id] ? i : id;
      expected[s][step] = id;
    }
  }
  CHECK(!mamba_model_select(together, 0, 2, &error));
  CHECK(!mamba_model_reset(together, &error));
  for (int step = 0; step < STEPS; ++step) {
    CHECK(!mamba_model_step_greedy(together, ids, ids, &error));
    CHECK(ids[0] == expected[0][step] && ids[1] == expected[1][step]);
  }
  ids[1] = vocabulary;
  CHECK(mamba_model_step_greedy(together, ids, ids, &error) == MAMBA_CODE_ARGUMENT);
  free(logits);
}

/* Ids that two sequences draw together are those that each draws from its logits. */
static void check_sampling(mamba_model *alone, mamba_model *together) {
  enum { DRAWS = 6 };
  const mamba_sampling options[2] = {{.temperature = 1.5, .top_k = 50, .top_p = 0.95, .seed = 7},
                                     {.temperature = 1, .top_p = 1, .seed = 8}};
  const int32_t vocabulary = mamba_model_vocabulary();
  mamba_sampler samplers[2];
  int32_t ids[2] = {3, 4}, expected[2][DRAWS];
  mamba_error error;
  float *logits = malloc((size_t)vocabulary * sizeof *logits);
  CHECK(logits);
  for (int s = 0; s < 2; ++s) {
    int32_t id = ids[s];
    samplers[s] = mamba_sampler_start(options[s]);
    CHECK(!mamba_model_reset(alone, &error));
    for (int step = 0; step < DRAWS; ++step) {
      const mamba_draw draw = mamba_sampler_draw(&samplers[s]);
      CHECK(!mamba_model_step(alone, &id, logits, &error));
      id = expected[s][step] = mamba_draw_token(&draw, logits, vocabulary);
    }
    samplers[s] = mamba_sampler_start(options[s]);
  }
  CHECK(!mamba_model_select(together, 0, 2, &error));
  CHECK(!mamba_model_reset(together, &error));
  for (int step = 0; step < DRAWS; ++step) {
    const mamba_draw draws[2] = {mamba_sampler_draw(&samplers[0]), mamba_sampler_draw(&samplers[1])};
    CHECK(!mamba_model_step_sample(together, ids, draws, ids, &error));
    CHECK(ids[0] == expected[0][step] && ids[1] == expected[1][step]);
  }
  free(logits);
}

static void check_batches(mamba_model *model, const char *weights) {
  static const int32_t batches[] = {1, 2, 3, 8};
  const size_t vocabulary = (size_t)mamba_model_vocabulary();
  float *expected[8];
  mamba_error error;
  for (int32_t s = 0; s < 8; ++s) {
    expected[s] = malloc((1 + STEPS) * vocabulary * sizeof(float));
    run_alone(model, s, expected[s]);
  }
  for (size_t i = 0; i < sizeof batches / sizeof batches[0]; ++i) {
    mamba_model *together = NULL;
    CHECK(!mamba_model_create(weights, 0, batches[i], &together, &error));
    run_together(together, batches[i], batches[i], expected);
    run_together(together, batches[i], batches[i] / 2, expected);
    if (batches[i] > 1) {
      check_forward(model, together);
      check_greedy(model, together);
      check_sampling(model, together);
    }
    mamba_model_destroy(together);
  }
  for (int32_t s = 0; s < 8; ++s)
    free(expected[s]);
}

/* ---- Layers ------------------------------------------------------------------------------------- */

enum { SHOWN = 70 }; /* tokens: several chunks */

typedef struct shown {
  int calls, last; /* the number of the last layer */
  float *rows;     /* in the order of the calls */
  size_t used, size;
} shown;

static void keep_layer(void *context, const char *name, const float *rows, int32_t count, int32_t channels) {
  shown *s = context;
  const size_t values = (size_t)count * (size_t)channels;
  int layer = -1;
  CHECK(sscanf(name, "layers.%d", &layer) == 1);
  s->calls++;
  s->last = layer;
  CHECK(s->used + values <= s->size);
  if (s->used + values <= s->size)
    memcpy(s->rows + s->used, rows, values * sizeof *rows);
  s->used += values;
}

/* With one thread and with several the same rows behind every layer; the logits are as without an observer.
 */
static void check_layers(mamba_model *model, const char *weights) {
  enum { VALUES = 1 << 20 };
  const size_t vocabulary = (size_t)mamba_model_vocabulary();
  shown one = {.rows = malloc(VALUES * sizeof(float)), .size = VALUES},
        many = {.rows = malloc(VALUES * sizeof(float)), .size = VALUES};
  float *expected = malloc(vocabulary * sizeof *expected), *found = malloc(vocabulary * sizeof *found);
  int32_t ids[SHOWN];
  mamba_model *threads = NULL;
  mamba_error error;
  fill_ids(ids, 1, SHOWN);
  if (mamba_model_max_threads() == 1) { /* a GPU's program */
    CHECK(mamba_model_observe(model, keep_layer, &one, &error) == MAMBA_CODE_ARGUMENT);
    CHECK(!mamba_model_observe(model, NULL, NULL, &error));
    goto cleanup;
  }
  CHECK(!mamba_model_create(weights, 3, 1, &threads, &error));
  CHECK(!mamba_model_reset(model, &error));
  CHECK(!mamba_model_prefill(model, ids, SHOWN, expected, &error));
  CHECK(!mamba_model_reset(model, &error));
  CHECK(!mamba_model_observe(model, keep_layer, &one, &error));
  CHECK(!mamba_model_observe(threads, keep_layer, &many, &error));
  CHECK(!mamba_model_prefill(model, ids, SHOWN, found, &error));
  CHECK(!memcmp(expected, found, vocabulary * sizeof *found));
  CHECK(one.last > 0 && one.calls == (one.last + 1) * 2); /* chunks of 64 */
  const int calls = one.calls;
  CHECK(!mamba_model_prefill(threads, ids, SHOWN, found, &error));
  CHECK(!memcmp(expected, found, vocabulary * sizeof *found));
  CHECK(many.calls == calls && many.used == one.used);
  CHECK(!memcmp(one.rows, many.rows, one.used * sizeof *one.rows));
  CHECK(!mamba_model_observe(model, NULL, NULL, &error));
  CHECK(!mamba_model_prefill(model, ids, SHOWN, found, &error));
  CHECK(one.calls == calls);
cleanup:
  mamba_model_destroy(threads);
  free(found);
  free(expected);
  free(many.rows);
  free(one.rows);
}

int main(int argc, char **argv) {
  mamba_model *model = NULL;
  mamba_error error;
  if (argc != 2 || mamba_model_create(argv[1], 0, 1, &model, &error)) {
    printf("library: %s\n", argc == 2 ? error.message : "expected WEIGHTS");
    return 1;
  }
  check_states(model, argv[1]);
  check_batches(model, argv[1]);
  check_errors(model, argv[1]);
  check_layers(model, argv[1]);
  mamba_model_destroy(model);
  return failures != 0;
}
