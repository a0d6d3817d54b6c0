/* Files that are mapped: what is released comes back, and a temporary file leaves nothing behind. */
#include "mamba/mapped_file.h"
#include "tempdir.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BYTES = 1000003 }; /* no whole number of pages */

static void testTemporary(void **state) {
  (void)state;
  TempDir dir;
  MambaMappedFile file;
  MambaError error;
  unsigned char *data = malloc(BYTES), *copy = malloc(BYTES);
  assert_true(data && copy);
  for (int i = 0; i < BYTES; i++)
    copy[i] = data[i] = (unsigned char)(i * 37 + i / 4096);
  tempDirCreate(&dir);
  setenv("TMPDIR", tempDirPath(&dir, "."), 1);
  assert_int_equal(mambaMappedFileCreateTemporary(data, BYTES, &file, &error), MAMBA_OK);
  assert_int_equal(tempDirCountFiles(&dir), 0);
  memset(data, 0, BYTES);
  assert_int_equal(file.size, BYTES);
  assert_memory_equal(file.data, copy, BYTES);
  mambaMappedFileRelease(file.data, BYTES);
  assert_memory_equal(file.data, copy, BYTES);
  mambaMappedFileClose(&file);
  tempDirRemove(&dir);
  free(data);
  free(copy);
}

static void testRefused(void **state) {
  (void)state;
  TempDir dir;
  MambaMappedFile file;
  MambaError error;
  unsetenv("TMPDIR"); /* of the test before */
  tempDirCreate(&dir);
  setenv("TMPDIR", tempDirPath(&dir, "absent"), 1);
  assert_int_equal(mambaMappedFileCreateTemporary("x", 1, &file, &error), MAMBA_IO);
  assert_non_null(strstr(error.message, "/absent/mamba-"));
  assert_non_null(strstr(error.message, "cannot create a temporary file"));
  tempDirRemove(&dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(testTemporary), cmocka_unit_test(testRefused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
