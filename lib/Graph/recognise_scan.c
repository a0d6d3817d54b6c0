/* The scan, unrolled. A program computes h[t] = dA[t] h[t-1] + dBu[t] for every t, one after the other or, as
 * an associative scan does, in a tree. Either way, whatever it adds and multiplies stands for a range of
 * times:
 *
 *   dBu[t]                               the contribution of time t
 *   x * dA[q] * ... * dA[p], in any order   that of a range which ends at p - 1, decayed to time q
 *   decayed(i..p-1 to q) + (p..q)        the contribution of i..q
 *
 * h[t] must be 0..t, or -1..t where -1 is the state that was there before, zero or an input. */
#include "recognise.h"

#include <string.h>

typedef struct Range {
  int64_t first, last;
} Range;

enum { MAX_DEPTH = 64, MAX_FACTORS = 4 };

/* A product: exponentials, and what else it has. */
typedef struct Product {
  Term factors[MAX_FACTORS];
  int count;
  int64_t decays;           /* how many exponentials, */
  int64_t earliest, latest; /* and of which times */
} Product;

typedef struct Walk {
  Recogniser *r;
  Scan *scan;
  Term previous; /* h of the time before, */
  Range reached; /* and what it stands for; nothing before the first */
} Walk;

static bool isSet(const Term *term) {
  return term->size[AXIS_CHANNEL] > 0;
}

/* Takes a term at one time for what it is part of, or compares it with that. */
static bool unify(const Walk *w, Term *whole, const Term *term, int64_t *time) {
  Term all;
  if (!termOverTime(w->r->graph, term, w->r->times, time, &all) || (isSet(whole) && !termEqual(whole, &all)))
    return expected(w->r, term, "the same value at every time");
  *whole = all;
  return true;
}

/* ---- Products --------------------------------------------------------------------------------------- */

/* exp(delta[t] * A) */
static bool addDecay(const Walk *w, const Term *exponential, Product *product) {
  Term delta, a, x, log;
  int64_t time = -1;
  bool logarithm = false;
  if (!termOperand(w->r->graph, exponential, 0, &x) || !matchPair(w->r->graph, &x, GRAPH_MUL, &delta, &a))
    return expected(w->r, exponential, "the exponential of delta times A");
  if (matchOp(w->r->graph, &delta, GRAPH_NEG) || matchOp(w->r->graph, &delta, GRAPH_WEIGHT)) {
    const Term t = delta;
    delta = a;
    a = t;
  }
  if (matchOp(w->r->graph, &a, GRAPH_NEG)) {
    logarithm = termOperand(w->r->graph, &a, 0, &x) && matchOp(w->r->graph, &x, GRAPH_EXP) &&
                termOperand(w->r->graph, &x, 0, &log);
    a = logarithm ? log : a;
  }
  if (!matchWeight(w->r->graph, &a, true, true))
    return expected(w->r, &a, "A, or -exp(A_log), of a parameter");
  if (isSet(&w->scan->a) && (!termEqual(&a, &w->scan->a) || logarithm != w->scan->logarithm))
    return expected(w->r, &a, "the same A at every time");
  w->scan->a = a;
  w->scan->logarithm = logarithm;
  if (!unify(w, &w->scan->delta, &delta, &time))
    return false;
  if (w->r->marks[time] == w->r->generation)
    return expected(w->r, exponential, "one decay for each time");
  w->r->marks[time] = w->r->generation;
  product->earliest = product->decays && product->earliest < time ? product->earliest : time;
  product->latest = product->decays && product->latest > time ? product->latest : time;
  product->decays++;
  return true;
}

static bool collect(const Walk *w, const Term *term, Product *product, int depth) {
  Term a, b, inner, gamma;
  double epsilon;
  const Graph *graph = w->r->graph;
  if (depth > MAX_DEPTH || --w->r->work < 0)
    return expected(w->r, term, "a product of fewer factors");
  if (matchOp(graph, term, GRAPH_EXP))
    return addDecay(w, term, product);
  if (matchOp(graph, term, GRAPH_MUL) && !matchSilu(graph, term, &inner) &&
      !matchNorm(graph, term, AXIS_SUM, &inner, &gamma, &epsilon))
    return matchPair(graph, term, GRAPH_MUL, &a, &b) && collect(w, &a, product, depth + 1) &&
           collect(w, &b, product, depth + 1);
  if (product->count == MAX_FACTORS)
    return expected(w->r, term, "delta times B times the scan's input");
  product->factors[product->count++] = *term;
  return true;
}

/* delta[t] * B[t] * u[t] */
static bool contribution(const Walk *w, const Term *term, const Product *product, Range *range) {
  Term delta = {.node = -1}, b = {.node = -1}, u = {.node = -1}, inner;
  int64_t time = -1;
  for (int i = 0; i < product->count; i++) {
    const Term *factor = &product->factors[i];
    *(!termVaries(factor, AXIS_CHANNEL)            ? &b
      : matchSoftplus(w->r->graph, factor, &inner) ? &delta
                                                   : &u) = *factor;
  }
  if (product->count != 3 || delta.node < 0 || b.node < 0 || u.node < 0)
    return expected(w->r, term, "delta times B times the scan's input");
  if (!unify(w, &w->scan->delta, &delta, &time) || !unify(w, &w->scan->b, &b, &time) ||
      !unify(w, &w->scan->u, &u, &time))
    return false;
  *range = (Range){time, time};
  return true;
}

/* ---- Sums ------------------------------------------------------------------------------------------- */

static bool rangeOf(Walk *w, const Term *term, Range *range, int depth);

/* What a product contributes before its decays, and until when it decays. */
static bool decayed(Walk *w, const Term *term, Range *range, Range *decay, int depth) {
  Product product = {.count = 0};
  double zero;
  w->r->generation++;
  if (!collect(w, term, &product, 0))
    return false;
  *decay = (Range){product.earliest, product.latest};
  if (!product.decays)
    *decay = (Range){0, -1};
  else if (product.latest - product.earliest + 1 != product.decays)
    return expected(w->r, term, "the decays of times in a row");
  if (product.count != 1)
    return contribution(w, term, &product, range);
  const Term *factor = &product.factors[0];
  if (matchOp(w->r->graph, factor, GRAPH_ADD))
    return rangeOf(w, factor, range, depth + 1);
  *range = (Range){-1, -1}; /* the state before */
  return (matchOp(w->r->graph, factor, GRAPH_INPUT) && termVaries(factor, AXIS_CHANNEL) &&
          factor->size[AXIS_SUM] == w->scan->a.size[AXIS_SUM]) ||
         (termIsScalar(w->r->graph, factor, &zero) && zero == 0) ||
         expected(w->r, factor, "the scan's state: zeros, or an argument");
}

static bool rangeOf(Walk *w, const Term *term, Range *range, int depth) {
  Term terms[2];
  Range ranges[2], decays[2];
  if (w->reached.last >= w->reached.first && termEqual(term, &w->previous)) {
    *range = w->reached;
    return true;
  }
  if (depth > MAX_DEPTH || --w->r->work < 0)
    return expected(w->r, term, "a sum of fewer terms");
  if (!matchPair(w->r->graph, term, GRAPH_ADD, &terms[0], &terms[1])) {
    if (!decayed(w, term, range, &decays[0], depth))
      return false;
    return decays[0].first > decays[0].last || expected(w->r, term, "the scan's state: a sum");
  }
  for (int i = 0; i < 2; i++)
    if (!decayed(w, &terms[i], &ranges[i], &decays[i], depth))
      return false;
  const int early = decays[0].first <= decays[0].last ? 0 : 1, late = 1 - early;
  if (decays[early].first > decays[early].last || decays[late].first <= decays[late].last ||
      ranges[early].last + 1 != decays[early].first || ranges[late].first != decays[early].first ||
      ranges[late].last != decays[early].last)
    return expected(w->r, term, "the scan's step: a decayed state and what is added to it");
  *range = (Range){ranges[early].first, ranges[late].last};
  return true;
}

/* ---- The whole -------------------------------------------------------------------------------------- */

/* u[t] * D */
static bool matchSkip(Walk *w, const Term *term, int64_t time) {
  Term u, d;
  if (!matchPair(w->r->graph, term, GRAPH_MUL, &u, &d))
    return false;
  if (matchOp(w->r->graph, &u, GRAPH_WEIGHT)) {
    const Term t = u;
    u = d;
    d = t;
  }
  if (!matchWeight(w->r->graph, &d, true, false) || (isSet(&w->scan->d) && !termEqual(&d, &w->scan->d)))
    return false;
  w->scan->d = d;
  return unify(w, &w->scan->u, &u, &time);
}

/* sum over n of h[t, n] * C[t, n] + D * u[t] */
static bool matchStep(Walk *w, const Term *term, int64_t time) {
  Term scanned, skip, h, c;
  Range range;
  if (!matchPair(w->r->graph, term, GRAPH_ADD, &scanned, &skip))
    return expected(w->r, term, "the scan's result and D times its input, added");
  if (!matchOp(w->r->graph, &skip, GRAPH_MUL)) {
    const Term t = skip;
    skip = scanned;
    scanned = t;
  }
  if (!matchSkip(w, &skip, time))
    return expected(w->r, &skip, "D times the scan's input");
  if (!matchSum(w->r->graph, &scanned, &h, &c))
    return expected(w->r, &scanned, "the sum of the states times C");
  if (!termVaries(&h, AXIS_CHANNEL)) {
    const Term t = h;
    h = c;
    c = t;
  }
  if (termVaries(&c, AXIS_CHANNEL) || h.size[AXIS_SUM] != c.size[AXIS_SUM])
    return expected(w->r, &scanned, "the sum of the states times C");
  if (!unify(w, &w->scan->c, &c, &time) || !rangeOf(w, &h, &range, 0))
    return false;
  if (range.first > 0 || range.last != time)
    return expected(w->r, &h, "the scan's state at the time of the result");
  w->previous = h;
  w->reached = range;
  return true;
}

bool recogniseScan(Recogniser *r, const Term *y, Scan *scan) {
  Walk walk = {.r = r, .scan = scan, .reached = {0, -1}};
  memset(scan, 0, sizeof *scan);
  for (int64_t time = 0; time < r->times; time++) {
    Term at = r->times > 1 ? termAt(*y, AXIS_TIME, time) : *y, sum, gate, z;
    int64_t same = time;
    termSettle(r->graph, &at);
    if (!matchPair(r->graph, &at, GRAPH_MUL, &sum, &gate))
      return expected(r, &at, "a product with the gate");
    if (!matchSilu(r->graph, &gate, &z)) {
      const Term t = gate;
      gate = sum;
      sum = t;
    }
    if (!matchSilu(r->graph, &gate, &z))
      return expected(r, &at, "a product with the gate, a SiLU");
    if (!unify(&walk, &scan->z, &z, &same) || !matchStep(&walk, &sum, time))
      return false;
  }
  return true;
}
