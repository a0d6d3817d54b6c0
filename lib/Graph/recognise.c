/* A Mamba, from its logits back to its embedding. */
#include "recognise.h"

#include <stdlib.h>

enum { MAX_LAYERS = 4096 };

bool expected(Recogniser *r, const Term *term, const char *what) {
  if (!r->expected) {
    r->expected = what;
    r->failed = term->node;
  }
  return false;
}

/* ---- Parameters ------------------------------------------------------------------------------------- */

static const Parameter kNone = {.node = -1};

static Parameter vector(const Term *term) {
  if (term->node < 0)
    return kNone;
  return (Parameter){term->node, term->offset, 1, {term->size[AXIS_CHANNEL]}, {term->stride[AXIS_CHANNEL]}};
}

static Parameter matrix(const Term *term) {
  return (Parameter){term->node,
                     term->offset,
                     2,
                     {term->size[AXIS_CHANNEL], term->size[AXIS_SUM]},
                     {term->stride[AXIS_CHANNEL], term->stride[AXIS_SUM]}};
}

/* From a row to the next. One row alone has no stride: the next are as far from it as from each other. */
static int64_t rowStride(const Parameter *first, const Parameter *next) {
  if (first->shape[0] > 1)
    return first->stride[0];
  return next->shape[0] > 1 ? next->stride[0] : next->offset - first->offset;
}

/* Appends rows that lie behind those of a parameter, or that it has none of either. */
static bool append(Parameter *first, const Parameter *next) {
  const bool none = first->node < 0 && next->node < 0;
  const int64_t stride = rowStride(first, next);
  if (none)
    return true;
  if (first->node != next->node || first->rank != next->rank || stride < 1 ||
      (next->shape[0] > 1 && next->stride[0] != stride) ||
      next->offset != first->offset + first->shape[0] * stride ||
      (first->rank == 2 && (first->shape[1] != next->shape[1] || first->stride[1] != next->stride[1])))
    return false;
  first->stride[0] = stride;
  first->shape[0] += next->shape[0];
  return true;
}

/* ---- The mixer -------------------------------------------------------------------------------------- */

/* FalconMamba's norm of a part of x_proj, or nothing. */
static bool skipNorm(Recogniser *r, Term *term, TermAxis axis, double *epsilon) {
  Term input, gamma;
  double found = 0;
  const bool norm = matchNorm(r->graph, term, axis, &input, &gamma, &found);
  if (norm && gamma.node >= 0)
    return expected(r, term, "a norm without a weight");
  if (norm && !(found > 0))
    return expected(r, term, "an epsilon above 0");
  if (*epsilon >= 0 && *epsilon != found)
    return expected(r, term, "the same norm of dt, B and C in every layer");
  *epsilon = found;
  *term = norm ? input : *term;
  return true;
}

/* dt, B and C are rows of x_proj, whose input is the scan's. */
static bool matchParameters(Recogniser *r, const Scan *scan, Layer *layer, double *mixer_epsilon) {
  Linear dt_proj, parts[3];
  Term delta, terms[3];
  if (!matchSoftplus(r->graph, &scan->delta, &delta))
    return expected(r, &scan->delta, "a softplus of dt_proj");
  if (!matchLinear(r->graph, &delta, &dt_proj) || dt_proj.bias.node < 0)
    return expected(r, &delta, "dt_proj, a linear layer with a bias");
  layer->parameters[LAYER_DT_PROJ] = matrix(&dt_proj.weight);
  layer->parameters[LAYER_DT_PROJ_BIAS] = vector(&dt_proj.bias);
  terms[0] = dt_proj.input;
  terms[1] = termRename(scan->b, AXIS_SUM, AXIS_CHANNEL);
  terms[2] = termRename(scan->c, AXIS_SUM, AXIS_CHANNEL);
  for (int i = 0; i < 3; i++) {
    if (!skipNorm(r, &terms[i], AXIS_CHANNEL, mixer_epsilon))
      return false;
    if (!matchLinear(r->graph, &terms[i], &parts[i]) || parts[i].bias.node >= 0)
      return expected(r, &terms[i], "x_proj, a linear layer without a bias");
    if (!termEqual(&parts[i].input, &scan->u))
      return expected(r, &terms[i], "x_proj of what the scan reads");
    const Parameter rows = matrix(&parts[i].weight);
    if (i == 0)
      layer->parameters[LAYER_X_PROJ] = rows;
    else if (!append(&layer->parameters[LAYER_X_PROJ], &rows))
      return expected(r, &terms[i], "dt, B and C as parts of one x_proj, in this order");
  }
  return true;
}

/* The convolution of u, as a sum over a window of the last inputs; before the first there are zeros, or
 * arguments. */
static bool matchConv(Recogniser *r, const Scan *scan, Layer *layer, Term *x) {
  Term conv, bias = {.node = -1}, window, taps;
  if (!matchSilu(r->graph, &scan->u, &conv))
    return expected(r, &scan->u, "a SiLU of conv1d");
  if (matchOp(r->graph, &conv, GRAPH_ADD)) {
    const Term sum = conv;
    if (!matchPair(r->graph, &sum, GRAPH_ADD, &conv, &bias))
      return expected(r, &sum, "conv1d");
    if (matchOp(r->graph, &conv, GRAPH_WEIGHT)) {
      const Term t = conv;
      conv = bias;
      bias = t;
    }
    if (!matchWeight(r->graph, &bias, true, false))
      return expected(r, &bias, "conv1d's bias");
  }
  if (!matchSum(r->graph, &conv, &window, &taps))
    return expected(r, &conv, "conv1d");
  if (matchOp(r->graph, &window, GRAPH_WEIGHT)) {
    const Term t = window;
    window = taps;
    taps = t;
  }
  const int64_t width = taps.size[AXIS_SUM];
  if (!matchWeight(r->graph, &taps, true, true) || width < 2 || window.size[AXIS_SUM] != width ||
      (r->times > 1 &&
       (window.size[AXIS_TIME] != r->times || window.stride[AXIS_TIME] != window.stride[AXIS_SUM])))
    return expected(r, &conv, "conv1d, depthwise, of the last tokens");
  layer->parameters[LAYER_CONV] = matrix(&taps);
  layer->parameters[LAYER_CONV_BIAS] = vector(&bias);
  Term before = {.node = -1}; /* the state's element before */
  int64_t between = 0;
  for (int64_t at = 0; at < width - 1 + r->times; at++) {
    int64_t time = at - (width - 1);
    Term one = termAt(termAt(window, AXIS_TIME, time > 0 ? time : 0), AXIS_SUM, time > 0 ? width - 1 : at),
         all;
    double zero;
    termSettle(r->graph, &one);
    if (time < 0) {
      if (matchOp(r->graph, &one, GRAPH_INPUT)) { /* its elements in a row */
        const int64_t stride = one.offset - before.offset;
        if (!termVaries(&one, AXIS_CHANNEL) ||
            (before.node >= 0 && (before.node != one.node || stride <= 0)) || (between && stride != between))
          return expected(r, &one, "conv1d's state: the last inputs, in their order");
        between = before.node >= 0 ? stride : 0;
        before = one;
      } else if (!termIsScalar(r->graph, &one, &zero) || zero != 0) {
        return expected(r, &one, "conv1d's state: zeros, or an argument");
      }
      continue;
    }
    if (!termOverTime(r->graph, &one, r->times, &time, &all) || (time > 0 && !termEqual(&all, x)))
      return expected(r, &one, "conv1d of the same value at every time");
    *x = all;
  }
  return true;
}

/* x and z are the halves of in_proj. */
static bool matchInProj(Recogniser *r, const Term *x, const Term *z, Layer *layer, Term *input) {
  Linear halves[2];
  if (!matchLinear(r->graph, x, &halves[0]))
    return expected(r, x, "in_proj, a linear layer");
  if (!matchLinear(r->graph, z, &halves[1]))
    return expected(r, z, "in_proj, a linear layer");
  Parameter weight = matrix(&halves[0].weight), bias = vector(&halves[0].bias);
  const Parameter gate = matrix(&halves[1].weight), gate_bias = vector(&halves[1].bias);
  if (!termEqual(&halves[0].input, &halves[1].input) || weight.shape[0] != gate.shape[0] ||
      !append(&weight, &gate) || !append(&bias, &gate_bias))
    return expected(r, z, "the second half of in_proj, whose first half the convolution reads");
  layer->parameters[LAYER_IN_PROJ] = weight;
  layer->parameters[LAYER_IN_PROJ_BIAS] = bias;
  *input = halves[0].input;
  return true;
}

/* ---- The model -------------------------------------------------------------------------------------- */

static bool matchGammaNorm(Recogniser *r, const Term *term, Recognition *result, Parameter *weight,
                           Term *input) {
  Term gamma;
  double epsilon;
  if (!matchNorm(r->graph, term, AXIS_CHANNEL, input, &gamma, &epsilon) || gamma.node < 0 || !(epsilon > 0))
    return expected(r, term, "an RMSNorm with a weight");
  if (result->norm_epsilon > 0 && epsilon != result->norm_epsilon)
    return expected(r, term, "the same epsilon in every norm");
  result->norm_epsilon = epsilon;
  *weight = vector(&gamma);
  return true;
}

/* h + mixer(norm(h)). *h goes from the sum to what was added to. */
static bool matchLayer(Recogniser *r, Term *h, Recognition *result, Layer *layer) {
  Term parts[2], normed, input, x;
  Linear out_proj;
  Scan scan;
  if (!matchPair(r->graph, h, GRAPH_ADD, &parts[0], &parts[1]))
    return expected(r, h, "a layer: the residual and out_proj, added; or the embedding");
  const int out = matchLinear(r->graph, &parts[1], &out_proj) ? 1 : 0;
  if (!matchLinear(r->graph, &parts[out], &out_proj))
    return expected(r, h, "a layer: the residual and out_proj, added");
  layer->parameters[LAYER_OUT_PROJ] = matrix(&out_proj.weight);
  layer->parameters[LAYER_OUT_PROJ_BIAS] = vector(&out_proj.bias);
  if (!recogniseScan(r, &out_proj.input, &scan) ||
      !matchParameters(r, &scan, layer, &result->mixer_epsilon) || !matchConv(r, &scan, layer, &x) ||
      !matchInProj(r, &x, &scan.z, layer, &normed) ||
      !matchGammaNorm(r, &normed, result, &layer->parameters[LAYER_NORM], &input))
    return false;
  layer->parameters[scan.logarithm ? LAYER_A_LOG : LAYER_A] = matrix(&scan.a);
  layer->parameters[LAYER_D] = vector(&scan.d);
  *h = parts[1 - out];
  return termEqual(h, &input) || expected(r, &normed, "the norm of what the layer adds to");
}

static bool addLayer(Recognition *result, Layer **layer) {
  const int64_t count = result->layer_count;
  if ((count & (count - 1)) == 0) { /* the room for it is used up */
    Layer *larger = realloc(result->layers, (size_t)(count ? 2 * count : 1) * sizeof *larger);
    if (!larger)
      return false;
    result->layers = larger;
  }
  *layer = &result->layers[result->layer_count++];
  for (int i = 0; i < LAYER_PARAMETERS; i++)
    (*layer)->parameters[i] = kNone;
  return true;
}

/* Finds the program's ids, and so the sizes of batch and time. */
static bool findIds(Recogniser *r) {
  for (int32_t i = 0; i < r->graph->count; i++) {
    const GraphNode *node = &r->graph->nodes[i];
    Term ids;
    if (node->op != GRAPH_EMBEDDING)
      continue;
    ids = (Term){.node = r->graph->operands[node->operands].node, .size = {1, 1, 1, 1}};
    termSettle(r->graph, &ids);
    const GraphNode *input = &r->graph->nodes[ids.node];
    if (input->op != GRAPH_INPUT || input->rank < 1 || input->rank > 2)
      return expected(r, &ids, "token ids, an argument of one or two dimensions");
    r->times = input->shape[input->rank - 1];
    r->batch = input->rank == 2 ? input->shape[0] : 1;
    return r->times <= r->graph->count || expected(r, &ids, "a scan that is unrolled over all tokens");
  }
  return false;
}

/* The axes of an output: [batch, time, vocabulary] without some; where time has size 1 it is the last one. */
static bool logitsTerm(const Recogniser *r, const GraphView *view, Term *term) {
  TermAxis axes[GRAPH_MAX_RANK] = {AXIS_BATCH, AXIS_TIME, AXIS_CHANNEL};
  if (view->rank == 2) {
    axes[0] = r->batch > 1 ? AXIS_BATCH : AXIS_TIME;
    axes[1] = AXIS_CHANNEL;
  }
  *term = termOf(view, axes);
  termSettle(r->graph, term);
  return (view->rank == 3 || view->rank == 2) && term->size[AXIS_BATCH] == r->batch &&
         (term->size[AXIS_TIME] == r->times || term->size[AXIS_TIME] == 1);
}

static bool matchModel(Recogniser *r, const Term *logits, Recognition *result, bool *memory) {
  Linear head;
  Term h, ids, table;
  if (!matchLinear(r->graph, logits, &head) || head.bias.node >= 0)
    return expected(r, logits, "logits: a linear layer without a bias");
  result->head = matrix(&head.weight);
  if (!matchGammaNorm(r, &head.input, result, &result->final_norm, &h))
    return false;
  if (r->times > 1 && h.size[AXIS_TIME] == 1) { /* logits of the last token only */
    int64_t last = r->times - 1;
    Term all;
    if (!termOverTime(r->graph, &h, r->times, &last, &all))
      return expected(r, &h, "the residual of the last token");
    h = all;
  }
  while (!matchEmbedding(r->graph, &h, &ids, &table)) {
    Layer *layer;
    if (result->layer_count == MAX_LAYERS)
      return expected(r, &h, "at most 4096 layers");
    *memory = addLayer(result, &layer);
    if (!*memory || !matchLayer(r, &h, result, layer))
      return false;
  }
  result->embedding = matrix(&table);
  if (ids.offset != 0 || ids.stride[AXIS_TIME] != (r->times > 1 ? 1 : 0) ||
      ids.stride[AXIS_BATCH] != (r->batch > 1 ? r->times : 0))
    return expected(r, &h, "the embedding of all ids in their order");
  return result->layer_count > 0 || expected(r, &h, "at least one layer");
}

MambaStatus recognise(const Graph *graph, Recognition *result, int32_t *failed, MambaError *error) {
  Recogniser r = {.graph = graph, .failed = -1, .work = 64 * ((int64_t)graph->count + 1024)};
  Recognition found = {.mixer_epsilon = -1};
  Term logits;
  bool known = false, memory = true;
  if (findIds(&r)) {
    memory = (r.marks = calloc((size_t)r.times, sizeof *r.marks)) != NULL;
    for (int32_t i = 0; memory && !known && i < graph->outputCount; i++)
      known = logitsTerm(&r, &graph->outputs[i], &logits) && matchOp(graph, &logits, GRAPH_CONTRACT);
    if (known && matchModel(&r, &logits, &found, &memory)) {
      free(r.marks);
      *result = found;
      return MAMBA_OK;
    }
  }
  free(r.marks);
  recognitionClear(&found);
  *failed = r.failed;
  if (!memory)
    return mambaFail(error, MAMBA_NO_MEMORY, "out of memory for a graph's layers");
  return mambaFail(error, MAMBA_UNSUPPORTED, "not recognised as a Mamba: expected %s",
                   r.expected ? r.expected : "an embedding of token ids, and logits as an output");
}

void recognitionClear(Recognition *result) {
  free(result->layers);
  *result = (Recognition){.layers = NULL};
}
