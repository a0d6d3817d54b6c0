#include "synthetic.h"

#include "mamba/synthetic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEED = 1 };

static void removeFile(const char *folder, const char *name) {
  char path[4096];
  if (snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path)
    unlink(path);
}

MambaStatus syntheticCreate(const char *shape, int64_t layers, const char *output, char **folder,
                            MambaError *error) {
  static const char suffix[] = ".checkpoint";
  MambaConfig config;
  MambaStatus status = mambaSyntheticConfig(shape, layers, &config, error);
  if (status)
    return status;
  size_t length = strlen(output);
  while (length > 1 && output[length - 1] == '/')
    length--;
  char *path = malloc(length + sizeof suffix);
  if (!path)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for a path");
  memcpy(path, output, length);
  strcpy(path + length, suffix);
  if (mkdir(path, 0777)) {
    status = mambaFailErrno(error, "%s: cannot create a folder for the random model", path);
    free(path);
    return status;
  }
  status = mambaSyntheticWrite(&config, SEED, path, error);
  if (status)
    syntheticDestroy(path);
  else
    *folder = path;
  return status;
}

void syntheticDestroy(char *folder) {
  if (!folder)
    return;
  removeFile(folder, "model.safetensors");
  removeFile(folder, "config.json");
  rmdir(folder);
  free(folder);
}
