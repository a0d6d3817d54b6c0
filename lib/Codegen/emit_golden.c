/* golden.c: sequences with the logits of the reference executor, for the bundle's selftest. */
#include "emit.h"

#include "bundle/weights.h"
#include "mamba/executor.h"

#include <inttypes.h>
#include <stdlib.h>

typedef struct Sequence {
  const char *name, *what;
  uint64_t seed;
  int64_t count;
} Sequence;

/* Ids that cover the vocabulary: 32 of 64 bits of a linear congruential sequence (Knuth's MMIX), scaled. */
static void fillIds(uint64_t seed, int64_t vocabulary, int64_t count, int32_t *ids) {
  for (int64_t i = 0; i < count; i++) {
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    ids[i] = (int32_t)((seed >> 32) * (uint64_t)vocabulary >> 32);
  }
}

/* Runs one sequence and writes its ids; what the table needs goes to *digest and *last. */
static MambaStatus runSequence(const MambaPlan *plan, MambaExecutor *executor, const Sequence *sequence,
                               FILE *file, uint64_t *digest, float *last, MambaError *error) {
  const size_t values = (size_t)sequence->count * (size_t)plan->vocabulary;
  int32_t *ids = malloc((size_t)sequence->count * sizeof *ids);
  float *logits = values > SIZE_MAX / sizeof *logits ? NULL : malloc(values * sizeof *logits);
  MambaStatus status = MAMBA_OK;
  if (!ids || !logits) {
    status = mambaFail(error, MAMBA_NO_MEMORY, "no memory for the golden logits of %" PRId64 " tokens",
                       sequence->count);
    goto cleanup;
  }
  fillIds(sequence->seed, plan->vocabulary, sequence->count, ids);
  mambaExecutorReset(executor);
  status = mambaExecutorRun(executor, ids, sequence->count, MAMBA_LOGITS_ALL, logits, error);
  if (status)
    goto cleanup;
  *digest = mamba_hash_of(logits, values * sizeof *logits);
  *last = logits[values - (size_t)plan->vocabulary];
  fprintf(file, "\n/* %s */\nstatic const int32_t %s_ids[] = {", sequence->what, sequence->name);
  for (int64_t i = 0; i < sequence->count; i++)
    fprintf(file, "%s%" PRId32 ",", i % 16 ? " " : "\n    ", ids[i]);
  fprintf(file, "\n};\n");
cleanup:
  free(ids);
  free(logits);
  return status;
}

/* The weights are those of the bundle's own file: what a program will read, and nothing to evaluate twice. */
static const void *findWeights(void *context, MlirValue constant) {
  const MambaPlan *plan = context;
  const MambaPlanTensor *tensor = mambaPlanFindTensor(plan, constant);
  return tensor ? mambaPlanTensorData(plan, tensor) : NULL;
}

MambaStatus mambaEmitGolden(const MambaPlan *plan, const MambaBundleOptions *options, FILE *file,
                            MambaError *error) {
  const Sequence sequences[] = {
      {"short_sequence", "A few tokens.", 1, 9},
      {"long_sequence", "More than one chunk, so that states pass from chunk to chunk.", 2,
       mambaPlanLogitRows(plan) + 7},
  };
  enum { COUNT = sizeof sequences / sizeof sequences[0] };
  uint64_t digests[COUNT];
  float last[COUNT];
  MambaExecutor *executor = NULL;
  const MambaExecutorOptions settings = {
      .threads = options->threads,
      .constants = findWeights,
      .context = (void *)(uintptr_t)plan, /* which the function does not change */
      .weight_memory = MAMBA_COMPILER_WEIGHT_MEMORY,
  };
  MambaStatus status = mambaExecutorCreate(plan->module, 1, settings, &executor, error);
  fprintf(file, "/* What the compiler's reference executor computed, for selftest. Generated. */\n"
                "#include \"program.h\"\n");
  for (size_t i = 0; i < COUNT && !status; i++)
    status = runSequence(plan, executor, &sequences[i], file, &digests[i], &last[i], error);
  mambaExecutorDestroy(executor);
  if (status)
    return status;
  fprintf(file, "\nconst mamba_golden mamba_golden_sequences[] = {\n");
  for (size_t i = 0; i < COUNT; i++)
    fprintf(file, "    {\"%s\", %s_ids, %" PRId64 ", UINT64_C(0x%016" PRIx64 "), %.9ef},\n",
            sequences[i].name, sequences[i].name, sequences[i].count, digests[i], last[i]);
  fprintf(file, "};\n\nconst int mamba_golden_count = %d;\n", COUNT);
  return MAMBA_OK;
}
