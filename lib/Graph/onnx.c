#include "onnx.h"

#include "mamba/mapped_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of fields in onnx.proto. */
enum {
  MODEL_GRAPH = 7,
  MODEL_OPSETS = 8,
  MODEL_FUNCTIONS = 25,
  OPSET_DOMAIN = 1,
  OPSET_VERSION = 2,
  GRAPH_NODE = 1,
  GRAPH_INITIALIZER = 5,
  GRAPH_INPUTS = 11,
  GRAPH_OUTPUTS = 12,
  GRAPH_SPARSE_INITIALIZER = 15,
  NODE_INPUT = 1,
  NODE_OUTPUT = 2,
  NODE_NAME = 3,
  NODE_TYPE = 4,
  NODE_ATTRIBUTE = 5,
  NODE_DOMAIN = 7,
  ATTRIBUTE_NAME = 1,
  ATTRIBUTE_FLOAT = 2,
  ATTRIBUTE_INTEGER = 3,
  ATTRIBUTE_TENSOR = 5,
  ATTRIBUTE_INTEGERS = 8,
  TENSOR_DIMENSIONS = 1,
  TENSOR_TYPE = 2,
  TENSOR_FLOATS = 4,
  TENSOR_NAME = 8,
  TENSOR_RAW = 9,
  TENSOR_EXTERNAL = 13,
  TENSOR_LOCATION = 14,
  ENTRY_KEY = 1,
  ENTRY_VALUE = 2,
  VALUE_NAME = 1,
  VALUE_TYPE = 2,
  TYPE_TENSOR = 1,
  TENSOR_TYPE_SHAPE = 2,
  SHAPE_DIMENSION = 1,
  DIMENSION_VALUE = 1,
};

enum { LEAST_OPSET = 13 }; /* from which on axes are inputs */

/* Another file with weights. */
typedef struct Part {
  char *path;
  MambaMappedFile map;
} Part;

struct Onnx {
  const char *label; /* during onnxParse */
  OnnxNode *nodes;
  OnnxValue *inputs, *outputs;
  MambaTensorView *tensors;
  char **names; /* of tensors */
  Part *parts;
  size_t nodeCount, inputCount, outputCount, tensorCount, partCount;
};

static MambaStatus damaged(const Onnx *onnx, MambaError *error) {
  return mambaFail(error, MAMBA_INVALID, "%s: not a whole file of ONNX", onnx->label);
}

static MambaStatus noMemory(const Onnx *onnx, MambaError *error) {
  return mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory", onnx->label);
}

/* ---- Tensors ---------------------------------------------------------------------------------------- */

/* TensorProto.DataType */
static bool dtypeOf(uint64_t type, MambaDtype *dtype) {
  static const MambaDtype known[] = {
      [1] = MAMBA_DTYPE_F32,  [2] = MAMBA_DTYPE_U8,     [3] = MAMBA_DTYPE_I8,     [4] = MAMBA_DTYPE_U16,
      [5] = MAMBA_DTYPE_I16,  [6] = MAMBA_DTYPE_I32,    [7] = MAMBA_DTYPE_I64,    [8] = MAMBA_DTYPE_COUNT,
      [9] = MAMBA_DTYPE_BOOL, [10] = MAMBA_DTYPE_F16,   [11] = MAMBA_DTYPE_F64,   [12] = MAMBA_DTYPE_U32,
      [13] = MAMBA_DTYPE_U64, [14] = MAMBA_DTYPE_COUNT, [15] = MAMBA_DTYPE_COUNT, [16] = MAMBA_DTYPE_BF16};
  if (type < 1 || type >= sizeof known / sizeof *known || known[type] == MAMBA_DTYPE_COUNT)
    return false;
  *dtype = known[type];
  return true;
}

static bool addDimension(MambaTensorView *tensor, uint64_t size) {
  if (tensor->rank == MAMBA_MAX_RANK)
    return false;
  tensor->shape[tensor->rank++] = (int64_t)size;
  return true;
}

/* Sizes as packed lists or one by one. */
static bool readDimensions(ProtoBytes message, MambaTensorView *tensor) {
  ProtoField field;
  uint64_t size;
  bool broken = false, fits = true;
  while (fits && protoNext(&message, &field, &broken)) {
    if (field.number != TENSOR_DIMENSIONS)
      continue;
    if (!field.bytes.data)
      fits = addDimension(tensor, field.integer);
    while (fits && field.bytes.data && protoVarint(&field.bytes, &size, &broken))
      fits = addDimension(tensor, size);
  }
  return fits && !broken;
}

static MambaStatus openPart(Onnx *onnx, const char *path, const MambaMappedFile **map, MambaError *error) {
  for (size_t i = 0; i < onnx->partCount; i++) {
    if (strcmp(onnx->parts[i].path, path) == 0) {
      *map = &onnx->parts[i].map;
      return MAMBA_OK;
    }
  }
  Part part = {strdup(path), {NULL, 0}};
  char *folder = strdup(onnx->label);
  Part *larger = realloc(onnx->parts, (onnx->partCount + 1) * sizeof *larger);
  if (larger)
    onnx->parts = larger;
  MambaStatus status = larger && part.path && folder ? MAMBA_OK : noMemory(onnx, error);
  if (status == MAMBA_OK) {
    char *slash = strrchr(folder, '/');
    if (slash)
      slash[slash == folder] = '\0'; /* the root keeps its slash */
    status = mambaMappedFileOpenBeneath(slash ? folder : ".", path, &part.map, error);
  }
  free(folder);
  if (status != MAMBA_OK) {
    free(part.path);
    return status;
  }
  onnx->parts[onnx->partCount] = part;
  *map = &onnx->parts[onnx->partCount++].map;
  return MAMBA_OK;
}

/* A number in decimal digits. */
static bool readNumber(ProtoBytes text, uint64_t *number) {
  *number = 0;
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] < '0' || text.data[i] > '9' || *number > UINT64_MAX / 10 - 1)
      return false;
    *number = *number * 10 + (uint64_t)(text.data[i] - '0');
  }
  return text.size > 0;
}

/* Data in another file: entries "location", "offset", "length". */
static MambaStatus readExternal(Onnx *onnx, ProtoBytes message, MambaTensorView *tensor, MambaError *error) {
  ProtoField field;
  bool broken = false, fits = true;
  char path[1024] = "";
  uint64_t offset = 0, length = tensor->bytes;
  const MambaMappedFile *map = NULL;
  while (protoNext(&message, &field, &broken)) {
    if (field.number != TENSOR_EXTERNAL || !field.bytes.data)
      continue;
    const ProtoBytes key = protoFind(field.bytes, ENTRY_KEY).bytes,
                     value = protoFind(field.bytes, ENTRY_VALUE).bytes;
    if (protoIs(key, "location") && value.size < sizeof path && value.data &&
        !memchr(value.data, 0, value.size))
      snprintf(path, sizeof path, "%.*s", (int)value.size, (const char *)value.data);
    else if (protoIs(key, "offset"))
      fits = fits && readNumber(value, &offset);
    else if (protoIs(key, "length"))
      fits = fits && readNumber(value, &length);
  }
  if (broken)
    return damaged(onnx, error);
  MambaStatus status = openPart(onnx, path, &map, error);
  if (status != MAMBA_OK)
    return mambaFailContext(error, "%s: tensor '%s'", onnx->label, tensor->name);
  if (!fits || length != tensor->bytes || offset > map->size || length > map->size - offset)
    return mambaFail(error, MAMBA_INVALID,
                     "%s: tensor '%s': expected %zu bytes within '%s', found another range", onnx->label,
                     tensor->name, tensor->bytes, path);
  tensor->data = (const unsigned char *)map->data + offset;
  return MAMBA_OK;
}

/* A TensorProto; the name is the caller's. */
static MambaStatus readTensor(Onnx *onnx, ProtoBytes message, const char *name, MambaTensorView *tensor,
                              MambaError *error) {
  *tensor = (MambaTensorView){.name = name};
  if (!readDimensions(message, tensor))
    return mambaFail(error, MAMBA_INVALID, "%s: tensor '%s': expected at most %d sizes", onnx->label, name,
                     MAMBA_MAX_RANK);
  if (!dtypeOf(protoFind(message, TENSOR_TYPE).integer, &tensor->dtype))
    return mambaFail(error, MAMBA_UNSUPPORTED,
                     "%s: tensor '%s': expected numbers of 8 bits or more, found type %" PRIu64, onnx->label,
                     name, protoFind(message, TENSOR_TYPE).integer);
  if (!mambaShapeGetBytes(tensor->dtype, tensor->rank, tensor->shape, &tensor->bytes))
    return mambaFail(error, MAMBA_INVALID, "%s: tensor '%s': expected sizes whose product fits 63 bits",
                     onnx->label, name);
  if (protoFind(message, TENSOR_LOCATION).integer == 1)
    return readExternal(onnx, message, tensor, error);
  ProtoBytes raw = protoFind(message, TENSOR_RAW).bytes;
  if (!raw.data && tensor->dtype == MAMBA_DTYPE_F32)
    raw = protoFind(message, TENSOR_FLOATS).bytes; /* packed: the same bytes */
  if (raw.size != tensor->bytes)
    return mambaFail(error, MAMBA_UNSUPPORTED, "%s: tensor '%s': expected %zu bytes of raw_data, found %zu",
                     onnx->label, name, tensor->bytes, raw.size);
  tensor->data = raw.data;
  return MAMBA_OK;
}

static MambaStatus addTensor(Onnx *onnx, ProtoBytes message, MambaError *error) {
  const ProtoBytes name = protoFind(message, TENSOR_NAME).bytes;
  if (!name.data || memchr(name.data, 0, name.size))
    return mambaFail(error, MAMBA_INVALID, "%s: expected a name for each initializer", onnx->label);
  char *copy = strndup((const char *)name.data, name.size);
  if (!copy)
    return noMemory(onnx, error);
  onnx->names[onnx->tensorCount] = copy;
  return readTensor(onnx, message, copy, &onnx->tensors[onnx->tensorCount++], error);
}

MambaStatus onnxConstant(const OnnxNode *node, MambaTensorView *tensor, MambaError *error) {
  const ProtoBytes value = protoFind(onnxAttribute(node, "value"), ATTRIBUTE_TENSOR).bytes;
  if (!value.data)
    return mambaFail(error, MAMBA_UNSUPPORTED, "expected a constant with the attribute value");
  if (protoFind(value, TENSOR_LOCATION).integer == 1)
    return mambaFail(error, MAMBA_UNSUPPORTED, "expected a constant within the file");
  Onnx reader = {.label = "constant"}; /* has no other files */
  return readTensor(&reader, value, "", tensor, error);
}

/* ---- Values ----------------------------------------------------------------------------------------- */

static MambaStatus readValue(const Onnx *onnx, ProtoBytes message, OnnxValue *value, MambaError *error) {
  const ProtoBytes type = protoFind(protoFind(message, VALUE_TYPE).bytes, TYPE_TENSOR).bytes;
  ProtoBytes shape = protoFind(type, TENSOR_TYPE_SHAPE).bytes;
  ProtoField field;
  bool broken = false;
  *value = (OnnxValue){.name = protoFind(message, VALUE_NAME).bytes, .rank = shape.data ? 0 : -1};
  while (protoNext(&shape, &field, &broken)) {
    if (field.number != SHAPE_DIMENSION || value->rank < 0)
      continue;
    if (value->rank == MAMBA_MAX_RANK)
      value->rank = -1;
    else
      value->shape[value->rank++] = (int64_t)protoFind(field.bytes, DIMENSION_VALUE).integer;
  }
  return broken ? damaged(onnx, error) : MAMBA_OK;
}

/* A node says what it does, and its attributes are whole. */
static bool isNode(ProtoBytes node) {
  ProtoField field;
  bool broken = false, whole = true;
  while (whole && protoNext(&node, &field, &broken))
    whole = field.number != NODE_ATTRIBUTE || (field.bytes.data && protoIsWhole(field.bytes));
  return whole && !broken;
}

/* Counts the parts of a graph, before memory is taken for them. */
static MambaStatus countParts(const Onnx *onnx, ProtoBytes graph, size_t counts[GRAPH_OUTPUTS + 1],
                              MambaError *error) {
  ProtoField field;
  bool broken = false;
  while (!broken && protoNext(&graph, &field, &broken)) {
    const bool node = field.number == GRAPH_NODE;
    if (field.number == GRAPH_SPARSE_INITIALIZER)
      return mambaFail(error, MAMBA_UNSUPPORTED, "%s: expected no sparse initializers", onnx->label);
    if (node && field.bytes.data && !protoFind(field.bytes, NODE_TYPE).bytes.size)
      return mambaFail(error, MAMBA_INVALID, "%s: node %zu: expected an operator, found none", onnx->label,
                       counts[GRAPH_NODE]);
    if (node || field.number == GRAPH_INITIALIZER || field.number == GRAPH_INPUTS ||
        field.number == GRAPH_OUTPUTS) {
      broken = !field.bytes.data || !(node ? isNode(field.bytes) : protoIsWhole(field.bytes));
      counts[field.number]++;
    }
  }
  return broken ? damaged(onnx, error) : MAMBA_OK;
}

static MambaStatus readGraph(Onnx *onnx, ProtoBytes graph, MambaError *error) {
  ProtoField field;
  ProtoBytes rest;
  bool broken = false;
  size_t counts[GRAPH_OUTPUTS + 1] = {0};
  MambaStatus status = countParts(onnx, graph, counts, error);
  if (status != MAMBA_OK)
    return status;
  onnx->nodes = calloc(counts[GRAPH_NODE] + 1, sizeof *onnx->nodes);
  onnx->tensors = calloc(counts[GRAPH_INITIALIZER] + 1, sizeof *onnx->tensors);
  onnx->names = calloc(counts[GRAPH_INITIALIZER] + 1, sizeof *onnx->names);
  onnx->inputs = calloc(counts[GRAPH_INPUTS] + 1, sizeof *onnx->inputs);
  onnx->outputs = calloc(counts[GRAPH_OUTPUTS] + 1, sizeof *onnx->outputs);
  if (!onnx->nodes || !onnx->tensors || !onnx->names || !onnx->inputs || !onnx->outputs)
    return noMemory(onnx, error);
  for (rest = graph; status == MAMBA_OK && protoNext(&rest, &field, &broken);) {
    if (!field.bytes.data)
      continue;
    if (field.number == GRAPH_NODE)
      onnx->nodes[onnx->nodeCount++] = (OnnxNode){field.bytes, protoFind(field.bytes, NODE_TYPE).bytes,
                                                  protoFind(field.bytes, NODE_NAME).bytes};
    else if (field.number == GRAPH_INITIALIZER)
      status = addTensor(onnx, field.bytes, error);
    else if (field.number == GRAPH_INPUTS)
      status = readValue(onnx, field.bytes, &onnx->inputs[onnx->inputCount++], error);
    else if (field.number == GRAPH_OUTPUTS)
      status = readValue(onnx, field.bytes, &onnx->outputs[onnx->outputCount++], error);
  }
  return status;
}

static MambaStatus readModel(Onnx *onnx, ProtoBytes model, MambaError *error) {
  ProtoField field;
  ProtoBytes graph = {NULL, 0};
  bool broken = false;
  int64_t opset = 0;
  while (protoNext(&model, &field, &broken)) {
    if (field.number == MODEL_GRAPH)
      graph = field.bytes;
    else if (field.number == MODEL_FUNCTIONS)
      return mambaFail(error, MAMBA_UNSUPPORTED, "%s: expected a graph without functions of its own",
                       onnx->label);
    else if (field.number == MODEL_OPSETS && protoFind(field.bytes, OPSET_DOMAIN).bytes.size == 0)
      opset = (int64_t)protoFind(field.bytes, OPSET_VERSION).integer;
  }
  if (broken || !graph.data)
    return damaged(onnx, error);
  if (opset < LEAST_OPSET)
    return mambaFail(error, MAMBA_UNSUPPORTED, "%s: expected opset %d or later, found %" PRId64, onnx->label,
                     LEAST_OPSET, opset);
  return readGraph(onnx, graph, error);
}

MambaStatus onnxParse(const void *data, size_t size, const char *label, Onnx **onnx, MambaError *error) {
  Onnx *result = calloc(1, sizeof *result);
  if (!result)
    return mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory", label);
  result->label = label;
  const MambaStatus status = readModel(result, (ProtoBytes){data, size}, error);
  result->label = NULL;
  if (status == MAMBA_OK)
    *onnx = result;
  else
    onnxClose(result);
  return status;
}

void onnxClose(Onnx *onnx) {
  if (!onnx)
    return;
  for (size_t i = 0; i < onnx->tensorCount; i++)
    free(onnx->names[i]);
  for (size_t i = 0; i < onnx->partCount; i++) {
    free(onnx->parts[i].path);
    mambaMappedFileClose(&onnx->parts[i].map);
  }
  free(onnx->parts);
  free(onnx->names);
  free(onnx->tensors);
  free(onnx->nodes);
  free(onnx->inputs);
  free(onnx->outputs);
  free(onnx);
}

/* ---- Reading a file --------------------------------------------------------------------------------- */

size_t onnxNodeCount(const Onnx *onnx) {
  return onnx->nodeCount;
}
const OnnxNode *onnxGetNode(const Onnx *onnx, size_t index) {
  return &onnx->nodes[index];
}
size_t onnxInputCount(const Onnx *onnx) {
  return onnx->inputCount;
}
const OnnxValue *onnxGetInput(const Onnx *onnx, size_t index) {
  return &onnx->inputs[index];
}
size_t onnxOutputCount(const Onnx *onnx) {
  return onnx->outputCount;
}
const OnnxValue *onnxGetOutput(const Onnx *onnx, size_t index) {
  return &onnx->outputs[index];
}
size_t onnxTensorCount(const Onnx *onnx) {
  return onnx->tensorCount;
}
const MambaTensorView *onnxGetTensor(const Onnx *onnx, size_t index) {
  return &onnx->tensors[index];
}

static ProtoBytes nth(ProtoBytes message, uint32_t number, size_t index) {
  ProtoField field;
  bool broken = false;
  while (protoNext(&message, &field, &broken))
    if (field.number == number && index-- == 0)
      return field.bytes.size ? field.bytes : (ProtoBytes){NULL, 0};
  return (ProtoBytes){NULL, 0};
}

ProtoBytes onnxNodeInput(const OnnxNode *node, size_t index) {
  return nth(node->message, NODE_INPUT, index);
}

ProtoBytes onnxNodeOutput(const OnnxNode *node, size_t index) {
  return nth(node->message, NODE_OUTPUT, index);
}

static size_t countFields(ProtoBytes message, uint32_t number) {
  ProtoField field;
  bool broken = false;
  size_t count = 0;
  while (protoNext(&message, &field, &broken))
    count += field.number == number;
  return count;
}

size_t onnxNodeInputCount(const OnnxNode *node) {
  return countFields(node->message, NODE_INPUT);
}

size_t onnxNodeOutputCount(const OnnxNode *node) {
  return countFields(node->message, NODE_OUTPUT);
}

bool onnxNextInput(ProtoBytes *rest, ProtoBytes *name) {
  ProtoField field;
  bool broken = false;
  while (protoNext(rest, &field, &broken))
    if (field.number == NODE_INPUT) {
      *name = field.bytes;
      return true;
    }
  return false;
}

ProtoBytes onnxAttribute(const OnnxNode *node, const char *name) {
  ProtoBytes message = node->message;
  ProtoField field;
  bool broken = false;
  while (protoNext(&message, &field, &broken))
    if (field.number == NODE_ATTRIBUTE && protoIs(protoFind(field.bytes, ATTRIBUTE_NAME).bytes, name))
      return field.bytes;
  return (ProtoBytes){NULL, 0};
}

int64_t onnxAttributeInteger(const OnnxNode *node, const char *name, int64_t fallback) {
  const ProtoBytes attribute = onnxAttribute(node, name);
  return attribute.data ? (int64_t)protoFind(attribute, ATTRIBUTE_INTEGER).integer : fallback;
}

double onnxAttributeFloat(const OnnxNode *node, const char *name, double fallback) {
  const ProtoBytes attribute = onnxAttribute(node, name);
  const uint32_t bits = (uint32_t)protoFind(attribute, ATTRIBUTE_FLOAT).integer;
  float value;
  memcpy(&value, &bits, sizeof value);
  return attribute.data ? value : fallback;
}

int64_t onnxAttributeIntegers(const OnnxNode *node, const char *name, int64_t *list, int64_t capacity) {
  ProtoBytes message = onnxAttribute(node, name);
  ProtoField field;
  bool broken = false;
  int64_t count = 0;
  uint64_t value;
  if (!message.data)
    return -1;
  while (protoNext(&message, &field, &broken)) {
    if (field.number != ATTRIBUTE_INTEGERS)
      continue;
    if (!field.bytes.data && count++ < capacity)
      list[count - 1] = (int64_t)field.integer;
    while (field.bytes.data && protoVarint(&field.bytes, &value, &broken))
      if (count++ < capacity)
        list[count - 1] = (int64_t)value;
  }
  return count;
}
