/* The checkpoint of mamba-compile --synthetic. */
#ifndef MAMBA_COMPILE_SYNTHETIC_H
#define MAMBA_COMPILE_SYNTHETIC_H

#include "mamba/status.h"

/* Writes a random model of this shape (see mamba/synthetic.h) into `folder`, which it makes. Nothing is left
 * of it after an error. */
MAMBA_MUST_CHECK MambaStatus syntheticCreate(const char *shape, int64_t layers, const char *folder,
                                             MambaError *error);
/* Removes such a folder from disk. */
void syntheticRemove(const char *folder);

#endif
