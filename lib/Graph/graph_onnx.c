#include "graph_onnx.h"

#include "source_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_INTEGERS = 2 * GRAPH_MAX_RANK };

/* A tensor of the graph. Sizes, axes and positions are computed by nodes, too: small lists of integers that
 * do not depend on the inputs are known here, and evaluated. */
typedef struct Value {
  ProtoBytes name;
  GraphView view;
  int64_t integers[MAX_INTEGERS];
  int known; /* how many integers; -1: not known */
  bool list; /* of rank 1, not 0 */
} Value;

typedef struct Reader {
  const Onnx *onnx;
  Graph *graph;
  Value *values;
  size_t count;
  size_t *table; /* of hashes: 1 + an index in values, 0 where it is free */
  size_t slots;  /* a power of two, more than there are values */
  const OnnxNode *node;
} Reader;

/* ---- Values ----------------------------------------------------------------------------------------- */

static GraphView refuse(Reader *r, const char *what) {
  return graphFail(r->graph, MAMBA_UNSUPPORTED, "expected %s", what);
}

/* Where a name is in the table, or would be. */
static size_t slotOf(const Reader *r, ProtoBytes name) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
  for (size_t i = 0; i < name.size; i++)
    hash = (hash ^ name.data[i]) * UINT64_C(0x100000001b3);
  size_t slot = (size_t)(hash ^ hash >> 32) & (r->slots - 1);
  while (r->table[slot]) {
    const ProtoBytes other = r->values[r->table[slot] - 1].name;
    if (other.size == name.size && memcmp(other.data, name.data, name.size) == 0)
      break;
    slot = (slot + 1) & (r->slots - 1);
  }
  return slot;
}

/* NULL after a failure, or for a result that nothing is called by. */
static Value *addValue(Reader *r, ProtoBytes name, GraphView view) {
  if (r->graph->status != MAMBA_OK || !name.data)
    return NULL;
  const size_t slot = slotOf(r, name);
  if (r->table[slot]) {
    refuse(r, "one definition for each value");
    return NULL;
  }
  r->values[r->count] = (Value){.name = name, .view = view, .known = -1};
  r->table[slot] = ++r->count;
  return &r->values[r->count - 1];
}

static const Value *findValue(const Reader *r, ProtoBytes name) {
  const size_t slot = name.data ? slotOf(r, name) : 0;
  return name.data && r->table[slot] ? &r->values[r->table[slot] - 1] : NULL;
}

static const Value *findInput(const Reader *r, size_t index) {
  return findValue(r, onnxNodeInput(r->node, index));
}

static GraphView input(Reader *r, size_t index) {
  const Value *value = findInput(r, index);
  return value ? value->view : refuse(r, "an operand that is computed before");
}

static void setResult(Reader *r, GraphView view) {
  addValue(r, onnxNodeOutput(r->node, 0), view);
}

static void setIntegers(Reader *r, const int64_t *integers, int count, bool list) {
  const int64_t size = count;
  if (count < 1 || count > MAX_INTEGERS) {
    refuse(r, "a list of 1 to 16 integers");
    return;
  }
  const GraphView view = graphOpaque(r->graph, list, &size); /* of no use but as integers */
  Value *value = addValue(r, onnxNodeOutput(r->node, 0), view);
  if (!value)
    return;
  memcpy(value->integers, integers, (size_t)count * sizeof *integers);
  value->known = count;
  value->list = list;
}

/* ---- Integers --------------------------------------------------------------------------------------- */

/* Input `index` as integers, or those of an attribute; -1 where there is neither. */
static int64_t integers(Reader *r, size_t index, const char *attribute, int64_t list[MAX_INTEGERS]) {
  const Value *value = findInput(r, index);
  const int64_t count = attribute ? onnxAttributeIntegers(r->node, attribute, list, MAX_INTEGERS) : -1;
  if (count > MAX_INTEGERS)
    refuse(r, "a list of at most 16 integers");
  if (!value)
    return count > MAX_INTEGERS ? MAX_INTEGERS : count;
  if (value->known < 0) {
    refuse(r, "sizes and positions that do not depend on the inputs");
    return 0;
  }
  memcpy(list, value->integers, sizeof value->integers);
  return value->known;
}

static bool isKnown(const Reader *r, size_t index) {
  const Value *value = findInput(r, index);
  return value && value->known >= 0;
}

static void setKnown(Value *value, const MambaTensorView *tensor) {
  const size_t count = mambaTensorGetCount(tensor);
  if (!value || (tensor->dtype != MAMBA_DTYPE_I64 && tensor->dtype != MAMBA_DTYPE_I32) || tensor->rank > 1 ||
      count < 1 || count > MAX_INTEGERS)
    return;
  for (size_t i = 0; i < count; i++) {
    int32_t narrow;
    if (tensor->dtype == MAMBA_DTYPE_I64) {
      memcpy(&value->integers[i], (const char *)tensor->data + 8 * i, 8);
    } else {
      memcpy(&narrow, (const char *)tensor->data + 4 * i, 4);
      value->integers[i] = narrow;
    }
  }
  value->known = (int)count;
  value->list = tensor->rank == 1;
}

/* Sums, products and quotients of sizes; false where a number leaves 48 bits. */
static bool compute(GraphOp op, int64_t a, int64_t b, int64_t *result) {
  const int64_t limit = INT64_C(1) << 48;
  if (a > limit || a < -limit || b > limit || b < -limit || (op == GRAPH_DIV && b == 0) ||
      (op == GRAPH_MUL && a != 0 && (b > limit / llabs(a) || b < -limit / llabs(a))))
    return false;
  *result = op == GRAPH_ADD ? a + b : op == GRAPH_MUL ? a * b : a / b;
  return true;
}

/* An elementwise operation of integers that are known; false where they are not. */
static bool readKnownBinary(Reader *r, GraphOp op) {
  const Value *a = findInput(r, 0), *b = findInput(r, 1);
  int64_t result[MAX_INTEGERS];
  if (!isKnown(r, 0) || !isKnown(r, 1) || (op != GRAPH_ADD && op != GRAPH_MUL && op != GRAPH_DIV))
    return false;
  const int count = a->known > b->known ? a->known : b->known;
  if ((a->known != count && a->known != 1) || (b->known != count && b->known != 1))
    refuse(r, "lists of the same length");
  for (int i = 0; i < count && r->graph->status == MAMBA_OK; i++)
    if (!compute(op, a->integers[a->known == 1 ? 0 : i], b->integers[b->known == 1 ? 0 : i], &result[i]))
      refuse(r, "sizes below 2^48");
  setIntegers(r, result, count, a->list || b->list);
  return true;
}

static void readShape(Reader *r, GraphOp op) {
  const GraphView x = input(r, 0);
  (void)op;
  if (r->graph->status == MAMBA_OK)
    setIntegers(r, x.shape, x.rank, true);
}

/* ---- Operators that compute ------------------------------------------------------------------------- */

static void readUnary(Reader *r, GraphOp op) {
  const Value *x = findInput(r, 0);
  if (x && x->known >= 0 && op == GRAPH_COPY)
    setIntegers(r, x->integers, x->known, x->list);
  else
    setResult(r, graphUnary(r->graph, op, input(r, 0)));
}

/* Between floats, or of ids; what else there is of integers is known, or of no use. */
static void readCast(Reader *r, GraphOp op) {
  const int64_t type = onnxAttributeInteger(r->node, "to", 0);
  const Value *x = findInput(r, 0);
  const bool to_float = type == 1 || type == 10 || type == 11 || type == 16; /* of TensorProto.DataType */
  const bool ids = x && r->graph->status == MAMBA_OK && r->graph->nodes[x->view.node].op == GRAPH_INPUT;
  readUnary(r, to_float || ids || isKnown(r, 0) ? op : GRAPH_OPAQUE);
}

static void readBinary(Reader *r, GraphOp op) {
  if (!readKnownBinary(r, op))
    setResult(r, graphBinary(r->graph, op, input(r, 0), input(r, 1)));
}

/* The number that a constant is. */
static double number(Reader *r, size_t index, double fallback) {
  const Value *value = findInput(r, index);
  double result = fallback;
  MambaError ignored;
  if (!value)
    return fallback;
  const GraphNode *node = r->graph->status == MAMBA_OK ? &r->graph->nodes[value->view.node] : NULL;
  if (value->known == 1)
    return (double)value->integers[0];
  if (!node || node->op != GRAPH_WEIGHT || mambaTensorGetCount(node->tensor) != 1 ||
      mambaTensorReadF64(node->tensor, 0, 1, &result, &ignored) != MAMBA_OK)
    refuse(r, "a constant number");
  return result;
}

static void readPower(Reader *r, GraphOp op) {
  (void)op;
  setResult(r, graphPower(r->graph, input(r, 0), number(r, 1, 0)));
}

static void readReciprocal(Reader *r, GraphOp op) {
  setResult(r, graphBinary(r->graph, op, graphScalar(r->graph, 1, 0, NULL), input(r, 0)));
}

static void readWhere(Reader *r, GraphOp op) {
  (void)op;
  setResult(r, graphSelect(r->graph, input(r, 0), input(r, 1), input(r, 2)));
}

static void readReduce(Reader *r, GraphOp op) {
  int64_t axes[MAX_INTEGERS];
  if (integers(r, 1, "axes", axes) != 1)
    refuse(r, "one dimension to reduce");
  else
    setResult(r,
              graphReduce(r->graph, op, input(r, 0), axes[0], onnxAttributeInteger(r->node, "keepdims", 1)));
}

static void readMatmul(Reader *r, GraphOp op) {
  (void)op;
  setResult(r, graphMatmul(r->graph, input(r, 0), input(r, 1)));
}

static void readGemm(Reader *r, GraphOp op) {
  GraphView a = input(r, 0), b = input(r, 1);
  (void)op;
  if (onnxAttributeFloat(r->node, "alpha", 1) != 1 || onnxAttributeFloat(r->node, "beta", 1) != 1)
    refuse(r, "a product without alpha or beta");
  a = onnxAttributeInteger(r->node, "transA", 0) ? graphTranspose(r->graph, a, 0, 1) : a;
  b = onnxAttributeInteger(r->node, "transB", 0) ? graphTranspose(r->graph, b, 0, 1) : b;
  const GraphView product = graphMatmul(r->graph, a, b);
  setResult(r, findInput(r, 2) ? graphBinary(r->graph, GRAPH_ADD, product, input(r, 2)) : product);
}

static ProtoBytes text(const Reader *r, const char *name) {
  return protoFind(onnxAttribute(r->node, name), 4).bytes; /* AttributeProto.s */
}

static int64_t only(Reader *r, const char *name, int64_t fallback) {
  int64_t list[1];
  const int64_t count = onnxAttributeIntegers(r->node, name, list, 1);
  if (count > 1)
    refuse(r, "a convolution along one dimension");
  return count == 1 ? list[0] : fallback;
}

static void readConv(Reader *r, GraphOp op) {
  const GraphView x = input(r, 0), weight = input(r, 1);
  const ProtoBytes mode = text(r, "auto_pad");
  int64_t pads[2] = {0, 0};
  (void)op;
  if ((mode.data && !protoIs(mode, "NOTSET")) ||
      only(r, "kernel_shape", weight.shape[2]) != weight.shape[2] ||
      onnxAttributeIntegers(r->node, "pads", pads, 2) > 2 || only(r, "strides", 1) != 1 ||
      only(r, "dilations", 1) != 1 || x.rank != 3 || onnxAttributeInteger(r->node, "group", 1) != x.shape[1])
    refuse(r, "a depthwise convolution of stride 1");
  GraphView y = graphConv1d(r->graph, x, weight, pads[0], pads[1]);
  if (findInput(r, 2))
    y = graphBinary(r->graph, GRAPH_ADD, y, graphUnsqueeze(r->graph, input(r, 2), -1));
  setResult(r, y);
}

static void readConcat(Reader *r, GraphOp op) {
  const int64_t axis = onnxAttributeInteger(r->node, "axis", 0);
  int64_t list[MAX_INTEGERS];
  int32_t count = 0;
  int used = 0;
  bool known = true;
  ProtoBytes rest = r->node->message, name;
  (void)op;
  GraphView *parts = calloc(onnxNodeInputCount(r->node) + 1, sizeof *parts);
  if (!parts) {
    graphFail(r->graph, MAMBA_NO_MEMORY, "out of memory");
    return;
  }
  while (onnxNextInput(&rest, &name)) {
    const Value *value = findValue(r, name);
    if (!value) {
      refuse(r, "operands that are computed before");
      break;
    }
    parts[count++] = value->view;
    known = known && value->known >= 0;
    for (int k = 0; known && k < value->known && used < MAX_INTEGERS; k++)
      list[used++] = value->integers[k];
  }
  if (known && count)
    setIntegers(r, list, used, true);
  else
    setResult(r, graphCat(r->graph, parts, count, axis));
  free(parts);
}

static void readPad(Reader *r, GraphOp op) {
  int64_t pads[MAX_INTEGERS];
  GraphView x = input(r, 0);
  const ProtoBytes mode = text(r, "mode");
  (void)op;
  const int64_t count = integers(r, 1, NULL, pads);
  if (count != 2 * x.rank || (mode.data && !protoIs(mode, "constant")) || findInput(r, 3))
    refuse(r, "a padding of every dimension with a constant");
  for (int i = 0; i < x.rank && r->graph->status == MAMBA_OK; i++)
    if (pads[i] || pads[i + x.rank])
      x = graphPad(r->graph, x, i, pads[i], pads[i + x.rank], number(r, 2, 0));
  setResult(r, x);
}

static void readConstant(Reader *r, GraphOp op) {
  MambaTensorView *tensor = graphTensor(r->graph);
  (void)op;
  if (!tensor)
    return;
  if (onnxConstant(r->node, tensor, r->graph->error) != MAMBA_OK) {
    r->graph->status = r->graph->error->status;
    return;
  }
  setKnown(addValue(r, onnxNodeOutput(r->node, 0), graphWeight(r->graph, tensor)), tensor);
}

static void readFill(Reader *r, GraphOp op) {
  int64_t shape[MAX_INTEGERS];
  MambaTensorView tensor;
  double value = 0;
  (void)op;
  const int64_t rank = integers(r, 0, NULL, shape);
  if (onnxAttribute(r->node, "value").data &&
      (onnxConstant(r->node, &tensor, r->graph->error) != MAMBA_OK || mambaTensorGetCount(&tensor) != 1 ||
       mambaTensorReadF64(&tensor, 0, 1, &value, r->graph->error) != MAMBA_OK))
    refuse(r, "one number to fill with");
  setResult(r, graphScalar(r->graph, value, (int)rank, shape));
}

/* ---- Operators that move ---------------------------------------------------------------------------- */

static void readTranspose(Reader *r, GraphOp op) {
  int64_t axes[MAX_INTEGERS];
  (void)op;
  const int64_t count = onnxAttributeIntegers(r->node, "perm", axes, MAX_INTEGERS);
  setResult(r, graphPermute(r->graph, input(r, 0), axes, count > MAX_INTEGERS ? 0 : count));
}

/* Sorts axes, counted from the beginning of `rank` dimensions. */
static void sortAxes(int64_t *axes, int64_t count, int rank) {
  for (int64_t i = 0; i < count; i++) {
    int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i], at = i;
    for (; at > 0 && axes[at - 1] > axis; at--)
      axes[at] = axes[at - 1];
    axes[at] = axis;
  }
}

static void readUnsqueeze(Reader *r, GraphOp op) {
  int64_t axes[MAX_INTEGERS];
  const Value *value = findInput(r, 0);
  (void)op;
  const int64_t count = integers(r, 1, NULL, axes);
  if (value && value->known >= 0) {
    setIntegers(r, value->integers, value->known, true);
    return;
  }
  GraphView x = input(r, 0);
  sortAxes(axes, count, x.rank + (int)count);
  for (int64_t i = 0; i < count; i++)
    x = graphUnsqueeze(r->graph, x, axes[i]);
  setResult(r, x);
}

static void readSqueeze(Reader *r, GraphOp op) {
  int64_t axes[MAX_INTEGERS];
  const Value *value = findInput(r, 0);
  (void)op;
  int64_t count = integers(r, 1, NULL, axes);
  if (value && value->known >= 0) {
    setIntegers(r, value->integers, value->known, value->known > 1);
    return;
  }
  GraphView x = input(r, 0);
  for (int i = 0; count < 0 && i < x.rank; i++)
    axes[i] = i;
  count = count < 0 ? x.rank : count;
  sortAxes(axes, count, x.rank);
  for (int64_t i = count; i-- > 0;)
    x = graphSqueeze(r->graph, x, axes[i]);
  setResult(r, x);
}

static void readReshape(Reader *r, GraphOp op) {
  int64_t shape[MAX_INTEGERS];
  const GraphView x = input(r, 0);
  (void)op;
  const int64_t rank = integers(r, 1, NULL, shape);
  for (int64_t i = 0; i < rank && i < x.rank; i++)
    shape[i] = shape[i] == 0 ? x.shape[i] : shape[i];
  setResult(r, graphReshape(r->graph, x, shape, rank));
}

/* Broadcasts both ways: a 1 leaves a size as it is. */
static void readExpand(Reader *r, GraphOp op) {
  int64_t shape[MAX_INTEGERS];
  const GraphView x = input(r, 0);
  (void)op;
  const int64_t rank = integers(r, 1, NULL, shape);
  for (int64_t i = 1; i <= rank && i <= x.rank; i++)
    shape[rank - i] = shape[rank - i] == 1 ? x.shape[x.rank - i] : shape[rank - i];
  setResult(r, graphExpand(r->graph, x, shape, rank));
}

static void readSlice(Reader *r, GraphOp op) {
  int64_t starts[MAX_INTEGERS], ends[MAX_INTEGERS], axes[MAX_INTEGERS], steps[MAX_INTEGERS];
  const Value *value = findInput(r, 0);
  (void)op;
  const int64_t count = integers(r, 1, NULL, starts);
  const bool has_ends = integers(r, 2, NULL, ends) == count;
  const int64_t axis_count = integers(r, 3, NULL, axes), step_count = integers(r, 4, NULL, steps);
  if (count < 1 || !has_ends || (axis_count >= 0 && axis_count != count) ||
      (step_count >= 0 && step_count != count)) {
    refuse(r, "as many ends, axes and steps as starts");
    return;
  }
  if (value && value->known >= 0) { /* of sizes */
    const int64_t begin = starts[0] < 0 ? starts[0] + value->known : starts[0];
    const int64_t end = ends[0] < 0              ? ends[0] + value->known
                        : ends[0] > value->known ? value->known
                                                 : ends[0];
    if (count != 1 || begin < 0 || begin >= end || (step_count > 0 && steps[0] != 1))
      refuse(r, "a slice of step 1");
    else
      setIntegers(r, value->integers + begin, (int)(end - begin), true);
    return;
  }
  GraphView x = input(r, 0);
  for (int64_t i = 0; i < count; i++)
    x = graphSlice(r->graph, x, axis_count < 0 ? i : axes[i], starts[i], ends[i],
                   step_count < 0 ? 1 : steps[i]);
  setResult(r, x);
}

static void readSplit(Reader *r, GraphOp op) {
  int64_t sizes[MAX_INTEGERS], begin = 0;
  const GraphView x = input(r, 0);
  const int64_t axis = onnxAttributeInteger(r->node, "axis", 0), at = axis < 0 ? axis + x.rank : axis;
  (void)op;
  int64_t count = integers(r, 1, NULL, sizes), parts = 0;
  while (parts <= MAX_INTEGERS && onnxNodeOutput(r->node, (size_t)parts).data)
    parts++;
  if (at < 0 || at >= x.rank || parts < 1 || parts > MAX_INTEGERS || (count >= 0 && count != parts) ||
      onnxAttributeInteger(r->node, "num_outputs", parts) != parts) {
    refuse(r, "as many sizes as parts");
    return;
  }
  const int64_t even = (x.shape[at] + parts - 1) / parts;
  for (int64_t i = 0; i < parts && r->graph->status == MAMBA_OK; i++) {
    const int64_t left = x.shape[at] - begin, size = count >= 0 ? sizes[i] : even < left ? even : left;
    if (size < 1 || size > left)
      refuse(r, "parts of the tensor");
    addValue(r, onnxNodeOutput(r->node, (size_t)i), graphSlice(r->graph, x, at, begin, begin + size, 1));
    begin += size;
  }
}

/* Of a table, the embedding; else one position, or a list of one. */
static void readGather(Reader *r, GraphOp op) {
  const int64_t axis = onnxAttributeInteger(r->node, "axis", 0);
  const Value *value = findInput(r, 0), *at = findInput(r, 1);
  (void)op;
  if (!value || !at) {
    refuse(r, "an operand that is computed before");
  } else if (at->known < 0) {
    if (axis != 0)
      refuse(r, "an embedding: rows of a table");
    setResult(r, graphEmbedding(r->graph, value->view, at->view));
  } else if (at->known != 1) {
    refuse(r, "one position");
  } else if (value->known >= 0) {
    const int64_t index = at->integers[0] < 0 ? at->integers[0] + value->known : at->integers[0];
    if (index < 0 || index >= value->known)
      refuse(r, "a position within the list");
    else
      setIntegers(r, &value->integers[index], 1, at->list);
  } else {
    const GraphView x = graphIndex(r->graph, value->view, axis, at->integers[0]);
    setResult(r, at->list ? graphUnsqueeze(r->graph, x, axis < 0 ? axis + value->view.rank : axis) : x);
  }
}

/* ---- The graph -------------------------------------------------------------------------------------- */

static const struct {
  const char *type;
  void (*read)(Reader *r, GraphOp op);
  GraphOp op;
  size_t inputs; /* at most */
} kOperators[] = {
    {"Add", readBinary, GRAPH_ADD, 2},
    {"Cast", readCast, GRAPH_COPY, 1},
    {"CastLike", readUnary, GRAPH_COPY, 2},
    {"Concat", readConcat, GRAPH_CAT, SIZE_MAX},
    {"Constant", readConstant, GRAPH_WEIGHT, 0},
    {"ConstantOfShape", readFill, GRAPH_SCALAR, 1},
    {"Conv", readConv, GRAPH_CONTRACT, 3},
    {"Div", readBinary, GRAPH_DIV, 2},
    {"Exp", readUnary, GRAPH_EXP, 1},
    {"Expand", readExpand, GRAPH_COPY, 2},
    {"Gather", readGather, GRAPH_EMBEDDING, 2},
    {"Gemm", readGemm, GRAPH_CONTRACT, 3},
    {"Greater", readBinary, GRAPH_GREATER, 2},
    {"Identity", readUnary, GRAPH_COPY, 1},
    {"MatMul", readMatmul, GRAPH_CONTRACT, 2},
    {"Mul", readBinary, GRAPH_MUL, 2},
    {"Neg", readUnary, GRAPH_NEG, 1},
    {"Pad", readPad, GRAPH_PAD, 4},
    {"Pow", readPower, GRAPH_POW, 2},
    {"Reciprocal", readReciprocal, GRAPH_DIV, 1},
    {"ReduceMean", readReduce, GRAPH_MEAN, 2},
    {"ReduceSum", readReduce, GRAPH_SUM, 2},
    {"Reshape", readReshape, GRAPH_COPY, 2},
    {"Shape", readShape, GRAPH_SCALAR, 1},
    {"Sigmoid", readUnary, GRAPH_SIGMOID, 1},
    {"Slice", readSlice, GRAPH_COPY, 5},
    {"Softplus", readUnary, GRAPH_SOFTPLUS, 1},
    {"Split", readSplit, GRAPH_COPY, 2},
    {"Sqrt", readUnary, GRAPH_SQRT, 1},
    {"Squeeze", readSqueeze, GRAPH_COPY, 2},
    {"Transpose", readTranspose, GRAPH_COPY, 1},
    {"Unsqueeze", readUnsqueeze, GRAPH_COPY, 2},
    {"Where", readWhere, GRAPH_SELECT, 3},
};

static void readNode(Reader *r) {
  const ProtoBytes domain = protoFind(r->node->message, 7).bytes; /* NodeProto.domain */
  for (size_t i = 0; i < sizeof kOperators / sizeof *kOperators; i++) {
    if (!protoIs(r->node->type, kOperators[i].type) || (domain.size && !protoIs(domain, "ai.onnx")))
      continue;
    if (onnxNodeInputCount(r->node) > kOperators[i].inputs)
      refuse(r, "no more operands than the operator has");
    else if (onnxNodeOutputCount(r->node) != 1 && kOperators[i].read != readSplit)
      refuse(r, "one result");
    else
      kOperators[i].read(r, kOperators[i].op);
    return;
  }
  refuse(r, "an operator of a Mamba");
}

static void readArguments(Reader *r) {
  for (size_t i = 0; i < onnxTensorCount(r->onnx); i++) {
    const MambaTensorView *tensor = onnxGetTensor(r->onnx, i);
    const ProtoBytes name = {(const unsigned char *)tensor->name, strlen(tensor->name)};
    setKnown(addValue(r, name, graphWeight(r->graph, tensor)), tensor);
  }
  for (size_t i = 0; i < onnxInputCount(r->onnx) && r->graph->status == MAMBA_OK; i++) {
    const OnnxValue *argument = onnxGetInput(r->onnx, i);
    const Value *known = findValue(r, argument->name);
    if (known && r->graph->nodes[known->view.node].op == GRAPH_WEIGHT)
      continue; /* an initializer may be an input, too */
    bool fixed = argument->rank >= 0;
    for (int k = 0; k < argument->rank; k++)
      fixed = fixed && argument->shape[k] >= 1;
    if (!fixed)
      graphFail(r->graph, MAMBA_UNSUPPORTED,
                "input '%.*s': expected fixed sizes, found a dynamic one: export without dynamic shapes",
                (int)(argument->name.size < 80 ? argument->name.size : 80),
                (const char *)argument->name.data);
    addValue(r, argument->name, graphInput(r->graph, argument->rank, argument->shape));
  }
}

/* Results of all nodes. */
static size_t countValues(const Onnx *onnx) {
  size_t count = onnxTensorCount(onnx) + onnxInputCount(onnx);
  for (size_t i = 0; i < onnxNodeCount(onnx); i++)
    count += onnxNodeOutputCount(onnxGetNode(onnx, i));
  return count;
}

MambaStatus graphReadOnnx(const Onnx *onnx, Graph *graph, MambaError *error) {
  Reader r = {.onnx = onnx, .graph = graph, .slots = 16};
  const size_t count = countValues(onnx);
  char text[400];
  graph->error = error;
  graph->origin = -1;
  while (r.slots < 2 * count)
    r.slots *= 2;
  r.values = calloc(count + 1, sizeof *r.values);
  r.table = calloc(r.slots, sizeof *r.table);
  if (!r.values || !r.table)
    graphFail(graph, MAMBA_NO_MEMORY, "out of memory");
  else
    readArguments(&r);
  for (size_t i = 0; i < onnxNodeCount(onnx) && graph->status == MAMBA_OK; i++) {
    graph->origin = (int32_t)i;
    r.node = onnxGetNode(onnx, i);
    readNode(&r);
    if (graph->status != MAMBA_OK) {
      graphDescribeOnnx(onnx, graph->origin, text, sizeof text);
      mambaFailContext(error, "%s", text);
    }
  }
  for (size_t i = 0; i < onnxOutputCount(onnx) && graph->status == MAMBA_OK; i++) {
    const ProtoBytes name = onnxGetOutput(onnx, i)->name;
    const size_t slot = slotOf(&r, name);
    if (r.table[slot])
      graphOutput(graph, r.values[r.table[slot] - 1].view);
  }
  free(r.values);
  free(r.table);
  return graph->status;
}

void graphDescribeOnnx(const Onnx *onnx, int32_t origin, char *text, size_t size) {
  if (origin < 0) {
    snprintf(text, size, "an argument of the program");
    return;
  }
  const OnnxNode *node = onnxGetNode(onnx, (size_t)origin);
  const ProtoBytes name = node->name.size ? node->name : onnxNodeOutput(node, 0);
  char source[256] = "";
  ProtoBytes message = node->message;
  ProtoField field;
  bool broken = false;
  while (protoNext(&message, &field, &broken)) /* NodeProto.metadata_props, which torch.onnx writes */
    if (field.number == 9 && protoIs(protoFind(field.bytes, 1).bytes, "pkg.torch.onnx.stack_trace")) {
      const ProtoBytes stack = protoFind(field.bytes, 2).bytes;
      describeSourceLine((const char *)stack.data, stack.size, source, sizeof source);
    }
  snprintf(text, size, "node '%.*s' (%.*s)%s", (int)(name.size < 80 ? name.size : 80),
           (const char *)name.data, (int)(node->type.size < 40 ? node->type.size : 40),
           (const char *)node->type.data, source);
}
