/* Bundles run themselves. */
#include "run.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static bool isFile(const char *folder, const char *name, char path[4096]) {
  struct stat info;
  const int n = snprintf(path, 4096, "%s/%s", folder, name);
  return n > 0 && n < 4096 && stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

bool isBundle(const char *path) {
  char manifest[4096];
  return isFile(path, "manifest.json", manifest);
}

MambaStatus bundleProgram(const char *path, char *program, size_t size, MambaError *error) {
  char found[4096];
  if (!isFile(path, "run", found) || snprintf(program, size, "%s", found) >= (int)size)
    return mambaFail(error, MAMBA_INVALID,
                     "%s: a bundle that is not built; its README.md has the command that does it", path);
  return MAMBA_OK;
}

MambaStatus runBundle(const char *path, char **arguments, MambaError *error) {
  char program[4096];
  const MambaStatus status = bundleProgram(path, program, sizeof program, error);
  if (status)
    return status;
  arguments[0] = program;
  fflush(NULL);
  execv(program, arguments);
  return mambaFailErrno(error, "%s", program);
}
