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
  CHECK(!mamba_model_create(weights, 1, &other, &error));
  CHECK(!mamba_model_prefill(model, begin, 5, NULL, &error));
  mamba_model_save_state(model, state);
  CHECK(!mamba_model_prefill(model, next, 3, expected, &error));
  CHECK(!mamba_model_load_state(other, state, mamba_model_state_size(), &error));
  CHECK(!mamba_model_prefill(other, next, 3, found, &error));
  CHECK(!memcmp(expected, found, bytes));
  mamba_model_reset(model);
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
  mamba_model_reset(model);
  CHECK(!mamba_model_forward(model, good, 2, logits, &error));
  mamba_model_reset(model);
  CHECK(mamba_model_step(model, low, again, &error) == MAMBA_CODE_ARGUMENT && strstr(error.message, "-1"));
  CHECK(mamba_model_step(model, high, again, &error) == MAMBA_CODE_ARGUMENT);
  CHECK(mamba_model_prefill(model, second, 2, again, &error) == MAMBA_CODE_ARGUMENT &&
        strstr(error.message, "token 1"));
  CHECK(mamba_model_prefill(model, NULL, 0, again, &error) == MAMBA_CODE_ARGUMENT);
  CHECK(!mamba_model_prefill(model, NULL, 0, NULL, &error));
  CHECK(!mamba_model_forward(model, good, 2, again, &error));
  CHECK(!memcmp(logits, again, 2 * vocabulary * sizeof *logits));
  CHECK(mamba_model_create(weights, -1, &none, &error) == MAMBA_CODE_ARGUMENT);
  CHECK(mamba_model_create(weights, mamba_model_max_threads() + 1, &none, &error) == MAMBA_CODE_ARGUMENT);
  CHECK(mamba_model_create("no such file", 1, &none, &error) == MAMBA_CODE_FILE);
  CHECK(none == NULL);
  free(again);
  free(logits);
}

int main(int argc, char **argv) {
  mamba_model *model = NULL;
  mamba_error error;
  if (argc != 2 || mamba_model_create(argv[1], 2, &model, &error)) {
    printf("library: %s\n", argc == 2 ? error.message : "expected WEIGHTS");
    return 1;
  }
  check_states(model, argv[1]);
  check_errors(model, argv[1]);
  mamba_model_destroy(model);
  return failures != 0;
}
