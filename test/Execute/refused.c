/* Programs and inputs that the executor refuses, each with its message, told once: by a diagnostic at the op,
 * or in the error. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

static const float kTable[7 * 4];

static const Weight kWeights[] = {
    {"table", MAMBA_DTYPE_F32, 2, {7, 4}, kTable},
    {"wide", MAMBA_DTYPE_F32, 3, {4, 1, 4}, kTable},
    {"column", MAMBA_DTYPE_F32, 3, {4, 1, 1}, kTable},
};

static void parse(Fixture *fixture, const char *body) {
  char *checkpoint =
      fixtureWriteWeights(fixture, "w.safetensors", "ckpt", kWeights, sizeof kWeights / sizeof *kWeights);
  fixtureParse(fixture, checkpoint, body);
  free(checkpoint);
}

static void refuse(const char *body, MambaExecutorOptions options, const char *message, bool diagnosed) {
  Fixture fixture;
  MambaExecutor *executor;
  MambaError error;
  fixtureCreate(&fixture);
  parse(&fixture, body);
  assert_int_not_equal(
      mambaExecutorCreate(mlirModuleGetOperation(fixture.module), 1, options, &executor, &error), MAMBA_OK);
  const char *told = diagnosed ? fixture.diagnostics : error.message;
  if (!strstr(told, message))
    fail_msg("expected \"%s\" in \"%s\"", message, told);
  assert_string_equal(diagnosed ? error.message : fixture.diagnostics, "");
  fixtureDestroy(&fixture);
}

#define FUNCTION(result, body)                                                                               \
  "func.func @forward(%ids: tensor<?x?xi32>) -> " result " {\n"                                              \
  "  %t = mamba.weight @ckpt::@table : tensor<7x4xf32>\n"                                                    \
  "  %x = mamba.embedding %ids, %t : (tensor<?x?xi32>, tensor<7x4xf32>) -> tensor<?x?x4xf32>\n" body         \
  "  return %y : " result "\n}"

static void testFunction(void **state) {
  (void)state;
  const MambaExecutorOptions options = {0};
  refuse("func.func @other() {\n  return\n}", options, "expected a function @forward with one block", false);
  refuse("func.func @forward() {\n  return\n}", options, "expected one tensor<?x?xi32> of token ids", false);
  refuse("func.func @forward(%ids: tensor<?x?xf32>) -> tensor<?x?xf32> {\n  return %ids : tensor<?x?xf32>\n}",
         options, "expected one tensor<?x?xi32> of token ids", false);
  refuse("func.func @forward(%ids: tensor<?x?xi32>) -> tensor<?x?xi32> {\n  return %ids : tensor<?x?xi32>\n}",
         options, "expected logits of f32 computed at run time", true);
  refuse("func.func @forward(%ids: tensor<?x?xi32>) -> tensor<7x4xf32> {\n"
         "  %t = mamba.weight @ckpt::@table : tensor<7x4xf32>\n  return %t : tensor<7x4xf32>\n}",
         options, "expected logits of f32 computed at run time", true);
}

static void testOps(void **state) {
  (void)state;
  const MambaExecutorOptions options = {0}, wide = {.wide = true};
  refuse(FUNCTION("tensor<?x?x4xf16>", "  %y = mamba.cast %x : tensor<?x?x4xf32> -> tensor<?x?x4xf16>\n"),
         options, "expected logits of f32 computed at run time", true);
  refuse(FUNCTION("tensor<?x?x4xf32>", "  %y = mamba.cast %x : tensor<?x?x4xf32> -> tensor<?x?x4xf32>\n"
                                       "  func.call @f() : () -> ()\n") "\nfunc.func private @f()",
         options, "expected an op of the mamba dialect that runs", true);
  refuse(FUNCTION("tensor<?x5x4xf32>", "  %y = mamba.cast %x : tensor<?x?x4xf32> -> tensor<?x5x4xf32>\n"),
         options, "expected tensor<?x?xN>", true);
  refuse(FUNCTION("tensor<?x?x?xf32>", "  %y = mamba.cast %x : tensor<?x?x4xf32> -> tensor<?x?x?xf32>\n"),
         options, "expected tensor<?x?xN>", true);
  refuse(FUNCTION("tensor<?x?x4xf32>",
                  "  %s = mamba.absmax_scale %x : tensor<?x?x4xf32> -> tensor<f32>\n"
                  "  %q = mamba.quantize %x, %s : tensor<?x?x4xf32>, tensor<f32> -> tensor<?x?x4xi8>\n"
                  "  %y = mamba.dequantize %q, %s : tensor<?x?x4xi8>, tensor<f32> -> tensor<?x?x4xf32>\n"),
         options, "expected a scale per token", true);
  refuse(FUNCTION("tensor<?x?x4xf32>",
                  "  %w = mamba.weight @ckpt::@wide : tensor<4x1x4xf32>\n"
                  "  %y = mamba.mul %x, %w : (tensor<?x?x4xf32>, tensor<4x1x4xf32>) -> tensor<?x?x4xf32>\n"),
         options, "expected a constant of 1 or 4 values", true);
  refuse(FUNCTION("tensor<?x?x4xf32>",
                  "  %w = mamba.weight @ckpt::@column : tensor<4x1x1xf32>\n"
                  "  %y = mamba.mul %x, %w : (tensor<?x?x4xf32>, tensor<4x1x1xf32>) -> tensor<?x?x4xf32>\n"),
         options, "expected a constant of 1 or 4 values", true);
  refuse(FUNCTION("tensor<?x?x4xf32>",
                  "  %w = mamba.weight @ckpt::@missing : tensor<4x4xf32>\n"
                  "  %y = mamba.linear %x, %w : (tensor<?x?x4xf32>, tensor<4x4xf32>) -> tensor<?x?x4xf32>\n"),
         options, "tensor 'missing': not in the checkpoint", true);
  refuse(FUNCTION("tensor<?x?x1xf32>", "  %q, %y = mamba.quantize_rows %x : (tensor<?x?x4xf32>) -> "
                                       "(tensor<?x?x4xi8>, tensor<?x?x1xf32>)\n"),
         wide, "expected float ops for a run in f64", true);
  refuse(FUNCTION("tensor<?x?x1xf32>",
                  "  %s = mamba.scale 1.0 : tensor<f32>\n"
                  "  %p = mamba.quantize %x, %s : tensor<?x?x4xf32>, tensor<f32> -> tensor<?x?x4xi8>\n"
                  "  %q, %y = mamba.quantize_rows %p : (tensor<?x?x4xi8>) -> (tensor<?x?x4xi8>, "
                  "tensor<?x?x1xf32>)\n"),
         options, "input: expected f16 or f32, found i8", true);
}

static void testRuns(void **state) {
  (void)state;
  Fixture fixture;
  MambaExecutor *executor;
  MambaError error;
  float logits[3 * 4];
  fixtureCreate(&fixture);
  parse(&fixture,
        FUNCTION("tensor<?x?x4xf32>", "  %y = mamba.silu %x : tensor<?x?x4xf32> -> tensor<?x?x4xf32>\n"));
  const MlirOperation module = mlirModuleGetOperation(fixture.module);
  assert_int_equal(mambaExecutorCreate(module, 0, (MambaExecutorOptions){0}, &executor, &error),
                   MAMBA_INVALID);
  assert_int_equal(mambaExecutorCreate(module, INT64_MAX, (MambaExecutorOptions){0}, &executor, &error),
                   MAMBA_INVALID);
  assert_int_equal(mambaExecutorCreate(module, 1, (MambaExecutorOptions){.threads = -1}, &executor, &error),
                   MAMBA_INVALID);
  assert_non_null(strstr(error.message, "threads: expected a number from 1 to 1024"));
  executor = fixtureExecutor(&fixture, 1, (MambaExecutorOptions){0});
  assert_int_equal(mambaExecutorBatch(executor), 1);
  assert_int_equal(
      mambaExecutorRun(executor, (const int32_t[]){0, 7, 1}, 3, MAMBA_LOGITS_ALL, logits, &error),
      MAMBA_INVALID);
  assert_string_equal(error.message, "sequence 0, token 1: expected an id from 0 to 6, found 7");
  assert_int_equal(mambaExecutorRun(executor, (const int32_t[]){-1}, 1, MAMBA_LOGITS_ALL, logits, &error),
                   MAMBA_INVALID);
  assert_int_equal(mambaExecutorRun(executor, (const int32_t[]){1}, 0, MAMBA_LOGITS_ALL, logits, &error),
                   MAMBA_INVALID);
  assert_int_equal(
      mambaExecutorRun(executor, (const int32_t[]){1}, INT64_MAX, MAMBA_LOGITS_ALL, logits, &error),
      MAMBA_INVALID);
  assert_int_equal(mambaExecutorRun(executor, (const int32_t[]){1}, 1, MAMBA_LOGITS_ALL, NULL, &error),
                   MAMBA_INVALID);
  assert_int_equal(
      mambaExecutorRun(executor, (const int32_t[]){0, 6, 1}, 3, MAMBA_LOGITS_ALL, logits, &error), MAMBA_OK);
  mambaExecutorDestroy(executor);
  fixtureDestroy(&fixture);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testFunction),
      cmocka_unit_test(testOps),
      cmocka_unit_test(testRuns),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
