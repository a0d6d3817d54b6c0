/* The safetensors writer, read back by the reader. */
#include "mamba/safetensors_writer.h"
#include "mamba/safetensors.h"
#include "tempdir.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static TempDir dir;

static int createDir(void **state) {
  (void)state;
  tempDirCreate(&dir);
  return 0;
}

static int removeDir(void **state) {
  (void)state;
  tempDirRemove(&dir);
  return 0;
}

static MambaSafetensorsWriter *createWriter(const char *name) {
  MambaSafetensorsWriter *writer = NULL;
  MambaError error;
  assert_int_equal(mambaSafetensorsWriterCreate(tempDirPath(&dir, name), &writer, &error), MAMBA_OK);
  return writer;
}

static void declare(MambaSafetensorsWriter *writer, const char *name, MambaDtype dtype, int rank,
                    const int64_t *shape) {
  MambaError error;
  assert_int_equal(mambaSafetensorsWriterDeclare(writer, name, dtype, rank, shape, &error), MAMBA_OK);
}

static void append(MambaSafetensorsWriter *writer, const char *name, const void *data, size_t bytes) {
  MambaError error;
  assert_int_equal(mambaSafetensorsWriterAppend(writer, name, data, bytes, &error), MAMBA_OK);
}

static void finish(MambaSafetensorsWriter *writer) {
  MambaError error;
  assert_int_equal(mambaSafetensorsWriterFinish(writer, &error), MAMBA_OK);
  mambaSafetensorsWriterDestroy(writer);
}

static void expectInvalid(MambaStatus status, const MambaError *error, const char *message) {
  assert_int_equal(status, MAMBA_INVALID);
  if (!strstr(error->message, message))
    fail_msg("expected '%s' in '%s'", message, error->message);
}

static void writeSample(const char *name) {
  MambaError error;
  MambaSafetensorsWriter *writer = createWriter(name);
  assert_int_equal(mambaSafetensorsWriterSetMetadata(writer, "format", "pt", &error), MAMBA_OK);
  assert_int_equal(mambaSafetensorsWriterSetMetadata(writer, "a \"quoted\"\nkey", "\xc3\xa4", &error),
                   MAMBA_OK);
  declare(writer, "z", MAMBA_DTYPE_F32, 2, (const int64_t[]){1, 2});
  declare(writer, "empty", MAMBA_DTYPE_F64, 2, (const int64_t[]){0, 7});
  declare(writer, "scalar", MAMBA_DTYPE_I8, 0, NULL);
  declare(writer, "end", MAMBA_DTYPE_I8, 1, (const int64_t[]){0});
  append(writer, "z", "abc", 3);
  append(writer, "z", "defgh", 5);
  append(writer, "empty", NULL, 0);
  append(writer, "scalar", "i", 1);
  finish(writer);
}

static void testRoundTrip(void **state) {
  (void)state;
  MambaSafetensors *file;
  MambaError error;
  writeSample("sample");
  if (mambaSafetensorsOpen(tempDirPath(&dir, "sample"), &file, &error) != MAMBA_OK)
    fail_msg("%s", error.message);
  assert_int_equal(mambaSafetensorsGetCount(file), 4);
  assert_string_equal(mambaSafetensorsGetMetadata(file, "format"), "pt");
  assert_string_equal(mambaSafetensorsGetMetadata(file, "a \"quoted\"\nkey"), "\xc3\xa4");
  const MambaTensorView *z = mambaSafetensorsFind(file, "z");
  assert_int_equal(z->rank, 2);
  assert_int_equal(z->shape[1], 2);
  assert_memory_equal(z->data, "abcdefgh", 8);
  assert_int_equal((uintptr_t)z->data % 64, 0); /* pages are, and the header is padded */
  assert_int_equal(mambaSafetensorsFind(file, "empty")->shape[1], 7);
  assert_memory_equal(mambaSafetensorsFind(file, "scalar")->data, "i", 1);
  mambaSafetensorsClose(file);
}

static void testSameBytes(void **state) {
  (void)state;
  size_t sizes[2];
  writeSample("first");
  writeSample("second");
  char *first = readWholeFile(tempDirPath(&dir, "first"), &sizes[0]);
  char *second = readWholeFile(tempDirPath(&dir, "second"), &sizes[1]);
  assert_int_equal(sizes[0], sizes[1]);
  assert_memory_equal(first, second, sizes[0]);
  free(first);
  free(second);
}

/* The data begins at a multiple of 64 whatever the length of the header. */
static void testHeaderPadding(void **state) {
  (void)state;
  char name[70] = "";
  for (size_t length = 1; length < sizeof name; length++) {
    size_t size;
    name[length - 1] = 'x';
    MambaSafetensorsWriter *writer = createWriter("padded");
    declare(writer, name, MAMBA_DTYPE_U8, 1, (const int64_t[]){1});
    append(writer, name, "!", 1);
    finish(writer);
    char *text = readWholeFile(tempDirPath(&dir, "padded"), &size);
    assert_int_equal(size % 64, 1);
    assert_int_equal((unsigned char)text[0] + 8, size - 1);
    assert_int_equal(text[size - 1], '!');
    free(text);
  }
}

static void testNoTensors(void **state) {
  (void)state;
  MambaSafetensors *file;
  MambaError error;
  finish(createWriter("none"));
  assert_int_equal(mambaSafetensorsOpen(tempDirPath(&dir, "none"), &file, &error), MAMBA_OK);
  assert_int_equal(mambaSafetensorsGetCount(file), 0);
  mambaSafetensorsClose(file);
}

static void testMisuseOfDeclare(void **state) {
  (void)state;
  MambaError error = {0};
  const int64_t one[] = {1}, huge[] = {INT64_MAX};
  MambaSafetensorsWriter *writer = createWriter("misuse");
  declare(writer, "a", MAMBA_DTYPE_U8, 1, one);
  expectInvalid(mambaSafetensorsWriterDeclare(writer, "a", MAMBA_DTYPE_U8, 1, one, &error), &error,
                "declared twice");
  expectInvalid(mambaSafetensorsWriterDeclare(writer, "__metadata__", MAMBA_DTYPE_U8, 1, one, &error), &error,
                "reserved name");
  expectInvalid(mambaSafetensorsWriterDeclare(writer, "\xff", MAMBA_DTYPE_U8, 1, one, &error), &error,
                "UTF-8");
  expectInvalid(mambaSafetensorsWriterDeclare(writer, "b", MAMBA_DTYPE_U16, 1, huge, &error), &error,
                "out of range");
  expectInvalid(mambaSafetensorsWriterDeclare(writer, "b", MAMBA_DTYPE_U8, 1, huge, &error), &error,
                "out of range");
  expectInvalid(mambaSafetensorsWriterDeclare(writer, "b", MAMBA_DTYPE_U8, 9, one, &error), &error,
                "out of range");
  assert_int_equal(mambaSafetensorsWriterSetMetadata(writer, "k", "v", &error), MAMBA_OK);
  expectInvalid(mambaSafetensorsWriterSetMetadata(writer, "k", "v", &error), &error, "set twice");
  expectInvalid(mambaSafetensorsWriterSetMetadata(writer, "l", "\xff", &error), &error, "UTF-8");
  append(writer, "a", "!", 1);
  expectInvalid(mambaSafetensorsWriterDeclare(writer, "c", MAMBA_DTYPE_U8, 1, one, &error), &error,
                "after data");
  expectInvalid(mambaSafetensorsWriterSetMetadata(writer, "m", "v", &error), &error, "after data");
  mambaSafetensorsWriterDestroy(writer);
  assert_false(tempDirHas(&dir, "misuse"));
}

static void testMisuseOfAppend(void **state) {
  (void)state;
  MambaError error = {0};
  MambaSafetensorsWriter *writer = createWriter("misuse");
  declare(writer, "a", MAMBA_DTYPE_U8, 1, (const int64_t[]){2});
  declare(writer, "b", MAMBA_DTYPE_U8, 1, (const int64_t[]){2});
  expectInvalid(mambaSafetensorsWriterAppend(writer, "b", "12", 2, &error), &error,
                "expected data of tensor 'a', found 'b'");
  expectInvalid(mambaSafetensorsWriterAppend(writer, "c", "", 0, &error), &error, "found 'c'");
  expectInvalid(mambaSafetensorsWriterAppend(writer, "a", "123", 3, &error), &error,
                "tensor 'a': expected at most 2 more bytes, found 3");
  append(writer, "a", "12", 2);
  expectInvalid(mambaSafetensorsWriterAppend(writer, "a", "1", 1, &error), &error,
                "expected data of tensor 'b'");
  append(writer, "b", "1", 1);
  expectInvalid(mambaSafetensorsWriterFinish(writer, &error), &error, "tensor 'b': expected 1 more bytes");
  append(writer, "b", "2", 1);
  expectInvalid(mambaSafetensorsWriterAppend(writer, "b", "1", 1, &error), &error,
                "expected data of tensor '(none)'");
  assert_false(tempDirHas(&dir, "misuse"));
  finish(writer);
  assert_true(tempDirHas(&dir, "misuse"));
}

static void testUnwritablePath(void **state) {
  (void)state;
  MambaSafetensorsWriter *writer = NULL;
  MambaError error;
  assert_int_equal(mambaSafetensorsWriterCreate(tempDirPath(&dir, "absent/file"), &writer, &error), MAMBA_IO);
  assert_null(writer);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testRoundTrip),       cmocka_unit_test(testSameBytes),
      cmocka_unit_test(testHeaderPadding),   cmocka_unit_test(testNoTensors),
      cmocka_unit_test(testMisuseOfDeclare), cmocka_unit_test(testMisuseOfAppend),
      cmocka_unit_test(testUnwritablePath),
  };
  return cmocka_run_group_tests(tests, createDir, removeDir);
}
