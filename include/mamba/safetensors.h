/* Reader of the safetensors format, https://github.com/huggingface/safetensors#format:
 *
 *   8 bytes  N, unsigned, little-endian, at most 100,000,000
 *   N bytes  a UTF-8 JSON object that starts with '{' and may end in spaces:
 *            name -> {"dtype": "F16", "shape": [2, 3], "data_offsets": [begin, end]},
 *            optionally "__metadata__" -> {text: text}
 *   the rest the tensors' bytes; offsets count from here, cover all of it and do not overlap
 *
 * Everything that breaks a rule of the format is refused with MAMBA_INVALID and a message that names
 * the file and the tensor. Well-formed files with elements of less than a byte or more than
 * MAMBA_MAX_RANK dimensions are refused with MAMBA_UNSUPPORTED. docs/import.md lists the rules. */
#ifndef MAMBA_SAFETENSORS_H
#define MAMBA_SAFETENSORS_H

#include "mamba/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct MambaSafetensors MambaSafetensors;

enum { MAMBA_SAFETENSORS_MAX_HEADER = 100000000 };

/* Maps and checks a file. The caller closes it. */
MAMBA_MUST_CHECK MambaStatus mambaSafetensorsOpen(const char *path, MambaSafetensors **file,
                                                  MambaError *error);
/* Checks a file in memory, which the caller keeps until after the close; `label` stands for its
 * path in messages. */
MAMBA_MUST_CHECK MambaStatus mambaSafetensorsParse(const void *buffer, size_t size, const char *label,
                                                   MambaSafetensors **file, MambaError *error);
/* Ends the views. NULL is allowed. */
void mambaSafetensorsClose(MambaSafetensors *file);

size_t mambaSafetensorsGetCount(const MambaSafetensors *file);
/* Tensor `index` < count, in the order of the data. */
const MambaTensorView *mambaSafetensorsGet(const MambaSafetensors *file, size_t index);
/* NULL when there is none of that name. */
const MambaTensorView *mambaSafetensorsFind(const MambaSafetensors *file, const char *name);
/* The text of a metadata key, NULL when absent. Borrowed. */
const char *mambaSafetensorsGetMetadata(const MambaSafetensors *file, const char *key);

#ifdef __cplusplus
}
#endif
#endif
