/* From a graph to a Mamba. */
#ifndef MAMBA_LIB_GRAPH_RECOGNISE_H
#define MAMBA_LIB_GRAPH_RECOGNISE_H

#include "match.h"

/* A parameter in a GRAPH_WEIGHT: element (i, j) of the matrix, or element i of the vector, by strides. */
typedef struct Parameter {
  int32_t node; /* -1: the model has none */
  int64_t offset;
  int rank;
  int64_t shape[2], stride[2];
} Parameter;

typedef enum LayerParameter {
  LAYER_NORM,
  LAYER_IN_PROJ,
  LAYER_IN_PROJ_BIAS,
  LAYER_CONV, /* [d_inner, d_conv] */
  LAYER_CONV_BIAS,
  LAYER_X_PROJ,
  LAYER_DT_PROJ,
  LAYER_DT_PROJ_BIAS,
  LAYER_A_LOG,
  LAYER_A, /* where the graph has A itself */
  LAYER_D,
  LAYER_OUT_PROJ,
  LAYER_OUT_PROJ_BIAS,
  LAYER_PARAMETERS
} LayerParameter;

typedef struct Layer {
  Parameter parameters[LAYER_PARAMETERS];
} Layer;

typedef struct Recognition {
  Parameter embedding, final_norm, head;
  Layer *layers; /* the last one first */
  int64_t layer_count;
  double norm_epsilon;
  double mixer_epsilon; /* 0: no norms of dt, B and C */
} Recognition;

/* Finds the model whose logits are an output of the graph. A graph that is anything else is refused, with
 * the node where it departs in *failed (-1 for none) and what was expected there in the error. On success the
 * caller clears *result. */
MAMBA_MUST_CHECK MambaStatus recognise(const Graph *graph, Recognition *result, int32_t *failed,
                                       MambaError *error);
void recognitionClear(Recognition *result);

/* ---- Between recognise.c and recognise_scan.c ------------------------------------------------------- */

typedef struct Recogniser {
  const Graph *graph;
  int64_t batch, times;
  int64_t work;   /* nodes that may still be visited: a bound for graphs that were made to take long */
  int64_t *marks; /* one for each time */
  int64_t generation;
  int32_t failed;
  const char *expected; /* NULL until something fails */
} Recogniser;

/* Notes the first failure. Returns false. */
bool expected(Recogniser *r, const Term *term, const char *what);

/* What the scan of a layer reads, over all times. */
typedef struct Scan {
  Term u;         /* (b, t, c): a SiLU */
  Term z;         /* (b, t, c): what the gate is the SiLU of */
  Term delta;     /* (b, t, c): a softplus */
  Term b, c;      /* (b, t, n), n along AXIS_SUM */
  Term a;         /* (c, n), of a GRAPH_WEIGHT */
  Term d;         /* (c), of a GRAPH_WEIGHT */
  bool logarithm; /* A is -exp of what `a` is */
} Scan;

/* y (b, t, c) is a selective scan with its skip connection and gate, unrolled over time in whatever order. */
bool recogniseScan(Recogniser *r, const Term *y, Scan *scan);

#endif
