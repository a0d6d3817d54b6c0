#include "block_module.h"

#include <stdio.h>
#include <stdlib.h>

#include "mamba/checkpoint.h"
#include "mamba/executor.h"
#include "mamba/passes.h"
#include "mamba/safetensors_writer.h"
#include "sites.h"

#define INPUT_SYMBOL "input"

MlirValue blockInput(MlirOperation in_proj) {
  const MlirOperation norm = mambaDefiningOp(mambaOperand(in_proj, "input"));
  if (mambaOpIs(norm, MAMBA_OP_RMS_NORM))
    return mambaOperand(norm, "input");
  mambaEmitError(in_proj, "expected a model as it was imported, in which in_proj reads an `rms_norm`");
  return (MlirValue){NULL};
}

/* ---- The input's file --------------------------------------------------------------------------------- */

static MambaStatus writeInput(const char *path, const float *rows, int64_t count, int64_t channels,
                              MambaError *error) {
  const int64_t shape[] = {count, channels};
  MambaSafetensorsWriter *writer = NULL;
  MambaStatus status = mambaSafetensorsWriterCreate(path, &writer, error);
  if (!status)
    status = mambaSafetensorsWriterDeclare(writer, INPUT_SYMBOL, MAMBA_DTYPE_F32, 2, shape, error);
  if (!status)
    status = mambaSafetensorsWriterAppend(writer, INPUT_SYMBOL, rows,
                                          (size_t)(count * channels) * sizeof *rows, error);
  if (!status)
    status = mambaSafetensorsWriterFinish(writer, error);
  mambaSafetensorsWriterDestroy(writer);
  return status;
}

static MambaStatus declareInput(MlirOperation module, const char *path, MambaError *error) {
  const MlirContext context = mlirOperationGetContext(module);
  MambaCheckpoint *file = NULL;
  const MambaStatus status = mambaCheckpointOpen(path, &file, error);
  if (status)
    return status;
  const MlirBlock body = mlirRegionGetFirstBlock(mlirOperationGetRegion(module, 0));
  MambaBuilder builder = {context, body, mlirBlockGetFirstOperation(body)};
  MambaOpState state = {.kind = MAMBA_OP_CHECKPOINT, .location = mambaName(context, INPUT_SYMBOL)};
  mambaSetString(&state, "sym_name", mambaRef(INPUT_SYMBOL));
  mambaSetString(&state, "path", mambaRef(path));
  mambaSetString(&state, "hash", mambaRef(mambaCheckpointGetHash(file)));
  mambaBuild(&builder, &state);
  mambaCheckpointClose(file);
  return MAMBA_OK;
}

/* ---- The function -------------------------------------------------------------------------------------- */

/* The stream in front of the block becomes rows of the file, by number. */
static void readInput(MlirOperation module, MlirValue input, int64_t count) {
  const MlirBlock body = mambaForwardBody(module);
  const int64_t shape[] = {count, mambaChannels(input)};
  MambaBuilder builder = {mlirOperationGetContext(module), body, mlirBlockGetFirstOperation(body)};
  const MlirType type = mambaTensorType(builder.context, MAMBA_ELEMENT_F32, 2, shape);
  const MlirValue table = mambaBuildWeight(&builder, mambaRef(INPUT_SYMBOL), mambaRef(INPUT_SYMBOL), type);
  const MlirValue rows =
      mambaBuildSimple(&builder, MAMBA_OP_EMBEDDING, mambaNameFrom(builder.context, mambaValueName(input)),
                       mlirValueGetType(input), mlirBlockGetArgument(body, 0), table);
  mlirValueReplaceAllUsesOfWith(input, rows);
}

/* The `add` that puts the block's result on the residual stream, or null. */
static MlirOperation findAdd(MlirOperation out_proj) {
  const MlirOperation none = {NULL};
  MlirOpOperand use = mlirValueGetFirstUse(mlirOperationGetResult(out_proj, 0));
  for (; !mlirOpOperandIsNull(use); use = mlirOpOperandGetNextUse(use))
    if (mambaOpIs(mlirOpOperandGetOwner(use), MAMBA_OP_ADD))
      return mlirOpOperandGetOwner(use);
  return none;
}

static void returnValue(MlirOperation module, MlirValue value) {
  const MlirOperation forward = mambaForward(module);
  const MlirType ids = mlirValueGetType(mlirBlockGetArgument(mambaForwardBody(module), 0));
  const MlirType result = mlirValueGetType(value);
  mlirOperationSetOperand(mlirBlockGetTerminator(mambaForwardBody(module)), 0, value);
  mlirOperationSetInherentAttributeByName(
      forward, mambaRef("function_type"),
      mlirTypeAttrGet(mlirFunctionTypeGet(mlirOperationGetContext(module), 1, &ids, 1, &result)));
}

/* Everything that the result does not need, last to first: other blocks' states too. */
static bool eraseOthers(MlirOperation module) {
  MlirOperation *ops = NULL;
  intptr_t count = 0;
  MambaError error;
  if (mambaBlockOperations(mambaForwardBody(module), &ops, &count, &error) != MAMBA_OK) {
    mambaEmitError(module, "%s", error.message);
    return false;
  }
  for (intptr_t i = count - 2; i >= 0; i--) {
    bool used = false;
    for (intptr_t r = 0, n = mlirOperationGetNumResults(ops[i]); r < n; r++)
      used |= mambaHasUses(mlirOperationGetResult(ops[i], r));
    if (!used)
      mlirOperationDestroy(ops[i]);
  }
  free(ops);
  return true;
}

static bool cut(MlirOperation module, intptr_t block, int64_t count) {
  SiteGroup *groups = NULL;
  intptr_t group_count = 0;
  if (!findSites(module, &groups, &group_count))
    return false;
  const SiteGroup group = groups[block];
  free(groups);
  if (mlirOperationIsNull(group.scan)) { /* the head, whose result is returned as it is */
    readInput(module, siteOperand(group.sites[SITE_HEAD]), count);
    return eraseOthers(module);
  }
  const MlirOperation in_proj = group.sites[SITE_IN].reader;
  const MlirOperation add = findAdd(group.sites[SITE_Y].reader);
  const MlirValue input = blockInput(in_proj);
  if (mlirOperationIsNull(add)) {
    mambaEmitError(in_proj, "expected an `add` that puts the block's result on the residual stream");
    return false;
  }
  if (mlirValueIsNull(input))
    return false;
  returnValue(module, mlirOperationGetResult(add, 0));
  readInput(module, input, count);
  return eraseOthers(module);
}

MlirOperation blockModuleCreate(MlirOperation model, intptr_t block, const char *folder, const float *rows,
                                int64_t count, int64_t channels) {
  const MlirOperation none = {NULL}, module = mlirOperationClone(model);
  char input[4096], weights[4096];
  MambaError error;
  snprintf(input, sizeof input, "%s/input.safetensors", folder);
  snprintf(weights, sizeof weights, "%s/block.safetensors", folder);
  MambaStatus status = writeInput(input, rows, count, channels, &error);
  if (!status)
    status = declareInput(module, input, &error);
  if (status)
    mambaEmitFailure(model, "mamba-search", &error);
  const MambaMaterializeOptions materialize = {.output = weights};
  if (!status && cut(module, block, count) && mambaPassMaterialize(module, &materialize))
    return module;
  mlirOperationDestroy(module);
  return none;
}

/* ---- Running ---------------------------------------------------------------------------------------- */

MambaStatus blockModuleRun(MlirOperation module, int64_t samples, int64_t length, float *output,
                           MambaError *error) {
  MambaExecutor *executor = NULL;
  int32_t *ids = malloc((size_t)(samples * length) * sizeof *ids);
  MambaStatus status =
      ids ? MAMBA_OK : mambaFail(error, MAMBA_NO_MEMORY, "no memory for the numbers of rows");
  for (int64_t i = 0; !status && i < samples * length; i++)
    ids[i] = (int32_t)i;
  if (!status)
    status = mambaExecutorCreate(module, samples, (MambaExecutorOptions){.threads = 0}, &executor, error);
  if (!status)
    status = mambaExecutorRun(executor, ids, length, MAMBA_LOGITS_ALL, output, error);
  mambaExecutorDestroy(executor);
  free(ids);
  return status;
}
