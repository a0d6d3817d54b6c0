/* Elements of a graph's node, indexed by what the recogniser means by them: batch, time, channel, and one
 * axis more for what a sum runs over or for the states of a scan. Going from a term to the operands of its
 * node carries these axes through whatever layouts the program chose, exactly, or not at all. */
#ifndef MAMBA_LIB_GRAPH_TERM_H
#define MAMBA_LIB_GRAPH_TERM_H

#include "graph.h"

typedef enum TermAxis { AXIS_BATCH, AXIS_TIME, AXIS_CHANNEL, AXIS_SUM, AXIS_COUNT } TermAxis;

/* Element (b, t, c, k) is element offset + b * stride[0] + ... of the node's result. A value that does not
 * depend on an axis has there the size 1 and the stride 0. */
typedef struct Term {
  int32_t node;
  int64_t offset;
  int64_t size[AXIS_COUNT], stride[AXIS_COUNT];
} Term;

/* The elements of a view, whose dimension i is axes[i]; dimensions of size 1 may have any axis. */
Term termOf(const GraphView *view, const TermAxis *axes);

bool termEqual(const Term *a, const Term *b);
bool termVaries(const Term *term, TermAxis axis);
Term termAt(Term term, TermAxis axis, int64_t index);   /* one position: the axis has size 1 */
Term termRename(Term term, TermAxis from, TermAxis to); /* `to` must not vary */

/* Goes through copies, and into a padding or the one part of a concatenation where all elements are from
 * there. */
void termSettle(const Graph *graph, Term *term);

/* Operand `index` of the node, at the same axes. A sum adds AXIS_SUM, which must not vary. False where the
 * elements are no strided view of the operand. The result is settled. */
bool termOperand(const Graph *graph, const Term *term, int32_t index, Term *operand);

/* The number that all elements are, of a GRAPH_SCALAR, a padding, or a weight whose elements are all equal.
 */
bool termIsScalar(const Graph *graph, const Term *term, double *value);

/* Gives a term at one time its others: along the one dimension of the node that no other axis goes along and
 * that has exactly `times` elements, of which the term is number *time; where that is -1, its place there
 * tells. Where the time is given and there is no such dimension, the one that has room for more. With one
 * time, all are the term itself. False where there is no such dimension, or several. */
bool termOverTime(const Graph *graph, const Term *term, int64_t times, int64_t *time, Term *all);

#endif
