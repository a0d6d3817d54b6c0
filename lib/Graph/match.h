/* The small patterns that a Mamba is made of. Each function looks at the node of a settled term and, where it
 * is one of the spellings of the pattern, gives the terms of its parts. */
#ifndef MAMBA_LIB_GRAPH_MATCH_H
#define MAMBA_LIB_GRAPH_MATCH_H

#include "term.h"

/* What a linear layer reads of a weight, [channels of the result, channels of the input], and of a bias. */
typedef struct Linear {
  Term input;  /* (b, t, c) */
  Term weight; /* of a GRAPH_WEIGHT: rows along AXIS_CHANNEL, columns along AXIS_SUM */
  Term bias;   /* of a GRAPH_WEIGHT along AXIS_CHANNEL; where there is none, its node is -1 */
} Linear;

bool matchOp(const Graph *graph, const Term *term, GraphOp op);
/* Both operands of a node of two. */
bool matchPair(const Graph *graph, const Term *term, GraphOp op, Term *a, Term *b);
/* A sum of products over AXIS_SUM. */
bool matchSum(const Graph *graph, const Term *term, Term *a, Term *b);
/* A parameter that varies along those axes, not along others. */
bool matchWeight(const Graph *graph, const Term *term, bool channel, bool sum);
bool matchLinear(const Graph *graph, const Term *term, Linear *linear);
bool matchSilu(const Graph *graph, const Term *term, Term *input);
bool matchSoftplus(const Graph *graph, const Term *term, Term *input);
/* input / sqrt(mean(input^2) + epsilon) over the axis, AXIS_CHANNEL or AXIS_SUM, times gamma. Without gamma,
 * its node is -1. */
bool matchNorm(const Graph *graph, const Term *term, TermAxis axis, Term *input, Term *gamma,
               double *epsilon);
/* rows of `ids` */
bool matchEmbedding(const Graph *graph, const Term *term, Term *ids, Term *table);

#endif
