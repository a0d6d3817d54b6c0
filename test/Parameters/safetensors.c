/* The safetensors reader: one test per rule of the format, and files damaged in every byte. */
#include "mamba/safetensors.h"
#include "tempdir.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* A file of `header` with `dataSize` bytes 0, 1, 2, ... behind it, in a block of exactly its size so
 * that AddressSanitizer sees a read beyond. The caller frees it. */
static unsigned char *buildFile(const char *header, size_t dataSize, size_t *size) {
  const size_t length = strlen(header);
  *size = 8 + length + dataSize;
  unsigned char *file = malloc(*size);
  assert_non_null(file);
  for (int i = 0; i < 8; i++)
    file[i] = (unsigned char)((uint64_t)length >> (8 * i));
  memcpy(file + 8, header, length);
  for (size_t i = 0; i < dataSize; i++)
    file[8 + length + i] = (unsigned char)i;
  return file;
}

static void expectAccepted(const char *header, size_t dataSize, size_t count) {
  size_t size;
  unsigned char *buffer = buildFile(header, dataSize, &size);
  MambaSafetensors *file = NULL;
  MambaError error = {0};
  if (mambaSafetensorsParse(buffer, size, "file", &file, &error) != MAMBA_OK)
    fail_msg("refused %s: %s", header, error.message);
  assert_int_equal(mambaSafetensorsGetCount(file), count);
  mambaSafetensorsClose(file);
  free(buffer);
}

/* The message begins with the file's name and contains `message`. */
static void expectBufferRefused(const void *buffer, size_t size, MambaStatus status, const char *message) {
  MambaSafetensors *file = NULL;
  MambaError error = {0};
  assert_int_equal(mambaSafetensorsParse(buffer, size, "file", &file, &error), status);
  assert_int_equal(error.status, status);
  assert_null(file);
  if (strncmp(error.message, "file: ", 6) != 0 || !strstr(error.message, message))
    fail_msg("expected '%s' in '%s'", message, error.message);
}

static void expectRefused(const char *header, size_t dataSize, MambaStatus status, const char *message) {
  size_t size;
  unsigned char *buffer = buildFile(header, dataSize, &size);
  expectBufferRefused(buffer, size, status, message);
  free(buffer);
}

static void expectInvalid(const char *header, size_t dataSize, const char *message) {
  expectRefused(header, dataSize, MAMBA_INVALID, message);
}

/* ---- length of the header ---- */

static void testLengthShorterThanEightBytes(void **state) {
  (void)state;
  expectBufferRefused(NULL, 0, MAMBA_INVALID, "expected 8 bytes of header length, found a file of 0 bytes");
  expectBufferRefused("\2\0\0\0\0\0\0", 7, MAMBA_INVALID, "found a file of 7 bytes");
}

static void testLengthLimit(void **state) {
  (void)state;
  /* 100,000,000 is allowed, so the complaint is about the file; one more is not. */
  expectBufferRefused("\x00\xe1\xf5\x05\0\0\0\0{}", 10, MAMBA_INVALID,
                      "expected a header of 100000000 bytes, found a file that has 2 after its length");
  expectBufferRefused("\x01\xe1\xf5\x05\0\0\0\0{}", 10, MAMBA_INVALID,
                      "expected a header of at most 100000000 bytes, found a length of 100000001");
  expectBufferRefused("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, MAMBA_INVALID, "18446744073709551615");
}

static void testLengthBeyondFile(void **state) {
  (void)state;
  expectBufferRefused("\3\0\0\0\0\0\0\0{}", 10, MAMBA_INVALID, "expected a header of 3 bytes");
}

/* ---- the header as text ---- */

static void testHeaderStartsWithBrace(void **state) {
  (void)state;
  expectInvalid("", 0, "expected the header to start with '{'");
  expectInvalid(" {}", 0, "expected the header to start with '{'");
  expectInvalid("[]", 0, "expected the header to start with '{'");
  expectInvalid("\xef\xbb\xbf{}", 0, "expected the header to start with '{'");
}

static void testHeaderPadding(void **state) {
  (void)state;
  expectAccepted("{}", 0, 0);
  expectAccepted("{}      ", 0, 0);
  expectInvalid("{}\n", 0, "expected the header to end with '}' and spaces");
  expectInvalid("{}\t ", 0, "expected the header to end with '}' and spaces");
  expectInvalid("{", 0, "expected the header to end with '}' and spaces");
}

static void testHeaderIsJson(void **state) {
  (void)state;
  expectAccepted("{ \"__metadata__\" :\n{} }", 0, 0);
  expectInvalid("{,}", 0, "not valid JSON");
  expectInvalid("{} {}", 0, "not valid JSON: end of file expected");
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":[01],\"data_offsets\":[0,1]}}", 1, "not valid JSON");
}

static void testHeaderIsUtf8(void **state) {
  (void)state;
  expectAccepted("{\"\xc3\xa4\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, 1);
  expectInvalid("{\"\xc3\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "not valid JSON");
  expectInvalid("{\"\xed\xa0\x80\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
                "not valid JSON");
}

static void testNameWithNul(void **state) {
  (void)state;
  expectInvalid("{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "NUL byte");
}

static void testDuplicateKeys(void **state) {
  (void)state;
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
                1, "duplicate object key");
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
                "duplicate object key");
  expectInvalid("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "duplicate object key");
}

/* ---- metadata ---- */

static void testMetadataIsTextToText(void **state) {
  (void)state;
  expectAccepted("{\"__metadata__\":{\"a\":\"b\",\"c\":\"\"}}", 0, 0);
  expectInvalid("{\"__metadata__\":[]}", 0, "expected an object as __metadata__, found []");
  expectInvalid("{\"__metadata__\":null}", 0, "expected an object as __metadata__, found null");
  expectInvalid("{\"__metadata__\":{\"a\":1}}", 0, "expected text as __metadata__ entry 'a', found 1");
}

static void testMetadataIsFound(void **state) {
  (void)state;
  size_t size;
  MambaError error;
  MambaSafetensors *file;
  unsigned char *with = buildFile("{\"__metadata__\":{\"format\":\"pt\"}}", 0, &size);
  assert_int_equal(mambaSafetensorsParse(with, size, "file", &file, &error), MAMBA_OK);
  assert_string_equal(mambaSafetensorsGetMetadata(file, "format"), "pt");
  assert_null(mambaSafetensorsGetMetadata(file, "other"));
  assert_null(mambaSafetensorsFind(file, "__metadata__"));
  mambaSafetensorsClose(file);
  free(with);
  unsigned char *without = buildFile("{}", 0, &size);
  assert_int_equal(mambaSafetensorsParse(without, size, "file", &file, &error), MAMBA_OK);
  assert_null(mambaSafetensorsGetMetadata(file, "format"));
  mambaSafetensorsClose(file);
  free(without);
}

/* ---- one tensor ---- */

static void testTensorHasExactlyThreeFields(void **state) {
  (void)state;
  expectInvalid("{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
                "tensor 'a': expected an object of dtype, shape and data_offsets, found");
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "expected an object of dtype");
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "expected an object of dtype");
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":0}}", 1,
                "expected an object of dtype");
  expectInvalid("{\"a\":3}", 0, "tensor 'a': expected an object of dtype, shape and data_offsets, found 3");
}

static void testEveryDtype(void **state) {
  (void)state;
#define CHECK_DTYPE(name, size)                                                                              \
  expectAccepted("{\"a\":{\"dtype\":\"" #name "\",\"shape\":[3],\"data_offsets\":[0," #size "]}}", size, 1);
  CHECK_DTYPE(BOOL, 3)
  CHECK_DTYPE(U8, 3)
  CHECK_DTYPE(I8, 3)
  CHECK_DTYPE(F8_E4M3, 3)
  CHECK_DTYPE(F8_E5M2, 3)
  CHECK_DTYPE(F8_E8M0, 3)
  CHECK_DTYPE(F8_E4M3FNUZ, 3)
  CHECK_DTYPE(F8_E5M2FNUZ, 3)
  CHECK_DTYPE(I16, 6)
  CHECK_DTYPE(U16, 6)
  CHECK_DTYPE(F16, 6)
  CHECK_DTYPE(BF16, 6)
  CHECK_DTYPE(I32, 12)
  CHECK_DTYPE(U32, 12)
  CHECK_DTYPE(F32, 12)
  CHECK_DTYPE(I64, 24)
  CHECK_DTYPE(U64, 24)
  CHECK_DTYPE(F64, 24)
  CHECK_DTYPE(C64, 24)
#undef CHECK_DTYPE
}

static void testUnknownDtype(void **state) {
  (void)state;
  expectInvalid("{\"a\":{\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
                "tensor 'a': expected a dtype of the safetensors format, found \"f32\"");
  expectInvalid("{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "found 7");
}

static void testDtypeBelowAByte(void **state) {
  (void)state;
  expectRefused("{\"a\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,1]}}", 1, MAMBA_UNSUPPORTED,
                "tensor 'a': elements of less than a byte are not supported, found dtype F4");
  expectRefused("{\"a\":{\"dtype\":\"F6_E2M3\",\"shape\":[4],\"data_offsets\":[0,3]}}", 3, MAMBA_UNSUPPORTED,
                "F6_E2M3");
  expectRefused("{\"a\":{\"dtype\":\"F6_E3M2\",\"shape\":[4],\"data_offsets\":[0,3]}}", 3, MAMBA_UNSUPPORTED,
                "F6_E3M2");
}

static void testShapeIsNonNegativeIntegers(void **state) {
  (void)state;
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":1,\"data_offsets\":[0,1]}}", 1,
                "expected an array as shape, found 1");
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]}}", 1,
                "expected non-negative integers in shape, found -1");
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":[1.0],\"data_offsets\":[0,1]}}", 1,
                "in shape, found 1.0");
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":[\"1\"],\"data_offsets\":[0,1]}}", 1,
                "in shape, found \"1\"");
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":[18446744073709551616],\"data_offsets\":[0,1]}}", 1,
                "too big integer");
}

static void testRank(void **state) {
  (void)state;
  expectAccepted("{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,2],\"data_offsets\":[0,2]}}", 2, 1);
  expectRefused("{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,2]}}", 2,
                MAMBA_UNSUPPORTED, "tensor 'a': expected at most 8 dimensions, found 9");
}

static void testScalar(void **state) {
  (void)state;
  expectAccepted("{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, 1);
  expectInvalid("{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,0]}}", 0,
                "expected 4 bytes for F32 []");
}

static void testEmptyTensor(void **state) {
  (void)state;
  expectAccepted("{\"a\":{\"dtype\":\"F32\",\"shape\":[2,0],\"data_offsets\":[0,0]}}", 0, 1);
  expectAccepted("{\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
                 "\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
                 "\"c\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[2,2]}}",
                 2, 3);
  expectInvalid("{\"a\":{\"dtype\":\"F32\",\"shape\":[2,0],\"data_offsets\":[0,4]}}", 4,
                "expected 0 bytes for F32 [2, 0]");
  /* Inside another tensor's data. */
  expectInvalid("{\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
                "\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[1,1]}}",
                2, "tensor 'a': expected its data to begin at offset 2, found 1 (an overlap)");
}

static void testSizeOverflow(void **state) {
  (void)state;
  /* 2^61 * 8 = 2^64, and a product that wraps around to a plausible 4. */
  expectInvalid("{\"a\":{\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}}", 0,
                "tensor 'a': the size of F64 [2305843009213693952] overflows");
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":[4611686018427387905,4],\"data_offsets\":[0,4]}}", 4,
                "overflows");
}

static void testSizeAgreesWithOffsets(void **state) {
  (void)state;
  expectInvalid("{\"a\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[0,11]}}", 11,
                "tensor 'a': expected 12 bytes for F16 [2, 3], found data_offsets [0, 11]");
  expectInvalid("{\"a\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[0,13]}}", 13,
                "expected 12 bytes");
}

static void testOffsetsArePairOfIntegers(void **state) {
  (void)state;
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1]}}", 1,
                "expected [begin, end] as data_offsets, found [1]");
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,1]}}", 1,
                "expected [begin, end]");
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":{}}}", 1, "expected [begin, end]");
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,true]}}", 1,
                "in data_offsets, found true");
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[-1,0]}}", 1,
                "in data_offsets, found -1");
}

static void testOffsetsInOrderAndInFile(void **state) {
  (void)state;
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,0]}}", 1,
                "tensor 'a': expected data_offsets with begin <= end <= 1, found [1, 0]");
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 1,
                "begin <= end <= 1, found [0, 2]");
  expectInvalid(
      "{\"a\":{\"dtype\":\"U8\",\"shape\":[9223372036854775807],\"data_offsets\":[0,9223372036854775807]}}",
      1, "begin <= end <= 1");
}

/* ---- all tensors together ---- */

static void testHoles(void **state) {
  (void)state;
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2,
                "tensor 'a': expected its data to begin at offset 0, found 1 (a hole)");
  expectInvalid("{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]},"
                "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
                3, "tensor 'b': expected its data to begin at offset 1, found 2 (a hole)");
}

static void testOverlaps(void **state) {
  (void)state;
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
                "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
                3, "tensor 'b': expected its data to begin at offset 2, found 1 (an overlap)");
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
                "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}",
                2, "an overlap");
}

static void testTrailingBytes(void **state) {
  (void)state;
  expectInvalid("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 5,
                "expected the data to end with the last tensor at offset 2, found 3 more bytes");
  expectInvalid("{}", 1, "found 1 more bytes");
}

static void testAnyOrderAndAlignment(void **state) {
  (void)state;
  size_t size;
  MambaError error;
  MambaSafetensors *file;
  unsigned char *buffer = buildFile("{\"b\":{\"dtype\":\"U16\",\"shape\":[2],\"data_offsets\":[1,5]},"
                                    "\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}",
                                    5, &size);
  assert_int_equal(mambaSafetensorsParse(buffer, size, "file", &file, &error), MAMBA_OK);
  assert_string_equal(mambaSafetensorsGet(file, 0)->name, "a");
  const MambaTensorView *tensor = mambaSafetensorsGet(file, 1);
  assert_string_equal(tensor->name, "b");
  assert_ptr_equal(mambaSafetensorsFind(file, "b"), tensor);
  assert_null(mambaSafetensorsFind(file, "c"));
  assert_int_equal(tensor->dtype, MAMBA_DTYPE_U16);
  assert_int_equal(tensor->rank, 1);
  assert_int_equal(tensor->shape[0], 2);
  assert_memory_equal(tensor->data, "\1\2\3\4", tensor->bytes);
  mambaSafetensorsClose(file);
  free(buffer);
}

/* ---- damage ---- */

static const char smallHeader[] =
    "{\"__metadata__\":{\"format\":\"pt\"},"
    "\"layers.0.weight\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[0,12]},"
    "\"layers.0.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[12,20]},"
    "\"scalar\":{\"dtype\":\"I8\",\"shape\":[],\"data_offsets\":[20,21]}}  ";

/* Whatever is accepted lies within the buffer, every byte of it; whatever is refused says why. */
static bool checkDamaged(const unsigned char *buffer, size_t size) {
  MambaSafetensors *file = NULL;
  MambaError error = {0};
  if (mambaSafetensorsParse(buffer, size, "file", &file, &error) != MAMBA_OK) {
    assert_null(file);
    assert_true(strlen(error.message) > 10);
    return false;
  }
  const unsigned char *next = NULL;
  for (size_t i = 0; i < mambaSafetensorsGetCount(file); i++) {
    const MambaTensorView *tensor = mambaSafetensorsGet(file, i);
    const unsigned char *data = tensor->data;
    assert_true(i == 0 || data == next);
    next = data + tensor->bytes;
    assert_ptr_equal(mambaSafetensorsFind(file, tensor->name), tensor);
  }
  assert_ptr_equal(next, buffer + size);
  mambaSafetensorsClose(file);
  return true;
}

static void testEveryTruncation(void **state) {
  (void)state;
  size_t size;
  unsigned char *whole = buildFile(smallHeader, 21, &size);
  assert_true(checkDamaged(whole, size));
  for (size_t length = 0; length < size; length++) {
    unsigned char *part = malloc(length + !length);
    assert_non_null(part);
    memcpy(part, whole, length);
    assert_false(checkDamaged(part, length));
    free(part);
  }
  free(whole);
}

static void testEveryByteChanged(void **state) {
  (void)state;
  size_t size, accepted = 0;
  unsigned char *buffer = buildFile(smallHeader, 21, &size);
  for (size_t i = 0; i < size; i++) {
    const unsigned char original = buffer[i];
    for (int value = 0; value < 256; value++) {
      if (value == original)
        continue;
      buffer[i] = (unsigned char)value;
      accepted += checkDamaged(buffer, size);
    }
    buffer[i] = original;
  }
  assert_true(accepted >= 21 * 255); /* all changes to the data, and some to names */
  free(buffer);
}

/* ---- files ---- */

static void testOpenFile(void **state) {
  (void)state;
  TempDir dir;
  size_t size;
  MambaError error;
  MambaSafetensors *file;
  unsigned char *buffer = buildFile(smallHeader, 21, &size);
  tempDirCreate(&dir);
  tempDirWrite(&dir, "small.safetensors", buffer, size);
  assert_int_equal(mambaSafetensorsOpen(tempDirPath(&dir, "small.safetensors"), &file, &error), MAMBA_OK);
  assert_int_equal(mambaSafetensorsGetCount(file), 3);
  assert_memory_equal(mambaSafetensorsFind(file, "scalar")->data, "\x14", 1);
  mambaSafetensorsClose(file);

  assert_int_equal(mambaSafetensorsOpen(tempDirPath(&dir, "absent"), &file, &error), MAMBA_IO);
  assert_non_null(strstr(error.message, "absent: cannot open: No such file"));
  assert_int_equal(mambaSafetensorsOpen(dir.path, &file, &error), MAMBA_INVALID);
  assert_non_null(strstr(error.message, "expected a regular file, found a folder"));
  assert_int_equal(mkfifo(tempDirPath(&dir, "pipe"), 0600), 0);
  assert_int_equal(mambaSafetensorsOpen(tempDirPath(&dir, "pipe"), &file, &error), MAMBA_INVALID);
  assert_non_null(strstr(error.message, "found a special file"));
  tempDirWrite(&dir, "empty", "", 0);
  assert_int_equal(mambaSafetensorsOpen(tempDirPath(&dir, "empty"), &file, &error), MAMBA_INVALID);
  assert_non_null(strstr(error.message, "found a file of 0 bytes"));
  tempDirRemove(&dir);
  free(buffer);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testLengthShorterThanEightBytes),
      cmocka_unit_test(testLengthLimit),
      cmocka_unit_test(testLengthBeyondFile),
      cmocka_unit_test(testHeaderStartsWithBrace),
      cmocka_unit_test(testHeaderPadding),
      cmocka_unit_test(testHeaderIsJson),
      cmocka_unit_test(testHeaderIsUtf8),
      cmocka_unit_test(testNameWithNul),
      cmocka_unit_test(testDuplicateKeys),
      cmocka_unit_test(testMetadataIsTextToText),
      cmocka_unit_test(testMetadataIsFound),
      cmocka_unit_test(testTensorHasExactlyThreeFields),
      cmocka_unit_test(testEveryDtype),
      cmocka_unit_test(testUnknownDtype),
      cmocka_unit_test(testDtypeBelowAByte),
      cmocka_unit_test(testShapeIsNonNegativeIntegers),
      cmocka_unit_test(testRank),
      cmocka_unit_test(testScalar),
      cmocka_unit_test(testEmptyTensor),
      cmocka_unit_test(testSizeOverflow),
      cmocka_unit_test(testSizeAgreesWithOffsets),
      cmocka_unit_test(testOffsetsArePairOfIntegers),
      cmocka_unit_test(testOffsetsInOrderAndInFile),
      cmocka_unit_test(testHoles),
      cmocka_unit_test(testOverlaps),
      cmocka_unit_test(testTrailingBytes),
      cmocka_unit_test(testAnyOrderAndAlignment),
      cmocka_unit_test(testEveryTruncation),
      cmocka_unit_test(testEveryByteChanged),
      cmocka_unit_test(testOpenFile),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
