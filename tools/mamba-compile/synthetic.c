#include "synthetic.h"

#include "mamba/synthetic.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEED = 1 };

static void removeFile(const char *folder, const char *name) {
  char path[4096];
  if (snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path)
    unlink(path);
}

MambaStatus syntheticCreate(const char *shape, int64_t layers, const char *folder, MambaError *error) {
  MambaConfig config;
  MambaStatus status = mambaSyntheticConfig(shape, layers, &config, error);
  if (status)
    return status;
  if (mkdir(folder, 0777))
    return mambaFailErrno(error, "%s: cannot create a folder for the random model", folder);
  status = mambaSyntheticWrite(&config, SEED, folder, error);
  if (status)
    syntheticRemove(folder);
  return status;
}

void syntheticRemove(const char *folder) {
  removeFile(folder, "model.safetensors");
  removeFile(folder, "config.json");
  rmdir(folder);
}
