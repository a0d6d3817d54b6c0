/* The model in an exported graph: an archive of torch.export (.pt2) or a file of ONNX. The program in it is
 * read, never run; its parameters are found by what it does with them, and presented as a Hugging Face
 * checkpoint has them (docs/import.md). */
#ifndef MAMBA_GRAPH_MODEL_H
#define MAMBA_GRAPH_MODEL_H

#include "mamba/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct MambaGraphModel MambaGraphModel;

/* Whether a file begins like an archive, or has the name of one or of a file of ONNX. False when it cannot be
 * read. */
bool mambaGraphIsFile(const char *path);

/* Reads and recognises a file, or refuses it with the node where it departs from a Mamba and what was
 * expected there. The caller closes the model. */
MAMBA_MUST_CHECK MambaStatus mambaGraphModelOpen(const char *path, MambaGraphModel **model,
                                                 MambaError *error);
/* Ends the views. NULL is allowed. */
void mambaGraphModelClose(MambaGraphModel *model);

typedef enum MambaGraphFormat { MAMBA_GRAPH_TORCH, MAMBA_GRAPH_ONNX } MambaGraphFormat;

/* The same for a file in memory, which the caller keeps until after the close; `label` stands for its path.
 */
MAMBA_MUST_CHECK MambaStatus mambaGraphModelParse(MambaGraphFormat format, const void *data, size_t size,
                                                  const char *label, MambaGraphModel **model,
                                                  MambaError *error);

size_t mambaGraphModelGetCount(const MambaGraphModel *model);
const MambaTensorView *mambaGraphModelGet(const MambaGraphModel *model, size_t index);

int64_t mambaGraphModelGetLayers(const MambaGraphModel *model);
double mambaGraphModelGetNormEpsilon(const MambaGraphModel *model);
double mambaGraphModelGetMixerEpsilon(const MambaGraphModel *model); /* 0 in a model without such norms */

#ifdef __cplusplus
}
#endif
#endif
