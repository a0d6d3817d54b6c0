#include "mamba/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct MambaOutputFile {
  FILE *stream;    /* NULL once committed */
  char *path;      /* the destination */
  char *temporary; /* exists on disk while `stream` is open */
};

/* Opens a new file beside `path`; its name is unique among processes and within this one. Not
 * mkstemp, whose files other users may not read. */
static int openTemporary(const char *path, char *temporary, size_t capacity) {
  for (unsigned attempt = 0; attempt < 1000; attempt++) {
    snprintf(temporary, capacity, "%s.%ld-%u.tmp", path, (long)getpid(), attempt);
    const int descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor >= 0 || errno != EEXIST)
      return descriptor;
  }
  return -1;
}

MambaStatus mambaOutputFileCreate(const char *path, MambaOutputFile **file, MambaError *error) {
  MambaStatus status = MAMBA_OK;
  MambaOutputFile *result = calloc(1, sizeof *result);
  const size_t capacity = strlen(path) + 48;
  int descriptor = -1;
  if (!result || !(result->path = strdup(path)) || !(result->temporary = malloc(capacity))) {
    status = mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory", path);
    goto cleanup;
  }
  descriptor = openTemporary(path, result->temporary, capacity);
  if (descriptor < 0) {
    status = mambaFailErrno(error, "%s: cannot create", path);
    goto cleanup;
  }
  result->stream = fdopen(descriptor, "wb");
  if (!result->stream) {
    status = mambaFailErrno(error, "%s: cannot create", path);
    unlink(result->temporary);
    goto cleanup;
  }
  descriptor = -1;
  *file = result;
  result = NULL;

cleanup:
  if (descriptor >= 0)
    close(descriptor);
  mambaOutputFileDestroy(result);
  return status;
}

MambaStatus mambaOutputFileWrite(MambaOutputFile *file, const void *data, size_t bytes, MambaError *error) {
  if (bytes > 0 && fwrite(data, 1, bytes, file->stream) != bytes)
    return mambaFailErrno(error, "%s: cannot write", file->path);
  return MAMBA_OK;
}

MambaStatus mambaOutputFileCommit(MambaOutputFile *file, MambaError *error) {
  MambaStatus status = MAMBA_OK;
  const int closed = fclose(file->stream); /* also reports what buffered writes met */
  file->stream = NULL;
  if (closed != 0)
    status = mambaFailErrno(error, "%s: cannot write", file->path);
  else if (rename(file->temporary, file->path) != 0)
    status = mambaFailErrno(error, "%s: cannot replace", file->path);
  if (status != MAMBA_OK)
    unlink(file->temporary);
  return status;
}

void mambaOutputFileDestroy(MambaOutputFile *file) {
  if (!file)
    return;
  if (file->stream) {
    fclose(file->stream);
    unlink(file->temporary);
  }
  free(file->temporary);
  free(file->path);
  free(file);
}

MambaStatus mambaOutputFileSave(const char *path, const void *data, size_t bytes, MambaError *error) {
  MambaOutputFile *file = NULL;
  MambaStatus status = mambaOutputFileCreate(path, &file, error);
  if (!status)
    status = mambaOutputFileWrite(file, data, bytes, error);
  if (!status)
    status = mambaOutputFileCommit(file, error);
  mambaOutputFileDestroy(file);
  return status;
}
