/* model.c or model.cu: straight-line code, one call per kernel op, named after the checkpoint. The two differ
 * in how a call is checked and how the next one waits for it; see kernels/bundle/cpu and kernels/bundle/cuda.
 */
#include "emit.h"
#include "emitter.h"

#include "cuda/limits.h"
#include "mamba/quantizer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 110 };

/* ---- Text --------------------------------------------------------------------------------------- */

static void callBegin(Emitter *e, MlirOperation call, const char *function) {
  fprintf(e->file, "  ");
  if (e->cuda) {
    fprintf(e->file, "MAMBA_CALL(\"");
    emitName(e->file, mambaPlanCallName(call));
    fprintf(e->file, "\",\n             ");
  }
  e->indent = e->column = (e->cuda ? 13 : 2) + fprintf(e->file, "%s(", function);
}

/* One argument; a new line where it does not fit. */
MAMBA_PRINTF(2, 3) static void callArgument(Emitter *e, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const int length = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (e->column > e->indent) {
    if (e->column + length + 4 > COLUMNS) {
      fprintf(e->file, ",\n%*s", e->indent, "");
      e->column = e->indent;
    } else {
      e->column += fprintf(e->file, ", ");
    }
  }
  va_start(args, format);
  e->column += vfprintf(e->file, format, args);
  va_end(args);
}

static void callEnd(Emitter *e) {
  callArgument(e, e->cuda ? "run->stream" : "worker");
  fprintf(e->file, e->cuda ? "));\n" : ");\n");
}

/* The begin of a struct value, in C or in C++. */
static const char *valueOf(const Emitter *e, const char *type) {
  static const char *const spelled[][2] = {{"(mamba_input){", "(mamba_output){"},
                                           {"mamba_input{", "mamba_output{"}};
  return spelled[e->cuda][!strcmp(type, "mamba_output")];
}

/* ---- Values ------------------------------------------------------------------------------------- */

/* What is computed: a layer's name, or those of the results where there is no weight to name it. */
static void comment(Emitter *e, MlirOperation call) {
  const bool has_weight = !mlirValueIsNull(mambaOperand(call, "weight"));
  fprintf(e->file, "\n  /* ");
  emitName(e->file, mambaPlanCallName(call));
  for (intptr_t i = 1, count = has_weight ? 0 : mlirOperationGetNumResults(call); i < count; i++) {
    const MlirStringRef name = mambaValueName(mlirOperationGetResult(call, i));
    fprintf(e->file, name.length ? ", " : "");
    emitName(e->file, name);
  }
  fprintf(e->file, ": %s */\n", mambaOpMnemonic(mambaOpKind(call)));
}

static void argumentInput(Emitter *e, MlirValue value, MlirValue scale) {
  char text[EMIT_SCALE_TEXT];
  emitScaleText(e, scale, text, sizeof text);
  callArgument(e, "%s%s, %s, %s}", valueOf(e, "mamba_input"), emitNameOf(e, value),
               emitTypeConstant(mambaElementOf(value)), text);
}

static void argumentOutput(Emitter *e, MlirValue value, MlirValue inv_scale) {
  char text[EMIT_SCALE_TEXT];
  emitScaleText(e, inv_scale, text, sizeof text);
  callArgument(e, "%s%s, %s, %" PRId64 ", %s}", valueOf(e, "mamba_output"), emitNameOf(e, value),
               emitTypeConstant(mambaElementOf(value)), mambaChannels(value), text);
}

/* Declares an array of all results, the i8 ones with the next of `inv_scales`. */
static void declareOutputs(Emitter *e, MlirOperation call, const char *name, bool logits) {
  fprintf(e->file, "  const mamba_output %s[] = {\n", name);
  for (intptr_t i = 0, count = mlirOperationGetNumResults(call); i < count; i++) {
    const MlirValue value = mlirOperationGetResult(call, i);
    char text[EMIT_SCALE_TEXT];
    emitScaleText(e, emitInverseScale(call, i), text, sizeof text);
    fprintf(e->file, "      {%s, %s, %" PRId64 ", %s},\n", logits ? "run->logits" : emitNameOf(e, value),
            emitTypeConstant(mambaElementOf(value)), mambaChannels(value), text);
  }
  fprintf(e->file, "  };\n");
}

/* The second result, a scale for each token, or NULL. */
static const char *rowScaleName(Emitter *e, MlirOperation call, intptr_t result) {
  return mlirOperationGetNumResults(call) > result ? emitNameOf(e, mlirOperationGetResult(call, result))
                                                   : "NULL";
}

/* ---- Calls, in the argument order of mamba_kernels.h ---------------------------------------------- */

static void argumentFloat(Emitter *e, MlirOperation call, const char *attribute) {
  char literal[EMIT_FLOAT_TEXT];
  callArgument(e, "%s", emitFloatText((float)mambaFloatAttribute(call, attribute), literal));
}

static void emitEmbedding(Emitter *e, MlirOperation call) {
  const MlirValue table = mambaOperand(call, "table"), result = mlirOperationGetResult(call, 0);
  if (mambaPlanFindTensor(e->plan, table) != mambaPlanTable(e->plan))
    emitFail(e, call, "expected one embedding table in a program");
  callArgument(e, "run->ids");
  callArgument(e, "%s", e->cuda ? emitNameOf(e, table) : "run->table"); /* on the CPU its rows are fetched */
  callArgument(e, "%s", emitTypeConstant(mambaElementOf(table)));
  callArgument(e, "rows");
  callArgument(e, "%" PRId64, mambaChannels(result));
  callArgument(e, "%s", emitNameOf(e, result));
}

/* Whether a norm adds before it; not behind a layer of fused kernels, which has added its result itself. */
static bool adds(const Emitter *e, MlirOperation norm) {
  return mambaOpIs(norm, MAMBA_OP_ADD_RMS_NORM_QUANT) &&
         !(e->decode && emitIsInLayer(mambaDefiningOp(mambaOperand(norm, "delta"))));
}

static void emitRmsNorm(Emitter *e, MlirOperation call) {
  const bool has_sum = mambaOpIs(call, MAMBA_OP_ADD_RMS_NORM_QUANT), add = adds(e, call);
  const MlirValue input = mambaOperand(call, "input"), result = mlirOperationGetResult(call, has_sum);
  callArgument(e, "%s", emitNameOf(e, input));
  callArgument(e, "%s", add ? emitNameOf(e, mambaOperand(call, "delta")) : "NULL");
  callArgument(e, "%s", add ? emitNameOf(e, mlirOperationGetResult(call, 0)) : "NULL");
  callArgument(e, "%s", emitNameOf(e, mambaOperand(call, "gamma")));
  argumentFloat(e, call, "epsilon");
  callArgument(e, "rows");
  callArgument(e, "%" PRId64, mambaChannels(input));
  argumentOutput(e, result, mambaOperand(call, "inv_scale"));
  callArgument(e, "%s", rowScaleName(e, call, 1 + has_sum));
}

/* The row that a linear layer begins with, as " + first * k" for the head, which skips tokens whose logits
 * nobody asked for. */
static void argumentRows(Emitter *e, MlirValue value, bool head) {
  if (head)
    callArgument(e, "%s + first * %" PRId64, emitNameOf(e, value), mambaChannels(value));
  else
    callArgument(e, "%s", emitNameOf(e, value));
}

/* What all products with integer weights take between their inputs and their outputs. */
static void argumentIntegers(Emitter *e, MlirOperation call, bool head) {
  const MlirValue weight = mambaOperand(call, "weight"), multiplier = mambaOperand(call, "multiplier");
  callArgument(e, "%s", emitNameOf(e, weight));
  callArgument(e, "%s", emitNameOf(e, multiplier));
  callArgument(e, "%s", emitNameOf(e, mambaOperand(call, "bias")));
  callArgument(e, head ? "run->logit_rows" : "rows");
  callArgument(e, "%" PRId64, mambaChannels(mambaOperand(call, "input")));
  if (mambaPackedGroup(weight))
    callArgument(e, "%" PRId64, mambaPackedGroup(weight));
  callArgument(e, "%" PRId64, mambaElementCount(multiplier));
}

static void emitLinearI8(Emitter *e, MlirOperation call, bool head) {
  const MlirValue row_scale = mambaOperand(call, "row_scale");
  argumentRows(e, mambaOperand(call, "input"), head);
  if (mlirValueIsNull(row_scale))
    callArgument(e, "NULL");
  else
    argumentRows(e, row_scale, head);
  argumentIntegers(e, call, head);
}

static void emitLinearW8(Emitter *e, MlirOperation call, bool head) {
  argumentRows(e, mambaOperand(call, "input"), head);
  argumentIntegers(e, call, head);
  callArgument(e, "%s", head ? "run->logits" : emitNameOf(e, mlirOperationGetResult(call, 0)));
}

static void emitLinear(Emitter *e, MlirOperation call, bool head) {
  const MlirValue input = mambaOperand(call, "input"), weight = mambaOperand(call, "weight");
  const MlirValue bias = mambaOperand(call, "bias");
  if (mambaElementOf(input) != MAMBA_ELEMENT_F32 ||
      (!mlirValueIsNull(bias) && mambaElementOf(bias) != MAMBA_ELEMENT_F32))
    emitFail(e, call, "expected an f32 input and bias for the float kernel");
  argumentRows(e, input, head);
  callArgument(e, "%s", emitNameOf(e, weight));
  callArgument(e, "%s", emitTypeConstant(mambaElementOf(weight)));
  callArgument(e, "%s", emitNameOf(e, bias));
  callArgument(e, head ? "run->logit_rows" : "rows");
  callArgument(e, "%" PRId64, mambaChannels(input));
  callArgument(e, "%" PRId64, mambaDim(weight, 0));
  callArgument(e, "%s", head ? "run->logits" : emitNameOf(e, mlirOperationGetResult(call, 0)));
}

static void argumentState(Emitter *e, MlirOperation call) {
  const MambaPlanState *state = mambaPlanFindState(e->plan, call);
  if (state)
    callArgument(e, "%s", state->identifier);
  else
    emitFail(e, call, "expected a state that the module declares");
}

static void emitConv1d(Emitter *e, MlirOperation call) {
  const MlirValue input = mambaOperand(call, "input"), weight = mambaOperand(call, "weight");
  if (mambaElementOf(weight) != MAMBA_ELEMENT_I8 && mambaElementOf(weight) != MAMBA_ELEMENT_F32)
    emitFail(e, call, "expected an i8 or f32 weight for the convolution kernel");
  argumentInput(e, input, mambaOperand(call, "input_scale"));
  callArgument(e, "%s", emitNameOf(e, weight));
  callArgument(e, "%s", emitTypeConstant(mambaElementOf(weight)));
  callArgument(e, "%s", emitNameOf(e, mambaOperand(call, "multiplier")));
  callArgument(e, "%s", emitNameOf(e, mambaOperand(call, "bias")));
  callArgument(e, "true");
  argumentState(e, call);
  callArgument(e, "run->sequences");
  callArgument(e, "run->tokens");
  callArgument(e, "%" PRId64, mambaChannels(input));
  callArgument(e, "%" PRId64, mambaDim(weight, 0));
}

static void emitScan(Emitter *e, MlirOperation call) {
  const MlirValue u = mambaOperand(call, "u"), b = mambaOperand(call, "b");
  argumentInput(e, u, mambaOperand(call, "u_scale"));
  argumentInput(e, mambaOperand(call, "dt"), mambaOperand(call, "dt_scale"));
  callArgument(e, "true");
  callArgument(e, "%s", emitNameOf(e, mambaOperand(call, "a")));
  argumentInput(e, b, mambaOperand(call, "b_scale"));
  argumentInput(e, mambaOperand(call, "c"), mambaOperand(call, "c_scale"));
  callArgument(e, "%s", emitNameOf(e, mambaOperand(call, "d")));
  argumentInput(e, mambaOperand(call, "z"), mambaOperand(call, "z_scale"));
  argumentState(e, call);
  callArgument(e, "run->sequences");
  callArgument(e, "run->tokens");
  callArgument(e, "%" PRId64, mambaChannels(u));
  callArgument(e, "%" PRId64, mambaChannels(b));
  argumentOutput(e, mlirOperationGetResult(call, 0), mambaOperand(call, "inv_scale"));
}

static void emitHadamard(Emitter *e, MlirOperation call) {
  const MlirValue input = mambaOperand(call, "input");
  if (!e->cuda && !mambaHasAttribute(call, "mamba.scratch"))
    emitFail(e, call, "expected mamba.scratch, the place of the transform's working memory");
  callArgument(e, "%s", emitNameOf(e, input));
  callArgument(e, mambaHasAttribute(call, "transpose") ? "true" : "false");
  callArgument(e, "rows");
  callArgument(e, "%" PRId64, mambaChannels(input));
  if (!e->cuda)
    callArgument(e, "(float *)(arena + %" PRId64 ")",
                 e->status ? 0 : mambaIntAttribute(call, "mamba.scratch"));
  argumentOutput(e, mlirOperationGetResult(call, 0), mambaOperand(call, "inv_scale"));
  callArgument(e, "%s", rowScaleName(e, call, 1));
}

static void emitQuantizeRows(Emitter *e, MlirOperation call) {
  const MlirValue none = {NULL}, input = mambaOperand(call, "input");
  if (mambaElementOf(input) == MAMBA_ELEMENT_I8)
    emitFail(e, call, "expected a float input");
  argumentInput(e, input, none);
  callArgument(e, "rows");
  callArgument(e, "%" PRId64, mambaChannels(input));
  argumentOutput(e, mlirOperationGetResult(call, 0), none);
  callArgument(e, "%s", rowScaleName(e, call, 1));
}

static void emitQuantize(Emitter *e, MlirOperation call) {
  const MlirValue none = {NULL}, input = mambaOperand(call, "input"), scale = mambaOperand(call, "scale");
  char literal[EMIT_FLOAT_TEXT];
  if (mambaRank(scale))
    emitFail(e, call, "expected one scale for the whole tensor");
  argumentInput(e, input, none);
  callArgument(e, "rows");
  callArgument(e, "%" PRId64, mambaChannels(input));
  callArgument(e, "%s%s, MAMBA_I8, %" PRId64 ", %s, NULL}", valueOf(e, "mamba_output"),
               emitNameOf(e, mlirOperationGetResult(call, 0)), mambaChannels(input),
               emitFloatText(mambaGetInverseScale(emitScalarOf(e, scale)), literal));
  callArgument(e, "NULL");
}

/* Whether a kernel reads the layout of the weight. */
static bool readsLayout(const char *function, MlirValue weight) {
  const bool i4 = !strcmp(function, "mamba_linear_i4") || !strcmp(function, "mamba_linear_w4");
  const bool packed = !strcmp(function, "mamba_linear_i8_packed");
  const bool is_i4 = mambaPackedGroup(weight) != 0;
  return i4 == is_i4 && packed == (mambaIsPacked(weight) && !is_i4);
}

static void emitCall(Emitter *e, MlirOperation call, bool head) {
  const MlirStringRef kernel = mambaStringAttribute(call, "mamba.kernel");
  const MambaOp kind = mambaOpKind(call);
  const bool has_list = kind == MAMBA_OP_LINEAR_I8 || kind == MAMBA_OP_CONV1D_SILU_QUANT;
  char function[128], outputs[EMIT_SCALE_TEXT];
  snprintf(function, sizeof function, "%.*s", (int)kernel.length, kernel.data);
  if (head && kind != MAMBA_OP_LINEAR && kind != MAMBA_OP_LINEAR_I8 && kind != MAMBA_OP_LINEAR_W8)
    emitFail(e, call, "expected a linear layer to compute the logits");
  if (head && mambaElementOf(mlirOperationGetResult(call, 0)) != MAMBA_ELEMENT_F32)
    emitFail(e, call, "expected logits in f32");
  if (!mlirValueIsNull(mambaOperand(call, "weight")) && !readsLayout(function, mambaOperand(call, "weight")))
    emitFail(e, call, "expected mamba.kernel to be that of the weight's layout: run mamba-plan again");
  comment(e, call);
  if (e->cuda || kind != MAMBA_OP_EMBEDDING)
    emitDeclareTensors(e, call);
  const bool unused = kind == MAMBA_OP_ADD_RMS_NORM_QUANT && !adds(e, call); /* the sum */
  for (intptr_t i = unused, count = mlirOperationGetNumResults(call); i < count; i++)
    emitDeclareBuffer(e, mlirOperationGetResult(call, i));
  if (has_list) {
    snprintf(outputs, sizeof outputs, "%s_outputs",
             head ? "logits" : emitNameOf(e, mlirOperationGetResult(call, 0)));
    declareOutputs(e, call, outputs, head);
  }
  callBegin(e, call, function);
  switch (kind) {
  case MAMBA_OP_EMBEDDING:
    emitEmbedding(e, call);
    break;
  case MAMBA_OP_RMS_NORM_QUANT:
  case MAMBA_OP_ADD_RMS_NORM_QUANT:
    emitRmsNorm(e, call);
    break;
  case MAMBA_OP_LINEAR_I8:
    emitLinearI8(e, call, head);
    break;
  case MAMBA_OP_LINEAR_W8:
    emitLinearW8(e, call, head);
    break;
  case MAMBA_OP_LINEAR:
    emitLinear(e, call, head);
    break;
  case MAMBA_OP_CONV1D_SILU_QUANT:
    emitConv1d(e, call);
    break;
  case MAMBA_OP_SELECTIVE_SCAN_QUANT:
    emitScan(e, call);
    break;
  case MAMBA_OP_HADAMARD_QUANT:
    emitHadamard(e, call);
    break;
  case MAMBA_OP_QUANTIZE:
    emitQuantize(e, call);
    break;
  case MAMBA_OP_QUANTIZE_ROWS:
    emitQuantizeRows(e, call);
    break;
  default:
    emitFail(e, call, "expected an op that has a kernel: run mamba-fuse-kernels first");
    break;
  }
  if (has_list) {
    callArgument(e, "%s", outputs);
    callArgument(e, "%td", (ptrdiff_t)mlirOperationGetNumResults(call));
  }
  callEnd(e);
}

/* ---- The file ----------------------------------------------------------------------------------- */

/* Of every function: the names of what the run brings. */
static void emitPrologue(Emitter *e) {
  fprintf(e->file, "  const unsigned char *const weights = run->weights;\n"
                   "  unsigned char *const arena = run->arena;\n");
}

static void emitRows(Emitter *e) {
  fprintf(e->file, "  const int32_t rows = run->sequences * run->tokens;\n");
}

static void emitStates(Emitter *e) {
  const MambaPlan *plan = e->plan;
  for (size_t i = 0; i < plan->state_count; i++) {
    const MambaPlanState *state = &plan->states[i];
    const char *type = emitTypeName(mambaElementOfType(state->type));
    fprintf(e->file,
            "  %s *const %s = (%s *)state_of(run, %zu); /* [sequences, %" PRId64 ", %" PRId64 "] */\n", type,
            state->identifier, type, i, mlirShapedTypeGetDimSize(state->type, 0),
            mlirShapedTypeGetDimSize(state->type, 1));
  }
}

static bool isPersistent(const MambaPlan *plan) {
  return mambaHasAttribute(plan->forward, "mamba.decode_table");
}

static bool hasLayers(const MambaPlan *plan) {
  for (intptr_t i = 0; i < plan->call_count; i++)
    if (emitIsInLayer(plan->calls[i]))
      return true;
  return false;
}

/* Single tokens: layers of fused kernels where there are any. */
static void emitDecodePrologue(Emitter *e) {
  if (hasLayers(e->plan))
    fprintf(e->file, "  if (run->sequences > MAMBA_CUDA_LAYER_ROWS)\n"
                     "    return mamba_program_prefill(run);\n");
}

/* The sum behind a layer, for an observer. */
static void emitShow(Emitter *e, MlirOperation call) {
  if (!mambaOpIs(call, MAMBA_OP_ADD_RMS_NORM_QUANT))
    return;
  const MlirValue sum = mlirOperationGetResult(call, 0);
  fprintf(e->file, "  mamba_show_layer(run, worker, \"");
  emitName(e->file, mambaValueName(sum));
  fprintf(e->file, "\", %s, %" PRId64 ");\n", emitNameOf(e, sum), mambaChannels(sum));
}

static void emitFunction(Emitter *e, const char *signature) {
  const MambaPlan *plan = e->plan;
  memset(e->declared, 0, plan->tensor_count * sizeof *e->declared);
  fprintf(e->file, "\n%s {\n", signature);
  if (e->decode)
    emitDecodePrologue(e);
  emitPrologue(e);
  emitRows(e);
  if (!e->decode || !e->persistent_layers)
    emitStates(e);
  for (intptr_t i = 0; i < plan->call_count && !e->status; i++) {
    const bool head = i == plan->call_count - 1;
    if (e->decode && emitBeginsLayer(e, i)) {
      i = e->persistent_layers ? emitAllLayers(e, i, e->persistent_layers) : emitLayer(e, i);
      continue;
    }
    if (head)
      fprintf(e->file,
              "\n  if (!run->logit_rows)\n"
              "    return%s;\n"
              "  const int32_t first = rows - run->logit_rows;\n",
              e->cuda ? " cudaSuccess" : "");
    emitCall(e, plan->calls[i], head);
    if (!head && !e->cuda) {
      fprintf(e->file, "  mamba_pool_barrier(run->pool, worker);\n");
      emitShow(e, plan->calls[i]);
    }
  }
  fprintf(e->file, e->cuda ? "  return cudaSuccess;\n}\n" : "}\n");
}

/* What decode needs in the GPU's memory: the table of layers that the persistent kernel reads. */
static void emitPrepare(Emitter *e) {
  const char *const signature = "\ncudaError_t mamba_program_prepare(mamba_cuda_run *run) {\n";
  if (!isPersistent(e->plan)) {
    fprintf(e->file, "%s  (void)run; /* decode needs nothing */\n  return cudaSuccess;\n}\n", signature);
    return;
  }
  memset(e->declared, 0, e->plan->tensor_count * sizeof *e->declared);
  fprintf(e->file, "\n/* All layers, of the run's first sequence. */\n"
                   "static void layers_of(const mamba_cuda_run *run, mamba_cuda_layer *layers) {\n");
  emitPrologue(e);
  emitStates(e);
  e->persistent_layers = emitLayerList(e);
  fprintf(e->file,
          "}\n%s"
          "  mamba_cuda_layer layers[%td];\n"
          "  layers_of(run, layers);\n"
          "  MAMBA_CALL(\"layers\", cudaMemcpyAsync(run->arena + %" PRId64 ", layers, sizeof layers,\n"
          "                                       cudaMemcpyHostToDevice, run->stream));\n"
          "  return cudaStreamSynchronize(run->stream); /* before the array goes */\n"
          "}\n",
          signature, (ptrdiff_t)e->persistent_layers,
          mambaIntAttribute(e->plan->forward, "mamba.decode_table"));
}

static void emitBegin(Emitter *e) {
  fprintf(e->file,
          "/* The model, written by mamba-compile: one call per kernel, named after the checkpoint. %s\n"
          " * Buffers lie in one arena; those that do not live at the same time share memory. */\n"
          "#include \"program_%s.h\"\n\n"
          "static void *state_of(const %s *run, int i) {\n"
          "  return mamba_state_of(run->state, run->capacity, run->first, i);\n"
          "}\n",
          e->cuda ? "A call puts\n * kernels into the run's stream and returns at once."
                  : "Every worker\n * runs this function and does its share of each call.",
          e->cuda ? "cuda" : "cpu", e->cuda ? "mamba_cuda_run" : "mamba_run");
}

MambaStatus mambaEmitModel(const MambaPlan *plan, FILE *file, MambaError *error) {
  Emitter e = {.plan = plan, .file = file, .error = error, .cuda = mambaTargetIsCuda(plan->target)};
  e.declared = calloc(plan->tensor_count + 1, sizeof *e.declared);
  if (!e.declared)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for %zu tensors", plan->tensor_count);
  emitBegin(&e);
  if (e.cuda) {
    emitFunction(&e, "cudaError_t mamba_program_prefill(mamba_cuda_run *run)");
    emitPrepare(&e);
    e.decode = true;
    emitFunction(&e, "cudaError_t mamba_program_decode(mamba_cuda_run *run)");
  } else {
    emitFunction(&e, "void mamba_program_forward(const mamba_run *run, mamba_worker worker)");
  }
  free(e.declared);
  return e.status;
}
