#include "term.h"

#include <string.h>

Term termOf(const GraphView *view, const TermAxis *axes) {
  Term term = {.node = view->node, .offset = view->offset, .size = {1, 1, 1, 1}};
  for (int i = 0; i < view->rank; i++) {
    if (view->shape[i] == 1 || !view->stride[i])
      continue;
    term.size[axes[i]] = view->shape[i];
    term.stride[axes[i]] = view->stride[i];
  }
  return term;
}

bool termEqual(const Term *a, const Term *b) {
  return a->node == b->node && a->offset == b->offset && !memcmp(a->size, b->size, sizeof a->size) &&
         !memcmp(a->stride, b->stride, sizeof a->stride);
}

bool termVaries(const Term *term, TermAxis axis) {
  return term->stride[axis] != 0;
}

Term termAt(Term term, TermAxis axis, int64_t index) {
  term.offset += index * term.stride[axis];
  term.size[axis] = 1;
  term.stride[axis] = 0;
  return term;
}

Term termRename(Term term, TermAxis from, TermAxis to) {
  term.size[to] = term.size[from];
  term.stride[to] = term.stride[from];
  term.size[from] = 1;
  term.stride[from] = 0;
  return term;
}

/* Where a term is in the dimensions of its node. */
typedef struct Place {
  int64_t first[GRAPH_MAX_RANK]; /* of the element where all axes are 0 */
  int64_t reach[GRAPH_MAX_RANK]; /* from there to the last */
  int dimension[AXIS_COUNT];     /* that an axis goes along, -1 for none */
  int64_t step[AXIS_COUNT];
} Place;

/* Fails where an axis goes along no dimension, or beyond its end into the next. */
static bool locate(const GraphNode *node, const Term *term, Place *place) {
  int64_t strides[GRAPH_MAX_RANK], stride = 1, rest = term->offset;
  *place = (Place){{0}, {0}, {-1, -1, -1, -1}, {0}};
  for (int i = node->rank; i-- > 0;) {
    strides[i] = stride;
    stride *= node->shape[i];
  }
  for (int i = 0; i < node->rank; i++) {
    place->first[i] = rest / strides[i];
    rest %= strides[i];
  }
  for (int axis = 0; axis < AXIS_COUNT; axis++) {
    if (!termVaries(term, (TermAxis)axis))
      continue;
    int i = 0;
    while (i < node->rank && (node->shape[i] == 1 || strides[i] > term->stride[axis]))
      i++;
    if (i == node->rank || term->stride[axis] % strides[i])
      return false;
    place->dimension[axis] = i;
    place->step[axis] = term->stride[axis] / strides[i];
    place->reach[i] += place->step[axis] * (term->size[axis] - 1);
  }
  for (int i = 0; i < node->rank; i++)
    if (place->first[i] + place->reach[i] >= node->shape[i])
      return false;
  return true;
}

/* The term over what a view shows. */
static Term through(const Term *term, const Place *place, const GraphView *view, int rank) {
  Term result = *term;
  result.node = view->node;
  result.offset = view->offset;
  for (int i = 0; i < rank; i++)
    result.offset += place->first[i] * view->stride[i];
  for (int axis = 0; axis < AXIS_COUNT; axis++) {
    result.stride[axis] =
        place->dimension[axis] < 0 ? 0 : place->step[axis] * view->stride[place->dimension[axis]];
    result.size[axis] = result.stride[axis] ? term->size[axis] : 1;
  }
  return result;
}

/* One step of termSettle; false where there is none. */
static bool step(const Graph *graph, Term *term) {
  const GraphNode *node = &graph->nodes[term->node];
  const GraphView *part = &graph->operands[node->operands];
  Place place;
  if ((node->op != GRAPH_COPY && node->op != GRAPH_PAD && node->op != GRAPH_CAT) ||
      !locate(node, term, &place))
    return false;
  int64_t *first = &place.first[node->axis];
  const int64_t reach = place.reach[node->axis];
  if (node->op == GRAPH_CAT) {
    const GraphView *end = part + node->count;
    while (part + 1 < end && *first >= part->shape[node->axis])
      *first -= part++->shape[node->axis];
    if (*first + reach >= part->shape[node->axis])
      return false;
  }
  if (node->op == GRAPH_PAD) {
    *first -= node->before;
    if (*first < 0 || *first + reach >= part->shape[node->axis])
      return false;
  }
  *term = through(term, &place, part, node->rank);
  return true;
}

void termSettle(const Graph *graph, Term *term) {
  while (step(graph, term))
    ;
}

bool termOperand(const Graph *graph, const Term *term, int32_t index, Term *operand) {
  const GraphNode *node = &graph->nodes[term->node];
  Place place;
  if (index >= node->count || !locate(node, term, &place))
    return false;
  const GraphView *view = &graph->operands[node->operands + index];
  Term result = through(term, &place, view, node->rank);
  if (node->reduced) {
    if (term->size[AXIS_SUM] != 1)
      return false;
    result.stride[AXIS_SUM] = node->reduced > 1 ? view->stride[node->rank] : 0;
    result.size[AXIS_SUM] = result.stride[AXIS_SUM] ? node->reduced : 1;
  }
  termSettle(graph, &result);
  *operand = result;
  return true;
}

bool termIsScalar(const Graph *graph, const Term *term, double *value) {
  const GraphNode *node = &graph->nodes[term->node];
  MambaError ignored;
  if (node->op == GRAPH_SCALAR) {
    *value = node->scalar;
    return true;
  }
  if (node->op == GRAPH_PAD) { /* a settled term is not all in what is padded */
    Place place;
    const GraphView *inner = &graph->operands[node->operands];
    *value = node->scalar;
    return locate(node, term, &place) && (place.first[node->axis] + place.reach[node->axis] < node->before ||
                                          place.first[node->axis] >= node->before + inner->shape[node->axis]);
  }
  if (node->op != GRAPH_WEIGHT || mambaTensorReadF64(node->tensor, 0, 1, value, &ignored) != MAMBA_OK)
    return false;
  const size_t size = mambaDtypeGetSize(node->tensor->dtype);
  return memcmp(node->tensor->data, (const char *)node->tensor->data + size, node->tensor->bytes - size) == 0;
}

enum { NONE = -1, SEVERAL = -2 };

/* The dimension that time may go along, and its stride: of as many elements, or of more. */
static int timeDimension(const GraphNode *node, const Term *term, const Place *place, int64_t times,
                         bool more, int64_t *stride) {
  int64_t next = 1;
  int found = NONE;
  for (int i = node->rank; i-- > 0; next *= node->shape[i]) {
    /* batch and time may be one dimension */
    const bool merged = place->dimension[AXIS_BATCH] == i && place->step[AXIS_BATCH] == times &&
                        node->shape[i] == times * term->size[AXIS_BATCH] && place->first[i] < times;
    bool fits = more ? node->shape[i] > times : node->shape[i] == times;
    for (int axis = 0; axis < AXIS_COUNT; axis++)
      fits = fits && place->dimension[axis] != i;
    if (!fits && !merged)
      continue;
    if (found >= 0)
      return SEVERAL;
    found = i;
    *stride = next;
  }
  return found;
}

bool termOverTime(const Graph *graph, const Term *term, int64_t times, int64_t *time, Term *all) {
  const GraphNode *node = &graph->nodes[term->node];
  Place place;
  int found;
  int64_t stride;
  *all = *term;
  if (times == 1) {
    *time = 0;
    return true;
  }
  if (!locate(node, term, &place))
    return false;
  found = timeDimension(node, term, &place, times, false, &stride);
  if (found == NONE && *time >= 0)
    found = timeDimension(node, term, &place, times, true, &stride);
  if (found < 0)
    return false;
  *time = *time >= 0 ? *time : place.first[found];
  const int64_t first = place.first[found] - *time;
  if (first < 0 || first + times > node->shape[found])
    return false;
  all->offset -= *time * stride;
  all->size[AXIS_TIME] = times;
  all->stride[AXIS_TIME] = stride;
  return true;
}
