/* The evaluator of constant expressions, and the checks of files behind them. */
#include "support.h"

#include "mamba_math.h"

#include <stdlib.h>
#include <string.h>

static const float kW[6] = {1.5f, -2, 0.25f, 3, 0, -0.75f}; /* [2, 3] */

static Weight weights(const char *name) {
  return (Weight){.name = name, .dtype = MAMBA_DTYPE_F32, .rank = 2, .shape = {2, 3}, .data = kW};
}

/* The value that @forward names last. */
static MlirValue lastValue(MlirOperation module) {
  const MlirBlock block = mambaForwardBody(module);
  const MlirOperation terminator = mlirBlockGetTerminator(block);
  MlirOperation op = mlirBlockGetFirstOperation(block);
  while (!mlirOperationEqual(mlirOperationGetNextInBlock(op), terminator))
    op = mlirOperationGetNextInBlock(op);
  return mlirOperationGetResult(op, 0);
}

/* Parses `body` in a module with tensor @ckpt::@w [2, 3], and evaluates the value that it names last. */
static MambaStatus evaluate(Fixture *fixture, const char *body, bool wide, MambaConstant *constant,
                            MambaError *error) {
  char text[2048];
  const Weight w = weights("w");
  char *checkpoint = fixtureWriteWeights(fixture, "w.safetensors", "ckpt", &w, 1);
  snprintf(text, sizeof text,
           "func.func @forward() {\n  %%w = mamba.weight @ckpt::@w : tensor<2x3xf32>\n%s  return\n}", body);
  fixtureParse(fixture, checkpoint, text);
  free(checkpoint);
  const MlirOperation module = mlirModuleGetOperation(fixture->module);
  MambaParameters *parameters;
  MambaStatus status = mambaParametersCreate(module, 2, &parameters, error);
  assert_int_equal(status, MAMBA_OK);
  status = mambaParametersEvaluate(parameters, lastValue(module), wide, constant, error);
  mambaParametersDestroy(parameters);
  return status;
}

/* Evaluates in f32 and compares bytes. */
static void check(const char *body, MambaElement element, int rank, const int64_t *shape,
                  const void *expected, size_t bytes) {
  Fixture fixture;
  MambaConstant constant;
  MambaError error;
  fixtureCreate(&fixture);
  if (evaluate(&fixture, body, false, &constant, &error) != MAMBA_OK)
    fail_msg("%s", error.message);
  assert_int_equal(constant.element, element);
  assert_false(constant.wide);
  assert_int_equal(constant.rank, rank);
  for (int i = 0; i < rank; i++)
    assert_int_equal(constant.shape[i], shape[i]);
  assert_memory_equal(constant.data, expected, bytes);
  mambaConstantDestroy(&constant);
  fixtureDestroy(&fixture);
}

#define CHECK_FLOATS(body, rank, shape, ...)                                                                 \
  do {                                                                                                       \
    const float expected_[] = {__VA_ARGS__};                                                                 \
    check(body, MAMBA_ELEMENT_F32, rank, (const int64_t[])shape, expected_, sizeof expected_);               \
  } while (0)
#define SHAPE(...)                                                                                           \
  { __VA_ARGS__ }

static void testWeight(void **state) {
  (void)state;
  check("  %y = mamba.cast %w : tensor<2x3xf32> -> tensor<2x3xf32>\n", MAMBA_ELEMENT_F32, 2,
        (const int64_t[]){2, 3}, kW, sizeof kW);
}

static void testLayouts(void **state) {
  (void)state;
  CHECK_FLOATS("  %y = mamba.channels_last %w : tensor<2x3xf32> -> tensor<3x2xf32>\n", 2, SHAPE(3, 2), 1.5f,
               3, -2, 0, 0.25f, -0.75f);
  CHECK_FLOATS("  %y = mamba.slice %w from 1 : tensor<2x3xf32> -> tensor<2x2xf32>\n", 2, SHAPE(2, 2), -2,
               0.25f, 0, -0.75f);
  CHECK_FLOATS("  %y = mamba.slice_rows %w from 1 : tensor<2x3xf32> -> tensor<1x3xf32>\n", 2, SHAPE(1, 3), 3,
               0, -0.75f);
  CHECK_FLOATS("  %s = mamba.scale 2.5 : tensor<f32>\n"
               "  %y = mamba.broadcast %s : tensor<f32> -> tensor<2x1xf32>\n",
               2, SHAPE(2, 1), 2.5f, 2.5f);
  CHECK_FLOATS("  %s = mamba.absmax_scale %w : tensor<2x3xf32> -> tensor<2x1xf32>\n"
               "  %y = mamba.broadcast %s : tensor<2x1xf32> -> tensor<2x3xf32>\n",
               2, SHAPE(2, 3), 2.0f / 127, 2.0f / 127, 2.0f / 127, 3.0f / 127, 3.0f / 127, 3.0f / 127);
}

static void testScales(void **state) {
  (void)state;
  CHECK_FLOATS("  %y = mamba.absmax_scale %w : tensor<2x3xf32> -> tensor<f32>\n", 0, SHAPE(0), 3.0f / 127);
  CHECK_FLOATS("  %y = mamba.absmax_scale %w : tensor<2x3xf32> -> tensor<2x1xf32>\n", 2, SHAPE(2, 1),
               2.0f / 127, 3.0f / 127);
  CHECK_FLOATS("  %y = mamba.absmax_scale %w : tensor<2x3xf32> -> tensor<1x3xf32>\n", 2, SHAPE(1, 3),
               3.0f / 127, 2.0f / 127, 0.75f / 127);
  CHECK_FLOATS("  %y = mamba.absmax_scale %w : tensor<2x3xf32> -> tensor<2x3xf32>\n", 2, SHAPE(2, 3),
               1.5f / 127, 2.0f / 127, 0.25f / 127, 3.0f / 127, 0, 0.75f / 127);
  CHECK_FLOATS("  %y = mamba.reciprocal %w : tensor<2x3xf32>\n", 2, SHAPE(2, 3), 1 / 1.5f, 0, 4, 1 / 3.0f, 0,
               0);
}

static void testArithmetic(void **state) {
  (void)state;
  CHECK_FLOATS("  %y = mamba.add %w, %w : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>\n", 2,
               SHAPE(2, 3), 3, -4, 0.5f, 6, 0, -1.5f);
  CHECK_FLOATS("  %y = mamba.clamp %w to 1.0 : tensor<2x3xf32> -> tensor<2x3xf32>\n", 2, SHAPE(2, 3), 1, -1,
               0.25f, 1, 0, -0.75f);
  /* A vector along the last dimension, as fold-norm multiplies the columns of a weight. */
  CHECK_FLOATS("  %g = mamba.weight @ckpt::@w : tensor<2x3xf32>\n"
               "  %s = mamba.absmax_scale %g : tensor<2x3xf32> -> tensor<1x3xf32>\n"
               "  %y = mamba.mul %w, %s : (tensor<2x3xf32>, tensor<1x3xf32>) -> tensor<2x3xf32>\n",
               2, SHAPE(2, 3), 1.5f * (3.0f / 127), -2 * (2.0f / 127), 0.25f * (0.75f / 127),
               3 * (3.0f / 127), 0, -0.75f * (0.75f / 127));
  /* exp in f64, rounded once; e^1.5 and e^-2 to f32. */
  CHECK_FLOATS("  %a = mamba.slice %w from 0 : tensor<2x3xf32> -> tensor<2x2xf32>\n"
               "  %y = mamba.neg_exp %a : tensor<2x2xf32> -> tensor<2x2xf32>\n",
               2, SHAPE(2, 2), -4.48168907033806482f, -0.135335283236612691f, -20.0855369231876677f, -1);
}

/* One block of 16 rows and 4 columns, and the offsets -128 * (3 - 4), -128 * (6 - 2) behind it. */
static void testPack(void **state) {
  (void)state;
  static const int8_t packed[128] = {[0] = 3, -4, [4] = 6, 0, -2, [64] = -128, [69] = -2, -1, -1};
  check("  %s = mamba.scale 0.5 : tensor<f32>\n"
        "  %q = mamba.quantize %w, %s : tensor<2x3xf32>, tensor<f32> -> tensor<2x3xi8>\n"
        "  %y = mamba.pack %q : tensor<2x3xi8> -> tensor<2x16x4xi8>\n",
        MAMBA_ELEMENT_I8, 3, (const int64_t[]){2, 16, 4}, packed, sizeof packed);
}

static void testQuantize(void **state) {
  (void)state;
  /* rne(v / 0.5): 3, -4, 0.5 -> 0, 6, 0, -1.5 -> -2 */
  static const int8_t tensor[6] = {3, -4, 0, 6, 0, -2};
  static const int8_t rows[6] = {95, -127, 16, 127, 0, -32};
  check("  %s = mamba.scale 0.5 : tensor<f32>\n"
        "  %y = mamba.quantize %w, %s : tensor<2x3xf32>, tensor<f32> -> tensor<2x3xi8>\n",
        MAMBA_ELEMENT_I8, 2, (const int64_t[]){2, 3}, tensor, sizeof tensor);
  check("  %s = mamba.absmax_scale %w : tensor<2x3xf32> -> tensor<2x1xf32>\n"
        "  %y = mamba.quantize %w, %s : tensor<2x3xf32>, tensor<2x1xf32> -> tensor<2x3xi8>\n",
        MAMBA_ELEMENT_I8, 2, (const int64_t[]){2, 3}, rows, sizeof rows);
  CHECK_FLOATS("  %s = mamba.scale 0.5 : tensor<f32>\n"
               "  %q = mamba.quantize %w, %s : tensor<2x3xf32>, tensor<f32> -> tensor<2x3xi8>\n"
               "  %y = mamba.dequantize %q, %s : tensor<2x3xi8>, tensor<f32> -> tensor<2x3xf32>\n",
               2, SHAPE(2, 3), 1.5f, -2, 0, 3, 0, -1);
}

static void testHadamard(void **state) {
  (void)state;
  /* Along axis 0, of size 2: (a + b) / sqrt 2 and (a - b) / sqrt 2, in f64, rounded once. */
  const double r = 0.70710678118654752440;
  CHECK_FLOATS("  %y = mamba.hadamard %w axis 0 : tensor<2x3xf32> -> tensor<2x3xf32>\n", 2, SHAPE(2, 3),
               (float)(4.5 * r), (float)(-2 * r), (float)(-0.5 * r), (float)(-1.5 * r), (float)(-2 * r),
               (float)(1 * r));
}

static void testHalf(void **state) {
  (void)state;
  uint16_t half[6];
  for (int i = 0; i < 6; i++)
    half[i] = mambaFloatToHalf(kW[i]);
  check("  %y = mamba.cast %w : tensor<2x3xf32> -> tensor<2x3xf16>\n", MAMBA_ELEMENT_F16, 2,
        (const int64_t[]){2, 3}, half, sizeof half);
}

static void testWide(void **state) {
  (void)state;
  Fixture fixture;
  MambaConstant constant;
  MambaError error;
  fixtureCreate(&fixture);
  const MambaStatus status = evaluate(
      &fixture, "  %y = mamba.absmax_scale %w : tensor<2x3xf32> -> tensor<f32>\n", true, &constant, &error);
  assert_int_equal(status, MAMBA_OK);
  assert_true(constant.wide);
  assert_true(*(const double *)constant.data == 3.0 / 127);
  mambaConstantDestroy(&constant);
  fixtureDestroy(&fixture);
}

static void refuse(const char *body, MambaStatus expected, const char *message) {
  Fixture fixture;
  MambaConstant constant;
  MambaError error;
  fixtureCreate(&fixture);
  assert_int_equal(evaluate(&fixture, body, false, &constant, &error), expected);
  if (!strstr(error.message, message))
    fail_msg("expected \"%s\" in \"%s\"", message, error.message);
  fixtureDestroy(&fixture);
}

static void testRefused(void **state) {
  (void)state;
  refuse("  %y = mamba.weight @ckpt::@v : tensor<2x3xf32>\n", MAMBA_INVALID,
         "tensor 'v': not in the checkpoint");
  refuse("  %y = mamba.weight @ckpt::@w : tensor<3x2xf32>\n", MAMBA_INVALID,
         "tensor 'w': expected F32 of shape [3, 2], found F32 of shape [2, 3]");
  refuse("  %y = mamba.weight @ckpt::@w : tensor<2x3xf16>\n", MAMBA_INVALID,
         "tensor 'w': expected F16 of shape [2, 3], found F32 of shape [2, 3]");
  refuse("  %y = mamba.weight @ckpt::@w : tensor<2x3xi64>\n", MAMBA_UNSUPPORTED, "found another type");
  refuse("  %y = mamba.silu %w : tensor<2x3xf32> -> tensor<2x3xf32>\n", MAMBA_INVALID,
         "depends on weights and constants only");
  refuse("  %y = mamba.cast %w : tensor<2x3xf32> -> tensor<?x3xf32>\n", MAMBA_UNSUPPORTED, "a dynamic size");
}

/* 4-bit weights [1, 64] and the scales of two groups: what they stand for, or the message of why not. */
static void evaluateGroups(int8_t weight, int8_t scale, const char *message) {
  int8_t q[64], scales[2] = {3, scale}, expected[64];
  Fixture fixture;
  MambaParameters *parameters;
  MambaConstant constant;
  MambaError error;
  for (int i = 0; i < 64; i++) {
    q[i] = (int8_t)(i % 16 - 8);
    expected[i] = (int8_t)(q[i] * scales[i / 32]);
  }
  q[63] = weight;
  expected[63] = (int8_t)(weight * scale);
  const Weight weights[] = {{"q", MAMBA_DTYPE_I8, 2, {1, 64}, q}, {"s", MAMBA_DTYPE_I8, 2, {1, 2}, scales}};
  fixtureCreate(&fixture);
  char *checkpoint = fixtureWriteWeights(&fixture, "i4.safetensors", "ckpt", weights, 2);
  fixtureParse(&fixture, checkpoint,
               "func.func @forward() {\n"
               "  %q = mamba.weight @ckpt::@q : tensor<1x64xi4>\n"
               "  %s = mamba.weight @ckpt::@s : tensor<1x2xi8>\n"
               "  %w = mamba.scale_groups %q, %s : (tensor<1x64xi4>, tensor<1x2xi8>) -> tensor<1x64xi8>\n"
               "  return\n}");
  free(checkpoint);
  const MlirOperation module = mlirModuleGetOperation(fixture.module);
  assert_int_equal(mambaParametersCreate(module, 1, &parameters, &error), MAMBA_OK);
  const MambaStatus status =
      mambaParametersEvaluate(parameters, lastValue(module), false, &constant, &error);
  assert_int_equal(status, message ? MAMBA_INVALID : MAMBA_OK);
  if (message) {
    assert_non_null(strstr(error.message, message));
  } else {
    assert_memory_equal(constant.data, expected, sizeof expected);
    mambaConstantDestroy(&constant);
  }
  mambaParametersDestroy(parameters);
  fixtureDestroy(&fixture);
}

static void testGroups(void **state) {
  (void)state;
  evaluateGroups(-8, 15, NULL);
  evaluateGroups(8, 15, "4-bit weights: expected integers from -8 to 7, found 8");
  evaluateGroups(0, 16, "scales of groups: expected integers from 0 to 15, found 16");
}

/* Enough rows for the workers to share them. */
enum { ROWS = 131, COLUMNS = 384 };

static MambaConstant evaluateLarge(const char *body, int threads) {
  static float data[ROWS * COLUMNS];
  Fixture fixture;
  MambaParameters *parameters;
  MambaConstant constant;
  MambaError error;
  char text[2048];
  uint64_t seed = 3;
  for (int i = 0; i < ROWS * COLUMNS; i++)
    data[i] = nextUniform(&seed);
  const Weight w = {.name = "w", .dtype = MAMBA_DTYPE_F32, .rank = 2, .shape = {ROWS, COLUMNS}, .data = data};
  fixtureCreate(&fixture);
  char *checkpoint = fixtureWriteWeights(&fixture, "w.safetensors", "ckpt", &w, 1);
  snprintf(text, sizeof text,
           "func.func @forward() {\n  %%w = mamba.weight @ckpt::@w : tensor<131x384xf32>\n%s  return\n}",
           body);
  fixtureParse(&fixture, checkpoint, text);
  free(checkpoint);
  const MlirOperation module = mlirModuleGetOperation(fixture.module);
  assert_int_equal(mambaParametersCreate(module, threads, &parameters, &error), MAMBA_OK);
  assert_int_equal(mambaParametersEvaluate(parameters, lastValue(module), false, &constant, &error),
                   MAMBA_OK);
  mambaParametersDestroy(parameters);
  fixtureDestroy(&fixture);
  return constant;
}

static void testThreads(void **state) {
  (void)state;
#define TYPE "tensor<131x384xf32>"
  static const char *const bodies[] = {
      "  %y = mamba.hadamard %w axis 1 : " TYPE " -> " TYPE "\n",
      "  %y = mamba.absmax_scale %w : " TYPE " -> tensor<f32>\n",
      "  %y = mamba.absmax_scale %w : " TYPE " -> tensor<131x1xf32>\n",
      "  %y = mamba.absmax_scale %w : " TYPE " -> tensor<1x384xf32>\n",
      "  %s = mamba.absmax_scale %w : " TYPE " -> tensor<131x1xf32>\n"
      "  %y = mamba.quantize %w, %s : " TYPE ", tensor<131x1xf32> -> tensor<131x384xi8>\n",
  };
#undef TYPE
  for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
    MambaConstant one = evaluateLarge(bodies[i], 1);
    for (int threads = 2; threads <= 5; threads += 3) {
      MambaConstant more = evaluateLarge(bodies[i], threads);
      assert_int_equal(more.count, one.count);
      assert_memory_equal(more.data, one.data, one.count * mambaElementSize(one.element));
      mambaConstantDestroy(&more);
    }
    mambaConstantDestroy(&one);
  }
}

/* A file that changed since the IR was made is refused. */
static void testHash(void **state) {
  (void)state;
  Fixture fixture;
  MambaConstant constant;
  MambaError error;
  fixtureCreate(&fixture);
  const Weight w = weights("w");
  free(fixtureWriteWeights(&fixture, "w.safetensors", "ckpt", &w, 1));
  char checkpoint[512];
  snprintf(checkpoint, sizeof checkpoint, "mamba.checkpoint @ckpt \"%s\" hash \"xxh3:0000000000000000\"\n",
           tempDirPath(&fixture.dir, "w.safetensors"));
  fixtureParse(&fixture, checkpoint,
               "func.func @forward() {\n  %w = mamba.weight @ckpt::@w : tensor<2x3xf32>\n  return\n}");
  const MlirOperation module = mlirModuleGetOperation(fixture.module);
  const MlirOperation op = mlirBlockGetFirstOperation(mambaForwardBody(module));
  MambaParameters *parameters;
  assert_int_equal(mambaParametersCreate(module, 2, &parameters, &error), MAMBA_OK);
  assert_int_equal(
      mambaParametersEvaluate(parameters, mlirOperationGetResult(op, 0), false, &constant, &error),
      MAMBA_INVALID);
  assert_non_null(strstr(error.message, "expected the hash \"xxh3:0000000000000000\""));
  mambaParametersDestroy(parameters);
  fixtureDestroy(&fixture);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testWeight),     cmocka_unit_test(testLayouts), cmocka_unit_test(testScales),
      cmocka_unit_test(testArithmetic), cmocka_unit_test(testPack),    cmocka_unit_test(testQuantize),
      cmocka_unit_test(testHadamard),   cmocka_unit_test(testHalf),    cmocka_unit_test(testWide),
      cmocka_unit_test(testRefused),    cmocka_unit_test(testHash),    cmocka_unit_test(testThreads),
      cmocka_unit_test(testGroups),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
