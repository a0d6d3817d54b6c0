/* executor_logits MODULE IDS OUT: what the reference executor computes for a module, as raw f32 [ids,
 * vocabulary]. IDS is a list separated by commas. The side of the byte comparison that is not a bundle. */
#include "mamba/executor.h"
#include "mamba/shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t parseIds(char *text, int32_t *ids) {
  int64_t count = 0;
  for (char *id = strtok(text, ","); id; id = strtok(NULL, ","))
    ids[count++] = (int32_t)strtol(id, NULL, 10);
  return count;
}

static int run(MlirOperation module, char *list, const char *path) {
  const MambaExecutorOptions options = {.threads = 1};
  MambaExecutor *executor = NULL;
  MambaError error;
  float *logits = NULL;
  FILE *file = NULL;
  int result = 1;
  int32_t *ids = malloc((strlen(list) + 1) * sizeof *ids);
  const int64_t count = ids ? parseIds(list, ids) : 0;
  if (mambaExecutorCreate(module, 1, options, &executor, &error)) {
    fprintf(stderr, "executor_logits: %s\n", error.message);
    goto cleanup;
  }
  const size_t values = (size_t)count * (size_t)mambaExecutorVocabulary(executor);
  logits = malloc(values * sizeof *logits);
  if (!logits || mambaExecutorRun(executor, ids, count, MAMBA_LOGITS_ALL, logits, &error)) {
    fprintf(stderr, "executor_logits: %s\n", logits ? error.message : "out of memory");
    goto cleanup;
  }
  file = fopen(path, "wb");
  result = !file || fwrite(logits, sizeof *logits, values, file) != values;
cleanup:
  if (file && fclose(file))
    result = 1;
  mambaExecutorDestroy(executor);
  free(logits);
  free(ids);
  return result;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: executor_logits MODULE IDS OUT\n");
    return 2;
  }
  const MlirContext context = mlirContextCreateWithThreading(false);
  mambaRegisterAll(context);
  const MlirModule module = mlirModuleCreateParseFromFile(context, mambaRef(argv[1]));
  int result = 1;
  if (!mlirModuleIsNull(module)) {
    result = run(mlirModuleGetOperation(module), argv[2], argv[3]);
    mlirModuleDestroy(module);
  }
  mlirContextDestroy(context);
  return result;
}
