#include "calibration_text.h"

#include <stdio.h>

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
