#include "support.h"

#include "mamba/import.h"
#include "mamba/safetensors_writer.h"
#include "mamba/shim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void appendText(MlirStringRef text, void *userData) {
  Fixture *fixture = userData;
  const size_t used = strlen(fixture->diagnostics), room = sizeof fixture->diagnostics - used - 1;
  const size_t length = text.length < room ? text.length : room;
  memcpy(fixture->diagnostics + used, text.data, length);
  fixture->diagnostics[used + length] = '\0';
}

static MlirLogicalResult collect(MlirDiagnostic diagnostic, void *userData) {
  mlirDiagnosticPrint(diagnostic, appendText, userData);
  appendText(mambaRef("\n"), userData);
  return mlirLogicalResultSuccess();
}

void fixtureCreate(Fixture *fixture) {
  memset(fixture, 0, sizeof *fixture);
  fixture->context = mlirContextCreateWithThreading(false);
  mambaRegisterAll(fixture->context);
  mlirContextAttachDiagnosticHandler(fixture->context, collect, fixture, NULL);
  tempDirCreate(&fixture->dir);
}

void fixtureDestroy(Fixture *fixture) {
  if (!mlirModuleIsNull(fixture->module))
    mlirModuleDestroy(fixture->module);
  mlirContextDestroy(fixture->context);
  tempDirRemove(&fixture->dir);
}

static void succeed(MambaStatus status, const MambaError *error) {
  if (status != MAMBA_OK)
    fail_msg("%s", error->message);
}

char *fixtureWriteWeights(const Fixture *fixture, const char *file, const char *symbol, const Weight *weights,
                          size_t count) {
  const char *path = tempDirPath(&fixture->dir, file);
  MambaSafetensorsWriter *writer;
  MambaCheckpoint *checkpoint;
  MambaError error;
  succeed(mambaSafetensorsWriterCreate(path, &writer, &error), &error);
  for (size_t i = 0; i < count; i++)
    succeed(mambaSafetensorsWriterDeclare(writer, weights[i].name, weights[i].dtype, weights[i].rank,
                                          weights[i].shape, &error),
            &error);
  for (size_t i = 0; i < count; i++) {
    size_t bytes;
    assert_true(mambaShapeGetBytes(weights[i].dtype, weights[i].rank, weights[i].shape, &bytes));
    succeed(mambaSafetensorsWriterAppend(writer, weights[i].name, weights[i].data, bytes, &error), &error);
  }
  succeed(mambaSafetensorsWriterFinish(writer, &error), &error);
  mambaSafetensorsWriterDestroy(writer);
  succeed(mambaCheckpointOpen(path, &checkpoint, &error), &error);
  char *text = allocate(512);
  snprintf(text, 512, "mamba.checkpoint @%s \"%s\" hash \"%s\"\n", symbol, path,
           mambaCheckpointGetHash(checkpoint));
  mambaCheckpointClose(checkpoint);
  return text;
}

void fixtureParse(Fixture *fixture, const char *checkpoint, const char *body) {
  const size_t size = strlen(checkpoint) + strlen(body) + 32;
  char *text = allocate(size);
  snprintf(text, size, "module {\n%s%s\n}\n", checkpoint, body);
  if (!mlirModuleIsNull(fixture->module))
    mlirModuleDestroy(fixture->module);
  fixture->module = mlirModuleCreateParse(fixture->context, mambaRef(text));
  free(text);
  if (mlirModuleIsNull(fixture->module))
    fail_msg("%s", fixture->diagnostics);
}

void fixtureImport(Fixture *fixture, const char *path) {
  MambaError error;
  succeed(mambaImport(fixture->context, path, &fixture->module, &error), &error);
}

MambaExecutor *fixtureExecutor(const Fixture *fixture, int64_t batch, MambaExecutorOptions options) {
  MambaExecutor *executor;
  MambaError error;
  succeed(mambaExecutorCreate(mlirModuleGetOperation(fixture->module), batch, options, &executor, &error),
          &error);
  return executor;
}

void runExecutor(MambaExecutor *executor, const int32_t *ids, int64_t tokens, MambaLogits which,
                 float *logits) {
  MambaError error;
  succeed(mambaExecutorRun(executor, ids, tokens, which, logits, &error), &error);
}

void *allocate(size_t bytes) {
  void *memory = malloc(bytes ? bytes : 1);
  assert_non_null(memory);
  return memory;
}

float nextUniform(uint64_t *seed) {
  *seed = *seed * 6364136223846793005u + 1442695040888963407u;
  return (float)(int32_t)(*seed >> 40) * 0x1p-23f - 1;
}

const char *testData(const char *name) {
  static char path[1024];
  struct stat info;
  const char *folder = getenv("MAMBA_TEST_DATA");
  if (!folder || !*folder) {
    print_message("MAMBA_TEST_DATA is not set: %s is not checked\n", name);
    return NULL;
  }
  snprintf(path, sizeof path, "%s/%s", folder, name);
  if (stat(path, &info) == 0)
    return path;
  print_message("%s is missing: not checked\n", path);
  return NULL;
}
