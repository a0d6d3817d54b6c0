#include "load.h"

#include "mamba/import.h"
#include "mamba/shim.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

MambaStatus mambaLoadModule(MlirContext context, const char *path, MlirModule *module, MambaError *error) {
  if (mambaImportIsModel(path)) {
    const MambaStatus status = mambaImport(context, path, module, error);
    mambaShowNames(context, path);
    return status;
  }
  if (strcmp(path, "-") != 0 && access(path, R_OK))
    return mambaFailErrno(error, "%s", path);
  const MlirModule parsed = mambaParseFile(context, path);
  if (mlirModuleIsNull(parsed)) { /* which the parser has told */
    fprintf(stderr,
            "%s: note: not a model: expected a checkpoint folder, a GGUF file, an exported graph, a bundle, "
            "or IR as "
            ".mlir or bytecode\n",
            path);
    return mambaFail(error, MAMBA_INVALID, "%s", "");
  }
  *module = parsed;
  return MAMBA_OK;
}
