/* Element types, sizes of shapes, and reading elements from data of any alignment. */
#include "mamba/tensor.h"

#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

static void testDtypeNames(void **state) {
  (void)state;
  MambaDtype dtype;
  for (int i = 0; i < MAMBA_DTYPE_Q8_0; i++) {
    assert_true(mambaDtypeFromName(mambaDtypeGetName((MambaDtype)i), &dtype));
    assert_int_equal(dtype, i);
  }
  assert_string_equal(mambaDtypeGetName(MAMBA_DTYPE_BF16), "BF16");
  assert_int_equal(mambaDtypeGetSize(MAMBA_DTYPE_BF16), 2);
  assert_false(mambaDtypeFromName("", &dtype));
  assert_false(mambaDtypeFromName("F3", &dtype));
  assert_false(mambaDtypeFromName(mambaDtypeGetName(MAMBA_DTYPE_Q8_0), &dtype)); /* not of safetensors */
}

static void testShapeBytes(void **state) {
  (void)state;
  size_t bytes = 0;
  assert_true(mambaShapeGetBytes(MAMBA_DTYPE_F32, 0, NULL, &bytes));
  assert_int_equal(bytes, 4);
  assert_true(mambaShapeGetBytes(MAMBA_DTYPE_F16, 2, (const int64_t[]){3, 5}, &bytes));
  assert_int_equal(bytes, 30);
  assert_true(mambaShapeGetBytes(MAMBA_DTYPE_F16, 2, (const int64_t[]){3, 0}, &bytes));
  assert_int_equal(bytes, 0);
  assert_true(mambaShapeGetBytes(MAMBA_DTYPE_U8, 1, (const int64_t[]){INT64_MAX}, &bytes));
  assert_false(mambaShapeGetBytes(MAMBA_DTYPE_U16, 1, (const int64_t[]){INT64_MAX}, &bytes));
  assert_false(mambaShapeGetBytes(MAMBA_DTYPE_U8, 2, (const int64_t[]){INT64_MAX, 2}, &bytes));
  assert_false(mambaShapeGetBytes(MAMBA_DTYPE_U8, 1, (const int64_t[]){-1}, &bytes));
}

static void testShapeFormat(void **state) {
  (void)state;
  char text[MAMBA_SHAPE_TEXT];
  assert_string_equal(mambaShapeFormat(0, NULL, text), "[]");
  assert_string_equal(mambaShapeFormat(2, (const int64_t[]){2, 3}, text), "[2, 3]");
  const int64_t longest[MAMBA_MAX_RANK] = {INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN,
                                           INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN};
  assert_int_equal(strlen(mambaShapeFormat(MAMBA_MAX_RANK, longest, text)), 8 * 20 + 7 * 2 + 2);
}

/* 1, -2, 0.5 in each type, behind one byte that spoils every alignment. */
static void testReadEachType(void **state) {
  (void)state;
  static const struct {
    MambaDtype dtype;
    const char *bytes;
  } cases[] = {
      {MAMBA_DTYPE_F16, "\xff\x00\x3c\x00\xc0\x00\x38"},
      {MAMBA_DTYPE_BF16, "\xff\x80\x3f\x00\xc0\x00\x3f"},
      {MAMBA_DTYPE_F32, "\xff\x00\x00\x80\x3f\x00\x00\x00\xc0\x00\x00\x00\x3f"},
      {MAMBA_DTYPE_F64, "\xff\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\x00\xc0\0\0\0\0\0\0\xe0\x3f"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const MambaTensorView tensor = {.name = "t",
                                    .dtype = cases[i].dtype,
                                    .rank = 1,
                                    .shape = {3},
                                    .bytes = 3 * mambaDtypeGetSize(cases[i].dtype),
                                    .data = cases[i].bytes + 1};
    MambaError error;
    double wide[3] = {0};
    float narrow[2] = {0};
    assert_int_equal(mambaTensorReadF64(&tensor, 0, 3, wide, &error), MAMBA_OK);
    assert_true(wide[0] == 1 && wide[1] == -2 && wide[2] == 0.5);
    if (cases[i].dtype == MAMBA_DTYPE_F64) {
      assert_int_equal(mambaTensorReadF32(&tensor, 1, 2, narrow, &error), MAMBA_UNSUPPORTED);
      assert_string_equal(error.message, "tensor 't': expected F16, BF16, F32 or Q8_0, found F64");
    } else {
      assert_int_equal(mambaTensorReadF32(&tensor, 1, 2, narrow, &error), MAMBA_OK);
      assert_true(narrow[0] == -2 && narrow[1] == 0.5f);
    }
    assert_int_equal(mambaTensorReadF32(&tensor, 2, 2, narrow, &error), MAMBA_INVALID);
    assert_string_equal(error.message, "tensor 't': expected a range within its 3 elements, found 2 + 2");
    assert_int_equal(mambaTensorReadF64(&tensor, 4, 0, wide, &error), MAMBA_INVALID);
    assert_int_equal(mambaTensorReadF64(&tensor, 1, SIZE_MAX, wide, &error), MAMBA_INVALID);
  }
}

/* Longer than the block in which F64 reads widen. */
static void testReadLong(void **state) {
  (void)state;
  float values[1000];
  double wide[999];
  MambaError error;
  for (int i = 0; i < 1000; i++)
    values[i] = (float)i / 3;
  const MambaTensorView tensor = {.name = "t",
                                  .dtype = MAMBA_DTYPE_F32,
                                  .rank = 1,
                                  .shape = {1000},
                                  .bytes = sizeof values,
                                  .data = values};
  assert_int_equal(mambaTensorReadF64(&tensor, 1, 999, wide, &error), MAMBA_OK);
  for (int i = 0; i < 999; i++)
    assert_true(wide[i] == values[i + 1]);
}

static void testReadInteger(void **state) {
  (void)state;
  MambaError error;
  double value;
  const MambaTensorView tensor = {
      .name = "t", .dtype = MAMBA_DTYPE_I8, .rank = 1, .shape = {1}, .bytes = 1, .data = "\1"};
  assert_int_equal(mambaTensorReadF64(&tensor, 0, 1, &value, &error), MAMBA_UNSUPPORTED);
  assert_string_equal(error.message, "tensor 't': expected F16, BF16, F32, F64 or Q8_0, found I8");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testDtypeNames),   cmocka_unit_test(testShapeBytes), cmocka_unit_test(testShapeFormat),
      cmocka_unit_test(testReadEachType), cmocka_unit_test(testReadLong),   cmocka_unit_test(testReadInteger),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
