/* Reading what a tool is given as a model. */
#ifndef MAMBA_TOOLS_LOAD_H
#define MAMBA_TOOLS_LOAD_H

#include "mamba/ir.h"

/* Imports a checkpoint folder, or parses IR at any level (.mlir or bytecode; "-" for standard input). The
 * caller destroys *module. The context has been given to mambaRegisterAll. */
MAMBA_MUST_CHECK MambaStatus mambaLoadModule(MlirContext context, const char *path, MlirModule *module,
                                             MambaError *error);

#endif
