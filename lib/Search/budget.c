#include "budget.h"

#include <stdlib.h>
#include <string.h>

/* A row of an int8 matrix: its scale, the sum that packing adds, and its share of rows that fill a block
 * of 16. */
enum { ROW_BYTES = 12, FLOAT_BYTES = 4, ALIGNMENT = 64 };

static const SiteKind kMatrices[] = {SITE_IN, SITE_UX, SITE_DT, SITE_Y};

static MambaStatus parse(const char *text, double *bytes, MambaError *error) {
  static const struct {
    const char *name;
    double bytes;
  } units[] = {{"", 1},     {"B", 1},      {"KB", 1e3},          {"MB", 1e6},
               {"GB", 1e9}, {"KiB", 1024}, {"MiB", 1024 * 1024}, {"GiB", 1024.0 * 1024 * 1024}};
  char *unit;
  const double number = strtod(text, &unit);
  for (size_t i = 0; unit != text && number > 0 && i < sizeof units / sizeof *units; i++)
    if (!strcmp(unit, units[i].name)) {
      *bytes = number * units[i].bytes;
      return MAMBA_OK;
    }
  return mambaFail(error, MAMBA_INVALID, "budget: expected bytes, such as 120MiB or 90MB, found '%s'", text);
}

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

/* Every matrix int8, every other weight of the blocks f32, the embedding and the last norm. */
static double bytesInInt8(MlirOperation module, const SiteGroup *groups, intptr_t count, const char *head) {
  double bytes = 0, matrices = 0;
  const MlirBlock body = mambaForwardBody(module);
  for (intptr_t i = 0; i < count; i++)
    for (size_t m = 0; m < sizeof kMatrices / sizeof *kMatrices; m++) {
      bytes += int8Bytes(matrixOf(&groups[i], kMatrices[m]));
      matrices += (double)mambaElementCount(matrixOf(&groups[i], kMatrices[m])) * FLOAT_BYTES;
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
      bytes += !strcmp(head, "token") ? int8Bytes(weight) : table ? 0 : storedBytes(weight);
    if (!table && !reads_head)
      bytes += (double)mambaElementCount(weight) * FLOAT_BYTES + ALIGNMENT;
  }
  return bytes - matrices;
}

MambaStatus budgetCreate(MlirOperation module, const SiteGroup *groups, intptr_t count, const char *text,
                         const char *head, Budget *budget, MambaError *error) {
  double bytes = 0;
  const MambaStatus status = parse(text, &bytes, error);
  if (status)
    return status;
  const double least = bytesInInt8(module, groups, count, head);
  if (least > bytes)
    return mambaFail(error, MAMBA_INVALID,
                     "budget: expected at least %.0f bytes, what int8 takes, found %s (%.0f)", least, text,
                     bytes);
  *budget = (Budget){.left = bytes - least, .extra = calloc((size_t)count, sizeof *budget->extra)};
  if (!budget->extra)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for %td blocks", count);
  for (intptr_t i = 0; i < count; i++)
    for (size_t m = 0; m < sizeof kMatrices / sizeof *kMatrices; m++)
      budget->extra[i] +=
          storedBytes(matrixOf(&groups[i], kMatrices[m])) - int8Bytes(matrixOf(&groups[i], kMatrices[m]));
  return MAMBA_OK;
}

intptr_t budgetNext(Budget *budget, const double *errors, intptr_t count) {
  intptr_t worst = -1;
  for (intptr_t i = 0; i < count; i++)
    if (budget->extra[i] >= 0 && budget->extra[i] <= budget->left && (worst < 0 || errors[i] > errors[worst]))
      worst = i;
  if (worst >= 0) {
    budget->left -= budget->extra[worst];
    budget->extra[worst] = -1;
  }
  return worst;
}

void budgetDestroy(Budget *budget) {
  free(budget->extra);
  budget->extra = NULL;
}
