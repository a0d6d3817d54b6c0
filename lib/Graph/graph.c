#include "graph.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So that no index into a tensor, nor a sum of two, overflows. */
static const int64_t kMaxElements = INT64_C(1) << 48;

enum { MAX_NODES = 1 << 24 };

void graphClear(Graph *graph) {
  free(graph->nodes);
  free(graph->operands);
  free(graph->outputs);
  for (int32_t i = 0; i < graph->tensorCount; i++)
    free(graph->tensors[i]);
  free(graph->tensors);
  *graph = (Graph){0};
}

GraphView graphFail(Graph *graph, MambaStatus status, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (graph->status == MAMBA_OK)
    graph->status = mambaFail(graph->error, status, "%s", text);
  return (GraphView){.node = -1};
}

static const GraphView kNone = {.node = -1};

/* Makes room for one more; false after a failure. */
static bool grow(Graph *graph, void **array, int32_t count, int32_t *capacity, size_t size) {
  if (count < *capacity)
    return true;
  const int32_t wanted = *capacity ? 2 * *capacity : 64;
  void *larger = count < MAX_NODES ? realloc(*array, (size_t)wanted * size) : NULL;
  if (!larger) {
    graphFail(graph, MAMBA_NO_MEMORY, "out of memory for a graph of %d nodes", count);
    return false;
  }
  *array = larger;
  *capacity = wanted;
  return true;
}

static bool addOperand(Graph *graph, GraphView view) {
  if (!grow(graph, (void **)&graph->operands, graph->operandCount, &graph->operandCapacity, sizeof view))
    return false;
  graph->operands[graph->operandCount++] = view;
  return true;
}

void graphOutput(Graph *graph, GraphView x) {
  if (graph->status == MAMBA_OK &&
      grow(graph, (void **)&graph->outputs, graph->outputCount, &graph->outputCapacity, sizeof x))
    graph->outputs[graph->outputCount++] = x;
}

int64_t graphElements(const GraphView *x) {
  int64_t count = 1;
  for (int i = 0; i < x->rank; i++)
    count *= x->shape[i];
  return count;
}

static bool isShape(Graph *graph, int64_t rank, const int64_t *shape) {
  int64_t count = 1;
  bool ok = rank >= 0 && rank <= GRAPH_MAX_RANK;
  for (int64_t i = 0; ok && i < rank; i++) {
    ok = shape[i] >= 1 && shape[i] <= kMaxElements / count;
    count *= ok ? shape[i] : 1;
  }
  if (!ok)
    graphFail(graph, MAMBA_UNSUPPORTED,
              "expected at most %d dimensions of fixed size, none of them 0, and at most 2^48 elements",
              GRAPH_MAX_RANK);
  return ok;
}

/* Adds a node and gives the view of all of its result. */
static GraphView add(Graph *graph, GraphNode node, const GraphView *operands, int32_t count) {
  GraphView view = {.node = graph->count, .rank = node.rank};
  if (graph->status != MAMBA_OK || !isShape(graph, node.rank, node.shape) ||
      !grow(graph, (void **)&graph->nodes, graph->count, &graph->capacity, sizeof node))
    return kNone;
  node.operands = graph->operandCount;
  node.count = count;
  node.origin = graph->origin;
  for (int32_t i = 0; i < count; i++)
    if (!addOperand(graph, operands[i]))
      return kNone;
  graph->nodes[graph->count++] = node;
  int64_t stride = 1;
  for (int i = node.rank; i-- > 0;) {
    view.shape[i] = node.shape[i];
    view.stride[i] = stride;
    stride *= node.shape[i];
  }
  return view;
}

/* A node of the shape of a view. */
static GraphNode nodeLike(GraphOp op, const GraphView *x) {
  GraphNode node = {.op = op, .rank = x->rank};
  memcpy(node.shape, x->shape, sizeof node.shape);
  return node;
}

static GraphNode nodeOf(Graph *graph, GraphOp op, int64_t rank, const int64_t *shape) {
  GraphNode node = {.op = op};
  if (isShape(graph, rank, shape)) {
    node.rank = (int)rank;
    for (int i = 0; i < node.rank; i++)
      node.shape[i] = shape[i];
  }
  return node;
}

/* ---- Nodes -------------------------------------------------------------------------------------- */

GraphView graphInput(Graph *graph, int rank, const int64_t *shape) {
  return add(graph, nodeOf(graph, GRAPH_INPUT, rank, shape), NULL, 0);
}

GraphView graphOpaque(Graph *graph, int rank, const int64_t *shape) {
  return add(graph, nodeOf(graph, GRAPH_OPAQUE, rank, shape), NULL, 0);
}

GraphView graphWeight(Graph *graph, const MambaTensorView *tensor) {
  GraphNode node = nodeOf(graph, GRAPH_WEIGHT, tensor->rank, tensor->shape);
  node.tensor = tensor;
  return add(graph, node, NULL, 0);
}

MambaTensorView *graphTensor(Graph *graph) {
  if (graph->status != MAMBA_OK || !grow(graph, (void **)&graph->tensors, graph->tensorCount,
                                         &graph->tensorCapacity, sizeof *graph->tensors))
    return NULL;
  MambaTensorView *tensor = calloc(1, sizeof *tensor);
  if (!tensor)
    graphFail(graph, MAMBA_NO_MEMORY, "out of memory for a constant");
  else
    graph->tensors[graph->tensorCount++] = tensor;
  return tensor;
}

GraphView graphScalar(Graph *graph, double value, int rank, const int64_t *shape) {
  GraphNode node = nodeOf(graph, GRAPH_SCALAR, rank, shape);
  node.scalar = value;
  return add(graph, node, NULL, 0);
}

GraphView graphUnary(Graph *graph, GraphOp op, GraphView x) {
  return graph->status == MAMBA_OK ? add(graph, nodeLike(op, &x), &x, 1) : kNone;
}

GraphView graphPower(Graph *graph, GraphView x, double exponent) {
  GraphNode node = nodeLike(GRAPH_POW, &x);
  node.scalar = exponent;
  return graph->status == MAMBA_OK ? add(graph, node, &x, 1) : kNone;
}

/* The shape to which views broadcast. */
static bool broadcast(Graph *graph, const GraphView *views, int count, int64_t shape[GRAPH_MAX_RANK],
                      int *rank) {
  *rank = 0;
  for (int i = 0; i < count; i++)
    *rank = views[i].rank > *rank ? views[i].rank : *rank;
  for (int axis = 1; axis <= *rank; axis++) {
    int64_t size = 1;
    for (int i = 0; i < count; i++) {
      const int64_t own = axis <= views[i].rank ? views[i].shape[views[i].rank - axis] : 1;
      if (own != 1 && size != 1 && own != size) {
        graphFail(graph, MAMBA_INVALID,
                  "expected operands that broadcast, found sizes %" PRId64 " and %" PRId64, size, own);
        return false;
      }
      size = own != 1 ? own : size;
    }
    shape[*rank - axis] = size;
  }
  return true;
}

static GraphView elementwise(Graph *graph, GraphOp op, const GraphView *views, int count) {
  GraphView wide[3];
  int64_t shape[GRAPH_MAX_RANK];
  int rank;
  if (graph->status != MAMBA_OK || !broadcast(graph, views, count, shape, &rank))
    return kNone;
  for (int i = 0; i < count; i++)
    wide[i] = graphExpand(graph, views[i], shape, rank);
  return add(graph, nodeOf(graph, op, rank, shape), wide, count);
}

GraphView graphBinary(Graph *graph, GraphOp op, GraphView a, GraphView b) {
  const GraphView views[] = {a, b};
  return elementwise(graph, op, views, 2);
}

GraphView graphSelect(Graph *graph, GraphView condition, GraphView a, GraphView b) {
  const GraphView views[] = {condition, a, b};
  return elementwise(graph, GRAPH_SELECT, views, 3);
}

/* Resolves an axis that may count from the end; -1 after a failure. */
static int axisOf(Graph *graph, int64_t axis, int rank) {
  const int64_t resolved = axis < 0 ? axis + rank : axis;
  if (graph->status == MAMBA_OK && (resolved < 0 || resolved >= rank))
    graphFail(graph, MAMBA_INVALID, "expected an axis of %d dimensions, found %" PRId64, rank, axis);
  return graph->status == MAMBA_OK ? (int)resolved : -1;
}

/* The axis behind all others. */
static GraphView toEnd(GraphView x, int axis) {
  const int64_t size = x.shape[axis], stride = x.stride[axis];
  for (int i = axis; i + 1 < x.rank; i++) {
    x.shape[i] = x.shape[i + 1];
    x.stride[i] = x.stride[i + 1];
  }
  x.shape[x.rank - 1] = size;
  x.stride[x.rank - 1] = stride;
  return x;
}

GraphView graphReduce(Graph *graph, GraphOp op, GraphView x, int64_t axis, bool keep) {
  const int at = axisOf(graph, axis, x.rank);
  if (at < 0)
    return kNone;
  const GraphView operand = toEnd(x, at);
  GraphNode node = nodeLike(op, &operand);
  node.rank = operand.rank - 1;
  node.reduced = operand.shape[node.rank];
  const GraphView result = add(graph, node, &operand, 1);
  return keep ? graphUnsqueeze(graph, result, at) : result;
}

/* [..., m, k] and [..., k, n] as operands over [..., m, n, k]. */
GraphView graphMatmul(Graph *graph, GraphView a, GraphView b) {
  const bool row = a.rank == 1, column = b.rank == 1;
  if (graph->status != MAMBA_OK)
    return kNone;
  if (a.rank < 1 || b.rank < 1 || a.rank >= GRAPH_MAX_RANK || b.rank >= GRAPH_MAX_RANK)
    return graphFail(graph, MAMBA_UNSUPPORTED, "expected matrices, found %d and %d dimensions", a.rank,
                     b.rank);
  a = row ? graphUnsqueeze(graph, a, 0) : a;
  b = column ? graphUnsqueeze(graph, b, 1) : b;
  if (a.shape[a.rank - 1] != b.shape[b.rank - 2])
    return graphFail(graph, MAMBA_INVALID, "expected equal inner sizes, found %" PRId64 " and %" PRId64,
                     a.shape[a.rank - 1], b.shape[b.rank - 2]);
  const GraphView views[] = {graphUnsqueeze(graph, a, a.rank - 1),
                             graphUnsqueeze(graph, graphTranspose(graph, b, -1, -2), b.rank - 2)};
  int64_t shape[GRAPH_MAX_RANK];
  int rank;
  if (graph->status != MAMBA_OK || !broadcast(graph, views, 2, shape, &rank))
    return kNone;
  const GraphView wide[] = {graphExpand(graph, views[0], shape, rank),
                            graphExpand(graph, views[1], shape, rank)};
  GraphNode node = nodeOf(graph, GRAPH_CONTRACT, rank - 1, shape);
  node.reduced = shape[rank - 1];
  GraphView result = add(graph, node, wide, 2);
  result = row ? graphSqueeze(graph, result, -2) : result;
  return column ? graphSqueeze(graph, result, -1) : result;
}

GraphView graphEmbedding(Graph *graph, GraphView table, GraphView ids) {
  if (graph->status != MAMBA_OK)
    return kNone;
  if (table.rank != 2 || ids.rank >= GRAPH_MAX_RANK)
    return graphFail(graph, MAMBA_INVALID, "expected a table of 2 dimensions, found %d", table.rank);
  GraphNode node = nodeLike(GRAPH_EMBEDDING, &ids);
  node.shape[node.rank++] = table.shape[1];
  const GraphView operands[] = {graphExpand(graph, graphUnsqueeze(graph, ids, -1), node.shape, node.rank),
                                table};
  return add(graph, node, operands, 2);
}

GraphView graphCat(Graph *graph, const GraphView *parts, int32_t count, int64_t axis) {
  const int at = count > 0 ? axisOf(graph, axis, parts[0].rank) : -1;
  if (at < 0)
    return graphFail(graph, MAMBA_INVALID, "expected something to concatenate");
  GraphNode node = nodeLike(GRAPH_CAT, &parts[0]);
  node.axis = at;
  for (int32_t i = 1; i < count; i++) {
    bool fits = parts[i].rank == node.rank;
    for (int k = 0; fits && k < node.rank; k++)
      fits = k == at || parts[i].shape[k] == node.shape[k];
    if (!fits || parts[i].shape[at] > kMaxElements - node.shape[at])
      return graphFail(graph, MAMBA_INVALID, "expected parts that agree in all sizes but one");
    node.shape[at] += parts[i].shape[at];
  }
  return add(graph, node, parts, count);
}

GraphView graphPad(Graph *graph, GraphView x, int64_t axis, int64_t before, int64_t after, double value) {
  const int at = axisOf(graph, axis, x.rank);
  if (at < 0)
    return kNone;
  if (before < 0 || after < 0 || before > kMaxElements || after > kMaxElements)
    return graphFail(graph, MAMBA_UNSUPPORTED, "expected a padding that is not negative");
  GraphNode node = nodeLike(GRAPH_PAD, &x);
  node.axis = at;
  node.before = before;
  node.scalar = value;
  node.shape[at] += before + after;
  return add(graph, node, &x, 1);
}

/* A contraction of the taps with windows, which are a view of the padded input that overlaps itself. */
GraphView graphConv1d(Graph *graph, GraphView x, GraphView w, int64_t before, int64_t after) {
  GraphView padded = graphPad(graph, x, 2, before, after, 0);
  if (graph->status != MAMBA_OK)
    return kNone;
  if (x.rank != 3 || w.rank != 3 || w.shape[0] != x.shape[1] || w.shape[1] != 1 ||
      w.shape[2] > padded.shape[2])
    return graphFail(graph, MAMBA_UNSUPPORTED, "expected a depthwise convolution along the last dimension");
  GraphNode node = {.op = GRAPH_CONTRACT, .rank = 3, .reduced = w.shape[2]};
  const int64_t shape[] = {x.shape[0], x.shape[1], padded.shape[2] - w.shape[2] + 1, w.shape[2]};
  memcpy(node.shape, shape, sizeof shape);
  padded.rank = 4;
  padded.shape[2] = shape[2];
  padded.shape[3] = shape[3];
  padded.stride[3] = padded.stride[2];
  GraphView taps = graphTranspose(graph, w, 0, 1); /* [1, channels, taps] */
  taps = graphExpand(graph, graphUnsqueeze(graph, taps, 2), shape, 4);
  const GraphView operands[] = {padded, taps};
  return add(graph, node, operands, 2);
}

/* ---- Views -------------------------------------------------------------------------------------- */

GraphView graphPermute(Graph *graph, GraphView x, const int64_t *axes, int64_t count) {
  GraphView result = x;
  unsigned seen = 0;
  for (int64_t i = 0; i < count && graph->status == MAMBA_OK; i++) {
    const int at = axisOf(graph, axes[i], x.rank);
    if (at < 0 || i >= x.rank)
      break;
    seen |= 1u << at;
    result.shape[i] = x.shape[at];
    result.stride[i] = x.stride[at];
  }
  if (graph->status == MAMBA_OK && (count != x.rank || seen != (1u << x.rank) - 1))
    return graphFail(graph, MAMBA_INVALID, "expected a permutation of %d dimensions", x.rank);
  return result;
}

GraphView graphTranspose(Graph *graph, GraphView x, int64_t a, int64_t b) {
  const int i = axisOf(graph, a, x.rank), k = axisOf(graph, b, x.rank);
  GraphView result = x;
  if (i < 0 || k < 0)
    return kNone;
  result.shape[i] = x.shape[k];
  result.stride[i] = x.stride[k];
  result.shape[k] = x.shape[i];
  result.stride[k] = x.stride[i];
  return result;
}

static int64_t clampTo(int64_t position, int64_t size) {
  position = position < 0 && position >= -size ? position + size : position;
  return position < 0 ? 0 : position > size ? size : position;
}

GraphView graphSlice(Graph *graph, GraphView x, int64_t axis, int64_t start, int64_t end, int64_t step) {
  const int at = axisOf(graph, axis, x.rank);
  if (at < 0)
    return kNone;
  const int64_t size = x.shape[at], first = clampTo(start, size), last = clampTo(end, size);
  if (step < 1 || step > kMaxElements || first >= last)
    return graphFail(graph, MAMBA_UNSUPPORTED, "expected a slice forward, of at least one element");
  x.offset += first * x.stride[at];
  x.shape[at] = (last - first - 1) / step + 1;
  x.stride[at] = x.shape[at] > 1 ? x.stride[at] * step : x.stride[at];
  return x;
}

static GraphView removeAxis(GraphView x, int axis) {
  x = toEnd(x, axis);
  x.rank--;
  return x;
}

GraphView graphIndex(Graph *graph, GraphView x, int64_t axis, int64_t index) {
  const int at = axisOf(graph, axis, x.rank);
  if (at < 0)
    return kNone;
  const int64_t position = index < 0 ? index + x.shape[at] : index;
  if (position < 0 || position >= x.shape[at])
    return graphFail(graph, MAMBA_INVALID, "expected an index below %" PRId64 ", found %" PRId64, x.shape[at],
                     index);
  x.offset += position * x.stride[at];
  return removeAxis(x, at);
}

GraphView graphUnsqueeze(Graph *graph, GraphView x, int64_t axis) {
  const int at = axisOf(graph, axis, x.rank + 1);
  if (at < 0)
    return kNone;
  if (x.rank == GRAPH_MAX_RANK)
    return graphFail(graph, MAMBA_UNSUPPORTED, "expected at most %d dimensions", GRAPH_MAX_RANK);
  for (int i = x.rank++; i > at; i--) {
    x.shape[i] = x.shape[i - 1];
    x.stride[i] = x.stride[i - 1];
  }
  x.shape[at] = 1;
  x.stride[at] = 0;
  return x;
}

GraphView graphSqueeze(Graph *graph, GraphView x, int64_t axis) {
  const int at = axisOf(graph, axis, x.rank);
  return at < 0 ? kNone : x.shape[at] == 1 ? removeAxis(x, at) : x;
}

GraphView graphExpand(Graph *graph, GraphView x, const int64_t *shape, int64_t rank) {
  if (graph->status != MAMBA_OK)
    return kNone;
  if (rank < x.rank || rank > GRAPH_MAX_RANK)
    return graphFail(graph, MAMBA_INVALID, "expected to expand to at least %d dimensions, found %" PRId64,
                     x.rank, rank);
  while (x.rank < rank)
    x = graphUnsqueeze(graph, x, 0);
  for (int i = 0; i < x.rank; i++) {
    if (shape[i] == x.shape[i] || shape[i] == -1)
      continue;
    if (x.shape[i] != 1 || shape[i] < 1)
      return graphFail(graph, MAMBA_INVALID, "expected to expand a size of 1, found %" PRId64 " to %" PRId64,
                       x.shape[i], shape[i]);
    x.shape[i] = shape[i];
    x.stride[i] = 0;
  }
  isShape(graph, x.rank, x.shape);
  return x;
}

/* The strides of `result` for the elements of x in their order; false where there are none. */
static bool restride(const GraphView *x, GraphView *result) {
  int from = x->rank - 1, to = result->rank - 1;
  while (from >= 0 || to >= 0) {
    if (from >= 0 && x->shape[from] == 1) {
      from--;
      continue;
    }
    if (to >= 0 && result->shape[to] == 1) {
      result->stride[to--] = 0;
      continue;
    }
    /* the fewest dimensions of both sides with the same number of elements */
    int64_t stride = from >= 0 ? x->stride[from] : 0, have = 1, want = 1, next = stride;
    do {
      if (from >= 0 && x->shape[from] == 1) {
        from--;
      } else if (have <= want && from >= 0) {
        if (x->stride[from] != next && have > 1)
          return false;
        have *= x->shape[from];
        next = x->stride[from] * x->shape[from];
        from--;
      } else if (to >= 0) {
        result->stride[to] = stride * want;
        want *= result->shape[to--];
      } else {
        return false;
      }
    } while (have != want);
  }
  return true;
}

GraphView graphReshape(Graph *graph, GraphView x, const int64_t *shape, int64_t rank) {
  GraphView result = {.node = x.node, .rank = (int)rank, .offset = x.offset};
  int64_t known = 1, open = -1;
  if (graph->status != MAMBA_OK)
    return kNone;
  bool fits = rank >= 0 && rank <= GRAPH_MAX_RANK;
  const int64_t count = graphElements(&x);
  for (int64_t i = 0; fits && i < rank; i++) {
    result.shape[i] = shape[i];
    fits = shape[i] == -1 ? open < 0 : shape[i] >= 1 && shape[i] <= count / known;
    if (shape[i] == -1)
      open = i;
    else
      known *= fits ? shape[i] : 1;
  }
  if (fits && open >= 0)
    result.shape[open] = count / known;
  if (!fits || (open >= 0 ? count % known != 0 : known != count))
    return graphFail(graph, MAMBA_INVALID, "expected a shape of %" PRId64 " elements", count);
  if (restride(&x, &result))
    return result;
  const GraphView copy = graphUnary(graph, GRAPH_COPY, x);
  result.node = copy.node;
  result.offset = 0;
  return graph->status == MAMBA_OK && restride(&copy, &result) ? result : kNone;
}
