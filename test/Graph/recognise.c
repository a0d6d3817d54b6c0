/* A Mamba of one layer as a graph: where the parts of x_proj begin, for any rank of the time step. */
#include "recognise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 2, INNER = 4, STATES = 3, TAPS = 2, VOCABULARY = 5 };

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

/* h * C, where h is the decayed state and what B adds to it. */
static GraphView scan(Graph *graph, GraphView u, GraphView delta, GraphView b, GraphView c) {
  static const int64_t shape[] = {1, 1, INNER, STATES};
  const GraphView log = weight(graph, 2, INNER, STATES, 1), step = graphUnsqueeze(graph, delta, -1);
  const GraphView a = graphUnary(graph, GRAPH_NEG, graphUnary(graph, GRAPH_EXP, log));
  const GraphView decay = graphUnary(graph, GRAPH_EXP, graphBinary(graph, GRAPH_MUL, step, a));
  const GraphView kept = graphBinary(graph, GRAPH_MUL, decay, graphInput(graph, 4, shape));
  const GraphView rate = graphBinary(graph, GRAPH_MUL, step, graphUnsqueeze(graph, b, 2));
  const GraphView added = graphBinary(graph, GRAPH_MUL, rate, graphUnsqueeze(graph, u, -1));
  const GraphView h = graphBinary(graph, GRAPH_ADD, kept, added);
  const GraphView products = graphBinary(graph, GRAPH_MUL, h, graphUnsqueeze(graph, c, 2));
  return graphReduce(graph, GRAPH_SUM, products, -1, false);
}

/* One token, [1, 1, INNER]. B begins at row `b_row` of x_proj, C behind rank and B. */
static GraphView mixer(Graph *graph, GraphView x, int64_t rank, int64_t b_row) {
  const GraphView xz = linear(graph, x, weight(graph, 2, 2 * INNER, WIDTH, 1));
  const GraphView u = convolve(graph, graphSlice(graph, xz, -1, 0, INNER, 1));
  const GraphView z = graphSlice(graph, xz, -1, INNER, 2 * INNER, 1);
  const GraphView parts = linear(graph, u, weight(graph, 2, rank + 2 * STATES, INNER, 1));
  const GraphView dt = graphSlice(graph, parts, -1, 0, rank, 1);
  const GraphView b = graphSlice(graph, parts, -1, b_row, b_row + STATES, 1);
  const GraphView c = graphSlice(graph, parts, -1, rank + STATES, rank + 2 * STATES, 1);
  const GraphView wide = linear(graph, dt, weight(graph, 2, INNER, rank, 1));
  const GraphView biased = graphBinary(graph, GRAPH_ADD, wide, weight(graph, 1, INNER, 1, 1));
  const GraphView y = scan(graph, u, graphUnary(graph, GRAPH_SOFTPLUS, biased), b, c);
  const GraphView skip = graphBinary(graph, GRAPH_MUL, u, weight(graph, 1, INNER, 1, 1));
  const GraphView sum = graphBinary(graph, GRAPH_ADD, y, skip);
  const GraphView gated = graphBinary(graph, GRAPH_MUL, sum, graphUnary(graph, GRAPH_SILU, z));
  return linear(graph, gated, weight(graph, 2, WIDTH, INNER, 1));
}

static MambaStatus recogniseModel(int64_t rank, int64_t b_row, Parameter *x_proj, MambaError *error) {
  static const int64_t one[] = {1, 1};
  Graph graph = {.error = error, .origin = -1};
  Recognition found = {.layers = NULL};
  int32_t failed = -1;
  const GraphView table = weight(&graph, 2, VOCABULARY, WIDTH, 1);
  const GraphView h = graphEmbedding(&graph, table, graphInput(&graph, 2, one));
  const GraphView sum = graphBinary(&graph, GRAPH_ADD, h, mixer(&graph, norm(&graph, h), rank, b_row));
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

/* The parts are one parameter again, also where dt is one row. */
static void testRanks(void **state) {
  (void)state;
  for (int64_t rank = 1; rank <= 3; rank++) {
    MambaError error = {0};
    Parameter x_proj;
    if (recogniseModel(rank, rank, &x_proj, &error) != MAMBA_OK)
      fail_msg("rank %d: %s", (int)rank, error.message);
    assert_int_equal(x_proj.offset, 0);
    assert_int_equal(x_proj.rank, 2);
    assert_int_equal(x_proj.shape[0], rank + 2 * STATES);
    assert_int_equal(x_proj.shape[1], INNER);
    assert_int_equal(x_proj.stride[0], INNER);
    assert_int_equal(x_proj.stride[1], 1);
  }
}

/* B must begin behind dt: not with it, not a row later. */
static void testOrder(void **state) {
  (void)state;
  for (int64_t rank = 1; rank <= 3; rank++) {
    for (int64_t row = rank - 1; row <= rank + 1; row += 2) {
      MambaError error = {0};
      Parameter x_proj;
      assert_int_equal(recogniseModel(rank, row, &x_proj, &error), MAMBA_UNSUPPORTED);
      assert_non_null(strstr(error.message, "dt, B and C as parts of one x_proj, in this order"));
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testRanks),
      cmocka_unit_test(testOrder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
