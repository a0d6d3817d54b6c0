/* mamba-run selftest: what must not change a byte of the logits. */
#include "run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 37 };

typedef struct Variant {
  int threads;
  int64_t batch; /* sequences that run beside each other; the first is compared */
  int64_t piece; /* tokens of one call */
} Variant;

static const Variant kVariants[] = {{2, 1, TOKENS}, {3, 1, TOKENS}, {1, 1, 1},
                                    {2, 1, 5},      {1, 3, TOKENS}, {3, 2, 7}};

/* Ids that differ: a multiplicative generator (Park and Miller, 1988). */
static void fillIds(int32_t *ids, int64_t count, int64_t vocabulary) {
  uint64_t state = 20241;
  for (int64_t i = 0; i < count; i++) {
    state = state * 48271 % 2147483647;
    ids[i] = (int32_t)(state % (uint64_t)vocabulary);
  }
}

/* The logits of the first sequence, [TOKENS, vocabulary], which the caller frees. */
static MambaStatus compute(const Model *model, Variant v, float **result, int64_t *vocabulary,
                           MambaError *error) {
  MambaExecutor *executor = NULL;
  MambaStatus status = modelExecutor(model, v.batch, v.threads, &executor, error);
  if (status)
    return status;
  const int64_t n = mambaExecutorVocabulary(executor);
  int32_t ids[TOKENS * 3], piece[TOKENS * 3];
  float *all = malloc((size_t)(TOKENS * n) * sizeof *all),
        *logits = malloc((size_t)(v.batch * v.piece * n) * sizeof *all);
  if (!all || !logits)
    status = mambaFail(error, MAMBA_NO_MEMORY, "no memory for the logits of %d tokens", TOKENS);
  fillIds(ids, TOKENS * v.batch, n);
  for (int64_t done = 0; done < TOKENS && !status;) {
    const int64_t tokens = TOKENS - done < v.piece ? TOKENS - done : v.piece;
    for (int64_t b = 0; b < v.batch; b++)
      memcpy(piece + b * tokens, ids + b * TOKENS + done, (size_t)tokens * sizeof *ids);
    status = mambaExecutorRun(executor, piece, tokens, MAMBA_LOGITS_ALL, logits, error);
    if (!status)
      memcpy(all + done * n, logits, (size_t)(tokens * n) * sizeof *all);
    done += tokens;
  }
  free(logits);
  if (status)
    free(all);
  else
    *result = all;
  *vocabulary = n;
  mambaExecutorDestroy(executor);
  return status;
}

MambaStatus runSelftest(const Model *model, MambaError *error) {
  float *expected = NULL;
  int64_t vocabulary = 0;
  MambaStatus status = compute(model, (Variant){1, 1, TOKENS}, &expected, &vocabulary, error);
  for (size_t i = 0; i < sizeof kVariants / sizeof kVariants[0] && !status; i++) {
    const Variant v = kVariants[i];
    float *found = NULL;
    status = compute(model, v, &found, &vocabulary, error);
    const bool equal = !status && !memcmp(expected, found, (size_t)(TOKENS * vocabulary) * sizeof *found);
    if (equal)
      printf("%d threads, %" PRId64 " sequences, %" PRId64 " tokens at a time: equal\n", v.threads, v.batch,
             v.piece);
    else if (!status)
      status = mambaFail(
          error, MAMBA_INVALID,
          "%s: expected the logits of 1 thread, 1 sequence, %d tokens at a time, found others with %d "
          "threads, %" PRId64 " sequences, %" PRId64 " tokens at a time",
          model->path, TOKENS, v.threads, v.batch, v.piece);
    free(found);
  }
  free(expected);
  if (!status)
    puts("selftest: ok");
  return status;
}
