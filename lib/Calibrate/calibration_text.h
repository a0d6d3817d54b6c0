/* One pass of a model over a short calibration text, for those who look at its values themselves. */
#ifndef MAMBA_CALIBRATE_CALIBRATION_TEXT_H
#define MAMBA_CALIBRATE_CALIBRATION_TEXT_H

#include "mamba/executor.h"
#include "mamba/passes.h"
#include "mamba/token_ids.h"

enum { CALIBRATION_MAX_SAMPLES = 64 }; /* that run together */

/* Reads options->calibration, a file, with the module's tokenizer where it is text, and takes the samples
 * from it. The caller ends *ids. */
MAMBA_MUST_CHECK MambaStatus calibrationTextRead(MlirOperation module, const MambaCalibrateOptions *options,
                                                 MambaTokenIds *ids, MambaError *error);

/* The token that every sequence of the model's own text begins with. */
int32_t calibrationFirstToken(MlirOperation module);

/* Runs the module over all samples at once, of a file or written by the model itself; the observer's rows are
 * [samples, tokens of a chunk]. MAMBA_INVALID for more than CALIBRATION_MAX_SAMPLES. */
MAMBA_MUST_CHECK MambaStatus calibrationTextRun(MlirOperation module, const MambaCalibrateOptions *options,
                                                MambaObserver observer, void *context, MambaError *error);

#endif
