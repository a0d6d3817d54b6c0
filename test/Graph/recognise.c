/* A Mamba of one layer as a graph: where the parts of x_proj begin, for any sizes. */
#include "recognise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 2, INNER = 4, TAPS = 2, VOCABULARY = 5 };

typedef struct Sizes {
  int64_t rank, states, times;
  int64_t b_row; /* of x_proj, where B begins */
} Sizes;

static GraphView weight(Graph *graph, int rank, int64_t a, int64_t b, int64_t c) {
  static const float numbers[64] = {1, 2, 3};
  MambaTensorView *view = graphTensor(graph);
  assert_non_null(view);
  *view = (MambaTensorView){
      .name = "weight", .dtype = MAMBA_DTYPE_F32, .rank = rank, .shape = {a, b, c}, .data = numbers};
  assert_true(mambaShapeGetBytes(view->dtype, rank, view->shape, &view->bytes));
  assert_true(view->bytes <= sizeof numbers);
  return graphWeight(graph, view);
}

static GraphView linear(Graph *graph, GraphView x, GraphView rows) {
  return graphMatmul(graph, x, graphTranspose(graph, rows, 0, 1));
}

static GraphView norm(Graph *graph, GraphView x) {
  const GraphView mean = graphReduce(graph, GRAPH_MEAN, graphPower(graph, x, 2), -1, true);
  const GraphView shifted = graphBinary(graph, GRAPH_ADD, mean, graphScalar(graph, 1e-5, 0, NULL));
  const GraphView unit = graphBinary(graph, GRAPH_MUL, x, graphUnary(graph, GRAPH_RSQRT, shifted));
  return graphBinary(graph, GRAPH_MUL, unit, weight(graph, 1, WIDTH, 1, 1));
}

static GraphView convolve(Graph *graph, GraphView x) {
  const GraphView inputs = graphTranspose(graph, x, 1, 2);
  const GraphView taps = weight(graph, 3, INNER, 1, TAPS);
  const GraphView sums = graphTranspose(graph, graphConv1d(graph, inputs, taps, TAPS - 1, 0), 1, 2);
  return graphUnary(graph, GRAPH_SILU, sums);
}

/* h * C, where h is the decayed state and what B adds to it, one time after the other. */
static GraphView scan(Graph *graph, const Sizes *sizes, GraphView u, GraphView delta, GraphView b,
                      GraphView c) {
  const int64_t shape[] = {1, 1, INNER, sizes->states};
  const GraphView log = weight(graph, 2, INNER, sizes->states, 1), step = graphUnsqueeze(graph, delta, -1);
  const GraphView a = graphUnary(graph, GRAPH_NEG, graphUnary(graph, GRAPH_EXP, log));
  const GraphView decay = graphUnary(graph, GRAPH_EXP, graphBinary(graph, GRAPH_MUL, step, a));
  const GraphView rate = graphBinary(graph, GRAPH_MUL, step, graphUnsqueeze(graph, b, 2));
  const GraphView added = graphBinary(graph, GRAPH_MUL, rate, graphUnsqueeze(graph, u, -1));
  GraphView h = graphInput(graph, 4, shape), states[4];
  for (int64_t t = 0; t < sizes->times; t++) {
    const GraphView kept = graphBinary(graph, GRAPH_MUL, graphSlice(graph, decay, 1, t, t + 1, 1), h);
    states[t] = h = graphBinary(graph, GRAPH_ADD, kept, graphSlice(graph, added, 1, t, t + 1, 1));
  }
  h = graphCat(graph, states, (int32_t)sizes->times, 1);
  const GraphView products = graphBinary(graph, GRAPH_MUL, h, graphUnsqueeze(graph, c, 2));
  return graphReduce(graph, GRAPH_SUM, products, -1, false);
}

/* [1, times, INNER]. C begins behind rank and B. */
static GraphView mixer(Graph *graph, const Sizes *sizes, GraphView x) {
  const int64_t rank = sizes->rank, states = sizes->states;
  const GraphView xz = linear(graph, x, weight(graph, 2, 2 * INNER, WIDTH, 1));
  const GraphView u = convolve(graph, graphSlice(graph, xz, -1, 0, INNER, 1));
  const GraphView z = graphSlice(graph, xz, -1, INNER, 2 * INNER, 1);
  const GraphView parts = linear(graph, u, weight(graph, 2, rank + 2 * states, INNER, 1));
  const GraphView dt = graphSlice(graph, parts, -1, 0, rank, 1);
  const GraphView b = graphSlice(graph, parts, -1, sizes->b_row, sizes->b_row + states, 1);
  const GraphView c = graphSlice(graph, parts, -1, rank + states, rank + 2 * states, 1);
  const GraphView wide = linear(graph, dt, weight(graph, 2, INNER, rank, 1));
  const GraphView biased = graphBinary(graph, GRAPH_ADD, wide, weight(graph, 1, INNER, 1, 1));
  const GraphView y = scan(graph, sizes, u, graphUnary(graph, GRAPH_SOFTPLUS, biased), b, c);
  const GraphView skip = graphBinary(graph, GRAPH_MUL, u, weight(graph, 1, INNER, 1, 1));
  const GraphView sum = graphBinary(graph, GRAPH_ADD, y, skip);
  const GraphView gated = graphBinary(graph, GRAPH_MUL, sum, graphUnary(graph, GRAPH_SILU, z));
  return linear(graph, gated, weight(graph, 2, WIDTH, INNER, 1));
}

static MambaStatus recogniseModel(const Sizes *sizes, Parameter *x_proj, MambaError *error) {
  const int64_t ids[] = {1, sizes->times};
  Graph graph = {.error = error, .origin = -1};
  Recognition found = {.layers = NULL};
  int32_t failed = -1;
  const GraphView table = weight(&graph, 2, VOCABULARY, WIDTH, 1);
  const GraphView h = graphEmbedding(&graph, table, graphInput(&graph, 2, ids));
  const GraphView sum = graphBinary(&graph, GRAPH_ADD, h, mixer(&graph, sizes, norm(&graph, h)));
  graphOutput(&graph, linear(&graph, norm(&graph, sum), table));
  assert_int_equal(graph.status, MAMBA_OK);
  const MambaStatus status = recognise(&graph, &found, &failed, error);
  if (status == MAMBA_OK) {
    assert_int_equal(found.layer_count, 1);
    *x_proj = found.layers[0].parameters[LAYER_X_PROJ];
  }
  recognitionClear(&found);
  graphClear(&graph);
  return status;
}

/* The parts are one parameter again, also where one is a single row. */
static void testSizes(void **state) {
  (void)state;
  for (int64_t i = 0; i < 3 * 3 * 4; i++) {
    const Sizes sizes = {.rank = 1 + i % 3, .states = 1 + i / 3 % 3, .times = 1 + i / 9, .b_row = 1 + i % 3};
    const int64_t rows = sizes.rank + 2 * sizes.states;
    MambaError error = {0};
    Parameter x_proj;
    if (recogniseModel(&sizes, &x_proj, &error) != MAMBA_OK) {
      /* one state has no axis of its own: that of time must be the only one of as many elements */
      if (sizes.states > 1 || sizes.times != rows)
        fail_msg("rank %d, %d states, %d tokens: %s", (int)sizes.rank, (int)sizes.states, (int)sizes.times,
                 error.message);
      continue;
    }
    assert_int_equal(x_proj.offset, 0);
    assert_int_equal(x_proj.rank, 2);
    assert_int_equal(x_proj.shape[0], rows);
    assert_int_equal(x_proj.shape[1], INNER);
    assert_int_equal(x_proj.stride[0], INNER);
    assert_int_equal(x_proj.stride[1], 1);
  }
}

/* B must begin behind dt: not with it, not a row later. */
static void testOrder(void **state) {
  (void)state;
  for (int64_t i = 0; i < 3 * 2 * 2; i++) {
    const int64_t rank = 1 + i % 3;
    const Sizes sizes = {
        .rank = rank, .states = i / 3 % 2 ? 3 : 1, .times = 1, .b_row = i < 6 ? rank - 1 : rank + 1};
    MambaError error = {0};
    Parameter x_proj;
    assert_int_equal(recogniseModel(&sizes, &x_proj, &error), MAMBA_UNSUPPORTED);
    assert_non_null(strstr(error.message, "dt, B and C as parts of one x_proj, in this order"));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testSizes),
      cmocka_unit_test(testOrder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
