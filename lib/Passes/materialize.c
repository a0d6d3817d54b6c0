/* Constant expressions over weights are evaluated, one at a time, into a new safetensors file. */
#include "mamba/passes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builders.h"
#include "mamba/parameters.h"
#include "mamba/safetensors_writer.h"
#include "weight_file.h"

/* A constant that ops of the program read, and its name in the file. */
typedef struct Item {
  MlirValue value;
  char *key;
} Item;

typedef struct Materializer {
  MlirOperation module;
  MlirBlock body;
  Item *items;
  intptr_t count;
} Materializer;

/* ---- What to evaluate ------------------------------------------------------------------------------- */

/* Arithmetic on single scales that no weight takes part in: readable as it is. */
static bool isScalar(MlirValue value) {
  const MlirOperation op = mambaDefiningOp(value);
  if (mambaRank(value) || mambaOpIs(op, MAMBA_OP_WEIGHT))
    return false;
  for (intptr_t i = 0, n = mlirOperationGetNumOperands(op); i < n; i++)
    if (!isScalar(mlirOperationGetOperand(op, i)))
      return false;
  return true;
}

/* 4-bit weights stay so in the file: what they stand for remains an expression. */
static bool isExpression(MlirValue value) {
  return mambaDefiningKind(value) == MAMBA_OP_SCALE_GROUPS;
}

static bool isListed(const Materializer *m, MlirValue value) {
  for (intptr_t i = 0; i < m->count; i++)
    if (mlirValueEqual(m->items[i].value, value))
      return true;
  return false;
}

/* "backbone.layers.0.mixer.in_proj.weight.q", or .packed, is stored as "layers.0.mixer.in_proj.weight". */
static MlirStringRef keyOf(MlirValue value) {
  static const char prefix[] = "backbone.";
  MlirStringRef name = withoutSuffix(mambaValueName(value), ".packed");
  name = withoutSuffix(withoutSuffix(name, ".q"), ".dq");
  if (name.length > strlen(prefix) && !memcmp(name.data, prefix, strlen(prefix)))
    name = mlirStringRefCreate(name.data + strlen(prefix), name.length - strlen(prefix));
  return name.length ? name : mambaRef("constant");
}

static bool hasKey(const Materializer *m, const char *key) {
  for (intptr_t i = 0; i < m->count; i++)
    if (!strcmp(m->items[i].key, key))
      return true;
  return false;
}

/* The value's own name, with "_2", "_3", ... behind it where that is taken. */
static char *uniqueKey(const Materializer *m, MlirValue value) {
  const MlirStringRef name = keyOf(value);
  const size_t size = name.length + 24;
  char *key = malloc(size);
  if (!key)
    return NULL;
  snprintf(key, size, "%.*s", (int)name.length, name.data);
  for (int n = 2; hasKey(m, key); n++)
    snprintf(key, size, "%.*s_%d", (int)name.length, name.data, n);
  return key;
}

static MambaStatus listOperands(Materializer *m, MlirOperation op, MambaError *error) {
  MambaStatus status = MAMBA_OK;
  for (intptr_t i = 0, n = mlirOperationGetNumOperands(op); i < n && !status; i++) {
    const MlirValue value = mlirOperationGetOperand(op, i);
    if (!mambaIsConstant(value) || isScalar(value) || isListed(m, value))
      continue;
    if (isExpression(value)) {
      status = listOperands(m, mambaDefiningOp(value), error);
      continue;
    }
    char *key = uniqueKey(m, value);
    if (!key)
      return mambaFail(error, MAMBA_NO_MEMORY, "cannot allocate the name of a constant");
    m->items[m->count++] = (Item){value, key};
  }
  return status;
}

static MambaStatus list(Materializer *m, MambaError *error) {
  MambaStatus status = MAMBA_OK;
  intptr_t capacity = 0;
  for (MlirOperation op = mlirBlockGetFirstOperation(m->body); !mlirOperationIsNull(op);
       op = mlirOperationGetNextInBlock(op))
    capacity += mlirOperationGetNumOperands(op);
  m->items = calloc((size_t)capacity + 1, sizeof *m->items);
  if (!m->items)
    return mambaFail(error, MAMBA_NO_MEMORY, "cannot allocate a list of %td constants", (ptrdiff_t)capacity);
  for (MlirOperation op = mlirBlockGetFirstOperation(m->body); !status && !mlirOperationIsNull(op);
       op = mlirOperationGetNextInBlock(op))
    if (mlirOperationGetNumResults(op) != 1 || !mambaIsConstant(mlirOperationGetResult(op, 0)))
      status = listOperands(m, op, error);
  return status;
}

/* ---- The file --------------------------------------------------------------------------------------- */

static MambaDtype dtypeOf(MambaElement element) {
  switch (element) {
  case MAMBA_ELEMENT_I8:
  case MAMBA_ELEMENT_I4:
    return MAMBA_DTYPE_I8;
  case MAMBA_ELEMENT_F16:
    return MAMBA_DTYPE_F16;
  case MAMBA_ELEMENT_BF16:
    return MAMBA_DTYPE_BF16;
  default:
    return MAMBA_DTYPE_F32;
  }
}

static MambaStatus declare(MambaSafetensorsWriter *writer, const Item *item, MambaError *error) {
  int64_t shape[MAMBA_MAX_RANK];
  const int rank = mambaRank(item->value);
  for (int i = 0; i < rank; i++)
    shape[i] = mambaDim(item->value, i);
  return mambaSafetensorsWriterDeclare(writer, item->key, dtypeOf(mambaElementOf(item->value)), rank, shape,
                                       error);
}

static MambaStatus append(MambaSafetensorsWriter *writer, MambaParameters *parameters, const Item *item,
                          MambaError *error) {
  MambaConstant constant;
  MambaStatus status = mambaParametersEvaluate(parameters, item->value, false, &constant, error);
  if (status != MAMBA_OK)
    return mambaFailContext(error, "%s", item->key);
  status = mambaSafetensorsWriterAppend(writer, item->key, constant.data,
                                        constant.count * mambaElementSize(constant.element), error);
  mambaConstantDestroy(&constant);
  return status;
}

static MambaStatus writeFile(const Materializer *m, const char *path, MambaError *error) {
  MambaParameters *parameters = NULL;
  MambaSafetensorsWriter *writer = NULL;
  MambaStatus status = mambaParametersCreate(m->module, 0, &parameters, error);
  if (status == MAMBA_OK)
    status = mambaSafetensorsWriterCreate(path, &writer, error);
  for (intptr_t i = 0; status == MAMBA_OK && i < m->count; i++)
    status = declare(writer, &m->items[i], error);
  for (intptr_t i = 0; status == MAMBA_OK && i < m->count; i++)
    status = append(writer, parameters, &m->items[i], error);
  if (status == MAMBA_OK)
    status = mambaSafetensorsWriterFinish(writer, error);
  mambaSafetensorsWriterDestroy(writer);
  mambaParametersDestroy(parameters);
  return status;
}

/* ---- The module ------------------------------------------------------------------------------------- */

static MlirOperation firstOf(MlirOperation module) {
  return mlirBlockGetFirstOperation(mlirRegionGetFirstBlock(mlirOperationGetRegion(module, 0)));
}

static void replace(const Item *item, MlirStringRef symbol) {
  MambaBuilder builder = mambaBuilderBefore(mambaDefiningOp(item->value));
  const MlirValue weight =
      mambaBuildWeight(&builder, symbol, mambaRef(item->key), mlirValueGetType(item->value));
  mlirValueReplaceAllUsesOfWith(item->value, weight);
}

static bool isUsed(MlirBlock body, MlirStringRef checkpoint) {
  for (MlirOperation op = mlirBlockGetFirstOperation(body); !mlirOperationIsNull(op);
       op = mlirOperationGetNextInBlock(op))
    if (mambaOpIs(op, MAMBA_OP_WEIGHT) && mlirStringRefEqual(mambaWeightFile(op), checkpoint))
      return true;
  return false;
}

static void eraseUnusedCheckpoints(const Materializer *m) {
  MlirOperation next = {NULL};
  for (MlirOperation op = firstOf(m->module); !mlirOperationIsNull(op); op = next) {
    next = mlirOperationGetNextInBlock(op);
    if (mambaOpIs(op, MAMBA_OP_CHECKPOINT) && !isUsed(m->body, mambaStringAttribute(op, "sym_name")))
      mlirOperationDestroy(op);
  }
}

bool mambaPassMaterialize(MlirOperation module, const MambaMaterializeOptions *options) {
  Materializer m = {.module = module, .body = mambaForwardBody(module)};
  MambaError error;
  MlirStringRef symbol;
  MambaStatus status;
  if (mlirBlockIsNull(m.body)) {
    mambaEmitError(module, "expected a function @forward with one block");
    return false;
  }
  if (!*options->output) {
    mambaEmitError(module, "mamba-materialize: output: expected the path of a file to write");
    return false;
  }
  if ((status = list(&m, &error)) != MAMBA_OK ||
      (status = writeFile(&m, options->output, &error)) != MAMBA_OK ||
      (status = addWeightFile(module, "weights", options->output, &symbol, &error)) != MAMBA_OK)
    goto cleanup;
  for (intptr_t i = 0; i < m.count; i++)
    replace(&m.items[i], symbol);
  if ((status = mambaEraseUnused(m.body, &error)) == MAMBA_OK)
    eraseUnusedCheckpoints(&m);

cleanup:
  if (status != MAMBA_OK)
    mambaEmitError(module, "mamba-materialize: %s", error.message);
  for (intptr_t i = 0; i < m.count; i++)
    free(m.items[i].key);
  free(m.items);
  return status == MAMBA_OK;
}
