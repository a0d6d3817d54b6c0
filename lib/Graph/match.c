#include "match.h"

bool matchOp(const Graph *graph, const Term *term, GraphOp op) {
  return graph->nodes[term->node].op == op;
}

static bool matchUnary(const Graph *graph, const Term *term, GraphOp op, Term *x) {
  return matchOp(graph, term, op) && termOperand(graph, term, 0, x);
}

bool matchPair(const Graph *graph, const Term *term, GraphOp op, Term *a, Term *b) {
  return matchOp(graph, term, op) && termOperand(graph, term, 0, a) && termOperand(graph, term, 1, b);
}

static bool isNumber(const Graph *graph, const Term *term, double number) {
  double value;
  return termIsScalar(graph, term, &value) && value == number;
}

bool matchSum(const Graph *graph, const Term *term, Term *a, Term *b) {
  Term product;
  return matchPair(graph, term, GRAPH_CONTRACT, a, b) ||
         (matchUnary(graph, term, GRAPH_SUM, &product) && matchPair(graph, &product, GRAPH_MUL, a, b));
}

bool matchWeight(const Graph *graph, const Term *term, bool channel, bool sum) {
  return matchOp(graph, term, GRAPH_WEIGHT) && !termVaries(term, AXIS_BATCH) &&
         !termVaries(term, AXIS_TIME) && termVaries(term, AXIS_CHANNEL) <= channel &&
         termVaries(term, AXIS_SUM) <= sum;
}

static void swap(Term *a, Term *b) {
  const Term t = *a;
  *a = *b;
  *b = t;
}

bool matchLinear(const Graph *graph, const Term *term, Linear *linear) {
  Term product = *term, input, weight, bias = {.node = -1};
  if (matchOp(graph, term, GRAPH_ADD)) {
    if (!matchPair(graph, term, GRAPH_ADD, &product, &bias))
      return false;
    if (matchOp(graph, &product, GRAPH_WEIGHT))
      swap(&product, &bias);
    if (!matchWeight(graph, &bias, true, false))
      return false;
  }
  if (!matchSum(graph, &product, &input, &weight))
    return false;
  if (matchOp(graph, &input, GRAPH_WEIGHT))
    swap(&input, &weight);
  if (!matchWeight(graph, &weight, true, true) || termVaries(&input, AXIS_CHANNEL) ||
      input.size[AXIS_SUM] != weight.size[AXIS_SUM])
    return false;
  *linear = (Linear){termRename(input, AXIS_SUM, AXIS_CHANNEL), weight, bias};
  return true;
}

bool matchSilu(const Graph *graph, const Term *term, Term *input) {
  Term x, s, of;
  if (matchUnary(graph, term, GRAPH_SILU, input))
    return true;
  if (!matchPair(graph, term, GRAPH_MUL, &x, &s))
    return false;
  if (!matchOp(graph, &s, GRAPH_SIGMOID))
    swap(&x, &s);
  *input = x;
  return matchUnary(graph, &s, GRAPH_SIGMOID, &of) && termEqual(&of, &x);
}

/* log(1 + exp(x)), or x itself above 20, or throughout. */
bool matchSoftplus(const Graph *graph, const Term *term, Term *input) {
  Term condition, large, exact, exponential, x, limit, one;
  if (matchUnary(graph, term, GRAPH_SOFTPLUS, input))
    return true;
  if (!matchOp(graph, term, GRAPH_SELECT) || !termOperand(graph, term, 0, &condition) ||
      !termOperand(graph, term, 1, &large) || !termOperand(graph, term, 2, &exact) ||
      !matchPair(graph, &condition, GRAPH_GREATER, input, &limit) || !isNumber(graph, &limit, 20) ||
      !termEqual(&large, input))
    return false;
  if (matchPair(graph, &exact, GRAPH_DIV, &x, &one) && isNumber(graph, &one, 1)) /* by beta */
    exact = x;
  return (matchUnary(graph, &exact, GRAPH_SOFTPLUS, &x) ||
          (matchUnary(graph, &exact, GRAPH_LOG1P, &exponential) &&
           matchUnary(graph, &exponential, GRAPH_EXP, &x))) &&
         termEqual(&x, input);
}

/* ---- Norms -------------------------------------------------------------------------------------- */

static bool isSquare(const Graph *graph, const Term *term, Term *x) {
  Term other;
  return (matchUnary(graph, term, GRAPH_POW, x) && graph->nodes[term->node].scalar == 2) ||
         (matchPair(graph, term, GRAPH_MUL, x, &other) && termEqual(x, &other));
}

/* mean(x^2) + epsilon */
static bool isMeanSquare(const Graph *graph, const Term *term, TermAxis axis, const Term *x,
                         double *epsilon) {
  Term mean, number, squares, of;
  if (!matchPair(graph, term, GRAPH_ADD, &mean, &number))
    return false;
  if (!matchOp(graph, &mean, GRAPH_MEAN))
    swap(&mean, &number);
  if (!termIsScalar(graph, &number, epsilon))
    return false;
  if (!matchUnary(graph, &mean, GRAPH_MEAN, &squares) || !isSquare(graph, &squares, &of))
    return false;
  if (axis != AXIS_SUM)
    of = termRename(of, AXIS_SUM, axis);
  return termEqual(&of, x);
}

/* 1 / sqrt(x) */
static bool isInverseRoot(const Graph *graph, const Term *term, Term *x) {
  Term one, root;
  return matchUnary(graph, term, GRAPH_RSQRT, x) ||
         (matchUnary(graph, term, GRAPH_POW, x) && graph->nodes[term->node].scalar == -0.5) ||
         (matchPair(graph, term, GRAPH_DIV, &one, &root) && isNumber(graph, &one, 1) &&
          matchUnary(graph, &root, GRAPH_SQRT, x));
}

static bool isNormalised(const Graph *graph, const Term *term, TermAxis axis, Term *input, double *epsilon) {
  Term x, factor, square;
  if (matchPair(graph, term, GRAPH_DIV, &x, &factor)) {
    *input = x;
    return !termVaries(&factor, axis) && matchUnary(graph, &factor, GRAPH_SQRT, &square) &&
           isMeanSquare(graph, &square, axis, &x, epsilon);
  }
  if (!matchPair(graph, term, GRAPH_MUL, &x, &factor))
    return false;
  if (termVaries(&factor, axis))
    swap(&x, &factor);
  *input = x;
  return !termVaries(&factor, axis) && isInverseRoot(graph, &factor, &square) &&
         isMeanSquare(graph, &square, axis, &x, epsilon);
}

bool matchNorm(const Graph *graph, const Term *term, TermAxis axis, Term *input, Term *gamma,
               double *epsilon) {
  Term x, w;
  *gamma = (Term){.node = -1};
  if (isNormalised(graph, term, axis, input, epsilon))
    return true;
  if (!matchPair(graph, term, GRAPH_MUL, &x, &w))
    return false;
  if (!matchOp(graph, &w, GRAPH_WEIGHT))
    swap(&x, &w);
  *gamma = w;
  return matchWeight(graph, &w, axis == AXIS_CHANNEL, axis == AXIS_SUM) &&
         isNormalised(graph, &x, axis, input, epsilon);
}

bool matchEmbedding(const Graph *graph, const Term *term, Term *ids, Term *table) {
  if (!matchOp(graph, term, GRAPH_EMBEDDING) || !termOperand(graph, term, 0, ids) ||
      termVaries(ids, AXIS_CHANNEL))
    return false;
  const GraphNode *node = &graph->nodes[term->node];
  const GraphView *view = &graph->operands[node->operands + 1];
  const int64_t channels = node->shape[node->rank - 1];
  *table = (Term){.node = view->node, .offset = view->offset, .size = {1, 1, view->shape[0], view->shape[1]}};
  table->stride[AXIS_CHANNEL] = view->stride[0];
  table->stride[AXIS_SUM] = view->stride[1];
  termSettle(graph, table);
  return term->offset % channels == 0 && term->size[AXIS_CHANNEL] == channels &&
         term->stride[AXIS_CHANNEL] == 1 && matchOp(graph, ids, GRAPH_INPUT) &&
         matchWeight(graph, table, true, true);
}
