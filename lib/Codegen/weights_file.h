/* Writing weights.bin. */
#ifndef MAMBA_CODEGEN_WEIGHTS_FILE_H
#define MAMBA_CODEGEN_WEIGHTS_FILE_H

#include "plan.h"

/* Evaluates the program's tensors one at a time into a new file at `path`, in the format of
 * kernels/bundle/weights.h, and sets plan->weights_hash. */
MAMBA_MUST_CHECK MambaStatus mambaWriteWeights(MambaPlan *plan, const char *path, MambaError *error);

#endif
