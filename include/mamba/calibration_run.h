/* Running a module over the samples of a calibration, for who wants to see the values themselves. */
#ifndef MAMBA_CALIBRATION_RUN_H
#define MAMBA_CALIBRATION_RUN_H

#include "mamba/executor.h"
#include "mamba/passes.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MAMBA_CALIBRATION_BATCH = 64 }; /* sequences that run together */

/* Shows `observer` every value that the module computes over all samples of `options` (its part and its
 * statistics file are not used), in an order that does not depend on the number of processors: for each batch
 * of sequences chunk by chunk, rows [sequences of the batch, tokens of the chunk]. `label` says on the
 * progress line what it is for. */
MAMBA_MUST_CHECK MambaStatus mambaCalibrationRun(MlirOperation module, const MambaCalibrateOptions *options,
                                                 const char *label, MambaObserver observer, void *context,
                                                 MambaError *error);

#ifdef __cplusplus
}
#endif
#endif
