/* Output files appear whole or not at all. */
#include "mamba/output_file.h"
#include "tempdir.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

static void expectContents(const TempDir *dir, const char *name, const char *expected) {
  size_t size;
  char *text = readWholeFile(tempDirPath(dir, name), &size);
  assert_string_equal(text, expected);
  free(text);
}

static void testCommitReplaces(void **state) {
  (void)state;
  TempDir dir;
  MambaOutputFile *file;
  MambaError error;
  tempDirCreate(&dir);
  tempDirWriteText(&dir, "out", "old");
  assert_int_equal(mambaOutputFileCreate(tempDirPath(&dir, "out"), &file, &error), MAMBA_OK);
  assert_int_equal(mambaOutputFileWrite(file, "new ", 4, &error), MAMBA_OK);
  assert_int_equal(mambaOutputFileWrite(file, NULL, 0, &error), MAMBA_OK);
  assert_int_equal(mambaOutputFileWrite(file, "text", 4, &error), MAMBA_OK);
  expectContents(&dir, "out", "old");
  assert_int_equal(mambaOutputFileCommit(file, &error), MAMBA_OK);
  expectContents(&dir, "out", "new text");
  mambaOutputFileDestroy(file);
  assert_int_equal(tempDirCountFiles(&dir), 1);
  tempDirRemove(&dir);
}

static void testDestroyLeavesNothing(void **state) {
  (void)state;
  TempDir dir;
  MambaOutputFile *file, *other;
  MambaError error;
  tempDirCreate(&dir);
  tempDirWriteText(&dir, "out", "old");
  assert_int_equal(mambaOutputFileCreate(tempDirPath(&dir, "out"), &file, &error), MAMBA_OK);
  assert_int_equal(mambaOutputFileCreate(tempDirPath(&dir, "out"), &other, &error), MAMBA_OK);
  assert_int_equal(tempDirCountFiles(&dir), 3);
  mambaOutputFileDestroy(file);
  mambaOutputFileDestroy(other);
  mambaOutputFileDestroy(NULL);
  assert_int_equal(tempDirCountFiles(&dir), 1);
  expectContents(&dir, "out", "old");
  tempDirRemove(&dir);
}

static void testErrors(void **state) {
  (void)state;
  TempDir dir;
  MambaOutputFile *file = NULL;
  MambaError error;
  tempDirCreate(&dir);
  assert_int_equal(mambaOutputFileCreate(tempDirPath(&dir, "absent/out"), &file, &error), MAMBA_IO);
  assert_null(file);
  assert_non_null(strstr(error.message, "absent/out: cannot create: No such file"));
  /* A folder in the way is noticed at the end; the temporary file goes. */
  TempDir inner = dir;
  strcat(inner.path, "/inner-XXXXXX");
  assert_non_null(mkdtemp(inner.path));
  assert_int_equal(mambaOutputFileCreate(inner.path, &file, &error), MAMBA_OK);
  assert_int_equal(mambaOutputFileCommit(file, &error), MAMBA_IO);
  assert_non_null(strstr(error.message, "cannot replace"));
  mambaOutputFileDestroy(file);
  assert_int_equal(tempDirCountFiles(&dir), 1);
  tempDirRemove(&dir);
}

/* A limit on the size of files stands for a full disk: the error comes when buffers are flushed. */
static void testFullDisk(void **state) {
  (void)state;
  enum { SIZE = 1 << 20 };
  TempDir dir;
  MambaOutputFile *file;
  MambaError error;
  struct rlimit before, small;
  char *data = calloc(1, SIZE);
  assert_non_null(data);
  tempDirCreate(&dir);
  signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  for (size_t size = 5000; size <= SIZE; size += SIZE - 5000) {
    assert_int_equal(mambaOutputFileCreate(tempDirPath(&dir, "out"), &file, &error), MAMBA_OK);
    small = before;
    small.rlim_cur = 4096;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    MambaStatus status = mambaOutputFileWrite(file, data, size, &error);
    if (status == MAMBA_OK)
      status = mambaOutputFileCommit(file, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, MAMBA_IO);
    assert_non_null(strstr(error.message, "out: cannot write: File too large"));
    mambaOutputFileDestroy(file);
    assert_int_equal(tempDirCountFiles(&dir), 0);
  }
  tempDirRemove(&dir);
  free(data);
}

static void testSave(void **state) {
  (void)state;
  TempDir dir;
  MambaError error;
  tempDirCreate(&dir);
  assert_int_equal(mambaOutputFileSave(tempDirPath(&dir, "out"), "whole", 5, &error), MAMBA_OK);
  assert_int_equal(tempDirCountFiles(&dir), 1);
  expectContents(&dir, "out", "whole");
  assert_int_equal(mambaOutputFileSave(tempDirPath(&dir, "absent/out"), "", 0, &error), MAMBA_IO);
  tempDirRemove(&dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testCommitReplaces), cmocka_unit_test(testDestroyLeavesNothing),
      cmocka_unit_test(testErrors),         cmocka_unit_test(testFullDisk),
      cmocka_unit_test(testSave),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
