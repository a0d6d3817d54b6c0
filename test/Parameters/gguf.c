/* The GGUF reader: one test per rule of the format, and a file damaged in every byte. */
#include "mamba/gguf.h"

#include "mamba/checkpoint.h"
#include "tempdir.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A file that grows. */
typedef struct Text {
  unsigned char bytes[1 << 14];
  size_t size;
} Text;

static void put(Text *text, const void *data, size_t size) {
  assert_true(size <= sizeof text->bytes - text->size);
  if (size)
    memcpy(text->bytes + text->size, data, size);
  text->size += size;
}

static void putInteger(Text *text, uint64_t value, int size) {
  for (int i = 0; i < size; i++)
    put(text, &(unsigned char){(unsigned char)(value >> (8 * i))}, 1);
}

static void putText(Text *text, const char *string) {
  putInteger(text, strlen(string), 8);
  put(text, string, strlen(string));
}

static void putKey(Text *text, const char *key, uint32_t type) {
  putText(text, key);
  putInteger(text, type, 4);
}

static void putHeader(Text *text, uint32_t version, uint64_t tensors, uint64_t values) {
  put(text, "GGUF", 4);
  putInteger(text, version, 4);
  putInteger(text, tensors, 8);
  putInteger(text, values, 8);
}

static void putTensor(Text *text, const char *name, int rank, const uint64_t *extents, uint32_t type,
                      uint64_t offset) {
  putText(text, name);
  putInteger(text, (uint64_t)rank, 4);
  for (int i = 0; i < rank; i++)
    putInteger(text, extents[i], 8);
  putInteger(text, type, 4);
  putInteger(text, offset, 8);
}

static void align(Text *text, size_t alignment) {
  while (text->size % alignment)
    putInteger(text, 0, 1);
}

static const uint64_t kShape[] = {3, 2};

/* Values of every kind and two tensors: a [2, 3] F32 of 0, 1, ... and a [1, 32] Q8_0. */
static Text makeFile(void) {
  Text text = {.size = 0};
  const uint64_t blocks[] = {32, 1};
  putHeader(&text, 3, 2, 9);
  putKey(&text, "u8", 0), putInteger(&text, 200, 1);
  putKey(&text, "i16", 3), putInteger(&text, 0xfffe, 2);
  putKey(&text, "i64", 11), putInteger(&text, UINT64_C(1) << 63, 8);
  putKey(&text, "u64", 10), putInteger(&text, UINT64_MAX, 8);
  putKey(&text, "half", 6), put(&text, &(float){0.5f}, 4);
  putKey(&text, "quarter", 12), put(&text, &(double){0.25}, 8);
  putKey(&text, "yes", 7), putInteger(&text, 1, 1);
  putKey(&text, "texts", 9), putInteger(&text, 8, 4), putInteger(&text, 2, 8), putText(&text, "one"),
      putText(&text, "");
  putKey(&text, "numbers", 9), putInteger(&text, 5, 4), putInteger(&text, 2, 8), putInteger(&text, 7, 4),
      putInteger(&text, 0xffffffff, 4);
  putTensor(&text, "a", 2, kShape, 0, 0);
  putTensor(&text, "q", 2, blocks, 8, 32);
  align(&text, 32);
  for (int i = 0; i < 6; i++)
    put(&text, &(float){(float)i}, 4);
  align(&text, 32);
  putInteger(&text, 0x3800, 2); /* 0.5 */
  for (int i = 0; i < 32; i++)
    putInteger(&text, (uint64_t)(uint8_t)(i - 16), 1);
  return text;
}

/* Parses a copy of exactly the size, so that AddressSanitizer sees a read beyond. */
static MambaStatus parse(const Text *text, size_t size, MambaGguf **file, void **copy, MambaError *error) {
  *copy = malloc(size ? size : 1);
  assert_non_null(*copy);
  memcpy(*copy, text->bytes, size);
  return mambaGgufParse(*copy, size, "file", file, error);
}

static void expectRefused(const Text *text, MambaStatus status, const char *message) {
  MambaGguf *file = NULL;
  MambaError error = {0};
  void *copy;
  assert_int_equal(parse(text, text->size, &file, &copy, &error), status);
  assert_null(file);
  free(copy);
  if (strncmp(error.message, "file: ", 6) != 0 || !strstr(error.message, message))
    fail_msg("expected '%s' in '%s'", message, error.message);
}

static void readsValuesAndTensors(void **state) {
  (void)state;
  const Text text = makeFile();
  MambaGguf *file = NULL;
  MambaError error = {0};
  MambaGgufArray array;
  MambaGgufText one;
  void *copy;
  int64_t integer;
  double number;
  float floats[32];
  bool yes;
  if (parse(&text, text.size, &file, &copy, &error) != MAMBA_OK)
    fail_msg("%s", error.message);
  assert_int_equal(mambaGgufGetInteger(file, "u8", 0, 255, &integer, &error), MAMBA_OK);
  assert_int_equal(integer, 200);
  assert_int_equal(mambaGgufGetInteger(file, "i16", -2, 0, &integer, &error), MAMBA_OK);
  assert_int_equal(integer, -2);
  assert_int_equal(mambaGgufGetInteger(file, "i64", INT64_MIN, 0, &integer, &error), MAMBA_OK);
  assert_true(integer == INT64_MIN);
  assert_int_equal(mambaGgufGetFloat(file, "half", &number, &error), MAMBA_OK);
  assert_true(number == 0.5);
  assert_int_equal(mambaGgufGetFloat(file, "quarter", &number, &error), MAMBA_OK);
  assert_true(number == 0.25);
  assert_int_equal(mambaGgufGetBool(file, "yes", &yes, &error), MAMBA_OK);
  assert_true(yes);
  assert_int_equal(mambaGgufGetTexts(file, "texts", &array, &error), MAMBA_OK);
  assert_int_equal(array.left, 2);
  one = mambaGgufNextText(&array);
  assert_int_equal(one.size, 3);
  assert_memory_equal(one.data, "one", 3);
  assert_int_equal(mambaGgufNextText(&array).size, 0);
  assert_int_equal(array.left, 0);
  assert_int_equal(mambaGgufGetInt32s(file, "numbers", &array, &error), MAMBA_OK);
  assert_int_equal(mambaGgufNextInt32(&array), 7);
  assert_int_equal(mambaGgufNextInt32(&array), -1);
  assert_false(mambaGgufHas(file, "none"));

  assert_int_equal(mambaGgufGetCount(file), 2);
  const MambaTensorView *a = mambaGgufFind(file, "a"), *q = mambaGgufFind(file, "q");
  assert_int_equal(a->rank, 2);
  assert_int_equal(a->shape[0], 2); /* the slowest dimension first */
  assert_int_equal(a->shape[1], 3);
  assert_int_equal(mambaTensorReadF32(a, 0, 6, floats, &error), MAMBA_OK);
  assert_true(floats[5] == 5);
  assert_int_equal(mambaTensorGetCount(q), 32);
  assert_int_equal(mambaTensorReadF32(q, 3, 29, floats, &error), MAMBA_OK);
  assert_true(floats[0] == -6.5f && floats[28] == 7.5f);
  mambaGgufClose(file);
  free(copy);
}

static void namesTheValueThatIsWrong(void **state) {
  (void)state;
  const Text text = makeFile();
  MambaGguf *file = NULL;
  MambaError error = {0};
  MambaGgufArray array;
  MambaGgufText one;
  void *copy;
  int64_t integer;
  double number;
  bool yes;
  assert_int_equal(parse(&text, text.size, &file, &copy, &error), MAMBA_OK);
  assert_int_equal(mambaGgufGetInteger(file, "u8", 0, 199, &integer, &error), MAMBA_INVALID);
  assert_string_equal(error.message, "file: key 'u8': expected an integer in [0, 199], found 200");
  assert_int_equal(mambaGgufGetInteger(file, "i64", 0, 1, &integer, &error), MAMBA_INVALID);
  assert_string_equal(error.message,
                      "file: key 'i64': expected an integer in [0, 1], found -9223372036854775808");
  assert_int_equal(mambaGgufGetInteger(file, "u64", 0, INT64_MAX, &integer, &error), MAMBA_INVALID);
  assert_non_null(strstr(error.message, "found 18446744073709551615"));
  assert_int_equal(mambaGgufGetInteger(file, "half", 0, 1, &integer, &error), MAMBA_INVALID);
  assert_string_equal(error.message, "file: key 'half': expected an integer, found float32");
  assert_int_equal(mambaGgufGetFloat(file, "u8", &number, &error), MAMBA_INVALID);
  assert_int_equal(mambaGgufGetBool(file, "u8", &yes, &error), MAMBA_INVALID);
  assert_int_equal(mambaGgufGetText(file, "none", &one, &error), MAMBA_INVALID);
  assert_string_equal(error.message, "file: key 'none': expected a string, found none");
  assert_int_equal(mambaGgufGetTexts(file, "numbers", &array, &error), MAMBA_INVALID);
  assert_string_equal(error.message,
                      "file: key 'numbers': expected an array of a string, found an array of int32");
  mambaGgufClose(file);
  free(copy);
}

static void refusesWhatIsNotTheHeader(void **state) {
  (void)state;
  Text text = makeFile();
  text.bytes[0] = 'g';
  expectRefused(&text, MAMBA_INVALID, "begins with \"GGUF\"");
  text = makeFile();
  text.bytes[4] = 1;
  expectRefused(&text, MAMBA_UNSUPPORTED, "expected version 2 or 3, little-endian, found 1");
  text.bytes[4] = 0;
  text.bytes[7] = 3;
  expectRefused(&text, MAMBA_UNSUPPORTED, "(a big-endian file)");
  text = (Text){.size = 0};
  putHeader(&text, 3, 0, UINT64_MAX);
  expectRefused(&text, MAMBA_INVALID, "found a count of 18446744073709551615");
  text = (Text){.size = 0};
  putHeader(&text, 3, UINT64_MAX, 0);
  expectRefused(&text, MAMBA_INVALID, "found a count of 18446744073709551615");
}

/* A file of no tensors and of `values` values, which the caller appends. */
static Text beginValues(uint64_t values) {
  Text text = {.size = 0};
  putHeader(&text, 3, 0, values);
  return text;
}

static void refusesBadValues(void **state) {
  (void)state;
  Text text = beginValues(1);
  putKey(&text, "k", 13), putInteger(&text, 0, 8);
  expectRefused(&text, MAMBA_INVALID, "key 'k': expected a type below 13, found 13");
  text = beginValues(2);
  putKey(&text, "k", 0), putInteger(&text, 0, 1);
  putKey(&text, "k", 0), putInteger(&text, 0, 1);
  expectRefused(&text, MAMBA_INVALID, "key 'k' is there twice");
  text = beginValues(1);
  putKey(&text, "k", 7), putInteger(&text, 2, 1);
  expectRefused(&text, MAMBA_INVALID, "key 'k': expected a bool of 0 or 1, found 2");
  text = beginValues(1);
  putKey(&text, "k", 9), putInteger(&text, 9, 4), putInteger(&text, 0, 8);
  expectRefused(&text, MAMBA_UNSUPPORTED, "key 'k': arrays of arrays");
  text = beginValues(1);
  putKey(&text, "k", 9), putInteger(&text, 10, 4), putInteger(&text, UINT64_C(1) << 61, 8);
  expectRefused(&text, MAMBA_INVALID, "the file ends inside of an array");
  text = beginValues(1);
  putKey(&text, "k", 8), putInteger(&text, UINT64_MAX, 8);
  expectRefused(&text, MAMBA_INVALID, "the file ends inside of a string");
  text = beginValues(1);
  putKey(&text, "general.alignment", 4), putInteger(&text, 24, 4);
  expectRefused(&text, MAMBA_INVALID, "expected a power of two, found 24");
  text = beginValues(1);
  putKey(&text, "split.count", 2), putInteger(&text, 2, 2);
  expectRefused(&text, MAMBA_UNSUPPORTED, "found one of 2 parts");
}

/* One tensor and no data. */
static Text describe(const char *name, int rank, const uint64_t *extents, uint32_t type, uint64_t offset) {
  Text text = {.size = 0};
  putHeader(&text, 3, 1, 0);
  putTensor(&text, name, rank, extents, type, offset);
  align(&text, 32);
  return text;
}

static void refusesBadTensors(void **state) {
  (void)state;
  const uint64_t huge[] = {UINT64_C(1) << 40, UINT64_C(1) << 40}, more[] = {1, 1, 1, 1, 1};
  const uint64_t negative[] = {UINT64_MAX, 1};
  char name[65] = "";
  Text text = describe("t", 5, more, 0, 0);
  expectRefused(&text, MAMBA_INVALID, "tensor 't': expected 1 to 4 dimensions, found 5");
  text = describe("t", 2, negative, 0, 0);
  expectRefused(&text, MAMBA_INVALID, "tensor 't': expected dimensions below 2^63");
  text = describe("t", 2, huge, 0, 0);
  expectRefused(&text, MAMBA_INVALID, "tensor 't': [1099511627776, 1099511627776] is no shape of type F32");
  text = describe("t", 2, kShape, 8, 0);
  expectRefused(&text, MAMBA_INVALID, "tensor 't': [2, 3] is no shape of type Q8_0");
  text = describe("t", 2, kShape, 2, 0);
  expectRefused(&text, MAMBA_UNSUPPORTED,
                "tensor 't': expected type F32, F16, BF16 or Q8_0, found ggml type 2");
  text = describe("t", 2, kShape, 0, 32);
  expectRefused(&text, MAMBA_INVALID, "tensor 't': expected its data at offset 0, found 32");
  text = describe("t", 2, kShape, 0, 0);
  expectRefused(&text, MAMBA_INVALID, "tensor 't': expected 24 bytes of data at offset 96");
  memset(name, 'n', 64);
  text = describe(name, 2, kShape, 0, 0);
  expectRefused(&text, MAMBA_INVALID, "expected a tensor's name of at most 63 bytes, found 64");
  text = makeFile();
  for (int i = 0; i < 100; i++)
    putInteger(&text, 0, 1);
  expectRefused(&text, MAMBA_INVALID, "expected the data to end at offset");
  text = (Text){.size = 0};
  putHeader(&text, 3, 2, 0);
  putTensor(&text, "t", 2, kShape, 0, 0);
  putTensor(&text, "t", 2, kShape, 0, 32);
  expectRefused(&text, MAMBA_INVALID, "tensor 't' is there twice");
}

/* No damage may be read beyond the end, and every truncation is seen. */
static void survivesDamage(void **state) {
  (void)state;
  const Text good = makeFile();
  MambaError error = {0};
  void *copy;
  for (size_t size = 0; size < good.size; size++) {
    MambaGguf *file = NULL;
    assert_int_equal(parse(&good, size, &file, &copy, &error), MAMBA_INVALID);
    free(copy);
  }
  for (size_t at = 0; at < good.size; at++) {
    for (int bit = 0; bit < 8; bit++) {
      Text bad = good;
      MambaGguf *file = NULL;
      bad.bytes[at] ^= (unsigned char)(1 << bit);
      if (parse(&bad, bad.size, &file, &copy, &error) == MAMBA_OK)
        mambaGgufClose(file);
      else
        assert_true(strncmp(error.message, "file: ", 6) == 0);
      free(copy);
    }
  }
}

/* A file with the two tensors of a layer that llama.cpp changes. */
static void writeLayer(const TempDir *dir, float (*a_log)(int i)) {
  Text text = {.size = 0};
  const uint64_t conv[] = {4, 2}, a[] = {3, 2};
  putHeader(&text, 3, 3, 0);
  putTensor(&text, "blk.7.ssm_conv1d.weight", 2, conv, 0, 0);
  putTensor(&text, "blk.7.ssm_a", 2, a, 0, 32);
  putTensor(&text, "blk.07.ssm_d", 2, a, 0, 64);
  align(&text, 32);
  for (int i = 0; i < 8; i++)
    put(&text, &(float){(float)i}, 4);
  for (int i = 0; i < 6; i++)
    put(&text, &(float){-expf(a_log(i))}, 4);
  align(&text, 32);
  for (int i = 0; i < 6; i++)
    put(&text, &(float){1}, 4);
  tempDirWrite(dir, "layer.gguf", text.bytes, text.size);
}

static float inHalf(int i) {
  return 0.125f * (float)i + 0x1p-9f;
}

static float inFloat(int i) {
  return 0.1f * (float)i;
}

static void presentsACheckpoint(void **state) {
  (void)state;
  static const struct {
    float (*a_log)(int i);
    const char *key;
    MambaDtype dtype;
  } cases[] = {{inHalf, "backbone.layers.7.mixer.A_log", MAMBA_DTYPE_F16},
               {inFloat, "backbone.layers.7.mixer.A", MAMBA_DTYPE_F32}};
  TempDir dir;
  tempDirCreate(&dir);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    MambaCheckpoint *checkpoint = NULL;
    MambaError error = {0};
    float value;
    writeLayer(&dir, cases[i].a_log);
    if (mambaCheckpointOpen(tempDirPath(&dir, "layer.gguf"), &checkpoint, &error) != MAMBA_OK)
      fail_msg("%s", error.message);
    const MambaTensorView *conv = mambaCheckpointFind(checkpoint, "backbone.layers.7.mixer.conv1d.weight");
    assert_non_null(conv);
    assert_int_equal(conv->rank, 3);
    assert_true(conv->shape[0] == 2 && conv->shape[1] == 1 && conv->shape[2] == 4);
    const MambaTensorView *a = mambaCheckpointFind(checkpoint, cases[i].key);
    assert_non_null(a);
    assert_int_equal(a->dtype, cases[i].dtype);
    mambaCheckpointRelease(a); /* must not lose what is in no file */
    for (int k = 0; k < 6; k++) {
      const float expected = cases[i].a_log(k);
      assert_int_equal(mambaTensorReadF32(a, (size_t)k, 1, &value, &error), MAMBA_OK);
      assert_true(value == (a->dtype == MAMBA_DTYPE_F32 ? -expf(expected) : expected));
    }
    assert_non_null(mambaCheckpointFind(checkpoint, "blk.07.ssm_d")); /* no name of the converter's */
    mambaCheckpointClose(checkpoint);
  }
  tempDirRemove(&dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(readsValuesAndTensors),     cmocka_unit_test(namesTheValueThatIsWrong),
      cmocka_unit_test(refusesWhatIsNotTheHeader), cmocka_unit_test(refusesBadValues),
      cmocka_unit_test(refusesBadTensors),         cmocka_unit_test(survivesDamage),
      cmocka_unit_test(presentsACheckpoint),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
