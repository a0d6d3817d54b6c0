#include "run.h"

#include "mamba/shim.h"

#include "load.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

MambaStatus modelLoad(const char *path, const RunOptions *options, Model *model, MambaError *error) {
  model->path = path;
  model->context = mlirContextCreateWithThreading(false);
  mambaRegisterAll(model->context);
  const MambaStatus status = mambaLoadModule(model->context, path, &model->module, error);
  if (status)
    return status;
  const MlirOperation module = mlirModuleGetOperation(model->module);
  MlirStringRef tokenizer = mambaRef("");
  if (options->tokenizer)
    tokenizer = mambaRef(options->tokenizer);
  else if (mambaHasAttribute(module, "mamba.tokenizer"))
    tokenizer = mambaStringAttribute(module, "mamba.tokenizer");
  if (tokenizer.length >= sizeof model->tokenizer_path)
    return mambaFail(error, MAMBA_INVALID, "%s: expected a tokenizer's path of less than %zu bytes", path,
                     sizeof model->tokenizer_path);
  snprintf(model->tokenizer_path, sizeof model->tokenizer_path, "%.*s", (int)tokenizer.length,
           tokenizer.data);
  return MAMBA_OK;
}

/* A bundle carries its tokenizer, where it has one. */
MambaStatus modelOpen(const char *path, const RunOptions *options, Model *model, MambaError *error) {
  if (!isBundle(path))
    return modelLoad(path, options, model, error);
  char *own = model->tokenizer_path;
  const size_t size = sizeof model->tokenizer_path;
  model->path = path;
  const int n = options->tokenizer ? snprintf(own, size, "%s", options->tokenizer)
                                   : snprintf(own, size, "%s/tokenizer.bin", path);
  if (n < 0 || (size_t)n >= size)
    return mambaFail(error, MAMBA_INVALID, "%s: expected a tokenizer's path of less than %zu bytes", path,
                     size);
  if (!options->tokenizer && access(own, R_OK))
    *own = 0;
  return MAMBA_OK;
}

void modelDestroy(Model *model) {
  if (!mlirModuleIsNull(model->module))
    mlirModuleDestroy(model->module);
  if (!mlirContextIsNull(model->context))
    mlirContextDestroy(model->context);
}

int32_t modelEndOfText(const Model *model) {
  const MlirOperation module = mlirModuleGetOperation(model->module);
  const int64_t id = mambaHasAttribute(module, "mamba.eos") ? mambaIntAttribute(module, "mamba.eos") : -1;
  return id < 0 || id > INT32_MAX ? -1 : (int32_t)id;
}

MambaStatus modelExecutor(const Model *model, int64_t batch, int64_t threads, MambaExecutor **executor,
                          MambaError *error) {
  const MambaStatus status =
      mambaExecutorCreate(mlirModuleGetOperation(model->module), batch,
                          (MambaExecutorOptions){.threads = (int)threads}, executor, error);
  return status ? mambaFailContext(error, "%s", model->path) : MAMBA_OK;
}
