/* The tensors of a GGUF file under the names of a Hugging Face checkpoint, llama.cpp's conventions undone. */
#ifndef MAMBA_LIB_PARAMETERS_GGUF_MODEL_H
#define MAMBA_LIB_PARAMETERS_GGUF_MODEL_H

#include "mamba/gguf.h"

typedef struct MambaGgufModel MambaGgufModel;

/* The caller closes it. */
MAMBA_MUST_CHECK MambaStatus mambaGgufModelOpen(const char *path, MambaGgufModel **model, MambaError *error);
/* The same of a file that is open. It is the model's from then on, also after a failure. */
MAMBA_MUST_CHECK MambaStatus mambaGgufModelCreate(MambaGguf *file, MambaGgufModel **model, MambaError *error);
void mambaGgufModelClose(MambaGgufModel *model);

const MambaGguf *mambaGgufModelGetFile(const MambaGgufModel *model);
size_t mambaGgufModelGetCount(const MambaGgufModel *model);
const MambaTensorView *mambaGgufModelGet(const MambaGgufModel *model, size_t index);

#endif
