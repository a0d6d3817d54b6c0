/* Statistics files, which mamba-calibrate writes, as wholes. */
#ifndef MAMBA_CALIBRATE_H
#define MAMBA_CALIBRATE_H

#include "mamba/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes to `output` what one calibration over the samples of all `count` (at least 1) files would have written, to
 * the byte. MAMBA_INVALID, with the reason, when a file is of another model, length, seed or kind of data than the
 * first one, or breaks the format. */
MAMBA_MUST_CHECK MambaStatus mambaStatisticsFilesMerge(const char *const *paths, size_t count, const char *output,
                                                       MambaError *error);

#ifdef __cplusplus
}
#endif
#endif
