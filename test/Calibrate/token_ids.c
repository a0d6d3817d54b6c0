/* Token ids from .npy, .safetensors and text files, and the samples that are taken from them. */
#include "mamba/token_ids.h"

#include "mamba/safetensors_writer.h"
#include "tempdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TOKENIZER "../models/tiny/tokenizer.json"

static TempDir dir;

static int setUp(void **state) {
  (void)state;
  tempDirCreate(&dir);
  return 0;
}

static int tearDown(void **state) {
  (void)state;
  tempDirRemove(&dir);
  return 0;
}

/* Writes a .npy file of version `major` with that header, and `size` bytes of data. */
static const char *writeNpy(int major, const char *header, const void *data, size_t size) {
  unsigned char file[1024] = "\x93NUMPY";
  const size_t length = strlen(header), prefix = major == 1 ? 10 : 12;
  file[6] = (unsigned char)major;
  file[8] = (unsigned char)length;
  memcpy(file + prefix, header, length);
  memcpy(file + prefix + length, data, size);
  tempDirWrite(&dir, "ids.npy", file, prefix + length + size);
  return tempDirPath(&dir, "ids.npy");
}

static void expectRead(const char *path, int64_t rows, int64_t columns, const int32_t *expected) {
  MambaTokenIds ids = {0};
  MambaError error;
  if (mambaTokenIdsRead(path, TOKENIZER, &ids, &error))
    fail_msg("%s", error.message);
  assert_int_equal(ids.rows, rows);
  assert_int_equal(ids.columns, columns);
  assert_memory_equal(ids.ids, expected, (size_t)(rows * columns) * sizeof *expected);
  mambaTokenIdsDestroy(&ids);
}

static void expectRefused(const char *path, const char *tokenizer, MambaStatus status, const char *part) {
  MambaTokenIds ids = {0};
  MambaError error;
  assert_int_equal(mambaTokenIdsRead(path, tokenizer, &ids, &error), status);
  if (!strstr(error.message, part))
    fail_msg("expected a message with '%s', found: %s", part, error.message);
  assert_null(ids.ids);
}

static void test_npy(void **state) {
  (void)state;
  const int32_t narrow[6] = {5, 0, 7, 2147483647, 1, 3};
  const int64_t wide[6] = {5, 0, 7, 2147483647, 1, 3};
  expectRead(
      writeNpy(1, "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }\n", narrow, sizeof narrow), 2,
      3, narrow);
  expectRead(writeNpy(2, "{'descr': '<i8', 'fortran_order': False, 'shape': (6,), }  \n", wide, sizeof wide),
             1, 6, narrow);
  expectRead(writeNpy(3, "{'shape': (6,), 'fortran_order': False, 'descr': '<i8'}", wide, sizeof wide), 1, 6,
             narrow);
}

static void test_npy_refused(void **state) {
  (void)state;
  static const struct {
    int major;
    const char *header;
    size_t size;
    MambaStatus status;
    const char *part;
  } cases[] = {
      {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 8, MAMBA_UNSUPPORTED,
       "'<i4' or '<i8'"},
      {1, "{'descr': '<i4', 'fortran_order': True, 'shape': (2,), }", 8, MAMBA_UNSUPPORTED, "C order"},
      {1, "{'descr': '<i4', 'fortran_order': False, }", 8, MAMBA_UNSUPPORTED, "with a shape"},
      {1, "{'descr': '<i4', 'descr': '<i4', 'fortran_order': False, 'shape': (2,), }", 8, MAMBA_UNSUPPORTED,
       "header"},
      {1, "{'descr': '<i4', 'fortran_order': False, 'shape': (2), }", 8, MAMBA_UNSUPPORTED, "header"},
      {1, "{'descr': '<i4', 'fortran_order': False, 'shape': (99999999999999999999,), }", 8,
       MAMBA_UNSUPPORTED, "header"},
      {1, "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), } x", 8, MAMBA_UNSUPPORTED, "header"},
      {1, "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }", 8, MAMBA_INVALID, "found 8 bytes"},
      {1, "{'descr': '<i4', 'fortran_order': False, 'shape': (1,), }", 8, MAMBA_INVALID, "found 8 bytes"},
      {1, "{'descr': '<i4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", 8, MAMBA_INVALID,
       "found 8 bytes"},
      {1, "{'descr': '<i4', 'fortran_order': False, 'shape': (1, 2, 1), }", 8, MAMBA_INVALID, "rank 1 or 2"},
      {1, "{'descr': '<i4', 'fortran_order': False, 'shape': (), }", 4, MAMBA_INVALID, "rank 1 or 2"},
      {4, "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }", 8, MAMBA_UNSUPPORTED, "version"},
  };
  const char data[8] = {1};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    expectRefused(writeNpy(cases[i].major, cases[i].header, data, cases[i].size), NULL, cases[i].status,
                  cases[i].part);
  const int32_t negative = -1;
  const int64_t large = (int64_t)1 << 31;
  expectRefused(writeNpy(1, "{'descr': '<i4', 'fortran_order': False, 'shape': (1,), }", &negative, 4), NULL,
                MAMBA_INVALID, "found -1 at index 0");
  expectRefused(writeNpy(1, "{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }", &large, 8), NULL,
                MAMBA_INVALID, "found 2147483648 at index 0");
}

/* Every proper prefix of a file is refused. */
static void test_npy_truncated(void **state) {
  (void)state;
  const int32_t ids[2] = {1, 2};
  size_t size;
  char *file = readWholeFile(
      writeNpy(1, "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }", ids, sizeof ids), &size);
  for (size_t n = 0; n < size; n++) {
    MambaTokenIds read = {0};
    MambaError error;
    tempDirWrite(&dir, "short.npy", file, n);
    assert_int_not_equal(mambaTokenIdsRead(tempDirPath(&dir, "short.npy"), NULL, &read, &error), MAMBA_OK);
  }
  free(file);
}

static const char *writeTensor(const char *name, MambaDtype dtype, int rank, const int64_t *shape,
                               const void *data, size_t size) {
  MambaSafetensorsWriter *writer;
  MambaError error;
  const char *path = tempDirPath(&dir, "ids.safetensors");
  assert_int_equal(mambaSafetensorsWriterCreate(path, &writer, &error), MAMBA_OK);
  assert_int_equal(mambaSafetensorsWriterDeclare(writer, name, dtype, rank, shape, &error), MAMBA_OK);
  assert_int_equal(mambaSafetensorsWriterAppend(writer, name, data, size, &error), MAMBA_OK);
  assert_int_equal(mambaSafetensorsWriterFinish(writer, &error), MAMBA_OK);
  mambaSafetensorsWriterDestroy(writer);
  return path;
}

static void test_safetensors(void **state) {
  (void)state;
  const int64_t ids[4] = {4, 3, 2, 1}, square[2] = {2, 2}, count = 4;
  const int32_t expected[4] = {4, 3, 2, 1};
  expectRead(writeTensor("input_ids", MAMBA_DTYPE_I64, 2, square, ids, sizeof ids), 2, 2, expected);
  expectRead(writeTensor("input_ids", MAMBA_DTYPE_I32, 1, &count, expected, sizeof expected), 1, 4, expected);
  expectRefused(writeTensor("ids", MAMBA_DTYPE_I64, 2, square, ids, sizeof ids), NULL, MAMBA_INVALID,
                "'input_ids'");
  expectRefused(writeTensor("input_ids", MAMBA_DTYPE_F64, 2, square, ids, sizeof ids), NULL, MAMBA_INVALID,
                "found F64 [2, 2]");
}

static void test_text(void **state) {
  (void)state;
  /* models/tiny/golden.json: the ids of its prompt. */
  const int32_t expected[] = {498, 728, 433, 843, 468, 604,  263, 1549,
                              12,  281, 634, 259, 685, 1855, 288, 395};
  tempDirWriteText(&dir, "a.txt", "The old man looked out over the sea, and after a long silence he said");
  expectRead(tempDirPath(&dir, "a.txt"), 1, 16, expected);
  expectRefused(tempDirPath(&dir, "a.txt"), NULL, MAMBA_INVALID, "text needs a tokenizer");
  expectRefused(tempDirPath(&dir, "absent.txt"), TOKENIZER, MAMBA_IO, "absent.txt");
}

static void test_samples(void **state) {
  (void)state;
  int32_t list[10];
  MambaTokenIds row = {1, 10, list}, sampled = {0};
  MambaError error;
  for (int i = 0; i < 10; i++)
    list[i] = i;
  /* Offsets are j * floor((10 - 4) / 2) = 0, 3. */
  const int32_t two[] = {0, 1, 2, 3, 3, 4, 5, 6};
  assert_int_equal(mambaTokenIdsSample(&row, "x", 2, 4, &sampled, &error), MAMBA_OK);
  assert_memory_equal(sampled.ids, two, sizeof two);
  mambaTokenIdsDestroy(&sampled);
  assert_int_equal(mambaTokenIdsSample(&row, "x", 1, 10, &sampled, &error), MAMBA_OK);
  assert_memory_equal(sampled.ids, list, sizeof list);
  mambaTokenIdsDestroy(&sampled);
  /* One more sample than there are places. */
  assert_int_equal(mambaTokenIdsSample(&row, "x", 6, 4, &sampled, &error), MAMBA_OK);
  mambaTokenIdsDestroy(&sampled);
  assert_int_equal(mambaTokenIdsSample(&row, "x", 7, 4, &sampled, &error), MAMBA_INVALID);
  assert_string_equal(error.message, "x: expected at least 11 tokens for 7 samples of 4, found 10");
  assert_int_equal(mambaTokenIdsSample(&row, "x", 1, 11, &sampled, &error), MAMBA_INVALID);

  MambaTokenIds rows = {2, 5, list};
  const int32_t beginnings[] = {0, 1, 2, 5, 6, 7};
  assert_int_equal(mambaTokenIdsSample(&rows, "x", 2, 3, &sampled, &error), MAMBA_OK);
  assert_memory_equal(sampled.ids, beginnings, sizeof beginnings);
  mambaTokenIdsDestroy(&sampled);
  assert_int_equal(mambaTokenIdsSample(&rows, "x", 3, 3, &sampled, &error), MAMBA_INVALID);
  assert_int_equal(mambaTokenIdsSample(&rows, "x", 2, 6, &sampled, &error), MAMBA_INVALID);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_npy, setUp, tearDown),
      cmocka_unit_test_setup_teardown(test_npy_refused, setUp, tearDown),
      cmocka_unit_test_setup_teardown(test_npy_truncated, setUp, tearDown),
      cmocka_unit_test_setup_teardown(test_safetensors, setUp, tearDown),
      cmocka_unit_test_setup_teardown(test_text, setUp, tearDown),
      cmocka_unit_test(test_samples),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
