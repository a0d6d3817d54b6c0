#include "bench.h"

#include "backend.h"
#include "failure.h"
#include "machine.h"
#include "program.h"

#include <inttypes.h>
#include <stdlib.h>

enum { WARM_UP = 2 }; /* tokens before the first measured one */

/* One line of the table. */
typedef struct measurement {
  bool is_decode;
  int32_t threads, batch;
  int64_t tokens;                  /* of a sequence */
  double median, slowest, fastest; /* tokens a second, of all sequences */
} measurement;

/* What was found out beside the lines. */
typedef struct machine_facts {
  double bandwidth[MAMBA_BENCH_LIST]; /* for each count of threads */
  double first_token;                 /* seconds from opening the model to logits, one thread count, one id */
  size_t peak_memory;
} machine_facts;

bool mamba_bench_parse_list(const char *text, mamba_bench_list *list) {
  list->count = 0;
  for (;;) {
    char *end;
    const long value = strtol(text, &end, 10);
    if (end == text || value < 1 || value > INT32_MAX || list->count == MAMBA_BENCH_LIST)
      return false;
    list->values[list->count++] = (int32_t)value;
    if (!*end)
      return true;
    if (*end != ',')
      return false;
    text = end + 1;
  }
}

/* ---- Measuring ---------------------------------------------------------------------------------- */

/* Ids that differ, in the vocabulary: what is read does not depend on them. */
static void fill_ids(int32_t *ids, size_t count) {
  uint64_t seed = 1;
  for (size_t i = 0; i < count; ++i) {
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    ids[i] = (int32_t)((seed >> 32) % (uint32_t)mamba_model_vocabulary());
  }
}

/* One token of each sequence. next: [batch], overwritten; logits: [batch, vocabulary]. */
static mamba_code step(const mamba_bench *bench, mamba_model *model, const int32_t *ids, int32_t *next,
                       float *logits, mamba_error *error) {
  return bench->greedy ? mamba_model_step_greedy(model, ids, next, error)
                       : mamba_model_step(model, ids, logits, error);
}

/* Seconds of one run. ids: [batch, tokens], and [batch] behind them; logits: [batch, vocabulary]. */
static mamba_code time_once(const mamba_bench *bench, mamba_model *model, const measurement *m, int32_t *ids,
                            float *logits, double *seconds, mamba_error *error) {
  int32_t *const next = ids + m->tokens * m->batch;
  mamba_code code = MAMBA_CODE_OK;
  code = mamba_model_reset(model, error);
  for (int i = 0; i < WARM_UP && m->is_decode && !code; ++i)
    code = step(bench, model, ids, next, logits, error);
  const double begin = mamba_seconds();
  if (m->is_decode)
    for (int64_t i = 0; i < m->tokens && !code; ++i)
      code = step(bench, model, ids + i * m->batch, next, logits, error);
  else if (!code)
    code = mamba_model_prefill(model, ids, (size_t)m->tokens, logits, error);
  *seconds = mamba_seconds() - begin;
  return code;
}

static int by_value(const void *left, const void *right) {
  const double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static mamba_code measure(const mamba_bench *bench, mamba_model *model, measurement *m, mamba_error *error) {
  const size_t batch = (size_t)m->batch, repeats = (size_t)bench->repeats;
  const size_t ids_count = batch * (size_t)m->tokens;
  int32_t *ids = malloc((ids_count + batch) * sizeof *ids);
  float *logits = malloc(batch * (size_t)mamba_model_vocabulary() * sizeof *logits);
  double *speeds = malloc(repeats * sizeof *speeds), seconds = 0;
  mamba_code code = MAMBA_CODE_OK;
  if (!ids || !logits || !speeds) {
    code = mamba_failure(error, MAMBA_CODE_MEMORY, "no memory for %zu tokens", ids_count);
    goto cleanup;
  }
  fill_ids(ids, ids_count);
  if (bench->progress)
    fprintf(stderr, "%s, %" PRId32 " threads, %" PRId32 " sequences\n", m->is_decode ? "decode" : "prefill",
            m->threads, m->batch);
  for (size_t i = 0; i < repeats && !code; ++i) {
    code = time_once(bench, model, m, ids, logits, &seconds, error);
    speeds[i] = (double)ids_count / seconds;
  }
  if (code)
    goto cleanup;
  qsort(speeds, repeats, sizeof *speeds, by_value);
  m->slowest = speeds[0];
  m->fastest = speeds[repeats - 1];
  m->median = (speeds[(repeats - 1) / 2] + speeds[repeats / 2]) / 2;
cleanup:
  free(speeds);
  free(logits);
  free(ids);
  return code;
}

/* Decode and prefill with one number of threads and sequences; lines go behind *count. */
static mamba_code measure_model(const mamba_bench *bench, int32_t threads, int32_t batch, measurement *lines,
                                int *count, mamba_error *error) {
  const int64_t tokens[] = {bench->decode, bench->prefill};
  mamba_model *model = NULL;
  mamba_code code = mamba_model_create(bench->weights_path, threads, batch, &model, error);
  for (int i = 0; i < 2 && !code; ++i) {
    if (!tokens[i])
      continue;
    measurement *m = &lines[(*count)++];
    *m = (measurement){.is_decode = i == 0, .threads = threads, .batch = batch, .tokens = tokens[i]};
    code = measure(bench, model, m, error);
  }
  mamba_model_destroy(model);
  return code;
}

static mamba_code measure_first_token(const mamba_bench *bench, double *seconds, mamba_error *error) {
  const double begin = mamba_seconds();
  const int32_t id = 0;
  mamba_model *model = NULL;
  float *logits = malloc((size_t)mamba_model_vocabulary() * sizeof *logits);
  mamba_code code = logits
                        ? mamba_model_create(bench->weights_path, bench->threads.values[0], 1, &model, error)
                        : mamba_failure(error, MAMBA_CODE_MEMORY, "no memory for logits");
  if (!code)
    code = mamba_model_step(model, &id, logits, error);
  *seconds = mamba_seconds() - begin;
  mamba_model_destroy(model);
  free(logits);
  return code;
}

/* ---- Printing ----------------------------------------------------------------------------------- */

/* What a token of decode moves: its share of the weights, and its sequence's state, read and written. */
static double bytes_of_token(const measurement *m) {
  const mamba_program *program = &mamba_model_program;
  return (double)program->step_bytes / m->batch + 2.0 * (double)program->state_bytes;
}

static double share_of_bandwidth(const mamba_bench *bench, const machine_facts *machine,
                                 const measurement *m) {
  int i = 0;
  while (bench->threads.values[i] != m->threads)
    ++i;
  return m->median * bytes_of_token(m) / machine->bandwidth[i];
}

static void print_table(const mamba_bench *bench, const machine_facts *machine, const measurement *lines,
                        int count, FILE *file) {
  fprintf(file,
          "         threads  batch  tokens     tokens/s  (slowest .. fastest)   MB/token   of bandwidth\n");
  for (int i = 0; i < count; ++i) {
    const measurement *m = &lines[i];
    fprintf(file, "%-8s %7" PRId32 " %6" PRId32 " %7" PRId64 " %12.1f  (%.1f .. %.1f)",
            m->is_decode ? "decode" : "prefill", m->threads, m->batch, m->tokens, m->median, m->slowest,
            m->fastest);
    if (m->is_decode)
      fprintf(file, "  %9.2f  %12.0f%%", bytes_of_token(m) / 1e6,
              100 * share_of_bandwidth(bench, machine, m));
    fputc('\n', file);
  }
  fputc('\n', file);
  for (int i = 0; i < bench->threads.count; ++i)
    fprintf(file, "read bandwidth, %" PRId32 " threads: %.1f GB/s\n", bench->threads.values[i],
            machine->bandwidth[i] / 1e9);
  fprintf(file, "from opening the weights to the first token: %.3f s\n", machine->first_token);
  fprintf(file, "peak resident memory: %.1f MiB\n", (double)machine->peak_memory / (1 << 20));
  if (mamba_backend_device_bytes(1))
    fprintf(file, "memory on the GPU, one sequence: %.1f MiB\n",
            (double)mamba_backend_device_bytes(1) / (1 << 20));
  fprintf(file, "computed by: %s\n", mamba_backend_name());
}

static void print_json(const mamba_bench *bench, const machine_facts *machine, const measurement *lines,
                       int count, FILE *file) {
  const mamba_program *program = &mamba_model_program;
  fprintf(file,
          "{\n  \"target\": \"%s\",\n  \"computed_by\": \"%s\",\n  \"device_bytes\": %zu,\n  "
          "\"weights_bytes\": %zu,\n  \"step_bytes\": %zu,\n"
          "  \"state_bytes\": %zu,\n  \"first_token_seconds\": %.6f,\n  \"peak_resident_bytes\": %zu,\n"
          "  \"read_bandwidth\": [",
          program->target, mamba_backend_name(), mamba_backend_device_bytes(1), program->weights_bytes,
          program->step_bytes, program->state_bytes, machine->first_token, machine->peak_memory);
  for (int i = 0; i < bench->threads.count; ++i)
    fprintf(file, "%s\n    {\"threads\": %" PRId32 ", \"bytes_per_second\": %.0f}", i ? "," : "",
            bench->threads.values[i], machine->bandwidth[i]);
  fprintf(file, "\n  ],\n  \"results\": [");
  for (int i = 0; i < count; ++i) {
    const measurement *m = &lines[i];
    fprintf(file,
            "%s\n    {\"what\": \"%s\", \"threads\": %" PRId32 ", \"batch\": %" PRId32
            ", \"tokens\": %" PRId64 ", \"repeats\": %" PRId64
            ", \"tokens_per_second\": %.3f, \"slowest\": %.3f, \"fastest\": %.3f",
            i ? "," : "", m->is_decode ? "decode" : "prefill", m->threads, m->batch, m->tokens,
            bench->repeats, m->median, m->slowest, m->fastest);
    if (m->is_decode)
      fprintf(file, ", \"bytes_per_token\": %.0f, \"share_of_bandwidth\": %.4f", bytes_of_token(m),
              share_of_bandwidth(bench, machine, m));
    fputc('}', file);
  }
  fprintf(file, "\n  ]\n}\n");
}

mamba_code mamba_bench_run(const mamba_bench *bench, FILE *file, mamba_error *error) {
  measurement lines[2 * MAMBA_BENCH_LIST * MAMBA_BENCH_LIST];
  machine_facts machine = {0};
  int count = 0;
  mamba_code code = measure_first_token(bench, &machine.first_token, error);
  for (int t = 0; t < bench->threads.count; ++t)
    for (int b = 0; b < bench->batch.count && !code; ++b)
      code = measure_model(bench, bench->threads.values[t], bench->batch.values[b], lines, &count, error);
  machine.peak_memory = mamba_peak_memory(); /* before the bandwidth's buffer adds to it */
  for (int t = 0; t < bench->threads.count && !code; ++t)
    code = mamba_read_bandwidth(bench->threads.values[t], &machine.bandwidth[t], error);
  if (!code)
    (bench->json ? print_json : print_table)(bench, &machine, lines, count, file);
  return code;
}
