/* What the tests of the executor share. Every function fails the running cmocka test on an error. */
#ifndef MAMBA_TEST_EXECUTE_SUPPORT_H
#define MAMBA_TEST_EXECUTE_SUPPORT_H

#include "mamba/executor.h"
#include "mamba/parameters.h"
#include "tempdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* A context with the dialects loaded, that collects the text of diagnostics. */
typedef struct Fixture {
  MlirContext context;
  MlirModule module; /* null, or destroyed with the fixture */
  TempDir dir;
  char diagnostics[4096];
} Fixture;

void fixtureCreate(Fixture *fixture);
void fixtureDestroy(Fixture *fixture);

/* A tensor for fixtureWriteWeights. */
typedef struct Weight {
  const char *name;
  MambaDtype dtype;
  int rank;
  int64_t shape[4];
  const void *data;
} Weight;

/* Writes <folder>/<file> and gives the text of the `mamba.checkpoint @<symbol>` that names it, which the
 * caller frees. */
char *fixtureWriteWeights(const Fixture *fixture, const char *file, const char *symbol, const Weight *weights,
                          size_t count);

/* Parses "module { <checkpoint> <body> }" and makes it the fixture's module. */
void fixtureParse(Fixture *fixture, const char *checkpoint, const char *body);
/* Imports a checkpoint folder. */
void fixtureImport(Fixture *fixture, const char *path);

MambaExecutor *fixtureExecutor(const Fixture *fixture, int64_t batch, MambaExecutorOptions options);

/* Runs, and fails the test with the executor's message when that fails. */
void runExecutor(MambaExecutor *executor, const int32_t *ids, int64_t tokens, MambaLogits which,
                 float *logits);

/* malloc, for which the test fails instead of giving NULL. */
void *allocate(size_t bytes);

/* A generator of the same numbers everywhere: uniform in [-1, 1). */
float nextUniform(uint64_t *seed);

/* Folder <name> of MAMBA_TEST_DATA in a buffer that lives until the next call; NULL, with a line that says
 * so, when the variable is not set or the folder is missing. */
const char *testData(const char *name);

#endif
