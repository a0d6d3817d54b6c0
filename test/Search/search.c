/* The search: blocks cut out of a model compute what they computed in it, choices follow from the measured
 * errors, and budgets are kept. */
#include "mamba/passes.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "block_model.h"
#include "block_module.h"
#include "block_record.h"
#include "budget.h"
#include "decisions.h"
#include "sites.h"

enum { D = 8, SAMPLES = 3, LENGTH = 20, VALUES = SAMPLES * LENGTH * D };

static const MambaCalibrateOptions text = {
    .calibration = "self", .samples = SAMPLES, .length = LENGTH, .seed = 7, .statistics = "", .part = "1/1"};

static MambaSearchOptions optionsWith(double tolerance, const char *budget) {
  const MambaSearchOptions options = {
      .text = text, .tolerance = tolerance, .budget = budget, .head = "token"};
  return options;
}

/* ---- Blocks ----------------------------------------------------------------------------------------- */

static MlirValue valueNamed(MlirOperation module, const char *name) {
  const MlirBlock body = mambaForwardBody(module);
  for (MlirOperation op = mlirBlockGetFirstOperation(body); !mlirOperationIsNull(op);
       op = mlirOperationGetNextInBlock(op))
    if (mlirOperationGetNumResults(op) && mambaRefIs(mambaOpName(op), name))
      return mlirOperationGetResult(op, 0);
  fail_msg("no value %s", name);
  return (MlirValue){NULL};
}

/* The block by itself gives the residual stream of the whole model, bit for bit. */
static void blockByItself(void **state) {
  (void)state;
  BlockModel model;
  blockModelCreate(&model, D);
  const MlirModule module = blockParse(model.context, model.text);
  const MlirOperation op = mlirModuleGetOperation(module);
  const MlirValue both[] = {valueNamed(op, "h"), valueNamed(op, "h1")};
  BlockRecord record;
  MambaError error;
  float *input = malloc(VALUES * sizeof *input), *output = malloc(VALUES * sizeof *output),
        *found = malloc(VALUES * sizeof *found);
  assert_true(input && output && found);
  assert_int_equal(blockRecordCreate(op, &text, both, 2, &record, &error), MAMBA_OK);
  assert_int_equal(blockRecordRead(&record, 0, input, &error), MAMBA_OK);
  assert_int_equal(blockRecordRead(&record, 1, output, &error), MAMBA_OK);
  blockRecordDestroy(&record);
  const MlirOperation block = blockModuleCreate(op, 0, model.dir.path, input, SAMPLES * LENGTH, D);
  assert_false(mlirOperationIsNull(block));
  assert_int_equal(blockModuleRun(block, SAMPLES, LENGTH, found, &error), MAMBA_OK);
  assert_memory_equal(found, output, VALUES * sizeof *found);
  assert_memory_not_equal(found, input, VALUES * sizeof *found);
  mlirOperationDestroy(block);
  mlirModuleDestroy(module);
  free(input);
  free(output);
  free(found);
  blockModelDestroy(&model);
}

/* ---- Choices ---------------------------------------------------------------------------------------- */

static SiteGroup blockOf(MlirOperation module) {
  SiteGroup *groups = NULL;
  intptr_t count = 0;
  assert_true(findSites(module, &groups, &count));
  const SiteGroup group = groups[0];
  free(groups);
  return group;
}

static MlirAttribute errorsOf(const SiteGroup *group, const Decision *decision) {
  const MlirOperation reader = group->sites[siteNamed(mambaRef(decision->name))].reader;
  return mlirOperationGetDiscardableAttributeByName(reader, mambaRef("mamba.search"));
}

static double errorOf(MlirAttribute errors, const char *choices) {
  const MlirAttribute number = mlirDictionaryAttrGetElementByName(errors, mambaRef(choices));
  assert_false(mlirAttributeIsNull(number));
  return mlirFloatAttrGetValueDouble(number);
}

/* True when every entry of the choices is on the op that reads its site. */
static bool isChosen(const SiteGroup *group, const char *choices) {
  MlirStringRef entry;
  while (nextEntry(&choices, &entry)) {
    const char *equals = memchr(entry.data, '=', entry.length);
    const size_t key = (size_t)(equals - entry.data), site = strcspn(entry.data, ".=");
    const MlirOperation reader = group->sites[siteNamed(mlirStringRefCreate(entry.data, site))].reader;
    const MlirAttribute all = mlirOperationGetDiscardableAttributeByName(reader, mambaRef("mamba.choices"));
    const MlirAttribute value =
        mlirAttributeIsNull(all)
            ? all
            : mlirDictionaryAttrGetElementByName(all, mlirStringRefCreate(entry.data, key));
    if (mlirAttributeIsNull(value) ||
        !mlirStringRefEqual(mlirStringAttrGetValue(value),
                            mlirStringRefCreate(equals + 1, entry.length - key - 1)))
      return false;
  }
  return true;
}

static char *searched(const BlockModel *model, MambaSearchOptions options) {
  const MlirModule module = blockParse(model->context, model->text);
  assert_true(mambaPassSearch(mlirModuleGetOperation(module), &options));
  char *printed = blockPrint(module);
  mlirModuleDestroy(module);
  return printed;
}

/* With no tolerance the most exact candidate of each decision, with any the cheapest. */
static void tolerance(void **state) {
  (void)state;
  BlockModel model;
  blockModelCreate(&model, D);
  for (int any = 0; any < 2; any++) {
    const MlirModule module = blockParse(model.context, model.text);
    const MambaSearchOptions options = optionsWith(any ? 1e12 : 0, "");
    assert_true(mambaPassSearch(mlirModuleGetOperation(module), &options));
    const SiteGroup group = blockOf(mlirModuleGetOperation(module));
    for (int d = 0; d < DECISION_COUNT; d++) {
      const MlirAttribute errors = errorsOf(&group, &kDecisions[d]);
      int chosen = -1, expected = 0;
      for (int c = 0; kDecisions[d].candidates[c].choices; c++) {
        const Candidate *candidate = &kDecisions[d].candidates[c],
                        *best = &kDecisions[d].candidates[expected];
        const double error = errorOf(errors, candidate->choices), least = errorOf(errors, best->choices);
        assert_true(error > 0 && error < 1);
        if (any ? candidate->cost < best->cost || (candidate->cost == best->cost && error < least)
                : error < least)
          expected = c;
        if (isChosen(&group, candidate->choices))
          chosen = c;
      }
      assert_true(chosen >= 0);
      assert_true(errorOf(errors, kDecisions[d].candidates[chosen].choices) ==
                  errorOf(errors, kDecisions[d].candidates[expected].choices));
    }
    mlirModuleDestroy(module);
  }
  blockModelDestroy(&model);
}

static void sameTwice(void **state) {
  (void)state;
  BlockModel model;
  blockModelCreate(&model, D);
  char *first = searched(&model, optionsWith(0.05, "")), *second = searched(&model, optionsWith(0.05, ""));
  assert_string_equal(first, second);
  assert_non_null(strstr(first, "mamba.error = "));
  free(first);
  free(second);
  blockModelDestroy(&model);
}

/* ---- Budgets ---------------------------------------------------------------------------------------- */

static void budgets(void **state) {
  (void)state;
  BlockModel model;
  blockModelCreate(&model, D);
  char *large = searched(&model, optionsWith(0.05, "1MiB"));
  assert_non_null(strstr(large, "y = \"f32\""));
  assert_non_null(strstr(large, "in = \"f32\""));
  free(large);

  const MlirModule module = blockParse(model.context, model.text);
  SiteGroup *groups = NULL;
  intptr_t count = 0;
  Budget budget;
  MambaError error;
  assert_true(findSites(mlirModuleGetOperation(module), &groups, &count));
  static const struct {
    const char *text, *message;
  } bad[] = {{"", "expected bytes"},
             {"12 parsecs", "found '12 parsecs'"},
             {"-1", "expected bytes"},
             {"2.5ms", "expected bytes"},
             {"100", "expected at least"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(
        budgetCreate(mlirModuleGetOperation(module), groups, 1, bad[i].text, "token", &budget, &error),
        MAMBA_INVALID);
    assert_non_null(strstr(error.message, bad[i].message));
  }
  free(groups);
  mlirModuleDestroy(module);
  blockModelDestroy(&model);
}

/* The worst first, and what fits of the rest. */
static void order(void **state) {
  (void)state;
  const double errors[] = {1, 4, 3, 2};
  double extra[] = {10, 20, 30, 10};
  Budget budget = {.left = 35, .extra = extra};
  assert_int_equal(budgetNext(&budget, errors, 4), 1);
  assert_int_equal(budgetNext(&budget, errors, 4), 3);
  assert_int_equal(budgetNext(&budget, errors, 4), -1);
}

static void refusals(void **state) {
  (void)state;
  BlockModel model;
  blockModelCreate(&model, D);
  const MlirModule module = blockParse(model.context, model.text);
  MambaSearchOptions options = optionsWith(-1, "");
  assert_false(mambaPassSearch(mlirModuleGetOperation(module), &options));
  options = optionsWith(0.05, "");
  options.text.samples = 65;
  assert_false(mambaPassSearch(mlirModuleGetOperation(module), &options));
  mlirModuleDestroy(module);
  blockModelDestroy(&model);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blockByItself), cmocka_unit_test(tolerance), cmocka_unit_test(sameTwice),
      cmocka_unit_test(budgets),       cmocka_unit_test(order),     cmocka_unit_test(refusals),
  };
  return cmocka_run_group_tests_name("search", tests, NULL, NULL);
}
