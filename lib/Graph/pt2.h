/* What torch.export.save writes: a ZIP archive with the program as JSON and its weights. Its layouts, by the
 * version of PyTorch that wrote them (torch/export/pt2_archive/constants.py and
 * torch/_export/serde/serialize.py there):
 *
 *   2.6, 2.7   serialized_exported_program.json, serialized_state_dict.pt, serialized_constants.pt
 *   2.8        NAME/models/model.json, NAME/data/weights/model.pt, NAME/data/constants/model.pt
 *   from 2.9   NAME/models/model.json, NAME/data/weights/model_weights_config.json and weight_N, the bytes as
 * they are
 *
 * where .pt is a file of torch.save, which is read as pytorch_model.bin is: nothing is executed. Anything
 * else in the archive than this, samples of inputs (which are not read) and a few version numbers is refused.
 */
#ifndef MAMBA_LIB_GRAPH_PT2_H
#define MAMBA_LIB_GRAPH_PT2_H

#include <jansson.h>

#include "mamba/tensor.h"

typedef struct Pt2 Pt2;

/* Checks an archive in memory, which the caller keeps; `label` stands for its path. On success the caller
 * closes it. */
MAMBA_MUST_CHECK MambaStatus pt2Parse(const void *data, size_t size, const char *label, Pt2 **archive,
                                      MambaError *error);
void pt2Close(Pt2 *archive);

json_t *pt2GetProgram(const Pt2 *archive); /* borrowed; an object */
/* A weight by its name in the state dict, or NULL. */
const MambaTensorView *pt2Find(const Pt2 *archive, const char *name);

/* The dtype of a number of torch._export.serde.schema.ScalarType; false for others than numbers, or unknown
 * ones. */
bool pt2Dtype(json_int_t number, MambaDtype *dtype);

#endif
