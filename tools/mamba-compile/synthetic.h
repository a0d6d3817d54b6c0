/* The checkpoint of mamba-compile --synthetic, which exists while the compiler runs. */
#ifndef MAMBA_COMPILE_SYNTHETIC_H
#define MAMBA_COMPILE_SYNTHETIC_H

#include "mamba/status.h"

/* Writes a random model of this shape (see mamba/synthetic.h) into a new folder beside `output`. The caller
 * gives *folder to syntheticDestroy. */
MAMBA_MUST_CHECK MambaStatus syntheticCreate(const char *shape, int64_t layers, const char *output,
                                             char **folder, MambaError *error);
/* Removes the folder from disk and frees its name. NULL is allowed. */
void syntheticDestroy(char *folder);

#endif
