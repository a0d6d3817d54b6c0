/* A file that appears whole or not at all: written beside its destination, then renamed over it. */
#ifndef MAMBA_OUTPUT_FILE_H
#define MAMBA_OUTPUT_FILE_H

#include "mamba/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct MambaOutputFile MambaOutputFile;

/* Creates a temporary file in the folder of `path`, which must exist. */
MAMBA_MUST_CHECK MambaStatus mambaOutputFileCreate(const char *path, MambaOutputFile **file,
                                                   MambaError *error);
MAMBA_MUST_CHECK MambaStatus mambaOutputFileWrite(MambaOutputFile *file, const void *data, size_t bytes,
                                                  MambaError *error);
/* Flushes and renames: only now does `path` change. Write nothing afterwards. */
MAMBA_MUST_CHECK MambaStatus mambaOutputFileCommit(MambaOutputFile *file, MambaError *error);
/* Frees; removes the temporary file unless it was committed. NULL is allowed. */
void mambaOutputFileDestroy(MambaOutputFile *file);

/* All of these for a file whose contents are in memory. */
MAMBA_MUST_CHECK MambaStatus mambaOutputFileSave(const char *path, const void *data, size_t bytes,
                                                 MambaError *error);

#ifdef __cplusplus
}
#endif
#endif
