/* A regular file mapped read-only. */
#ifndef MAMBA_MAPPED_FILE_H
#define MAMBA_MAPPED_FILE_H

#include "mamba/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* `data` is NULL when the file is empty. Whoever truncates the file while it is mapped makes reads
 * fail with SIGBUS: the project replaces files by renaming, never in place. */
typedef struct MambaMappedFile {
  const void *data;
  size_t size;
} MambaMappedFile;

/* MAMBA_IO when `path` cannot be opened, MAMBA_INVALID when it is not a regular file. The caller
 * ends it with mambaMappedFileClose. */
MAMBA_MUST_CHECK MambaStatus mambaMappedFileOpen(const char *path, MambaMappedFile *file, MambaError *error);
/* The same for `path` from a folder down, as a file names another: relative, by '/', without "." or "..", and
 * no part of it a link. MAMBA_INVALID for any other. */
MAMBA_MUST_CHECK MambaStatus mambaMappedFileOpenBeneath(const char *folder, const char *path,
                                                        MambaMappedFile *file, MambaError *error);
/* Whether a readable file begins with `magic`, a text of at most 8 bytes or NULL, or has a name that ends in
 * `suffix`: what claims by its name to be of a format is read as one, and so refused as one. Never waits. */
bool mambaFileLooksLike(const char *path, const char *magic, const char *suffix);
/* Maps a copy of `bytes` bytes, at least one, in a new file without a name below TMPDIR, else in /var/tmp,
 * which is a disk where /tmp may be memory. Its space is free again after mambaMappedFileClose. MAMBA_IO when
 * the folder or the disk refuses it. */
MAMBA_MUST_CHECK MambaStatus mambaMappedFileCreateTemporary(const void *data, size_t bytes,
                                                            MambaMappedFile *file, MambaError *error);
/* Lets the whole pages of a part of a mapped file leave memory; they come back when they are read again. Only
 * for what the functions above mapped: other memory would lose its contents. */
void mambaMappedFileRelease(const void *data, size_t bytes);
/* Safe on a zeroed or closed file. */
void mambaMappedFileClose(MambaMappedFile *file);

#ifdef __cplusplus
}
#endif
#endif
