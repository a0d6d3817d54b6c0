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
      .text = text, .tolerance = tolerance, .budget = budget, .head = "search", .target = "cpu"};
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

/* ---- The head --------------------------------------------------------------------------------------- */

/* Cheapest first: as it is stored only where nothing may be lost, in int8 where anything may. */
static void head(void **state) {
  (void)state;
  BlockModel model;
  blockModelCreate(&model, D);
  for (int c = 0; c < 4; c++) {
    const MlirModule module = blockParse(model.context, model.text);
    MambaSearchOptions options = optionsWith(c % 2 ? 1e12 : 0, "");
    options.target = c < 2 ? "cpu" : "orin";
    assert_true(mambaPassSearch(mlirModuleGetOperation(module), &options));
    SiteGroup *groups = NULL;
    intptr_t count = 0;
    assert_true(findSites(mlirModuleGetOperation(module), &groups, &count));
    assert_int_equal(count, 2);
    const MlirAttribute errors = errorsOf(&groups[1], &kHead);
    assert_int_equal(mlirDictionaryAttrGetNumElements(errors), c < 2 ? 4 : 3); /* a GPU has no w8 */
    assert_true(errorOf(errors, "head=f32 head.rotate=no") == 0);
    const double plain = errorOf(errors, "head=token head.rotate=no"),
                 rotated = errorOf(errors, "head=token head.rotate=yes");
    assert_true(plain > 0 && plain < 1e-2 && rotated > 0 && rotated < 1e-2);
    if (c < 2)
      assert_true(errorOf(errors, "head=w8 head.rotate=no") > 0 &&
                  errorOf(errors, "head=w8 head.rotate=no") < plain);
    assert_true(isChosen(&groups[1], c % 2 ? "head=token head.rotate=no" : "head=f32 head.rotate=no"));
    free(groups);
    mlirModuleDestroy(module);
  }
  blockModelDestroy(&model);
}

/* Where the recipe says what the head is, the search leaves it alone. */
static void headGiven(void **state) {
  (void)state;
  BlockModel model;
  blockModelCreate(&model, D);
  MambaSearchOptions options = optionsWith(0.05, "");
  options.head = "token";
  char *printed = searched(&model, options);
  assert_non_null(strstr(printed, "mamba.search"));
  assert_null(strstr(printed, "head.rotate"));
  free(printed);
  blockModelDestroy(&model);
}

static void chosen(void **state) {
  (void)state;
  const double errors[MAX_CANDIDATES] = {4, 3, 2, 0};
  const struct {
    double slack;
    int chosen;
  } cases[] = {{0, 3}, {1.9, 3}, {2, 2}, {2.9, 2}, {3, 1}, {4, 0}, {INFINITY, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_int_equal(decisionChoose(&kHead, errors, cases[i].slack), cases[i].chosen);
  const double unknown[MAX_CANDIDATES] = {4, NAN, NAN, 4}, none[MAX_CANDIDATES] = {NAN, NAN, NAN, NAN};
  assert_int_equal(decisionChoose(&kHead, unknown, 0), 0);
  assert_int_equal(decisionChoose(&kHead, none, 0), 0);
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

  MambaSearchOptions options = optionsWith(0.05, "1s");
  options.target = "orin";
  char *slow = searched(&model, options);
  assert_non_null(strstr(slow, "y = \"f32\""));
  free(slow);
  blockModelDestroy(&model);
}

/* What int8 takes is the least budget, and it leaves nothing in 16 bits. */
static void leastBudgets(void **state) {
  (void)state;
  BlockModel model;
  blockModelCreate(&model, D);
  const MlirModule module = blockParse(model.context, model.text);
  MambaSearchOptions options = optionsWith(0.05, "");
  options.head = "token";
  options.target = "orin";
  assert_true(mambaPassSearch(mlirModuleGetOperation(module), &options));
  const MlirOperation op = mlirModuleGetOperation(module);
  SiteGroup *groups = NULL;
  intptr_t count = 0;
  double seconds = 0;
  char statistics[4200], amount[64];
  const bool none[] = {false}, all[] = {true};
  MambaError error;
  assert_true(findSites(op, &groups, &count));
  snprintf(statistics, sizeof statistics, "%s/short.json", model.dir.path);
  assert_int_equal(budgetSeconds(op, mambaTargetFind("orin"), "token", statistics, &seconds, &error),
                   MAMBA_OK);
  assert_true(seconds > 0 && seconds < 1e-3);
  const double bytes = budgetBytes(op, groups, 1, none, "token");
  assert_true(bytes < budgetBytes(op, groups, 1, all, "token"));
  assert_true(budgetBytes(op, groups, 1, none, "w8") == bytes);
  for (int is_time = 0; is_time < 2; is_time++)
    for (int is_less = 0; is_less < 2; is_less++) {
      const MlirModule again = blockParse(model.context, model.text);
      snprintf(amount, sizeof amount, is_time ? "%.6fs" : "%.0f",
               is_time ? seconds * (is_less ? 0.9 : 1) + 5e-7 : bytes - is_less);
      options.budget = amount;
      assert_int_equal(mambaPassSearch(mlirModuleGetOperation(again), &options), !is_less);
      if (!is_less && !is_time) {
        char *printed = blockPrint(again);
        assert_null(strstr(printed, "y = \"f32\""));
        free(printed);
      }
      mlirModuleDestroy(again);
    }
  free(groups);
  mlirModuleDestroy(module);
  blockModelDestroy(&model);
}

static void budgetTexts(void **state) {
  (void)state;
  static const struct {
    const char *text, *target, *message;
  } bad[] = {{"", "orin", "expected bytes"},
             {"12 parsecs", "orin", "found '12 parsecs'"},
             {"-1", "orin", "expected bytes"},
             {"0ms", "orin", "expected bytes"},
             {"nan", "orin", "expected bytes"},
             {"1e999s", "orin", "expected bytes"},
             {"1e999", "cpu", "expected bytes"},
             {"2.5ns", "orin", "found '2.5ns'"},
             {"2.5ms", "cpu", "for target cpu, whose memory's speed is not known, found the time '2.5ms'"}};
  static const struct {
    const char *text;
    double limit;
  } good[] = {{"100", 100}, {"90MB", 90e6}, {"1.5KiB", 1536}, {"1.2ms", 1.2e-3}, {"800us", 8e-4}, {"2s", 2}};
  Budget budget;
  MambaError error;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(budgetParse(bad[i].text, mambaTargetFind(bad[i].target), &budget, &error),
                     MAMBA_INVALID);
    if (!strstr(error.message, bad[i].message))
      fail_msg("expected '%s' in '%s'", bad[i].message, error.message);
  }
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    assert_int_equal(budgetParse(good[i].text, mambaTargetFind("orin"), &budget, &error), MAMBA_OK);
    assert_true(fabs(budget.limit - good[i].limit) < 1e-9 * good[i].limit);
    assert_int_equal(budget.is_time, i >= 3);
  }
}

/* A cost by the number of blocks. */
static MambaStatus listed(void *context, intptr_t blocks, double *cost, MambaError *error) {
  (void)error;
  *cost = ((const double *)context)[blocks];
  return MAMBA_OK;
}

/* As many as fit; the limit itself does. */
static void spending(void **state) {
  (void)state;
  double costs[] = {10, 25, 27, 29, 31, 33};
  const struct {
    double limit;
    intptr_t blocks;
  } cases[] = {{10, 0}, {24, 0}, {25, 1}, {26, 1}, {27, 2}, {29, 3}, {32, 4}, {33, 5}, {1000, 5}};
  MambaError error;
  intptr_t blocks = -1;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const Budget budget = {.text = "so much", .limit = cases[i].limit};
    assert_int_equal(budgetSpend(&budget, listed, costs, 5, &blocks, &error), MAMBA_OK);
    assert_int_equal(blocks, cases[i].blocks);
  }
  const Budget least = {.text = "9B", .limit = 9};
  assert_int_equal(budgetSpend(&least, listed, costs, 5, &blocks, &error), MAMBA_INVALID);
  assert_string_equal(error.message, "budget: expected at least 10 bytes, what int8 takes, found 9B");
  const Budget time = {.text = "9s", .limit = 9, .is_time = true, .target = mambaTargetFind("orin")};
  assert_int_equal(budgetSpend(&time, listed, costs, 5, &blocks, &error), MAMBA_INVALID);
  assert_string_equal(error.message,
                      "budget: expected at least 10000.000 ms, what int8 takes on orin, found 9s");
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
  options = optionsWith(0.05, "");
  options.head = "8";
  assert_false(mambaPassSearch(mlirModuleGetOperation(module), &options));
  options.head = "16";
  options.target = "orinn";
  assert_false(mambaPassSearch(mlirModuleGetOperation(module), &options));
  mlirModuleDestroy(module);
  blockModelDestroy(&model);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(head),          cmocka_unit_test(headGiven),    cmocka_unit_test(chosen),
      cmocka_unit_test(blockByItself), cmocka_unit_test(tolerance),    cmocka_unit_test(sameTwice),
      cmocka_unit_test(budgets),       cmocka_unit_test(leastBudgets), cmocka_unit_test(budgetTexts),
      cmocka_unit_test(spending),      cmocka_unit_test(refusals),
  };
  return cmocka_run_group_tests_name("search", tests, NULL, NULL);
}
