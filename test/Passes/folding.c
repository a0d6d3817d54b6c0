/* Folding keeps the numbers: to 1e-12 relative in f64 on random weights, exactly on integers at n = 4^k. */
#include "mamba/passes.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "block_model.h"
#include "mamba/checkpoint.h"

enum { LOGITS = BLOCK_TOKENS * BLOCK_VOCABULARY };

/* The largest difference, in terms of the largest value. */
static double distance(const double *a, const double *b) {
  double difference = 0, largest = 0;
  for (int i = 0; i < LOGITS; i++) {
    difference = fmax(difference, fabs(a[i] - b[i]));
    largest = fmax(largest, fabs(a[i]));
  }
  assert_true(largest > 1e-3 && isfinite(largest));
  return difference / largest;
}

static bool has(MlirModule module, const char *what) {
  char *text = blockPrint(module);
  const bool found = strstr(text, what) != NULL;
  free(text);
  return found;
}

/* fold-norm, rotate and fold-hadamard on a whole block, with sizes of every order. */
static void block(void **state) {
  (void)state;
  static const int64_t sizes[] = {8, 12, 20, 28, 32, 40, 48};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    BlockModel model;
    blockModelCreate(&model, sizes[i]);
    const MlirModule plain = blockParse(model.context, model.text),
                     folded = blockParse(model.context, model.text);
    const MlirOperation op = mlirModuleGetOperation(folded);
    const MambaRotateOptions rotate = {.sites = "y,in,head"};
    double *expected = blockRun(plain, true);

    assert_true(mambaPassFoldNorm(op));
    assert_false(has(folded, " gamma "));
    double *found = blockRun(folded, true);
    assert_true(distance(expected, found) < 1e-12);
    free(found);

    assert_true(mambaPassRotate(op, &rotate));
    found = blockRun(folded, true);
    assert_true(distance(expected, found) < 1e-12);
    free(found);

    assert_true(mambaPassFoldHadamard(op));
    assert_false(has(folded, "transpose"));
    found = blockRun(folded, true);
    assert_true(distance(expected, found) < 1e-12);
    free(found);

    free(expected);
    mlirModuleDestroy(plain);
    mlirModuleDestroy(folded);
    blockModelDestroy(&model);
  }
}

/* The residual stream in Hadamard space: the same logits, and no transform but out_proj's is left. */
static void residual(void **state) {
  (void)state;
  static const int64_t sizes[] = {8, 12, 20, 28, 40};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    BlockModel model;
    blockModelCreate(&model, sizes[i]);
    const MlirModule plain = blockParse(model.context, model.text),
                     rotated = blockParse(model.context, model.text);
    const MlirOperation op = mlirModuleGetOperation(rotated);
    const MambaRotateOptions options = {.sites = "residual,y"};
    for (int wide = 0; wide < 2; wide++) {
      double *expected = blockRun(plain, wide);
      if (!wide) {
        assert_true(mambaPassFoldNorm(op) && mambaPassRotate(op, &options) && mambaPassFoldHadamard(op));
        assert_false(has(rotated, "transpose"));
      }
      double *found = blockRun(rotated, wide);
      assert_true(distance(expected, found) < (wide ? 1e-12 : 1e-4));
      free(expected);
      free(found);
    }
    mlirModuleDestroy(plain);
    mlirModuleDestroy(rotated);
    blockModelDestroy(&model);
  }
}

/* Smoothing with any strength leaves the logits. */
static void smoothing(void **state) {
  (void)state;
  static const double strengths[] = {0, 0.5, 1};
  for (size_t i = 0; i < sizeof strengths / sizeof *strengths; i++) {
    BlockModel model;
    blockModelCreate(&model, 8);
    const MlirModule plain = blockParse(model.context, model.text),
                     smoothed = blockParse(model.context, model.text);
    const MlirOperation op = mlirModuleGetOperation(smoothed);
    const char *file = tempDirPath(&model.dir, "statistics.json");
    const MambaCalibrateOptions calibrate = {
        .calibration = "self", .samples = 1, .length = 8, .statistics = file, .part = "1/1"};
    const MambaSmoothOptions options = {.sites = "in,y", .strength = strengths[i]};
    assert_true(mambaPassCalibrate(op, &calibrate) && mambaPassSmooth(op, &options));
    assert_true(has(smoothed, "mamba.smoothing"));
    double *expected = blockRun(plain, true), *found = blockRun(smoothed, true);
    assert_true(distance(expected, found) < 1e-12);
    free(expected);
    free(found);
    mlirModuleDestroy(plain);
    mlirModuleDestroy(smoothed);
    blockModelDestroy(&model);
  }
}

/* Transforms that move backward into an embedding and a linear layer with a bias, and forward into another.
 */
static MlirModule parseChain(MlirContext context, const TempDir *dir, int n) {
  char text[4096];
  MambaCheckpoint *checkpoint = NULL;
  MambaError error;
  const char *path = tempDirPath(dir, "model.safetensors");
  assert_int_equal(mambaCheckpointOpen(path, &checkpoint, &error), MAMBA_OK);
  snprintf(text, sizeof text,
           "mamba.checkpoint @ckpt \"%s\" hash \"%s\"\n"
           "!a = tensor<?x?x%dxf32>\n"
           "!w = tensor<%dx%dxf32>\n"
           "!e = tensor<24x%dxf32>\n"
           "!b = tensor<%dxf32>\n"
           "func.func @forward(%%ids: tensor<?x?xi32>) -> tensor<?x?x24xf32> {\n"
           "  %%e = mamba.weight @ckpt::@e : !e\n"
           "  %%w = mamba.weight @ckpt::@w : !w\n"
           "  %%b = mamba.weight @ckpt::@b : !b\n"
           "  %%head = mamba.weight @ckpt::@head : !e\n"
           "  %%h = mamba.embedding %%ids, %%e : (tensor<?x?xi32>, !e) -> !a\n"
           "  %%hr = mamba.hadamard %%h axis 2 : !a -> !a\n"
           "  %%l = mamba.linear %%hr, %%w bias %%b : (!a, !w, !b) -> !a\n"
           "  %%lr = mamba.hadamard %%l axis 2 : !a -> !a\n"
           "  %%lrt = mamba.clamp %%lr to 1.0e30 : !a -> !a\n"
           "  %%lt = mamba.hadamard %%lrt axis 2 transpose : !a -> !a\n"
           "  %%logits = mamba.linear %%lt, %%head : (!a, !e) -> tensor<?x?x24xf32> loc(\"logits\")\n"
           "  return %%logits : tensor<?x?x24xf32>\n"
           "}\n",
           path, mambaCheckpointGetHash(checkpoint), n, n, n, n, n);
  mambaCheckpointClose(checkpoint);
  return blockParse(context, text);
}

static double foldChain(int n, float (*value)(const char *tensor)) {
  TempDir dir;
  tempDirCreate(&dir);
  const BlockTensor tensors[] = {{"e", {24, n}}, {"w", {n, n}}, {"b", {n}}, {"head", {24, n}}};
  blockWriteWeights(&dir, tensors, 4, value);
  const MlirContext context = blockContext();
  const MlirModule plain = parseChain(context, &dir, n), folded = parseChain(context, &dir, n);
  assert_true(mambaPassFoldHadamard(mlirModuleGetOperation(folded)));
  assert_false(has(folded, "axis 2")); /* only weights are transformed now */
  double *expected = blockRun(plain, true), *found = blockRun(folded, true);
  const double result = distance(expected, found);
  free(expected);
  free(found);
  mlirModuleDestroy(plain);
  mlirModuleDestroy(folded);
  mlirContextDestroy(context);
  tempDirRemove(&dir);
  return result;
}

static void chainRandom(void **state) {
  (void)state;
  static const int sizes[] = {2, 8, 12, 16, 20, 24, 28, 40, 56, 80, 96};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    assert_true(foldChain(sizes[i], blockRandom) < 1e-12);
}

static float randomInteger(const char *tensor) {
  return (float)(int)(blockRandom(tensor) * 8);
}

/* 1 / sqrt(4^k) is a power of two, and every sum is of integers times it: nothing rounds. */
static void chainIntegers(void **state) {
  (void)state;
  static const int sizes[] = {1, 4, 16, 64, 256};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    assert_true(foldChain(sizes[i], randomInteger) == 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(block),       cmocka_unit_test(residual),      cmocka_unit_test(smoothing),
      cmocka_unit_test(chainRandom), cmocka_unit_test(chainIntegers),
  };
  return cmocka_run_group_tests_name("folding", tests, NULL, NULL);
}
