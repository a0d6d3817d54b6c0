/* See mamba/parameters.h. */
#include "mamba/parameters.h"
#include "mamba/pool.h"

#include "mamba/suggest.h"

#include "constants.h"
#include "elementwise.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_EXPRESSION = 1024 }; /* ops in one constant expression */

typedef struct File {
  char *symbol;
  MambaCheckpoint *checkpoint;
} File;

/* The Hadamard transform of a weight that was evaluated last: by far the longest of all operations, and what
 * is made of it, a scale and the integers, needs it several times. */
typedef struct Kept {
  MlirValue value; /* null where there is none */
  MambaConstant constant;
  int users; /* operations that are reading it now */
} Kept;

struct MambaParameters {
  MlirOperation module;
  mamba_pool *pool;
  File *files; /* those opened so far */
  size_t count;
  Kept kept;
};

MambaStatus mambaParametersCreate(MlirOperation module, int threads, MambaParameters **parameters,
                                  MambaError *error) {
  MambaParameters *made = calloc(1, sizeof *made);
  if (!made)
    return mambaFail(error, MAMBA_NO_MEMORY, "out of memory");
  made->module = module;
  const MambaStatus status = mambaPoolCreate(threads, &made->pool, error);
  if (status != MAMBA_OK) {
    mambaParametersDestroy(made);
    return status;
  }
  *parameters = made;
  return MAMBA_OK;
}

void mambaParametersDestroy(MambaParameters *parameters) {
  if (!parameters)
    return;
  for (size_t i = 0; i < parameters->count; i++) {
    free(parameters->files[i].symbol);
    mambaCheckpointClose(parameters->files[i].checkpoint);
  }
  free(parameters->files);
  mambaConstantDestroy(&parameters->kept.constant);
  mamba_pool_destroy(parameters->pool);
  free(parameters);
}

mamba_pool *mambaParametersPool(const MambaParameters *parameters) {
  return parameters->pool;
}

/* A NUL-terminated copy that the caller frees, or NULL. */
static char *copyText(MlirStringRef text) {
  char *copy = malloc(text.length + 1);
  if (copy) {
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
  }
  return copy;
}

/* Opens the file of a mamba.checkpoint and compares its hash. */
static MambaStatus openCheckpoint(MlirOperation op, MambaCheckpoint **checkpoint, MambaError *error) {
  MambaCheckpoint *opened = NULL;
  char *path = copyText(mambaStringAttribute(op, "path"));
  const MlirStringRef expected = mambaStringAttribute(op, "hash");
  MambaStatus status;
  if (!path) {
    status = mambaFail(error, MAMBA_NO_MEMORY, "out of memory");
    goto cleanup;
  }
  status = mambaCheckpointOpen(path, &opened, error);
  if (status != MAMBA_OK)
    goto cleanup;
  const char *found = mambaCheckpointGetHash(opened);
  if (!mambaRefIs(expected, found)) {
    status = mambaFail(error, MAMBA_INVALID,
                       "%s: expected the hash \"%.*s\" that the IR was made for, found \"%s\"", path,
                       (int)expected.length, expected.data, found);
    goto cleanup;
  }
  *checkpoint = opened;
  opened = NULL;

cleanup:
  mambaCheckpointClose(opened);
  free(path);
  return status;
}

MambaStatus mambaParametersCheckpoint(MambaParameters *parameters, MlirStringRef symbol,
                                      MambaCheckpoint **checkpoint, MambaError *error) {
  for (size_t i = 0; i < parameters->count; i++)
    if (mambaRefIs(symbol, parameters->files[i].symbol)) {
      *checkpoint = parameters->files[i].checkpoint;
      return MAMBA_OK;
    }
  const MlirOperation op = mambaSymbol(parameters->module, symbol);
  if (!mambaOpIs(op, MAMBA_OP_CHECKPOINT))
    return mambaFail(error, MAMBA_INVALID, "expected a mamba.checkpoint @%.*s in the module, found none",
                     (int)symbol.length, symbol.data);
  File *files = realloc(parameters->files, (parameters->count + 1) * sizeof *files);
  if (!files)
    return mambaFail(error, MAMBA_NO_MEMORY, "out of memory");
  parameters->files = files;
  File file = {.symbol = copyText(symbol)};
  if (!file.symbol)
    return mambaFail(error, MAMBA_NO_MEMORY, "out of memory");
  const MambaStatus status = openCheckpoint(op, &file.checkpoint, error);
  if (status != MAMBA_OK) {
    free(file.symbol);
    return status;
  }
  files[parameters->count++] = file;
  *checkpoint = file.checkpoint;
  return MAMBA_OK;
}

/* ---- Evaluation -------------------------------------------------------------------------------- */

static bool dtypeOf(MambaElement element, MambaDtype *dtype) {
  switch (element) {
  case MAMBA_ELEMENT_I8:
  case MAMBA_ELEMENT_I4:
    *dtype = MAMBA_DTYPE_I8;
    return true;
  case MAMBA_ELEMENT_F16:
    *dtype = MAMBA_DTYPE_F16;
    return true;
  case MAMBA_ELEMENT_BF16:
    *dtype = MAMBA_DTYPE_BF16;
    return true;
  case MAMBA_ELEMENT_F32:
    *dtype = MAMBA_DTYPE_F32;
    return true;
  default:
    return false;
  }
}

/* The tensor behind a mamba.weight, which has the type and shape that the IR gives it. */
static MambaStatus findTensor(MambaParameters *parameters, MlirOperation op, MambaElement element, int rank,
                              const int64_t *shape, const MambaTensorView **tensor, MambaError *error) {
  MambaCheckpoint *checkpoint;
  MambaDtype dtype;
  char expected[MAMBA_SHAPE_TEXT], found[MAMBA_SHAPE_TEXT];
  char *key = NULL;
  MambaStatus status = mambaParametersCheckpoint(parameters, mambaWeightFile(op), &checkpoint, error);
  if (status != MAMBA_OK)
    goto cleanup;
  key = copyText(mambaWeightKey(op));
  if (!key) {
    status = mambaFail(error, MAMBA_NO_MEMORY, "out of memory");
    goto cleanup;
  }
  const MambaTensorView *view = mambaCheckpointFind(checkpoint, key);
  if (!view) {
    MambaSuggestion suggestion = mambaSuggestFor(key, strlen(key));
    char guess[256] = "";
    for (size_t i = 0; i < mambaCheckpointGetCount(checkpoint); i++) {
      const char *name = mambaCheckpointGet(checkpoint, i)->name;
      mambaSuggestConsider(&suggestion, name, strlen(name));
    }
    mambaSuggestAppend(&suggestion, guess, sizeof guess);
    status = mambaFail(error, MAMBA_INVALID, "tensor '%s': not in the checkpoint%s", key, guess);
    goto cleanup;
  }
  const MambaDtype read =
      view->dtype == MAMBA_DTYPE_Q8_0 ? MAMBA_DTYPE_F32 : view->dtype; /* blocks, as floats */
  if (!dtypeOf(element, &dtype) || dtype != read || view->rank != rank ||
      memcmp(view->shape, shape, (size_t)rank * sizeof *shape) != 0) {
    status = mambaFail(error, MAMBA_INVALID, "tensor '%s': expected %s of shape %s, found %s of shape %s",
                       key, dtypeOf(element, &dtype) ? mambaDtypeGetName(dtype) : "a float or int8 type",
                       mambaShapeFormat(rank, shape, expected), mambaDtypeGetName(view->dtype),
                       mambaShapeFormat(view->rank, view->shape, found));
    goto cleanup;
  }
  *tensor = view;

cleanup:
  free(key);
  return status;
}

/* Copies a tensor of a checkpoint into `result`. */
static MambaStatus readWeight(MambaParameters *parameters, MlirOperation op, MambaConstant *result,
                              MambaError *error) {
  const MambaTensorView *view;
  MambaStatus status = findTensor(parameters, op, result->element, result->rank, result->shape, &view, error);
  if (status != MAMBA_OK)
    return status;
  if (result->wide && view->dtype != MAMBA_DTYPE_I8)
    status = mambaTensorReadF64(view, 0, result->count, result->data, error);
  else if (view->dtype == MAMBA_DTYPE_Q8_0)
    status = mambaTensorReadF32(view, 0, result->count, result->data, error);
  else if (view->bytes)
    memcpy(result->data, view->data, view->bytes);
  mambaCheckpointRelease(view); /* one copy is enough */
  return status;
}

const void *mambaParametersMapped(MambaParameters *parameters, MlirValue value) {
  const MlirOperation op = mambaDefiningOp(value);
  const MambaTensorView *view;
  int64_t shape[MAMBA_MAX_RANK];
  MambaError error;
  if (!mambaOpIs(op, MAMBA_OP_WEIGHT) || mambaRank(value) > MAMBA_MAX_RANK)
    return NULL;
  for (int i = 0; i < mambaRank(value); i++)
    shape[i] = mambaDim(value, i);
  if (findTensor(parameters, op, mambaElementOf(value), mambaRank(value), shape, &view, &error) != MAMBA_OK)
    return NULL;
  const bool aligned = (uintptr_t)view->data % mambaElementSize(mambaElementOf(value)) == 0;
  return view->dtype != MAMBA_DTYPE_Q8_0 && !view->resident && aligned ? view->data : NULL;
}

typedef struct Evaluation {
  MambaParameters *parameters;
  bool wide;
  int ops; /* evaluated so far */
} Evaluation;

static MambaStatus evaluate(Evaluation *evaluation, MlirValue value, MambaConstant *constant,
                            MambaError *error);

/* *is_kept: the operand's memory is that of Kept. */
static MambaStatus evaluateOperand(Evaluation *evaluation, MlirValue value, MambaConstant *operand,
                                   bool *is_kept, MambaError *error) {
  Kept *kept = &evaluation->parameters->kept;
  MambaStatus status = MAMBA_OK;
  if (!mlirValueEqual(kept->value, value) || kept->constant.wide != evaluation->wide) {
    status = evaluate(evaluation, value, operand, error);
    if (status != MAMBA_OK || mambaDefiningKind(value) != MAMBA_OP_HADAMARD || kept->users)
      return status;
    mambaConstantDestroy(&kept->constant);
    *kept = (Kept){.value = value, .constant = *operand};
  }
  *operand = kept->constant;
  *is_kept = true;
  kept->users++;
  return status;
}

/* Depth first, so that at most one chain of operands is alive at a time. */
static MambaStatus evaluate(Evaluation *evaluation, MlirValue value, MambaConstant *constant,
                            MambaError *error) {
  const MlirOperation op = mambaDefiningOp(value);
  const intptr_t count = mlirOperationGetNumOperands(op);
  const int rank = mambaRank(value);
  int64_t shape[MAMBA_MAX_RANK];
  MambaConstant operands[2] = {{0}}, result = {0};
  bool is_kept[2] = {false, false};
  MambaStatus status = MAMBA_OK;
  if (++evaluation->ops > MAX_EXPRESSION || count > 2 || rank > MAMBA_MAX_RANK)
    return mambaFail(error, MAMBA_UNSUPPORTED, "expected a constant of rank up to %d made by at most %d ops",
                     MAMBA_MAX_RANK, MAX_EXPRESSION);
  for (int i = 0; i < rank; i++) {
    shape[i] = mambaDim(value, i);
    if (shape[i] == MAMBA_DYNAMIC)
      return mambaFail(error, MAMBA_UNSUPPORTED, "expected a constant of static shape, found a dynamic size");
  }
  for (intptr_t i = 0; i < count && status == MAMBA_OK; i++)
    status = evaluateOperand(evaluation, mlirOperationGetOperand(op, i), &operands[i], &is_kept[i], error);
  if (status == MAMBA_OK)
    status = mambaConstantCreate(mambaElementOf(value), evaluation->wide, rank, shape, &result, error);
  if (status != MAMBA_OK)
    goto cleanup;
  if (mambaOpIs(op, MAMBA_OP_WEIGHT))
    status = readWeight(evaluation->parameters, op, &result, error);
  else
    status = mambaConstantApply(op, operands, evaluation->parameters->pool, &result, error);
  if (status != MAMBA_OK)
    goto cleanup;
  *constant = result;
  result.data = NULL;

cleanup:
  for (int i = 0; i < 2; i++)
    if (is_kept[i])
      evaluation->parameters->kept.users--;
    else
      mambaConstantDestroy(&operands[i]);
  mambaConstantDestroy(&result);
  return status;
}

MambaStatus mambaParametersEvaluate(MambaParameters *parameters, MlirValue value, bool wide,
                                    MambaConstant *constant, MambaError *error) {
  Evaluation evaluation = {parameters, wide, 0};
  if (!mambaIsConstant(value))
    return mambaFail(error, MAMBA_INVALID, "expected a value that depends on weights and constants only");
  return evaluate(&evaluation, value, constant, error);
}
