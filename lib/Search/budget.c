#include "budget.h"

#include "mamba/passes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Reading ---------------------------------------------------------------------------------------- */

MambaStatus budgetParse(const char *text, const MambaTarget *target, Budget *budget, MambaError *error) {
  static const struct {
    const char *name;
    double amount;
    bool is_time;
  } units[] = {{"", 1, false},
               {"B", 1, false},
               {"KB", 1e3, false},
               {"MB", 1e6, false},
               {"GB", 1e9, false},
               {"KiB", 1024, false},
               {"MiB", 1024 * 1024, false},
               {"GiB", 1024.0 * 1024 * 1024, false},
               {"us", 1e-6, true},
               {"ms", 1e-3, true},
               {"s", 1, true}};
  const size_t count = sizeof units / sizeof *units;
  size_t i = 0;
  char *unit;
  const double number = strtod(text, &unit);
  while (i < count && strcmp(unit, units[i].name) != 0)
    i++;
  if (unit == text || i == count || !(number > 0 && number < HUGE_VAL))
    return mambaFail(
        error, MAMBA_INVALID,
        "budget: expected bytes, such as 120MiB or 90MB, or the time of a token, such as 1.2ms or 800us, "
        "found '%s'",
        text);
  *budget = (Budget){
      .text = text, .limit = number * units[i].amount, .is_time = units[i].is_time, .target = target};
  if (budget->is_time && !mambaTargetIsCuda(target))
    return mambaFail(
        error, MAMBA_INVALID,
        "budget: expected bytes, such as 120MiB, for target %s, whose memory's speed is not known, found "
        "the time '%s'; give a GPU as target, such as orin, or measure a bundle (./run bench) and give "
        "bytes",
        target->name, text);
  return MAMBA_OK;
}

/* ---- Spending --------------------------------------------------------------------------------------- */

/* "0.123 ms" or "123 bytes". */
static const char *describe(const Budget *budget, double cost, char text[64]) {
  if (budget->is_time)
    snprintf(text, 64, "%.3f ms", 1e3 * cost);
  else
    snprintf(text, 64, "%.0f bytes", cost);
  return text;
}

MambaStatus budgetSpend(const Budget *budget, BudgetCost cost, void *context, intptr_t count,
                        intptr_t *blocks, MambaError *error) {
  intptr_t fits = 0, exceeds = count + 1;
  double amount = 0;
  MambaStatus status = cost(context, 0, &amount, error);
  if (!status && !(amount <= budget->limit)) {
    char least[64];
    return mambaFail(error, MAMBA_INVALID, "budget: expected at least %s, what int8 takes%s%s, found %s",
                     describe(budget, amount, least), budget->is_time ? " on " : "",
                     budget->is_time ? budget->target->name : "", budget->text);
  }
  for (intptr_t next = count; !status && exceeds - fits > 1; next = fits + (exceeds - fits) / 2) {
    status = cost(context, next, &amount, error);
    if (amount <= budget->limit)
      fits = next;
    else
      exceeds = next;
  }
  *blocks = fits;
  return status;
}

/* ---- Bytes ------------------------------------------------------------------------------------------ */

/* A row of an int8 matrix: its scale, the sum that packing adds, and its share of rows that fill a block
 * of 16. */
enum { ROW_BYTES = 12, FLOAT_BYTES = 4, ALIGNMENT = 64 };

static const SiteKind kMatrices[] = {SITE_IN, SITE_UX, SITE_DT, SITE_Y};

static MlirValue matrixOf(const SiteGroup *group, SiteKind kind) {
  return mambaOperand(group->sites[kind].reader, "weight");
}

static double storedBytes(MlirValue value) {
  return (double)mambaElementCount(value) * (double)mambaElementSize(mambaElementOf(value));
}

static double int8Bytes(MlirValue matrix) {
  const double rows = (double)mambaDim(matrix, 0);
  return (double)mambaElementCount(matrix) + ROW_BYTES * rows;
}

/* Matrices, every other weight of the blocks in f32, the embedding and the last norm. */
double budgetBytes(MlirOperation module, const SiteGroup *groups, intptr_t count, const bool *is_float,
                   const char *head) {
  double bytes = 0, matrices = 0;
  const MlirBlock body = mambaForwardBody(module);
  for (intptr_t i = 0; i < count; i++)
    for (size_t m = 0; m < sizeof kMatrices / sizeof *kMatrices; m++) {
      const MlirValue matrix = matrixOf(&groups[i], kMatrices[m]);
      bytes += is_float[i] ? storedBytes(matrix) : int8Bytes(matrix);
      matrices += (double)mambaElementCount(matrix) * FLOAT_BYTES;
    }
  for (MlirOperation op = mlirBlockGetFirstOperation(body); !mlirOperationIsNull(op);
       op = mlirOperationGetNextInBlock(op)) {
    if (!mambaOpIs(op, MAMBA_OP_WEIGHT))
      continue;
    const MlirValue weight = mlirOperationGetResult(op, 0);
    bool table = false, reads_head = false;
    for (MlirOpOperand use = mlirValueGetFirstUse(weight); !mlirOpOperandIsNull(use);
         use = mlirOpOperandGetNextUse(use)) {
      const MlirOperation user = mlirOpOperandGetOwner(use);
      table |= mambaOpIs(user, MAMBA_OP_EMBEDDING);
      reads_head |= mlirOperationEqual(user, groups[count].sites[SITE_HEAD].reader);
    }
    if (table)
      bytes += storedBytes(weight);
    if (reads_head)
      bytes += strcmp(head, "16") ? int8Bytes(weight) : table ? 0 : storedBytes(weight);
    if (!table && !reads_head)
      bytes += (double)mambaElementCount(weight) * FLOAT_BYTES + ALIGNMENT;
  }
  return bytes - matrices;
}

/* ---- Time ------------------------------------------------------------------------------------------- */

static MambaStatus readPrediction(MlirOperation module, double *seconds, MambaError *error) {
  const MlirOperation forward = mambaForward(module);
  if (!mambaHasAttribute(forward, "mamba.decode_ns"))
    return mambaFail(error, MAMBA_INVALID, "budget: expected a prediction of mamba-plan, found none");
  *seconds = 1e-9 * (double)mambaIntAttribute(forward, "mamba.decode_ns");
  return MAMBA_OK;
}

MambaStatus budgetSeconds(MlirOperation module, const MambaTarget *target, const char *head,
                          const char *statistics, double *seconds, MambaError *error) {
  enum { TOKENS = 16 }; /* values decide about scales, not about time */
  char passes[2048], pipeline[2176];
  MambaPipelineOptions options = mambaPipelineDefaults();
  options.calibrate.samples = 1;
  options.calibrate.length = TOKENS;
  options.calibrate.statistics = statistics;
  options.head = strcmp(head, "search") ? head : ""; /* as the recipe's: the choices say it */
  options.is_searched = true;
  unlink(statistics);
  MambaStatus status = mambaPipelineSpec("best", &options, passes, sizeof passes, error);
  if (status)
    return status;
  snprintf(pipeline, sizeof pipeline, "builtin.module(%s,mamba-plan{target=%s})", passes, target->name);
  const MlirOperation copy = mlirOperationClone(module);
  status = mambaPipelineRun(copy, pipeline, NULL, error);
  if (status && !*error->message)
    mambaFail(error, status, "a pass of the whole program failed");
  if (!status)
    status = readPrediction(copy, seconds, error);
  mlirOperationDestroy(copy);
  return status;
}
