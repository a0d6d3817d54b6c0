/* Measuring a model's speed on this machine. */
#ifndef MAMBA_BENCH_H
#define MAMBA_BENCH_H

#include "model.h"

#include <stdbool.h>
#include <stdio.h>

enum { MAMBA_BENCH_LIST = 16 };

typedef struct mamba_bench_list {
  int32_t values[MAMBA_BENCH_LIST];
  int count;
} mamba_bench_list;

typedef struct mamba_bench {
  const char *weights_path;
  int64_t decode;           /* tokens that each sequence is continued by, one at a time; 0 for none */
  int64_t prefill;          /* tokens of a prompt; 0 for none */
  mamba_bench_list threads; /* every count of threads is measured ... */
  mamba_bench_list batch;   /* ... with every number of sequences beside each other */
  int64_t repeats;          /* of each measurement */
  bool greedy;              /* a decoded step gives the ids of the largest logits, not all logits */
  bool json, progress;      /* progress: on stderr */
} mamba_bench;

/* Positive integers separated by commas; false when the text is anything else. */
bool mamba_bench_parse_list(const char *text, mamba_bench_list *list);

/* Measures, then prints a table or JSON to `file`: tokens a second of all sequences together, median and
 * extremes of the repeats; for decode, the bytes of weights and states that a token moves, and their share
 * of the machine's read bandwidth. */
mamba_code mamba_bench_run(const mamba_bench *bench, FILE *file, mamba_error *error);

#endif
