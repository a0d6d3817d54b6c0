/* The text that a model is calibrated on. */
#ifndef MAMBA_CALIBRATE_CALIBRATION_TEXT_H
#define MAMBA_CALIBRATE_CALIBRATION_TEXT_H

#include "mamba/passes.h"
#include "mamba/token_ids.h"

/* Reads options->calibration, a file, with the module's tokenizer where it is text, and takes the samples
 * from it. The caller ends *ids. */
MAMBA_MUST_CHECK MambaStatus calibrationTextRead(MlirOperation module, const MambaCalibrateOptions *options,
                                                 MambaTokenIds *ids, MambaError *error);

/* The token that every sequence of the model's own text begins with. */
int32_t calibrationFirstToken(MlirOperation module);

#endif
