/* Reader of pytorch_model.bin: what torch.save writes of a state dict, a ZIP archive (PyTorch 1.6 and later)
 * of a pickle and the bytes of its tensors. Nothing of the pickle is executed: of its opcodes those are read
 * that a dictionary of tensors needs, and of the globals that it may name the few that stand for one
 * (docs/import.md lists both). Everything else is refused by name. */
#ifndef MAMBA_TORCH_FILE_H
#define MAMBA_TORCH_FILE_H

#include "mamba/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct MambaTorchFile MambaTorchFile;

/* Maps and checks a file. The caller closes it. */
MAMBA_MUST_CHECK MambaStatus mambaTorchFileOpen(const char *path, MambaTorchFile **file, MambaError *error);
/* Checks a file in memory, which the caller keeps until after the close; `label` stands for its path. */
MAMBA_MUST_CHECK MambaStatus mambaTorchFileParse(const void *buffer, size_t size, const char *label,
                                                 MambaTorchFile **file, MambaError *error);
/* Ends the views. NULL is allowed. */
void mambaTorchFileClose(MambaTorchFile *file);

/* Tensors in the order of the dictionary. Two may share their bytes. */
size_t mambaTorchFileGetCount(const MambaTorchFile *file);
const MambaTensorView *mambaTorchFileGet(const MambaTorchFile *file, size_t index);

#ifdef __cplusplus
}
#endif
#endif
