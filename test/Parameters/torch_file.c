/* The reader of torch.save's files, on files that PyTorch wrote (test/Import/torch/make.py) and on damaged
 * ones. */
#include "mamba/torch_file.h"

#include "mamba/checkpoint.h"
#include "tempdir.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const MambaTensorView *find(const MambaTorchFile *file, const char *name) {
  for (size_t i = 0; i < mambaTorchFileGetCount(file); i++)
    if (strcmp(mambaTorchFileGet(file, i)->name, name) == 0)
      return mambaTorchFileGet(file, i);
  fail_msg("no tensor '%s'", name);
  return NULL;
}

static void readsEveryKind(void **state) {
  (void)state;
  static const struct {
    const char *name;
    MambaDtype dtype;
  } kinds[] = {{"f32", MAMBA_DTYPE_F32},  {"f16", MAMBA_DTYPE_F16}, {"bf16", MAMBA_DTYPE_BF16},
               {"f64", MAMBA_DTYPE_F64},  {"i64", MAMBA_DTYPE_I64}, {"i32", MAMBA_DTYPE_I32},
               {"i16", MAMBA_DTYPE_I16},  {"i8", MAMBA_DTYPE_I8},   {"u8", MAMBA_DTYPE_U8},
               {"bool", MAMBA_DTYPE_BOOL}};
  MambaTorchFile *file = NULL;
  MambaError error = {0};
  float floats[12];
  if (mambaTorchFileOpen("Parameters/torch/kinds.bin", &file, &error) != MAMBA_OK)
    fail_msg("%s", error.message);
  assert_int_equal(mambaTorchFileGetCount(file), 15);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    const MambaTensorView *tensor = find(file, kinds[i].name);
    assert_int_equal(tensor->dtype, kinds[i].dtype);
    assert_int_equal(mambaTensorGetCount(tensor), 12);
    if (tensor->dtype == MAMBA_DTYPE_F32 || tensor->dtype == MAMBA_DTYPE_F16 ||
        tensor->dtype == MAMBA_DTYPE_BF16) {
      assert_int_equal(mambaTensorReadF32(tensor, 0, 12, floats, &error), MAMBA_OK);
      for (int k = 0; k < 12; k++)
        assert_true(floats[k] == (float)k);
    }
  }
  const MambaTensorView *f32 = find(file, "f32"), *row = find(file, "row");
  assert_int_equal(f32->rank, 2);
  assert_true(f32->shape[0] == 3 && f32->shape[1] == 4);
  assert_ptr_equal(find(file, "shared")->data, f32->data);
  assert_ptr_equal(row->data, (const char *)f32->data + 16);
  assert_int_equal(row->bytes, 16);
  assert_int_equal(find(file, "empty")->bytes, 0);
  assert_int_equal(find(file, "scalar")->rank, 0);
  assert_int_equal(find(file, "parameter")->bytes, 8);
  mambaTorchFileClose(file);
}

static void refusesByName(void **state) {
  (void)state;
  static const struct {
    const char *path, *message;
    MambaStatus status;
  } cases[] = {
      {"legacy.bin", "a file of PyTorch before 1.6", MAMBA_UNSUPPORTED},
      {"transposed.bin", "tensor 'turned' of shape [3, 2] is stored transposed", MAMBA_UNSUPPORTED},
      {"nested.bin", "'model': expected a tensor, found another value", MAMBA_UNSUPPORTED},
      {"number.bin", "'step': expected a tensor, found another value", MAMBA_UNSUPPORTED},
      {"evil.bin", "'evil': expected a tensor, found a call of posix.system", MAMBA_UNSUPPORTED},
      {"compressed.bin", "expected it stored, found it compressed", MAMBA_UNSUPPORTED},
      {"../torch_file.c", "not a whole ZIP archive: no end of the central directory", MAMBA_INVALID},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    MambaTorchFile *file = NULL;
    MambaError error = {0};
    char path[128];
    snprintf(path, sizeof path, "Parameters/torch/%s", cases[i].path);
    assert_int_equal(mambaTorchFileOpen(path, &file, &error), cases[i].status);
    if (strncmp(error.message, path, strlen(path)) != 0 || !strstr(error.message, cases[i].message))
      fail_msg("expected '%s' in '%s'", cases[i].message, error.message);
  }
}

/* Parses a copy of exactly the size, so that AddressSanitizer sees a read beyond. */
static MambaStatus parse(const char *bytes, size_t size, MambaError *error) {
  MambaTorchFile *file = NULL;
  char *copy = malloc(size ? size : 1);
  assert_non_null(copy);
  memcpy(copy, bytes, size);
  const MambaStatus status = mambaTorchFileParse(copy, size, "file", &file, error);
  mambaTorchFileClose(file);
  free(copy);
  return status;
}

static void survivesDamage(void **state) {
  (void)state;
  size_t size;
  char *bytes = readWholeFile("Parameters/torch/kinds.bin", &size);
  MambaError error = {0};
  assert_int_equal(parse(bytes, size, &error), MAMBA_OK);
  for (size_t end = 0; end < size; end++)
    assert_int_not_equal(parse(bytes, end, &error), MAMBA_OK);
  for (size_t at = 0; at < size; at++) {
    for (int bit = 0; bit < 8; bit++) {
      bytes[at] = (char)(bytes[at] ^ (1 << bit));
      if (parse(bytes, size, &error) != MAMBA_OK)
        assert_true(strncmp(error.message, "file: ", 6) == 0);
      bytes[at] = (char)(bytes[at] ^ (1 << bit));
    }
  }
  free(bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(readsEveryKind),
      cmocka_unit_test(refusesByName),
      cmocka_unit_test(survivesDamage),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
