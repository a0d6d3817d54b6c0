#include "calibration_text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "self_text.h"

MambaStatus calibrationTextRead(MlirOperation module, const MambaCalibrateOptions *options,
                                MambaTokenIds *ids, MambaError *error) {
  char tokenizer[4096] = "";
  if (mambaHasAttribute(module, "mamba.tokenizer")) {
    const MlirStringRef path = mambaStringAttribute(module, "mamba.tokenizer");
    snprintf(tokenizer, sizeof tokenizer, "%.*s", (int)path.length, path.data);
  }
  MambaTokenIds all = {0};
  MambaStatus status = mambaTokenIdsRead(options->calibration, *tokenizer ? tokenizer : NULL, &all, error);
  if (!status)
    status = mambaTokenIdsSample(&all, options->calibration, options->samples, options->length, ids, error);
  mambaTokenIdsDestroy(&all);
  return status;
}

int32_t calibrationFirstToken(MlirOperation module) {
  const int64_t id = mambaHasAttribute(module, "mamba.eos") ? mambaIntAttribute(module, "mamba.eos") : 0;
  return id < 0 || id > INT32_MAX ? 0 : (int32_t)id;
}

static MambaStatus runSelf(MlirOperation module, const MambaCalibrateOptions *options,
                           MambaExecutor *executor, MambaError *error) {
  MambaProgress progress = mambaProgressStart("writing text", "tokens", options->samples * options->length);
  const SelfText text = {.seed = (uint64_t)options->seed,
                         .first_token = calibrationFirstToken(module),
                         .length = options->length};
  const long processors = sysconf(_SC_NPROCESSORS_ONLN);
  mamba_pool *pool = mamba_pool_create(processors < 1 ? 1 : processors > 16 ? 16 : (int)processors);
  const MambaStatus status = pool ? selfTextRun(&text, executor, NULL, pool, &progress, 0, error)
                                  : mambaFail(error, MAMBA_NO_MEMORY, "the system refused threads");
  mamba_pool_destroy(pool);
  mambaProgressEnd(&progress);
  return status;
}

static MambaStatus runFile(MlirOperation module, const MambaCalibrateOptions *options,
                           MambaExecutor *executor, MambaError *error) {
  MambaTokenIds ids = {0};
  MambaStatus status = calibrationTextRead(module, options, &ids, error);
  if (!status)
    status = mambaExecutorRun(executor, ids.ids, ids.columns, MAMBA_LOGITS_NONE, NULL, error);
  mambaTokenIdsDestroy(&ids);
  return status;
}

MambaStatus calibrationTextRun(MlirOperation module, const MambaCalibrateOptions *options,
                               MambaObserver observer, void *context, MambaError *error) {
  MambaExecutor *executor = NULL;
  if (options->samples < 1 || options->samples > CALIBRATION_MAX_SAMPLES || options->length < 1)
    return mambaFail(error, MAMBA_INVALID, "expected 1 to %d samples of at least 1 token, found %lld of %lld",
                     CALIBRATION_MAX_SAMPLES, (long long)options->samples, (long long)options->length);
  MambaStatus status =
      mambaExecutorCreate(module, options->samples, (MambaExecutorOptions){.threads = 0}, &executor, error);
  if (status)
    return status;
  mambaExecutorObserve(executor, observer, context);
  status = strcmp(options->calibration, "self") ? runFile(module, options, executor, error)
                                                : runSelf(module, options, executor, error);
  mambaExecutorDestroy(executor);
  return status;
}
