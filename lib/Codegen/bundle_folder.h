/* A folder that appears whole or not at all: written beside its place, then renamed. */
#ifndef MAMBA_CODEGEN_BUNDLE_FOLDER_H
#define MAMBA_CODEGEN_BUNDLE_FOLDER_H

#include "mamba/status.h"

#include <stdio.h>

typedef struct MambaBundleFolder {
  char *path;      /* where it will be */
  char *temporary; /* where it is written; NULL once committed */
} MambaBundleFolder;

/* Makes the temporary folder beside `path`; the folder above must exist. `path` must pass
 * mambaBundleCheckOutput. */
MAMBA_MUST_CHECK MambaStatus mambaBundleFolderCreate(const char *path, MambaBundleFolder *folder,
                                                     MambaError *error);

/* The path of a file inside; the caller frees it. NULL when memory is short. */
char *mambaBundleFolderJoin(const MambaBundleFolder *folder, const char *name);

/* Opens a new file inside, making folders as `name` needs them. End it with mambaBundleFolderClose. */
MAMBA_MUST_CHECK MambaStatus mambaBundleFolderOpen(const MambaBundleFolder *folder, const char *name,
                                                   FILE **file, MambaError *error);
/* Closes the file; fails when anything that was written to it did not arrive. */
MAMBA_MUST_CHECK MambaStatus mambaBundleFolderClose(const char *name, FILE *file, MambaError *error);
/* Both, around one write. */
MAMBA_MUST_CHECK MambaStatus mambaBundleFolderWrite(const MambaBundleFolder *folder, const char *name,
                                                    const void *data, size_t size, MambaError *error);

/* Puts the folder in its place; an older bundle there is removed. */
MAMBA_MUST_CHECK MambaStatus mambaBundleFolderCommit(MambaBundleFolder *folder, MambaError *error);
/* Removes what was not committed. Safe on a zeroed one. */
void mambaBundleFolderDestroy(MambaBundleFolder *folder);

#endif
