/* A temporary folder for one test, and files in it. Every function fails the running cmocka test
 * when the operating system refuses. */
#ifndef MAMBA_TEST_TEMPDIR_H
#define MAMBA_TEST_TEMPDIR_H

#include <stdbool.h>
#include <stddef.h>

typedef struct TempDir {
  char path[256];
} TempDir;

void tempDirCreate(TempDir *dir);
/* Removes the folder and everything in it. */
void tempDirRemove(TempDir *dir);
/* The path of `name` in the folder, in a buffer that the fourth next call reuses. */
const char *tempDirPath(const TempDir *dir, const char *name);
void tempDirWrite(const TempDir *dir, const char *name, const void *data, size_t size);
void tempDirWriteText(const TempDir *dir, const char *name, const char *text);
bool tempDirHas(const TempDir *dir, const char *name);
size_t tempDirCountFiles(const TempDir *dir);
/* The contents of any file, which the caller frees; a NUL follows them. */
char *readWholeFile(const char *path, size_t *size);

#endif
