#include "weight_file.h"

#include <stdio.h>

#include "mamba/checkpoint.h"

MambaStatus addWeightFile(MlirOperation module, const char *name, const char *path, MlirStringRef *symbol,
                          MambaError *error) {
  MambaCheckpoint *checkpoint = NULL;
  const MambaStatus status = mambaCheckpointOpen(path, &checkpoint, error);
  if (status != MAMBA_OK)
    return status;
  char unique[64];
  snprintf(unique, sizeof unique, "%s", name);
  for (int n = 2; !mlirOperationIsNull(mambaSymbol(module, mambaRef(unique))); n++)
    snprintf(unique, sizeof unique, "%s_%d", name, n);
  const MlirBlock body = mlirRegionGetFirstBlock(mlirOperationGetRegion(module, 0));
  MambaBuilder builder = mambaBuilderBefore(mlirBlockGetFirstOperation(body));
  MambaOpState state = {.kind = MAMBA_OP_CHECKPOINT, .location = mambaName(builder.context, "%s", unique)};
  mambaSetString(&state, "sym_name", mambaRef(unique));
  mambaSetString(&state, "path", mambaRef(path));
  mambaSetString(&state, "hash", mambaRef(mambaCheckpointGetHash(checkpoint)));
  *symbol = mambaStringAttribute(mambaBuild(&builder, &state), "sym_name");
  mambaCheckpointClose(checkpoint);
  return MAMBA_OK;
}
