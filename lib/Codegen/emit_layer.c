/* Layers of decode: the struct that kernels/cuda/mamba_cuda.h describes, and the calls of three kernels for
 * each layer or of one for all. */
#include "emitter.h"

#include "cuda/limits.h"

#include <inttypes.h>
#include <string.h>

bool emitIsInLayer(MlirOperation call) {
  return !mlirOperationIsNull(call) && mambaHasAttribute(call, "mamba.decode_group");
}

static int64_t groupOf(MlirOperation call) {
  return emitIsInLayer(call) ? mambaIntAttribute(call, "mamba.decode_group") : -1;
}

bool emitBeginsLayer(const Emitter *e, intptr_t call) {
  const int64_t group = groupOf(e->plan->calls[call]);
  return group >= 0 && (!call || groupOf(e->plan->calls[call - 1]) != group);
}

/* The ops of a layer, in their order. */
typedef struct Layer {
  MlirOperation before; /* the out_proj of the layer before; may be null */
  MlirOperation norm, in_proj, conv, x_proj, dt_proj, scan, hadamard, out_proj; /* hadamard may be null */
  intptr_t last;                                                                /* index of the last call */
} Layer;

/* The next op of the group, if it is of this kind. */
static bool take(const Emitter *e, Layer *layer, int64_t group, MambaOp kind, MlirOperation *op) {
  const intptr_t at = layer->last + 1;
  if (at >= e->plan->call_count || groupOf(e->plan->calls[at]) != group ||
      !mambaOpIs(e->plan->calls[at], kind))
    return false;
  *op = e->plan->calls[at];
  layer->last = at;
  return true;
}

static bool readLayer(const Emitter *e, intptr_t first, Layer *layer) {
  const int64_t group = groupOf(e->plan->calls[first]);
  *layer = (Layer){.last = first - 1};
  if (first && emitIsInLayer(e->plan->calls[first - 1]))
    layer->before = e->plan->calls[first - 1];
  return (take(e, layer, group, MAMBA_OP_RMS_NORM_QUANT, &layer->norm) ||
          take(e, layer, group, MAMBA_OP_ADD_RMS_NORM_QUANT, &layer->norm)) &&
         take(e, layer, group, MAMBA_OP_LINEAR_I8, &layer->in_proj) &&
         take(e, layer, group, MAMBA_OP_CONV1D_SILU_QUANT, &layer->conv) &&
         take(e, layer, group, MAMBA_OP_LINEAR_I8, &layer->x_proj) &&
         take(e, layer, group, MAMBA_OP_LINEAR_I8, &layer->dt_proj) &&
         take(e, layer, group, MAMBA_OP_SELECTIVE_SCAN_QUANT, &layer->scan) &&
         (take(e, layer, group, MAMBA_OP_HADAMARD_QUANT, &layer->hadamard) || true) &&
         take(e, layer, group, MAMBA_OP_LINEAR_I8, &layer->out_proj) &&
         mlirOperationGetNumResults(layer->in_proj) == 2 && mlirOperationGetNumResults(layer->x_proj) == 3 &&
         mambaHasAttribute(e->plan->forward, "mamba.decode_sums") &&
         mambaHasAttribute(e->plan->forward, "mamba.decode_rows");
}

/* ---- The struct's fields ------------------------------------------------------------------------ */

/* "    layer.FIELD = VALUE;" */
MAMBA_PRINTF(3, 4) static void field(Emitter *e, const char *name, const char *format, ...) {
  va_list args;
  fprintf(e->file, "    layer.%s = ", name);
  va_start(args, format);
  vfprintf(e->file, format, args);
  va_end(args);
  fprintf(e->file, ";\n");
}

/* A tensor: what the writing op multiplies by and the reading one multiplies with. Either may be null. */
static void tensor(Emitter *e, const char *name, MlirValue value, bool stored, MlirValue scale,
                   MlirValue inv_scale) {
  char literal[2][EMIT_FLOAT_TEXT];
  const bool one = !mlirValueIsNull(scale) && !mambaRank(scale);
  const bool one_inverse = !mlirValueIsNull(inv_scale) && !mambaRank(inv_scale);
  fprintf(e->file, "    layer.%s = {%s, %s, %s, %s, %s, %s};\n", name, stored ? emitNameOf(e, value) : "NULL",
          emitTypeConstant(mambaElementOf(value)),
          emitFloatText(one ? emitScalarOf(e, scale) : 0, literal[0]),
          emitFloatText(one_inverse ? emitScalarOf(e, inv_scale) : 0, literal[1]),
          one ? "NULL" : emitNameOf(e, scale), one_inverse ? "NULL" : emitNameOf(e, inv_scale));
}

static void matrix(Emitter *e, const char *name, MlirOperation linear) {
  fprintf(e->file, "    layer.%s = {%s, %s, %s};\n", name, emitNameOf(e, mambaOperand(linear, "weight")),
          emitNameOf(e, mambaOperand(linear, "multiplier")), emitNameOf(e, mambaOperand(linear, "bias")));
}

static void state(Emitter *e, const char *name, MlirOperation op) {
  const MambaPlanState *found = mambaPlanFindState(e->plan, op);
  if (found)
    field(e, name, "%s", found->identifier);
  else
    emitFail(e, op, "expected a state that the module declares");
}

/* Where the norm's values and the norm itself come from, up to the convolution's result. */
static void fieldsIn(Emitter *e, const Layer *l) {
  const MlirValue none = {NULL}, conv_weight = mambaOperand(l->conv, "weight");
  const intptr_t normalised = mambaOpIs(l->norm, MAMBA_OP_ADD_RMS_NORM_QUANT);
  const MlirValue u = mambaOperand(l->scan, "u"), read_by_x_proj = mambaOperand(l->x_proj, "input");
  char literal[EMIT_FLOAT_TEXT];
  field(e, "residual", "%s",
        emitNameOf(e, normalised ? mlirOperationGetResult(l->norm, 0) : mambaOperand(l->norm, "input")));
  field(e, "gamma", "%s", emitNameOf(e, mambaOperand(l->norm, "gamma")));
  field(e, "epsilon", "%s", emitFloatText((float)mambaFloatAttribute(l->norm, "epsilon"), literal));
  tensor(e, "in", mlirOperationGetResult(l->norm, normalised), true, none,
         mambaOperand(l->norm, "inv_scale"));
  const bool in_per_row = mlirOperationGetNumResults(l->norm) > normalised + 1;
  field(e, "in_per_row", in_per_row ? "true" : "false");
  if (in_per_row)
    field(e, "in_scale", "%s", emitNameOf(e, mlirOperationGetResult(l->norm, normalised + 1)));
  matrix(e, "in_proj", l->in_proj);
  tensor(e, "x", mlirOperationGetResult(l->in_proj, 0), false, mambaOperand(l->conv, "input_scale"),
         emitInverseScale(l->in_proj, 0));
  tensor(e, "z", mlirOperationGetResult(l->in_proj, 1), true, mambaOperand(l->scan, "z_scale"),
         emitInverseScale(l->in_proj, 1));
  field(e, "conv_w", "%s", emitNameOf(e, conv_weight));
  field(e, "conv_w_type", "%s", emitTypeConstant(mambaElementOf(conv_weight)));
  field(e, "conv_multiplier", "%s", emitNameOf(e, mambaOperand(l->conv, "multiplier")));
  field(e, "conv_bias", "%s", emitNameOf(e, mambaOperand(l->conv, "bias")));
  field(e, "conv_silu", "true");
  state(e, "conv_state", l->conv);
  tensor(e, "u", u, true, mambaOperand(l->scan, "u_scale"),
         emitInverseScale(l->conv, mlirOpResultGetResultNumber(u)));
  tensor(e, "u_i8", read_by_x_proj, true, none,
         emitInverseScale(l->conv, mlirOpResultGetResultNumber(read_by_x_proj)));
}

/* From x_proj to the scan's result. */
static void fieldsScan(Emitter *e, const Layer *l) {
  const MlirValue none = {NULL}, y = mlirOperationGetResult(l->scan, 0);
  const int64_t kept = mambaIntAttribute(e->plan->forward, "mamba.decode_sums");
  matrix(e, "x_proj", l->x_proj);
  field(e, "sums", "(int32_t *)(arena + %" PRId64 ")",
        kept + mambaCudaSums(mambaIntAttribute(e->plan->forward, "mamba.decode_rows"),
                             mambaChannels(mambaOperand(l->norm, "input"))));
  tensor(e, "dt", mlirOperationGetResult(l->x_proj, 0), false, none, emitInverseScale(l->x_proj, 0));
  tensor(e, "b", mlirOperationGetResult(l->x_proj, 1), false, mambaOperand(l->scan, "b_scale"),
         emitInverseScale(l->x_proj, 1));
  tensor(e, "c", mlirOperationGetResult(l->x_proj, 2), false, mambaOperand(l->scan, "c_scale"),
         emitInverseScale(l->x_proj, 2));
  matrix(e, "dt_proj", l->dt_proj);
  field(e, "softplus", "true");
  field(e, "a", "%s", emitNameOf(e, mambaOperand(l->scan, "a")));
  field(e, "d_skip", "%s", emitNameOf(e, mambaOperand(l->scan, "d")));
  state(e, "ssm_state", l->scan);
  tensor(e, "y", y, true, none, mambaOperand(l->scan, "inv_scale"));
}

static void fieldsOut(Emitter *e, const Layer *l) {
  const MlirValue none = {NULL};
  const bool rotate = !mlirOperationIsNull(l->hadamard);
  const int64_t kept = mambaIntAttribute(e->plan->forward, "mamba.decode_sums");
  field(e, "rotate", rotate ? "true" : "false");
  if (rotate) {
    field(e, "transpose", mambaHasAttribute(l->hadamard, "transpose") ? "true" : "false");
    tensor(e, "rotated", mlirOperationGetResult(l->hadamard, 0), true, none,
           mambaOperand(l->hadamard, "inv_scale"));
    field(e, "rotated_per_row", mlirOperationGetNumResults(l->hadamard) > 1 ? "true" : "false");
  }
  matrix(e, "out_proj", l->out_proj);
  field(e, "out_sums", "(int32_t *)(arena + %" PRId64 ")", kept + mambaCudaOutSums());
  field(e, "out_scale", "(float *)(arena + %" PRId64 ")", kept);
  if (mlirOperationIsNull(l->before))
    return;
  matrix(e, "before", l->before);
  field(e, "before_per_row", mlirValueIsNull(mambaOperand(l->before, "row_scale")) ? "false" : "true");
}

/* ---- The layer ---------------------------------------------------------------------------------- */

static void declare(Emitter *e, const Layer *l) {
  const MlirOperation ops[] = {l->norm,    l->in_proj, l->conv,     l->x_proj,
                               l->dt_proj, l->scan,    l->hadamard, l->out_proj};
  for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
    if (!mlirOperationIsNull(ops[i]))
      emitDeclareTensors(e, ops[i]);
  if (mambaOpIs(l->norm, MAMBA_OP_ADD_RMS_NORM_QUANT))
    emitDeclareBuffer(e, mlirOperationGetResult(l->norm, 0)); /* the residual's name from here on */
  else if (!e->decode)
    emitDeclareBuffer(e, mambaOperand(l->norm, "input"));
  for (intptr_t i = mambaOpIs(l->norm, MAMBA_OP_ADD_RMS_NORM_QUANT); i < mlirOperationGetNumResults(l->norm);
       i++)
    emitDeclareBuffer(e, mlirOperationGetResult(l->norm, i));
  emitDeclareBuffer(e, mlirOperationGetResult(l->in_proj, 1));
  for (intptr_t i = 0; i < mlirOperationGetNumResults(l->conv); i++)
    emitDeclareBuffer(e, mlirOperationGetResult(l->conv, i));
  emitDeclareBuffer(e, mlirOperationGetResult(l->scan, 0));
  if (!mlirOperationIsNull(l->hadamard))
    emitDeclareBuffer(e, mlirOperationGetResult(l->hadamard, 0));
}

static void call(Emitter *e, MlirOperation last, const char *what) {
  const MlirStringRef kernel = mambaStringAttribute(last, "mamba.decode_kernel");
  fprintf(e->file, "    MAMBA_CALL(\"");
  emitName(e->file, mambaPlanCallName(last));
  fprintf(e->file, "\", %.*s(&layer, rows, run->stream)); /* %s */\n", (int)kernel.length, kernel.data, what);
}

static bool mustRead(Emitter *e, intptr_t first, Layer *layer) {
  if (readLayer(e, first, layer))
    return true;
  emitFail(e, e->plan->calls[first],
           "expected the ops of a mamba.decode_group as mamba-plan marks them: run it again");
  return false;
}

/* "IN_PROJ to OUT_PROJ" in a comment. */
static void range(Emitter *e, const Layer *first, const Layer *last) {
  emitName(e->file, mambaPlanCallName(first->in_proj));
  fprintf(e->file, " to ");
  emitName(e->file, mambaPlanCallName(last->out_proj));
}

/* Begins a block in which `layer` is the layer. */
static void beginLayer(Emitter *e, const Layer *layer, const char *comment) {
  const Layer l = *layer;
  fprintf(e->file, "\n  /* ");
  range(e, layer, layer);
  fprintf(e->file, "%s */\n", comment);
  declare(e, layer);
  fprintf(e->file, "  {\n    mamba_cuda_layer layer = {};\n");
  field(e, "d", "%" PRId64, mambaChannels(mambaOperand(l.norm, "input")));
  field(e, "inner", "%" PRId64, mambaChannels(mambaOperand(l.scan, "u")));
  field(e, "rank", "%" PRId64, mambaChannels(mambaOperand(l.dt_proj, "input")));
  fieldsIn(e, &l);
  fieldsScan(e, &l);
  fieldsOut(e, &l);
}

intptr_t emitLayer(Emitter *e, intptr_t first) {
  Layer l;
  if (!mustRead(e, first, &l))
    return e->plan->call_count;
  beginLayer(e, &l, ": a layer in three kernels");
  call(e, l.conv, "norm, in_proj, conv1d");
  call(e, l.scan, "x_proj, dt_proj, scan");
  call(e, l.out_proj, l.hadamard.ptr ? "hadamard, out_proj, addition" : "out_proj, addition");
  if (l.last + 1 == e->plan->call_count || !emitIsInLayer(e->plan->calls[l.last + 1]))
    fprintf(e->file, "    MAMBA_CALL(\"layers\", mamba_cuda_layer_end(&layer, rows, run->stream)); /* "
                     "addition, of several rows */\n");
  fprintf(e->file, "  }\n");
  return l.last;
}

/* ---- All layers in one kernel ------------------------------------------------------------------- */

intptr_t emitLayerList(Emitter *e) {
  intptr_t count = 0;
  for (intptr_t i = 0; i < e->plan->call_count && !e->status; i++) {
    Layer l;
    if (!emitBeginsLayer(e, i) || !mustRead(e, i, &l))
      continue;
    beginLayer(e, &l, "");
    fprintf(e->file, "    layers[%td] = layer;\n  }\n", (ptrdiff_t)count++);
    i = l.last;
  }
  return count;
}

intptr_t emitAllLayers(Emitter *e, intptr_t begin, intptr_t count) {
  const int64_t table = mambaIntAttribute(e->plan->forward, "mamba.decode_table");
  Layer first, last;
  if (!mustRead(e, begin, &first))
    return e->plan->call_count;
  last = first;
  for (intptr_t i = 1; i < count; i++)
    if (!mustRead(e, last.last + 1, &last))
      return e->plan->call_count;
  fprintf(e->file, "\n  /* ");
  range(e, &first, &last);
  fprintf(e->file,
          ": one kernel, or three for each layer where the GPU cannot run it */\n"
          "  mamba_cuda_layer layers[%td];\n"
          "  const char *problem = NULL;\n"
          "  layers_of(run, layers);\n"
          "  MAMBA_CALL(\"layers\", mamba_cuda_decode_problem(layers, %td, &problem));\n"
          "  const bool together = rows == 1 && !problem;\n"
          "  if (together)\n"
          "    MAMBA_CALL(\"layers\",\n"
          "               mamba_cuda_decode(layers, %td, (const mamba_cuda_layer *)(arena + %" PRId64 "),\n"
          "                                 (uint64_t *)(arena + %" PRId64 "), run->stream));\n"
          "  for (int i = 0; !together && i < %td; ++i) {\n",
          (ptrdiff_t)count, (ptrdiff_t)count, (ptrdiff_t)count, table,
          table + (int64_t)count * MAMBA_CUDA_LAYER_BYTES, (ptrdiff_t)count);
  static const char *const kernels[] = {"mamba_cuda_layer_in", "mamba_cuda_layer_scan",
                                        "mamba_cuda_layer_out"};
  for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++)
    fprintf(e->file, "    MAMBA_CALL(\"layers\", %s(&layers[i], rows, run->stream));\n", kernels[i]);
  fprintf(e->file,
          "  }\n"
          "  if (!together)\n"
          "    MAMBA_CALL(\"layers\", mamba_cuda_layer_end(&layers[%td], rows, run->stream));\n",
          (ptrdiff_t)count - 1);
  if (mambaOpIs(last.norm, MAMBA_OP_ADD_RMS_NORM_QUANT))
    emitDeclareBuffer(e, mlirOperationGetResult(last.norm, 0)); /* the residual, for what follows */
  return last.last;
}
