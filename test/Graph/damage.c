/* Exported graphs that are cut off or changed: a message, or a model; never a read beyond. */
#include "mamba/graph_model.h"
#include "tempdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Every STEP-th byte; MAMBA_DAMAGE_STEP=1 in the environment takes all of them, and some minutes. */
static size_t stepOf(size_t usual) {
  const char *named = getenv("MAMBA_DAMAGE_STEP");
  return named && atoi(named) > 0 ? (size_t)atoi(named) : usual;
}

/* Parses a copy of exactly the size, so that AddressSanitizer sees a read beyond. */
static MambaStatus parse(MambaGraphFormat format, const char *bytes, size_t size, MambaError *error) {
  MambaGraphModel *model = NULL;
  char *copy = malloc(size ? size : 1);
  assert_non_null(copy);
  memcpy(copy, bytes, size);
  const MambaStatus status = mambaGraphModelParse(format, copy, size, "file", &model, error);
  mambaGraphModelClose(model);
  free(copy);
  return status;
}

static void damage(MambaGraphFormat format, const char *path, size_t step) {
  size_t size;
  char *bytes = readWholeFile(path, &size);
  MambaError error = {0};
  assert_int_equal(parse(format, bytes, size, &error), MAMBA_OK);
  for (size_t end = 0; end < size; end += end + 64 < size ? step : 1) /* a last field is short */
    assert_int_not_equal(parse(format, bytes, end, &error), MAMBA_OK);
  for (size_t at = 0; at < size; at += step) {
    bytes[at] = (char)(bytes[at] ^ (1 << at % 8));
    if (parse(format, bytes, size, &error) != MAMBA_OK)
      assert_true(strncmp(error.message, "file: ", 6) == 0);
    bytes[at] = (char)(bytes[at] ^ (1 << at % 8));
  }
  free(bytes);
}

static void testTorch(void **state) {
  (void)state;
  damage(MAMBA_GRAPH_TORCH, "Import/exported/decode.pt2", stepOf(1009));
}

static void testOnnx(void **state) {
  (void)state;
  damage(MAMBA_GRAPH_ONNX, "Import/exported/decode.onnx", stepOf(17));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testTorch),
      cmocka_unit_test(testOnnx),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
