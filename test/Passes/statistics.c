/* mamba-clamp-scan at percentiles that only the statistics file has. */
#include "mamba/passes.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "block_model.h"
#include "mamba/statistics.h"

static char diagnostic[1024];

static void appendPiece(MlirStringRef piece, void *context) {
  (void)context;
  strncat(diagnostic, piece.data, piece.length < 500 ? piece.length : 500);
}

static MlirLogicalResult keepDiagnostic(MlirDiagnostic given, void *context) {
  (void)context;
  diagnostic[0] = 0;
  mlirDiagnosticPrint(given, appendPiece, NULL);
  return mlirLogicalResultSuccess();
}

/* |u| in 1, 2, ..., 1000: the p-th percentile is 10 p. */
static json_t *record(void) {
  MambaStatistics *statistics = NULL;
  MambaError error;
  json_t *object = NULL;
  assert_int_equal(mambaStatisticsCreate(1, &statistics, &error), MAMBA_OK);
  for (int i = 1; i <= 1000; i++) {
    const float value = (float)i;
    assert_int_equal(mambaStatisticsAdd(statistics, &value, 1, &error), MAMBA_OK);
  }
  assert_int_equal(mambaStatisticsToJson(statistics, &object, &error), MAMBA_OK);
  mambaStatisticsDestroy(statistics);
  return object;
}

static MlirModule parseWithFile(const BlockModel *model, const char *path) {
  const MlirModule module = blockParse(model->context, model->text);
  mlirOperationSetDiscardableAttributeByName(mlirModuleGetOperation(module), mambaRef("mamba.statistics"),
                                             mlirStringAttrGet(model->context, mambaRef(path)));
  return module;
}

static MlirOperation findClamp(MlirModule module) {
  MlirOperation op = mlirBlockGetFirstOperation(mambaForwardBody(mlirModuleGetOperation(module)));
  while (!mlirOperationIsNull(op) && !mambaOpIs(op, MAMBA_OP_CLAMP))
    op = mlirOperationGetNextInBlock(op);
  return op;
}

static void percentileFromFile(void **state) {
  (void)state;
  BlockModel model;
  blockModelCreate(&model, 8);
  json_t *root = json_pack("{s: {s: o}}", "sites", "u", record());
  char *text = json_dumps(root, 0);
  tempDirWriteText(&model.dir, "calibration.json", text);
  const MlirModule module = parseWithFile(&model, tempDirPath(&model.dir, "calibration.json"));
  const MambaClampScanOptions options = {.percentile = 99.5};
  assert_true(mambaPassClampScan(mlirModuleGetOperation(module), &options));
  const double limit = mambaFloatAttribute(findClamp(module), "limit");
  assert_true(limit >= 995 && limit <= 995 * (1 + 1.0 / 1024));
  free(text);
  json_decref(root);
  mlirModuleDestroy(module);
  blockModelDestroy(&model);
}

static void expectRefusal(const BlockModel *model, const char *path, const char *message) {
  const MlirModule module = parseWithFile(model, path);
  const MambaClampScanOptions options = {.percentile = 99.5};
  const MlirDiagnosticHandlerID handler =
      mlirContextAttachDiagnosticHandler(model->context, keepDiagnostic, NULL, NULL);
  assert_false(mambaPassClampScan(mlirModuleGetOperation(module), &options));
  mlirContextDetachDiagnosticHandler(model->context, handler);
  if (!strstr(diagnostic, message))
    fail_msg("expected '%s' in '%s'", message, diagnostic);
  mlirModuleDestroy(module);
}

static void refusals(void **state) {
  (void)state;
  BlockModel model;
  blockModelCreate(&model, 8);
  expectRefusal(&model, tempDirPath(&model.dir, "absent.json"), "absent.json");
  tempDirWriteText(&model.dir, "empty.json", "{\"sites\": {}}");
  expectRefusal(
      &model, tempDirPath(&model.dir, "empty.json"),
      "no statistics of 'u' in the statistics file: run mamba-calibrate after the passes that made it");
  tempDirWriteText(&model.dir, "broken.json", "{\"sites\": {\"u\": {}}}");
  expectRefusal(&model, tempDirPath(&model.dir, "broken.json"), "statistics file: u");
  blockModelDestroy(&model);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(percentileFromFile),
      cmocka_unit_test(refusals),
  };
  return cmocka_run_group_tests_name("statistics", tests, NULL, NULL);
}
