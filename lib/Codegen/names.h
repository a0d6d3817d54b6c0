/* C identifiers from checkpoint names: "layers.0.mixer.x" becomes layers_0_mixer_x. */
#ifndef MAMBA_CODEGEN_NAMES_H
#define MAMBA_CODEGEN_NAMES_H

#include "mamba/ir.h"

/* The identifiers of one C function, all different. Zero-initialise. */
typedef struct MambaNames {
  char **names;
  size_t count, capacity;
} MambaNames;

/* A new identifier like `name` ("value" for an empty one), borrowed from `names`. Keywords and the local
 * variables of the emitted function are avoided. NULL when memory is short. */
const char *mambaNamesAdd(MambaNames *names, MlirStringRef name);
/* The same, but with the characters of `name`: for names in files. */
const char *mambaNamesAddLabel(MambaNames *names, MlirStringRef name);
void mambaNamesDestroy(MambaNames *names);

#endif
