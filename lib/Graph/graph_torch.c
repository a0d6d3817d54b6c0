#include "graph_torch.h"

#include "source_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Value {
  GraphView view;
  MambaDtype dtype;
} Value;

typedef struct Reader {
  const Pt2 *archive;
  Graph *graph;
  const json_t *nodes, *metas;
  json_t *names; /* of values: their indices */
  Value *values;
  size_t count, capacity;
  const json_t *node; /* that is being read */
} Reader;

/* ---- Values ----------------------------------------------------------------------------------------- */

static GraphView failNode(Reader *r, const char *what) {
  return graphFail(r->graph, MAMBA_UNSUPPORTED, "expected %s", what);
}

static Value *findValue(const Reader *r, const char *name) {
  const json_t *index = name ? json_object_get(r->names, name) : NULL;
  return index ? &r->values[json_integer_value(index)] : NULL;
}

static MambaDtype dtypeOf(const Reader *r, const char *name) {
  MambaDtype dtype = MAMBA_DTYPE_COUNT;
  const json_t *meta = name ? json_object_get(r->metas, name) : NULL;
  pt2Dtype(json_integer_value(json_object_get(meta, "dtype")), &dtype);
  return dtype;
}

/* The sizes that the file records for a value, which must be fixed. */
static int readShape(Reader *r, const char *name, int64_t shape[GRAPH_MAX_RANK]) {
  const json_t *sizes = json_object_get(name ? json_object_get(r->metas, name) : NULL, "sizes"), *size;
  size_t i;
  if (!json_is_array(sizes) || json_array_size(sizes) > GRAPH_MAX_RANK) {
    failNode(r, "the sizes of at most 8 dimensions to be recorded");
    return 0;
  }
  json_array_foreach(sizes, i, size) {
    const json_t *number = json_object_get(size, "as_int");
    if (!json_is_integer(number))
      graphFail(r->graph, MAMBA_UNSUPPORTED,
                "value '%s': expected fixed sizes, found a symbolic one: export without dynamic_shapes",
                name);
    shape[i] = json_integer_value(number);
  }
  return (int)json_array_size(sizes);
}

static void setValue(Reader *r, const char *name, GraphView view, MambaDtype dtype) {
  int64_t recorded[GRAPH_MAX_RANK];
  const int rank = readShape(r, name, recorded);
  if (r->graph->status == MAMBA_OK &&
      (rank != view.rank || memcmp(recorded, view.shape, (size_t)rank * sizeof *recorded) != 0))
    failNode(r, "a value of the sizes that are recorded for it");
  if (r->graph->status != MAMBA_OK)
    return;
  if (r->count == r->capacity) {
    const size_t capacity = r->capacity ? 2 * r->capacity : 256;
    Value *larger = realloc(r->values, capacity * sizeof *larger);
    if (!larger) {
      graphFail(r->graph, MAMBA_NO_MEMORY, "out of memory");
      return;
    }
    r->values = larger;
    r->capacity = capacity;
  }
  r->values[r->count] = (Value){view, dtype};
  if (!name || findValue(r, name))
    failNode(r, "one definition for each value");
  else if (json_object_set_new(r->names, name, json_integer((json_int_t)r->count++)) != 0)
    graphFail(r->graph, MAMBA_NO_MEMORY, "out of memory");
}

/* ---- Arguments of a node ---------------------------------------------------------------------------- */

/* What is behind "as_<kind>" of an argument, NULL where it is absent or of another kind. */
static const json_t *argument(const Reader *r, const char *name, const char *kind) {
  const json_t *inputs = json_object_get(r->node, "inputs"), *input;
  size_t i;
  json_array_foreach(inputs, i, input) {
    const char *own = json_string_value(json_object_get(input, "name"));
    if (own && strcmp(own, name) == 0)
      return json_object_get(json_object_get(input, "arg"), kind);
  }
  return NULL;
}

static const char *nameIn(const json_t *tensor) {
  return json_string_value(json_object_get(tensor, "name"));
}

static bool hasTensor(const Reader *r, const char *name) {
  return argument(r, name, "as_tensor") != NULL;
}

static Value *tensorValue(Reader *r, const char *name) {
  Value *value = findValue(r, nameIn(argument(r, name, "as_tensor")));
  if (!value)
    graphFail(r->graph, MAMBA_INVALID, "argument '%s': expected a tensor", name);
  return value;
}

static GraphView tensor(Reader *r, const char *name) {
  const Value *value = tensorValue(r, name);
  return value ? value->view : (GraphView){.node = -1};
}

static int64_t integerOr(const Reader *r, const char *name, int64_t fallback) {
  const json_t *value = argument(r, name, "as_int");
  return json_is_integer(value) ? json_integer_value(value) : fallback;
}

static int64_t integer(Reader *r, const char *name) {
  if (!argument(r, name, "as_int"))
    graphFail(r->graph, MAMBA_UNSUPPORTED, "argument '%s': expected an integer", name);
  return integerOr(r, name, 0);
}

static double number(Reader *r, const char *name, double fallback) {
  const json_t *real = argument(r, name, "as_float"), *whole = argument(r, name, "as_int");
  return json_is_number(real)    ? json_number_value(real)
         : json_is_number(whole) ? json_number_value(whole)
                                 : fallback;
}

static bool flag(const Reader *r, const char *name) {
  return json_is_true(argument(r, name, "as_bool"));
}

/* A list of integers, or of sizes none of which is symbolic. -1 where it is absent. */
static int64_t integers(Reader *r, const char *name, int64_t list[GRAPH_MAX_RANK]) {
  const json_t *plain = argument(r, name, "as_ints"), *sizes = argument(r, name, "as_sym_ints"), *item;
  const json_t *found = plain ? plain : sizes;
  size_t i;
  if (!found)
    return -1;
  if (json_array_size(found) > GRAPH_MAX_RANK)
    failNode(r, "at most 8 integers in a list");
  json_array_foreach(found, i, item) {
    const json_t *value = plain ? item : json_object_get(item, "as_int");
    if (!json_is_integer(value))
      graphFail(r->graph, MAMBA_UNSUPPORTED, "argument '%s': expected integers, no symbolic sizes", name);
    if (i < GRAPH_MAX_RANK)
      list[i] = json_integer_value(value);
  }
  return r->graph->status == MAMBA_OK ? (int64_t)json_array_size(found) : 0;
}

/* ---- Results of a node ------------------------------------------------------------------------------ */

static const json_t *outputOf(const json_t *node) {
  return json_array_get(json_object_get(node, "outputs"), 0);
}

static void setResult(Reader *r, GraphView view) {
  const char *name = nameIn(json_object_get(outputOf(r->node), "as_tensor"));
  if (!name)
    failNode(r, "one tensor as result");
  setValue(r, name, view, dtypeOf(r, name));
}

/* Result `index` of a node that has a list of them. */
static void setPart(Reader *r, size_t index, GraphView view) {
  const char *name = nameIn(json_array_get(json_object_get(outputOf(r->node), "as_tensors"), index));
  setValue(r, name, view, dtypeOf(r, name));
}

static size_t partCount(const Reader *r) {
  return json_array_size(json_object_get(outputOf(r->node), "as_tensors"));
}

/* ---- Operators that compute ------------------------------------------------------------------------- */

static void readUnary(Reader *r, GraphOp op) {
  setResult(r, graphUnary(r->graph, op, tensor(r, "self")));
}

static void readBinary(Reader *r, GraphOp op) {
  const GraphView a = tensor(r, "self");
  const GraphView b =
      hasTensor(r, "other") ? tensor(r, "other") : graphScalar(r->graph, number(r, "other", 0), 0, NULL);
  if (number(r, "alpha", 1) != 1)
    failNode(r, "a sum without alpha");
  if (!hasTensor(r, "other") && !argument(r, "other", "as_int") && !argument(r, "other", "as_float"))
    failNode(r, "a tensor or a number as the second operand");
  setResult(r, graphBinary(r->graph, op, a, b));
}

static void readPower(Reader *r, GraphOp op) {
  (void)op;
  setResult(r, graphPower(r->graph, tensor(r, "self"), number(r, "exponent", 0)));
}

static void readReciprocal(Reader *r, GraphOp op) {
  setResult(r, graphBinary(r->graph, op, graphScalar(r->graph, 1, 0, NULL), tensor(r, "self")));
}

static void readSelect(Reader *r, GraphOp op) {
  (void)op;
  setResult(r, graphSelect(r->graph, tensor(r, "condition"), tensor(r, "self"), tensor(r, "other")));
}

static void readSoftplus(Reader *r, GraphOp op) {
  if (number(r, "beta", 1) != 1 || number(r, "threshold", 20) != 20)
    failNode(r, "a softplus of beta 1 and threshold 20");
  readUnary(r, op);
}

static void readReduce(Reader *r, GraphOp op) {
  int64_t axes[GRAPH_MAX_RANK];
  if (integers(r, "dim", axes) != 1)
    failNode(r, "one dimension to reduce");
  else
    setResult(r, graphReduce(r->graph, op, tensor(r, "self"), axes[0], flag(r, "keepdim")));
}

static GraphView withBias(Reader *r, const char *name, GraphView product) {
  return hasTensor(r, name) ? graphBinary(r->graph, GRAPH_ADD, product, tensor(r, name)) : product;
}

static void readLinear(Reader *r, GraphOp op) {
  (void)op;
  const GraphView weight = graphTranspose(r->graph, tensor(r, "weight"), 0, -1);
  setResult(r, withBias(r, "bias", graphMatmul(r->graph, tensor(r, "input"), weight)));
}

static void readMatmul(Reader *r, GraphOp op) {
  (void)op;
  setResult(r, graphMatmul(r->graph, tensor(r, "self"), tensor(r, hasTensor(r, "other") ? "other" : "mat2")));
}

static void readAddmm(Reader *r, GraphOp op) {
  (void)op;
  if (number(r, "alpha", 1) != 1 || number(r, "beta", 1) != 1)
    failNode(r, "a product without alpha or beta");
  setResult(r, withBias(r, "self", graphMatmul(r->graph, tensor(r, "mat1"), tensor(r, "mat2"))));
}

static void readEmbedding(Reader *r, GraphOp op) {
  (void)op;
  setResult(r, graphEmbedding(r->graph, tensor(r, "weight"), tensor(r, "indices")));
}

/* The one number of a list, or the fallback. */
static int64_t only(Reader *r, const char *name, int64_t fallback) {
  int64_t list[GRAPH_MAX_RANK];
  const int64_t count = integers(r, name, list);
  if (count > 1)
    failNode(r, "a convolution along one dimension");
  return count == 1 ? list[0] : fallback;
}

static void readConv(Reader *r, GraphOp op) {
  (void)op;
  const GraphView x = tensor(r, "input");
  const int64_t padding = only(r, "padding", 0);
  if (only(r, "stride", 1) != 1 || only(r, "dilation", 1) != 1 || flag(r, "transposed") ||
      only(r, "output_padding", 0) != 0 || x.rank != 3 || integerOr(r, "groups", 1) != x.shape[1])
    failNode(r, "a depthwise convolution of stride 1");
  GraphView y = graphConv1d(r->graph, x, tensor(r, "weight"), padding, padding);
  if (hasTensor(r, "bias"))
    y = graphBinary(r->graph, GRAPH_ADD, y, graphUnsqueeze(r->graph, tensor(r, "bias"), -1));
  setResult(r, y);
}

static void readFill(Reader *r, GraphOp op) {
  int64_t shape[GRAPH_MAX_RANK];
  (void)op;
  const int rank = readShape(r, nameIn(json_object_get(outputOf(r->node), "as_tensor")), shape);
  setResult(r, graphScalar(r->graph, number(r, "fill_value", 0), rank, shape));
}

static void readOnes(Reader *r, GraphOp op) {
  int64_t shape[GRAPH_MAX_RANK];
  (void)op;
  const int rank = readShape(r, nameIn(json_object_get(outputOf(r->node), "as_tensor")), shape);
  setResult(r, graphScalar(r->graph, 1, rank, shape));
}

static void readPad(Reader *r, GraphOp op) {
  int64_t pads[GRAPH_MAX_RANK];
  const json_t *mode = argument(r, "mode", "as_string");
  const bool constant = !mode || (json_is_string(mode) && strcmp(json_string_value(mode), "constant") == 0);
  (void)op;
  const int64_t count = integers(r, "pad", pads);
  GraphView x = tensor(r, "self");
  if (count < 0 || count % 2 || !constant)
    failNode(r, "a padding with a constant");
  for (int64_t i = 0; i + 1 < count; i += 2) /* the last dimension first */
    x = graphPad(r->graph, x, -1 - i / 2, pads[i], pads[i + 1], number(r, "value", 0));
  setResult(r, x);
}

/* cat, or stack: which puts a dimension in between. */
static void readCat(Reader *r, GraphOp op) {
  const json_t *list = argument(r, "tensors", "as_tensors"), *item;
  const int64_t axis = integerOr(r, "dim", 0);
  const size_t count = json_array_size(list);
  GraphView *parts = calloc(count + 1, sizeof *parts);
  size_t i;
  if (!parts) {
    graphFail(r->graph, MAMBA_NO_MEMORY, "out of memory");
    return;
  }
  json_array_foreach(list, i, item) {
    const Value *value = findValue(r, nameIn(item));
    if (!value)
      failNode(r, "a list of tensors");
    else
      parts[i] = op == GRAPH_CAT ? value->view : graphUnsqueeze(r->graph, value->view, axis);
  }
  if (r->graph->status == MAMBA_OK)
    setResult(r, graphCat(r->graph, parts, (int32_t)count, axis));
  free(parts);
}

/* ---- Operators that move ---------------------------------------------------------------------------- */

static void readAlias(Reader *r, GraphOp op) {
  (void)op;
  setResult(r, tensor(r, hasTensor(r, "self") ? "self" : "a"));
}

static bool isFloat(MambaDtype dtype) {
  return dtype == MAMBA_DTYPE_F16 || dtype == MAMBA_DTYPE_BF16 || dtype == MAMBA_DTYPE_F32 ||
         dtype == MAMBA_DTYPE_F64;
}

/* Of the same type, the result is the operand (unless `op` says that it is new); of another, it is new, and
 * not changed with the operand. Between floats and integers it is another value. */
static void readTo(Reader *r, GraphOp op) {
  const Value *value = tensorValue(r, "self");
  const char *name = nameIn(json_object_get(outputOf(r->node), "as_tensor"));
  const MambaDtype dtype = dtypeOf(r, name);
  if (value && value->dtype == dtype && dtype != MAMBA_DTYPE_COUNT && op == GRAPH_COPY && !flag(r, "copy"))
    setResult(r, value->view);
  else if (value && isFloat(value->dtype) == isFloat(dtype) && dtype != MAMBA_DTYPE_BOOL)
    readUnary(r, GRAPH_COPY);
  else
    readUnary(r, GRAPH_OPAQUE);
}

static void readTranspose(Reader *r, GraphOp op) {
  (void)op;
  setResult(r,
            graphTranspose(r->graph, tensor(r, "self"), integerOr(r, "dim0", 0), integerOr(r, "dim1", -1)));
}

static void readPermute(Reader *r, GraphOp op) {
  int64_t axes[GRAPH_MAX_RANK];
  (void)op;
  const int64_t count = integers(r, "dims", axes);
  setResult(r, graphPermute(r->graph, tensor(r, "self"), axes, count));
}

static void readUnsqueeze(Reader *r, GraphOp op) {
  (void)op;
  setResult(r, graphUnsqueeze(r->graph, tensor(r, "self"), integer(r, "dim")));
}

/* Of one dimension, of some, or of all. */
static void readSqueeze(Reader *r, GraphOp op) {
  int64_t axes[GRAPH_MAX_RANK];
  GraphView x = tensor(r, "self");
  (void)op;
  int64_t count = integers(r, "dim", axes);
  if (count < 0 && argument(r, "dim", "as_int")) {
    axes[0] = integer(r, "dim");
    count = 1;
  }
  unsigned wanted = count < 0 ? ~0u : 0;
  for (int64_t i = 0; i < count; i++)
    wanted |= axes[i] >= -x.rank && axes[i] < x.rank ? 1u << (axes[i] < 0 ? axes[i] + x.rank : axes[i]) : 0;
  for (int i = x.rank; i-- > 0;)
    x = wanted >> i & 1 ? graphSqueeze(r->graph, x, i) : x;
  setResult(r, x);
}

static void readView(Reader *r, GraphOp op) {
  int64_t shape[GRAPH_MAX_RANK];
  (void)op;
  const int rank = readShape(r, nameIn(json_object_get(outputOf(r->node), "as_tensor")), shape);
  setResult(r, graphReshape(r->graph, tensor(r, "self"), shape, rank));
}

static void readExpand(Reader *r, GraphOp op) {
  int64_t shape[GRAPH_MAX_RANK];
  (void)op;
  const int64_t rank = integers(r, "size", shape);
  setResult(r, graphExpand(r->graph, tensor(r, "self"), shape, rank));
}

static void readSlice(Reader *r, GraphOp op) {
  (void)op;
  setResult(r, graphSlice(r->graph, tensor(r, "self"), integerOr(r, "dim", 0), integerOr(r, "start", 0),
                          integerOr(r, "end", INT64_MAX), integerOr(r, "step", 1)));
}

static void readIndex(Reader *r, GraphOp op) {
  (void)op;
  setResult(r, graphIndex(r->graph, tensor(r, "self"), integer(r, "dim"), integer(r, "index")));
}

/* chunk, split, split_with_sizes, unbind: the parts' sizes are in the file. */
static void readSplit(Reader *r, GraphOp op) {
  const GraphView x = tensor(r, "self");
  const int64_t axis = integerOr(r, "dim", 0);
  const json_t *parts = json_object_get(outputOf(r->node), "as_tensors");
  int64_t begin = 0, shape[GRAPH_MAX_RANK];
  for (size_t i = 0; i < partCount(r) && r->graph->status == MAMBA_OK; i++) {
    const int64_t at = axis < 0 ? axis + x.rank : axis;
    if (op == GRAPH_SELECT) { /* unbind */
      setPart(r, i, graphIndex(r->graph, x, axis, (int64_t)i));
      continue;
    }
    const int rank = readShape(r, nameIn(json_array_get(parts, i)), shape);
    if (rank != x.rank || at < 0 || at >= x.rank || shape[at] < 1 || shape[at] > x.shape[at] - begin) {
      failNode(r, "parts of the tensor");
      return;
    }
    setPart(r, i, graphSlice(r->graph, x, axis, begin, begin + shape[at], 1));
    begin += shape[at];
  }
}

/* ---- Operators that change -------------------------------------------------------------------------- */

/* The whole of a tensor is replaced: for it, and for all views of it. */
static void readCopyInto(Reader *r, GraphOp op) {
  const GraphView old = tensor(r, "self");
  const char *source = hasTensor(r, "src") ? "src" : "other";
  GraphView whole = old;
  if (r->graph->status != MAMBA_OK)
    return;
  const GraphView copy =
      graphUnary(r->graph, op, graphExpand(r->graph, tensor(r, source), old.shape, old.rank));
  whole.node = copy.node;
  const GraphNode *node = &r->graph->nodes[old.node];
  if (r->graph->status == MAMBA_OK &&
      (memcmp(whole.stride, copy.stride, (size_t)old.rank * sizeof *copy.stride) != 0 || old.offset != 0 ||
       node->rank != old.rank || node->op == GRAPH_WEIGHT))
    failNode(r, "a change of the whole of a tensor that is no parameter");
  for (size_t i = 0; i < r->count && r->graph->status == MAMBA_OK; i++)
    if (r->values[i].view.node == old.node)
      r->values[i].view.node = copy.node;
  setResult(r, whole);
}

/* The same as a new tensor. */
static void readCopy(Reader *r, GraphOp op) {
  const GraphView old = tensor(r, "self");
  if (r->graph->status == MAMBA_OK)
    setResult(r, graphUnary(r->graph, op, graphExpand(r->graph, tensor(r, "src"), old.shape, old.rank)));
}

static GraphView between(Reader *r, GraphView x, int64_t axis, int64_t begin, GraphView middle, int64_t end) {
  GraphView parts[3];
  int32_t count = 0;
  const int64_t size = axis >= 0 && axis < x.rank ? x.shape[axis] : 0;
  if (begin > 0)
    parts[count++] = graphSlice(r->graph, x, axis, 0, begin, 1);
  parts[count++] = middle;
  if (end < size)
    parts[count++] = graphSlice(r->graph, x, axis, end, size, 1);
  return graphCat(r->graph, parts, count, axis);
}

static void readSliceScatter(Reader *r, GraphOp op) {
  (void)op;
  const GraphView x = tensor(r, "self");
  const int64_t axis = integerOr(r, "dim", 0), at = axis < 0 ? axis + x.rank : axis;
  const int64_t size = at >= 0 && at < x.rank ? x.shape[at] : 0;
  int64_t begin = integerOr(r, "start", 0), end = integerOr(r, "end", INT64_MAX);
  begin = begin < 0 ? begin + size : begin;
  end = end < 0 ? end + size : end > size ? size : end;
  if (integerOr(r, "step", 1) != 1 || begin < 0 || begin >= end)
    failNode(r, "a slice of step 1");
  setResult(r, between(r, x, at, begin, tensor(r, "src"), end));
}

static void readSelectScatter(Reader *r, GraphOp op) {
  (void)op;
  const GraphView x = tensor(r, "self");
  const int64_t axis = integer(r, "dim"), at = axis < 0 ? axis + x.rank : axis;
  const int64_t size = at >= 0 && at < x.rank ? x.shape[at] : 0;
  int64_t index = integer(r, "index");
  index = index < 0 ? index + size : index;
  if (index < 0 || index >= size)
    failNode(r, "an index of the dimension");
  setResult(r, between(r, x, at, index, graphUnsqueeze(r->graph, tensor(r, "src"), at), index + 1));
}

static void readRoll(Reader *r, GraphOp op) {
  int64_t shifts[GRAPH_MAX_RANK], axes[GRAPH_MAX_RANK];
  (void)op;
  const GraphView x = tensor(r, "self");
  if (integers(r, "shifts", shifts) != 1 || integers(r, "dims", axes) != 1) {
    failNode(r, "a roll along one dimension");
    return;
  }
  const int64_t at = axes[0] < 0 ? axes[0] + x.rank : axes[0],
                size = at >= 0 && at < x.rank ? x.shape[at] : 0;
  if (size < 1) {
    failNode(r, "a roll along one of the dimensions");
    return;
  }
  const int64_t shift = (shifts[0] % size + size) % size; /* how many come to the front from the end */
  const GraphView parts[] = {graphSlice(r->graph, x, at, size - shift, size, 1),
                             graphSlice(r->graph, x, at, 0, size - shift, 1)};
  setResult(r, shift ? graphCat(r->graph, parts, 2, at) : x);
}

/* ---- The table -------------------------------------------------------------------------------------- */

static const struct {
  const char *target; /* behind "torch.ops.aten." */
  void (*read)(Reader *r, GraphOp op);
  GraphOp op;
} kOperators[] = {
    {"_softplus.default", readSoftplus, GRAPH_SOFTPLUS},
    {"_to_copy.default", readTo, GRAPH_OPAQUE},
    {"_unsafe_view.default", readView, GRAPH_COPY},
    {"add.Scalar", readBinary, GRAPH_ADD},
    {"add.Tensor", readBinary, GRAPH_ADD},
    {"addmm.default", readAddmm, GRAPH_CONTRACT},
    {"alias.default", readAlias, GRAPH_COPY},
    {"bmm.default", readMatmul, GRAPH_CONTRACT},
    {"cat.default", readCat, GRAPH_CAT},
    {"chunk.default", readSplit, GRAPH_CAT},
    {"clone.default", readUnary, GRAPH_COPY},
    {"constant_pad_nd.default", readPad, GRAPH_PAD},
    {"contiguous.default", readUnary, GRAPH_COPY},
    {"conv1d.default", readConv, GRAPH_CONTRACT},
    {"convolution.default", readConv, GRAPH_CONTRACT},
    {"copy.default", readCopy, GRAPH_COPY},
    {"copy_.default", readCopyInto, GRAPH_COPY},
    {"detach.default", readAlias, GRAPH_COPY},
    {"detach_.default", readAlias, GRAPH_COPY},
    {"div.Tensor", readBinary, GRAPH_DIV},
    {"embedding.default", readEmbedding, GRAPH_EMBEDDING},
    {"exp.default", readUnary, GRAPH_EXP},
    {"expand.default", readExpand, GRAPH_COPY},
    {"full.default", readFill, GRAPH_SCALAR},
    {"full_like.default", readFill, GRAPH_SCALAR},
    {"gt.Scalar", readBinary, GRAPH_GREATER},
    {"lift_fresh_copy.default", readUnary, GRAPH_COPY},
    {"linear.default", readLinear, GRAPH_CONTRACT},
    {"log1p.default", readUnary, GRAPH_LOG1P},
    {"matmul.default", readMatmul, GRAPH_CONTRACT},
    {"mean.dim", readReduce, GRAPH_MEAN},
    {"mm.default", readMatmul, GRAPH_CONTRACT},
    {"mul.Scalar", readBinary, GRAPH_MUL},
    {"mul.Tensor", readBinary, GRAPH_MUL},
    {"neg.default", readUnary, GRAPH_NEG},
    {"new_zeros.default", readFill, GRAPH_SCALAR},
    {"ones.default", readOnes, GRAPH_SCALAR},
    {"ones_like.default", readOnes, GRAPH_SCALAR},
    {"pad.default", readPad, GRAPH_PAD},
    {"permute.default", readPermute, GRAPH_COPY},
    {"pow.Tensor_Scalar", readPower, GRAPH_POW},
    {"reciprocal.default", readReciprocal, GRAPH_DIV},
    {"reshape.default", readView, GRAPH_COPY},
    {"roll.default", readRoll, GRAPH_CAT},
    {"rsqrt.default", readUnary, GRAPH_RSQRT},
    {"select.int", readIndex, GRAPH_COPY},
    {"select_scatter.default", readSelectScatter, GRAPH_CAT},
    {"sigmoid.default", readUnary, GRAPH_SIGMOID},
    {"silu.default", readUnary, GRAPH_SILU},
    {"slice.Tensor", readSlice, GRAPH_COPY},
    {"slice_scatter.default", readSliceScatter, GRAPH_CAT},
    {"softplus.default", readSoftplus, GRAPH_SOFTPLUS},
    {"split.Tensor", readSplit, GRAPH_CAT},
    {"split_with_sizes.default", readSplit, GRAPH_CAT},
    {"sqrt.default", readUnary, GRAPH_SQRT},
    {"squeeze.default", readSqueeze, GRAPH_COPY},
    {"squeeze.dim", readSqueeze, GRAPH_COPY},
    {"squeeze.dims", readSqueeze, GRAPH_COPY},
    {"stack.default", readCat, GRAPH_COPY},
    {"sum.dim_IntList", readReduce, GRAPH_SUM},
    {"t.default", readTranspose, GRAPH_COPY},
    {"to.device", readTo, GRAPH_COPY},
    {"to.dtype", readTo, GRAPH_COPY},
    {"to.dtype_layout", readTo, GRAPH_COPY},
    {"transpose.int", readTranspose, GRAPH_COPY},
    {"type_as.default", readTo, GRAPH_COPY},
    {"unbind.int", readSplit, GRAPH_SELECT},
    {"unsqueeze.default", readUnsqueeze, GRAPH_COPY},
    {"view.default", readView, GRAPH_COPY},
    {"where.self", readSelect, GRAPH_SELECT},
    {"zeros.default", readFill, GRAPH_SCALAR},
    {"zeros_like.default", readFill, GRAPH_SCALAR},
};

/* Results of an operator that is not known: of their recorded sizes. */
static void readOpaque(Reader *r) {
  const json_t *outputs = json_object_get(r->node, "outputs"), *output;
  int64_t shape[GRAPH_MAX_RANK];
  size_t i, k;
  json_array_foreach(outputs, i, output) {
    const json_t *one = json_object_get(output, "as_tensor"), *list = json_object_get(output, "as_tensors");
    const size_t count = one ? 1 : json_array_size(list);
    if (json_object_get(output, "as_custom_obj"))
      failNode(r, "tensors: custom objects are refused");
    for (k = 0; k < count && r->graph->status == MAMBA_OK; k++) {
      const char *name = nameIn(one ? one : json_array_get(list, k));
      const int rank = readShape(r, name, shape);
      setValue(r, name, graphOpaque(r->graph, rank, shape), dtypeOf(r, name));
    }
  }
}

static void readNode(Reader *r) {
  static const char prefix[] = "torch.ops.aten.";
  const char *target = json_string_value(json_object_get(r->node, "target"));
  if (!target) {
    failNode(r, "a target");
    return;
  }
  for (size_t i = 0;
       strncmp(target, prefix, strlen(prefix)) == 0 && i < sizeof kOperators / sizeof *kOperators; i++) {
    if (strcmp(target + strlen(prefix), kOperators[i].target) == 0) {
      kOperators[i].read(r, kOperators[i].op);
      return;
    }
  }
  readOpaque(r);
}

/* ---- The program ------------------------------------------------------------------------------------ */

static void readInput(Reader *r, const json_t *spec) {
  static const struct {
    const char *kind, *key;
  } stored[] = {{"parameter", "parameter_name"},
                {"buffer", "buffer_name"},
                {"tensor_constant", "tensor_constant_name"}};
  int64_t shape[GRAPH_MAX_RANK];
  for (size_t i = 0; i < sizeof stored / sizeof *stored; i++) {
    const json_t *entry = json_object_get(spec, stored[i].kind);
    const char *key = json_string_value(json_object_get(entry, stored[i].key));
    const char *name = nameIn(json_object_get(entry, "arg"));
    if (!entry)
      continue;
    const MambaTensorView *weight = key ? pt2Find(r->archive, key) : NULL;
    if (i == 0 && !weight) {
      graphFail(r->graph, MAMBA_INVALID, "parameter '%s': expected its data in the archive, found none",
                key ? key : "");
    } else if (i == 0 && weight->dtype != dtypeOf(r, name)) {
      graphFail(r->graph, MAMBA_INVALID,
                "parameter '%s': expected the type that is recorded for it, found %s", key,
                mambaDtypeGetName(weight->dtype));
    } else if (i == 0) {
      setValue(r, name, graphWeight(r->graph, weight), weight->dtype);
    } else { /* a state, or something that the model has no use for */
      const int rank = readShape(r, name, shape);
      setValue(r, name, graphInput(r->graph, rank, shape), dtypeOf(r, name));
    }
    return;
  }
  const json_t *argument_of = json_object_get(json_object_get(spec, "user_input"), "arg");
  const char *name = nameIn(json_object_get(argument_of, "as_tensor"));
  if (name) {
    const int rank = readShape(r, name, shape);
    setValue(r, name, graphInput(r->graph, rank, shape), dtypeOf(r, name));
  } else if (json_object_get(spec, "custom_obj")) {
    failNode(r, "tensors as arguments: custom objects are refused");
  }
}

static void readOutput(Reader *r, const json_t *spec) {
  const json_t *user =
      json_object_get(json_object_get(json_object_get(spec, "user_output"), "arg"), "as_tensor");
  const Value *value = findValue(r, nameIn(user));
  if (value)
    graphOutput(r->graph, value->view);
}

MambaStatus graphReadTorch(const Pt2 *archive, Graph *graph, MambaError *error) {
  const json_t *module = json_object_get(pt2GetProgram(archive), "graph_module");
  const json_t *signature = json_object_get(module, "signature"), *program = json_object_get(module, "graph");
  Reader r = {.archive = archive,
              .graph = graph,
              .nodes = json_object_get(program, "nodes"),
              .metas = json_object_get(program, "tensor_values"),
              .names = json_object()};
  const json_t *specs = json_object_get(signature, "input_specs"), *item;
  size_t i;
  char text[400];
  graph->error = error;
  graph->origin = -1;
  if (!r.names)
    graphFail(graph, MAMBA_NO_MEMORY, "out of memory");
  if (!json_is_array(r.nodes) || !json_is_object(r.metas) || !json_is_array(specs))
    graphFail(graph, MAMBA_INVALID,
              "expected graph_module with graph.nodes, graph.tensor_values and signature");
  else if (json_array_size(specs) != json_array_size(json_object_get(program, "inputs")))
    graphFail(graph, MAMBA_INVALID, "expected input_specs for each of graph.inputs");
  json_array_foreach(specs, i, item) if (graph->status == MAMBA_OK) readInput(&r, item);
  json_array_foreach(r.nodes, i, item) {
    if (graph->status != MAMBA_OK)
      break;
    graph->origin = (int32_t)i;
    r.node = item;
    readNode(&r);
    if (graph->status != MAMBA_OK) {
      graphDescribeTorch(archive, graph->origin, text, sizeof text);
      mambaFailContext(error, "%s", text);
    }
  }
  json_array_foreach(json_object_get(signature, "output_specs"), i, item) readOutput(&r, item);
  free(r.values);
  json_decref(r.names);
  return graph->status;
}

void graphDescribeTorch(const Pt2 *archive, int32_t origin, char *text, size_t size) {
  const json_t *graph = json_object_get(json_object_get(pt2GetProgram(archive), "graph_module"), "graph");
  const json_t *node = origin >= 0 ? json_array_get(json_object_get(graph, "nodes"), (size_t)origin) : NULL;
  const json_t *output = outputOf(node), *first = json_array_get(json_object_get(output, "as_tensors"), 0);
  const char *name = nameIn(first ? first : json_object_get(output, "as_tensor"));
  const char *target = json_string_value(json_object_get(node, "target"));
  const char *stack = json_string_value(json_object_get(json_object_get(node, "metadata"), "stack_trace"));
  if (!node) {
    snprintf(text, size, "an argument of the program");
    return;
  }
  char source[256] = "";
  describeSourceLine(stack, stack ? strlen(stack) : 0, source, sizeof source);
  snprintf(text, size, "node '%.80s' (%.80s)%s", name ? name : "", target ? target : "", source);
}
