/* Level 3 computes what level 2 says, up to the rounding of sums; materialized weights give the same bytes.
 */
#include "mamba/passes.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "block_model.h"

enum { LOGITS = BLOCK_TOKENS * BLOCK_VOCABULARY };

static double rmsDistance(const double *a, const double *b) {
  double sum = 0;
  for (int i = 0; i < LOGITS; i++)
    sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sqrt(sum / LOGITS);
}

static bool quantize(MlirOperation module, const char *rotate, bool clamp, const char *weights,
                     const char *sites) {
  const MambaRotateOptions rotation = {.sites = rotate};
  const MambaClampScanOptions limit = {.percentile = 99.9};
  const MambaInsertQdqOptions options = {.weights = weights, .sites = sites, .state = "f32"};
  return mambaPassRotate(module, &rotation) && mambaPassFoldHadamard(module) &&
         (!clamp || mambaPassClampScan(module, &limit)) && mambaPassInsertQdq(module, &options);
}

/* Every kind of every site. Rotated sites have no statistics here, so they are stored per token. */
static const struct Configuration {
  const char *rotate;
  bool clamp;
  const char *weights, *sites;
} kConfigurations[] = {
    {"", false, "tensor", ""},
    {"", true, "row", "head=tensor"},
    {"", false, "row", "in=token,ux=token,dt=token,y=token,head=token"},
    {"y", false, "row", "in=token,y=token,ux=channel,x=f16,z=f16,u=f16,B=f32,C=f32"},
    {"y,in,head", false, "row", "in=token,y=token,head=token"},
    {"", false, "row", "u=channel,z=f32,B=f16,C=f16,x=f32"},
    {"", false, "row", "u=f16,ux=tensor,x=tensor,y=f32,dt=f32"},
    {"", false, "tensor", "u=f32,ux=token,x=f16"},
    {"", false, "row", "in=f32,ux=f32,dt=f32"},
};

static void sameAsFake(const struct Configuration *c) {
  BlockModel model;
  blockModelCreate(&model, 20);
  const MlirModule plain = blockParse(model.context, model.text),
                   level2 = blockParse(model.context, model.text),
                   level3 = blockParse(model.context, model.text);
  assert_true(quantize(mlirModuleGetOperation(level2), c->rotate, c->clamp, c->weights, c->sites));
  assert_true(quantize(mlirModuleGetOperation(level3), c->rotate, c->clamp, c->weights, c->sites));
  assert_true(mambaPassFuseKernels(mlirModuleGetOperation(level3)));
  assert_true(mlirOperationVerify(mlirModuleGetOperation(level3)));

  double *exact = blockRun(plain, false), *fake = blockRun(level2, false),
         *integers = blockRun(level3, false);
  const double loss = rmsDistance(exact, fake), difference = rmsDistance(fake, integers);
  if (!(loss > 1e-3 && difference < 0.1 * loss))
    fail_msg("%s %s: quantization changes the logits by %g, the kernels by %g", c->weights, c->sites, loss,
             difference);
  free(exact);
  free(fake);
  free(integers);
  mlirModuleDestroy(plain);
  mlirModuleDestroy(level2);
  mlirModuleDestroy(level3);
  blockModelDestroy(&model);
}

static void kernelsMatchFakeQuantization(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof kConfigurations / sizeof *kConfigurations; i++)
    sameAsFake(&kConfigurations[i]);
}

/* Cut after any pass, printed, parsed and gone on with: the same text. */
static void resumes(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof kConfigurations / sizeof *kConfigurations; i++) {
    const struct Configuration *c = &kConfigurations[i];
    BlockModel model;
    blockModelCreate(&model, 8);
    const MlirModule straight = blockParse(model.context, model.text),
                     cut = blockParse(model.context, model.text);
    assert_true(quantize(mlirModuleGetOperation(straight), c->rotate, c->clamp, c->weights, c->sites));
    assert_true(quantize(mlirModuleGetOperation(cut), c->rotate, c->clamp, c->weights, c->sites));
    char *text = blockPrint(cut);
    const MlirModule resumed = blockParse(model.context, text);
    free(text);
    assert_true(mambaPassFuseKernels(mlirModuleGetOperation(straight)));
    assert_true(mambaPassFuseKernels(mlirModuleGetOperation(resumed)));
    char *expected = blockPrint(straight), *found = blockPrint(resumed);
    assert_string_equal(expected, found);
    free(expected);
    free(found);
    mlirModuleDestroy(straight);
    mlirModuleDestroy(cut);
    mlirModuleDestroy(resumed);
    blockModelDestroy(&model);
  }
}

/* Level 2 and level 3, before and after mamba-materialize: the same bytes of logits. */
static void materializedWeights(void **state) {
  (void)state;
  for (int fuse = 0; fuse < 2; fuse++) {
    BlockModel model;
    blockModelCreate(&model, 12);
    const MlirModule module = blockParse(model.context, model.text);
    const MlirOperation op = mlirModuleGetOperation(module);
    assert_true(mambaPassFoldNorm(op));
    assert_true(quantize(op, "y", false, "row", "y=token,ux=channel"));
    assert_true(!fuse || mambaPassFuseKernels(op));
    double *expected = blockRun(module, false);
    const MambaMaterializeOptions options = {.output = tempDirPath(&model.dir, "weights.safetensors")};
    assert_true(mambaPassMaterialize(op, &options));
    assert_true(mlirOperationVerify(op));
    double *found = blockRun(module, false);
    assert_memory_equal(expected, found, LOGITS * sizeof *expected);
    char *text = blockPrint(module);
    assert_null(strstr(text, "@ckpt"));
    assert_null(strstr(text, "absmax_scale %table"));
    free(text);
    free(expected);
    free(found);
    mlirModuleDestroy(module);
    blockModelDestroy(&model);
  }
}

/* The layout of int8 weights, written before or after they are evaluated: the same bytes of logits. */
static void packedWeights(void **state) {
  (void)state;
  static const MambaPlanOptions packed = {
      .target = "cpu", .decode = "", .layout = "packed", .tokens = 8, .threads = 2};
  static const MambaPlanOptions rows = {
      .target = "cpu", .decode = "", .layout = "rows", .tokens = 8, .threads = 2};
  for (int order = 0; order < 2; order++) {
    BlockModel model;
    blockModelCreate(&model, 20);
    const MlirModule module = blockParse(model.context, model.text);
    const MlirOperation op = mlirModuleGetOperation(module);
    const MambaMaterializeOptions options = {.output = tempDirPath(&model.dir, "weights.safetensors")};
    assert_true(quantize(op, "y", false, "row", "y=token,head=tensor"));
    assert_true(mambaPassFuseKernels(op) && mambaPassPlan(op, &rows));
    double *expected = blockRun(module, false);
    assert_true(order ? mambaPassPlan(op, &packed) && mambaPassMaterialize(op, &options)
                      : mambaPassMaterialize(op, &options) && mambaPassPlan(op, &packed));
    assert_true(mlirOperationVerify(op));
    double *found = blockRun(module, false);
    assert_memory_equal(expected, found, LOGITS * sizeof *expected);
    char *text = blockPrint(module);
    assert_non_null(strstr(text, "\"mamba_linear_i8_packed\""));
    assert_null(strstr(text, "\"mamba_linear_i8\""));
    assert_int_equal(strstr(text, "mamba.pack ") == NULL, order);
    free(text);
    free(expected);
    free(found);
    mlirModuleDestroy(module);
    blockModelDestroy(&model);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(kernelsMatchFakeQuantization),
      cmocka_unit_test(resumes),
      cmocka_unit_test(materializedWeights),
      cmocka_unit_test(packedWeights),
  };
  return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
