/* The named tensors of a trained model: one safetensors file, several with an index, a file of
 * torch.save, a GGUF file, or an exported graph. */
#ifndef MAMBA_CHECKPOINT_H
#define MAMBA_CHECKPOINT_H

#include "mamba/gguf.h"
#include "mamba/graph_model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct MambaCheckpoint MambaCheckpoint;

/* `path` is a .safetensors file, or a folder with model.safetensors or else
 * model.safetensors.index.json and the shards that it names, or else pytorch_model.bin. An index is checked both ways: every
 * entry's tensor is in its shard, every tensor of a shard is in the index. Or it is a GGUF file, whose tensors
 * appear under the names, and in the shapes, that they have in a Hugging Face checkpoint (docs/import.md).
 * Or it is an exported graph, whose parameters appear likewise.
 * The files stay mapped until the caller closes the checkpoint. */
MAMBA_MUST_CHECK MambaStatus mambaCheckpointOpen(const char *path, MambaCheckpoint **checkpoint,
                                                 MambaError *error);
/* Ends the views. NULL is allowed. */
void mambaCheckpointClose(MambaCheckpoint *checkpoint);

/* The GGUF file behind a checkpoint, NULL where it is another kind. Borrowed. */
const MambaGguf *mambaCheckpointGetGguf(const MambaCheckpoint *checkpoint);

/* The exported graph behind a checkpoint, NULL likewise. Borrowed. */
const MambaGraphModel *mambaCheckpointGetGraph(const MambaCheckpoint *checkpoint);

size_t mambaCheckpointGetCount(const MambaCheckpoint *checkpoint);
/* Tensor `index` < count, in the order of the keys' bytes. The views are one array: for a view from
 * mambaCheckpointFind, `view - mambaCheckpointGet(checkpoint, 0)` is its index. */
const MambaTensorView *mambaCheckpointGet(const MambaCheckpoint *checkpoint, size_t index);
/* NULL when there is none of that key. */
const MambaTensorView *mambaCheckpointFind(const MambaCheckpoint *checkpoint, const char *key);

/* Lets a tensor of a checkpoint leave memory until it is read again: for readers that go through a model larger
 * than they want in memory. The view stays valid. */
void mambaCheckpointRelease(const MambaTensorView *tensor);

/* "xxh3:" and 16 hexadecimal digits: XXH3-64 over, per tensor in the order of keys, the key and the
 * dtype's name with their terminating NUL, the rank and the dimensions as 64-bit little-endian
 * integers, and the data. The same whichever files hold the tensors. Reads all data on the first
 * call, which must not run in two threads at once. Borrowed. */
const char *mambaCheckpointGetHash(MambaCheckpoint *checkpoint);

#ifdef __cplusplus
}
#endif
#endif
