/* A tensor program as a graph that does not depend on the file it came from.
 *
 * Nodes compute; they are in an order in which every operand comes before its reader, and each holds its
 * result row-major. What only moves elements (transposes, slices, reshapes, broadcasts) is no node: an
 * operand is a strided view of a node's result, so that two ways to spell the same movement are the same
 * graph.
 *
 * The functions that build remember the first failure in the graph (`status`, with the message in `error`);
 * from then on they do nothing, and what they return is of no use. */
#ifndef MAMBA_LIB_GRAPH_GRAPH_H
#define MAMBA_LIB_GRAPH_GRAPH_H

#include "mamba/tensor.h"

enum { GRAPH_MAX_RANK = 8 };

typedef enum GraphOp {
  GRAPH_INPUT,  /* an argument, or a buffer */
  GRAPH_WEIGHT, /* `tensor` */
  GRAPH_SCALAR, /* `scalar` everywhere */
  GRAPH_COPY,   /* operand 0 */
  GRAPH_ADD,    /* two operands, as the next three */
  GRAPH_MUL,
  GRAPH_DIV,
  GRAPH_GREATER,
  GRAPH_SELECT, /* operand 0 ? 1 : 2 */
  GRAPH_POW,    /* to the power of `scalar` */
  GRAPH_NEG,
  GRAPH_EXP,
  GRAPH_LOG1P,
  GRAPH_SQRT,
  GRAPH_RSQRT,
  GRAPH_SIGMOID,
  GRAPH_SILU,
  GRAPH_SOFTPLUS,
  GRAPH_MEAN, /* over the reduced dimension, as the next two */
  GRAPH_SUM,
  GRAPH_CONTRACT,  /* the sum of operand 0 times operand 1 */
  GRAPH_EMBEDDING, /* rows of the table, operand 1, by the ids, operand 0 */
  GRAPH_CAT,       /* operands one behind the other along `axis` */
  GRAPH_PAD,       /* operand 0 from index `before` of `axis` on; `scalar` around it */
  GRAPH_OPAQUE,    /* anything else */
} GraphOp;

/* Element (i0, i1, ...) is element offset + i0 * stride[0] + i1 * stride[1] + ... of a node's result. */
typedef struct GraphView {
  int32_t node;
  int rank;
  int64_t offset;
  int64_t shape[GRAPH_MAX_RANK];
  int64_t stride[GRAPH_MAX_RANK];
} GraphView;

typedef struct GraphNode {
  GraphOp op;
  int rank;
  int64_t shape[GRAPH_MAX_RANK];
  int64_t reduced; /* size of the dimension that MEAN, SUM and CONTRACT sum over; the last one of their
                      operands */
  int axis;
  int64_t before;
  double scalar;
  const MambaTensorView *tensor; /* borrowed from the file */
  int32_t operands;              /* index of the first in the graph's views; ... */
  int32_t count;
  int32_t origin; /* index in the file's list of nodes, for messages; -1 for an argument */
} GraphNode;

typedef struct Graph {
  GraphNode *nodes;
  int32_t count, capacity;
  GraphView *operands;
  int32_t operandCount, operandCapacity;
  GraphView *outputs; /* results, and what buffers become */
  int32_t outputCount, outputCapacity;
  MambaTensorView **tensors; /* of graphTensor */
  int32_t tensorCount, tensorCapacity;
  int32_t origin; /* of the nodes that are being built */
  MambaStatus status;
  MambaError *error;
} Graph;

void graphClear(Graph *graph);

/* Fails the graph, unless it has failed already. Returns a view of no use. */
GraphView graphFail(Graph *graph, MambaStatus status, const char *format, ...) MAMBA_PRINTF(3, 4);

/* ---- Nodes -------------------------------------------------------------------------------------- */

GraphView graphInput(Graph *graph, int rank, const int64_t *shape);
GraphView graphWeight(Graph *graph, const MambaTensorView *tensor);
/* A tensor that lives as long as the graph, to be filled in; NULL after a failure. */
MambaTensorView *graphTensor(Graph *graph);
GraphView graphScalar(Graph *graph, double value, int rank, const int64_t *shape);
GraphView graphOpaque(Graph *graph, int rank, const int64_t *shape);
GraphView graphUnary(Graph *graph, GraphOp op, GraphView x);
GraphView graphPower(Graph *graph, GraphView x, double exponent);
GraphView graphBinary(Graph *graph, GraphOp op, GraphView a, GraphView b); /* broadcasts as NumPy does */
GraphView graphSelect(Graph *graph, GraphView condition, GraphView a, GraphView b);
GraphView graphReduce(Graph *graph, GraphOp op, GraphView x, int64_t axis, bool keep); /* MEAN or SUM */
GraphView graphMatmul(Graph *graph, GraphView a, GraphView b);                         /* as NumPy's */
GraphView graphEmbedding(Graph *graph, GraphView table, GraphView ids);
GraphView graphCat(Graph *graph, const GraphView *parts, int32_t count, int64_t axis);
GraphView graphPad(Graph *graph, GraphView x, int64_t axis, int64_t before, int64_t after, double value);
/* Depthwise: x [batch, channels, length], w [channels, 1, taps], zeros around x. */
GraphView graphConv1d(Graph *graph, GraphView x, GraphView w, int64_t before, int64_t after);

/* ---- Views -------------------------------------------------------------------------------------- */

/* An axis may count from the end (-1 is the last). */
GraphView graphPermute(Graph *graph, GraphView x, const int64_t *axes, int64_t count);
GraphView graphTranspose(Graph *graph, GraphView x, int64_t a, int64_t b);
/* Clamps as Python does: negative positions count from the end. */
GraphView graphSlice(Graph *graph, GraphView x, int64_t axis, int64_t start, int64_t end, int64_t step);
GraphView graphIndex(Graph *graph, GraphView x, int64_t axis, int64_t index); /* the axis disappears */
GraphView graphUnsqueeze(Graph *graph, GraphView x, int64_t axis);
GraphView graphSqueeze(Graph *graph, GraphView x, int64_t axis); /* as it is where the size is not 1 */
GraphView graphExpand(Graph *graph, GraphView x, const int64_t *shape, int64_t rank);  /* -1: as it is */
GraphView graphReshape(Graph *graph, GraphView x, const int64_t *shape, int64_t rank); /* one may be -1 */

int64_t graphElements(const GraphView *x);
void graphOutput(Graph *graph, GraphView x);

#endif
