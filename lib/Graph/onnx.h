/* A file of ONNX (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, whose field numbers onnx.c has). */
#ifndef MAMBA_LIB_GRAPH_ONNX_H
#define MAMBA_LIB_GRAPH_ONNX_H

#include "mamba/tensor.h"
#include "protobuf.h"

typedef struct Onnx Onnx;

/* What a node is made of; all of it in the file. */
typedef struct OnnxNode {
  ProtoBytes message;
  ProtoBytes type, name;
} OnnxNode;

/* An argument or a result of the graph. Sizes that are not fixed are 0. */
typedef struct OnnxValue {
  ProtoBytes name;
  int rank; /* -1: not given, or more than MAMBA_MAX_RANK */
  int64_t shape[MAMBA_MAX_RANK];
} OnnxValue;

/* Reads a file in memory, which the caller keeps; `label` stands for its path, in whose folder weights may be
 * in other files. On success the caller closes it. */
MAMBA_MUST_CHECK MambaStatus onnxParse(const void *data, size_t size, const char *label, Onnx **onnx,
                                       MambaError *error);
void onnxClose(Onnx *onnx);

size_t onnxNodeCount(const Onnx *onnx);
const OnnxNode *onnxGetNode(const Onnx *onnx, size_t index);
size_t onnxInputCount(const Onnx *onnx);
const OnnxValue *onnxGetInput(const Onnx *onnx, size_t index);
size_t onnxOutputCount(const Onnx *onnx);
const OnnxValue *onnxGetOutput(const Onnx *onnx, size_t index);
/* Initializers, in the order of the file. */
size_t onnxTensorCount(const Onnx *onnx);
const MambaTensorView *onnxGetTensor(const Onnx *onnx, size_t index);

/* Input or output `index` of a node; no data for one that is absent. */
ProtoBytes onnxNodeInput(const OnnxNode *node, size_t index);
ProtoBytes onnxNodeOutput(const OnnxNode *node, size_t index);
size_t onnxNodeInputCount(const OnnxNode *node);
size_t onnxNodeOutputCount(const OnnxNode *node);
/* Takes the first input off what is left of a node's message; false at the end. */
bool onnxNextInput(ProtoBytes *rest, ProtoBytes *name);
/* An attribute's message by its name; no data where the node has none. */
ProtoBytes onnxAttribute(const OnnxNode *node, const char *name);

/* Numbers of an attribute. */
int64_t onnxAttributeInteger(const OnnxNode *node, const char *name, int64_t fallback);
double onnxAttributeFloat(const OnnxNode *node, const char *name, double fallback);
/* At most `capacity` numbers of a list; how many there are, -1 where the attribute is absent. */
int64_t onnxAttributeIntegers(const OnnxNode *node, const char *name, int64_t *list, int64_t capacity);

/* The tensor that the attribute "value" of a Constant has, or its number. Its data is in the file. */
MAMBA_MUST_CHECK MambaStatus onnxConstant(const OnnxNode *node, MambaTensorView *tensor, MambaError *error);

#endif
