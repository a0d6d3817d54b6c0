/* Files of weights that passes write. */
#ifndef MAMBA_PASSES_WEIGHT_FILE_H
#define MAMBA_PASSES_WEIGHT_FILE_H

#include "mamba/ir.h"

/* Declares `mamba.checkpoint @name`, or @name_2 when that name is taken, for the file at `path`, which
 * exists. The symbol goes to *symbol. */
MAMBA_MUST_CHECK MambaStatus addWeightFile(MlirOperation module, const char *name, const char *path,
                                           MlirStringRef *symbol, MambaError *error);

#endif
