/* Passes by their text. */
#include "mamba/passes.h"

#include "mlir-c/Pass.h"

#include <stdio.h>
#include <string.h>

static void collect(MlirStringRef part, void *error) {
  char *message = ((MambaError *)error)->message;
  const size_t used = strlen(message), room = sizeof((MambaError *)error)->message - used;
  snprintf(message + used, room, "%.*s", (int)part.length, part.data);
}

MambaStatus mambaPipelineRun(MlirOperation module, const char *pipeline, const char *keep_ir,
                             MambaError *error) {
  const MlirPassManager manager = mlirPassManagerCreate(mlirOperationGetContext(module));
  MambaStatus status = MAMBA_OK;
  *error = (MambaError){.status = MAMBA_INVALID};
  if (mlirLogicalResultIsFailure(mlirParsePassPipeline(mlirPassManagerGetAsOpPassManager(manager),
                                                       mambaRef(pipeline), collect, error))) {
    status = mambaFailContext(error, "the pipeline %s", pipeline);
    goto cleanup;
  }
  if (keep_ir) {
    const MlirOpPrintingFlags flags = mlirOpPrintingFlagsCreate();
    mlirOpPrintingFlagsEnableDebugInfo(flags, true, false);
    mlirOpPrintingFlagsUseLocalScope(flags);
    mlirOpPrintingFlagsPrintNameLocAsPrefix(flags);
    mlirPassManagerEnableIRPrinting(manager, false, true, true, false, false, flags, mambaRef(keep_ir));
    mlirOpPrintingFlagsDestroy(flags);
  }
  if (mlirLogicalResultIsFailure(mlirPassManagerRunOnOp(manager, module)))
    status = mambaFail(error, MAMBA_INVALID, "%s", ""); /* the pass has said why */
cleanup:
  mlirPassManagerDestroy(manager);
  return status;
}
