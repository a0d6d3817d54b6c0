/* What the programs that test kernels have in common. */
#ifndef MAMBA_TEST_CASES_H
#define MAMBA_TEST_CASES_H

#include "data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) ((int32_t)(sizeof(array) / sizeof((array)[0])))

static const int worker_counts[] = {1, 2, 3, 5};

/* Runs `call` once per worker of a random number of them, in decreasing order: no share may depend on
 * another. */
#define ALL_WORKERS(call)                                                                                    \
  do {                                                                                                       \
    const int worker_count = worker_counts[random_below(COUNT(worker_counts))];                              \
    for (int index = worker_count - 1; index >= 0; --index) {                                                \
      const mamba_worker worker = {index, worker_count};                                                     \
      call;                                                                                                  \
    }                                                                                                        \
  } while (0)

/* Memory for packed weights, which the caller frees. */
static inline void *aligned_memory(size_t bytes) {
  void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!memory) {
    fputs("out of memory\n", stderr);
    exit(2);
  }
  return memory;
}

/* Before the first case: 0, or what `main` returns at once. 77 where the processor lacks the instruction set
 * that MAMBA_ISA names. */
static inline int begin(void) {
  const char *wanted = getenv("MAMBA_ISA");
  const char *broken = mamba_kernels_check_contract();
  if (wanted && strcmp(wanted, mamba_kernels_instruction_set()) != 0) {
    printf("skipped: %s\n", broken);
    return 77;
  }
  if (broken)
    printf("%s: %s\n", mamba_kernels_instruction_set(), broken);
  return broken ? 1 : 0;
}

#endif
