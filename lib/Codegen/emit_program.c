/* model.c: straight-line code, one call per kernel op, named after the checkpoint. */
#include "emit.h"

#include "mamba/quantizer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 110 };

typedef struct Emitter {
  const MambaPlan *plan;
  FILE *file;
  MambaError *error;
  MambaStatus status; /* the first failure; later calls then do nothing of consequence */
  bool *declared;     /* per tensor */
  int column, indent; /* of the call that is being written */
} Emitter;

/* ---- Text --------------------------------------------------------------------------------------- */

static const char *typeName(MambaElement element) {
  switch (element) {
  case MAMBA_ELEMENT_I8:
    return "int8_t";
  case MAMBA_ELEMENT_F16:
  case MAMBA_ELEMENT_BF16:
    return "uint16_t";
  default:
    return "float";
  }
}

static const char *typeConstant(MambaElement element) {
  switch (element) {
  case MAMBA_ELEMENT_I8:
    return "MAMBA_I8";
  case MAMBA_ELEMENT_F16:
    return "MAMBA_F16";
  case MAMBA_ELEMENT_BF16:
    return "MAMBA_BF16";
  default:
    return "MAMBA_F32";
  }
}

static const char *elementName(MambaElement element) {
  static const char *const names[] = {
      [MAMBA_ELEMENT_OTHER] = "?", [MAMBA_ELEMENT_I8] = "i8",     [MAMBA_ELEMENT_I32] = "i32",
      [MAMBA_ELEMENT_F16] = "f16", [MAMBA_ELEMENT_BF16] = "bf16", [MAMBA_ELEMENT_F32] = "f32",
  };
  return names[element];
}

/* A name inside a comment, which nothing in it may end. */
static void writeName(FILE *file, MlirStringRef name) {
  for (size_t i = 0; i < name.length; i++)
    fputc(name.data[i] == '*' || (unsigned char)name.data[i] < ' ' ? '_' : name.data[i], file);
}

enum { FLOAT_TEXT = 32 };

/* The shortest literal that reads back as the same float. */
static const char *floatText(float value, char text[FLOAT_TEXT]) {
  int digits = 1;
  do
    snprintf(text, FLOAT_TEXT, "%.*g", digits, value);
  while (strtof(text, NULL) != value && digits++ < 9);
  strcat(text, strpbrk(text, ".e") ? "f" : ".0f");
  return text;
}

static void callBegin(Emitter *e, const char *function) {
  e->column = fprintf(e->file, "  %s(", function);
  e->indent = e->column;
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
  fprintf(e->file, ");\n");
}

/* ---- Values ------------------------------------------------------------------------------------- */

static void fail(Emitter *e, MlirOperation op, const char *expected) {
  if (e->status)
    return;
  const MlirStringRef name = mambaOpName(op);
  mambaEmitError(op, "%s", expected);
  e->status = mambaFail(e->error, MAMBA_UNSUPPORTED, "%.*s: %s", (int)name.length, name.data, expected);
}

/* The identifier of a value; declares a tensor where it is first read. "NULL" for a null value. */
static const char *nameOf(Emitter *e, MlirValue value) {
  if (mlirValueIsNull(value))
    return "NULL";
  const MambaPlanBuffer *buffer = mambaPlanFindBuffer(e->plan, value);
  if (buffer)
    return buffer->identifier;
  const MambaPlanTensor *tensor = mambaPlanFindTensor(e->plan, value);
  return tensor ? tensor->identifier : "run->ids";
}

static void declareTensors(Emitter *e, MlirOperation call) {
  for (intptr_t i = 0, count = mlirOperationGetNumOperands(call); i < count; i++) {
    const MlirValue value = mlirOperationGetOperand(call, i);
    const MambaPlanTensor *tensor = mambaPlanFindTensor(e->plan, value);
    if (!tensor || e->declared[tensor - e->plan->tensors])
      continue;
    e->declared[tensor - e->plan->tensors] = true;
    const char *type = typeName(mambaElementOf(value));
    fprintf(e->file, "  const %s *const %s = (const %s *)(weights + %zu); /* %s [", type, tensor->identifier,
            type, tensor->offset, elementName(mambaElementOf(value)));
    for (int axis = 0, rank = mambaRank(value); axis < rank; axis++)
      fprintf(e->file, "%s%" PRId64, axis ? ", " : "", mambaDim(value, axis));
    fprintf(e->file, "] */\n");
  }
}

static void declareBuffers(Emitter *e, MlirOperation call) {
  for (intptr_t i = 0, count = mlirOperationGetNumResults(call); i < count; i++) {
    const MambaPlanBuffer *buffer = mambaPlanFindBuffer(e->plan, mlirOperationGetResult(call, i));
    if (!buffer)
      continue; /* the logits */
    const char *type = typeName(mambaElementOf(buffer->value));
    if (buffer->offset < 0 || (size_t)buffer->offset > e->plan->arena_bytes)
      fail(e, call, "expected mamba.offsets inside of the arena");
    fprintf(e->file, "  %s *const %s = (%s *)(arena + %" PRId64 "); /* [rows, %" PRId64 "] */\n", type,
            buffer->identifier, type, buffer->offset, mambaChannels(buffer->value));
  }
}

/* What is computed: a layer's name, or those of the results where there is no weight to name it. */
static void comment(Emitter *e, MlirOperation call) {
  const bool has_weight = !mlirValueIsNull(mambaOperand(call, "weight"));
  fprintf(e->file, "\n  /* ");
  writeName(e->file, mambaPlanCallName(call));
  for (intptr_t i = 1, count = has_weight ? 0 : mlirOperationGetNumResults(call); i < count; i++) {
    const MlirStringRef name = mambaValueName(mlirOperationGetResult(call, i));
    fprintf(e->file, name.length ? ", " : "");
    writeName(e->file, name);
  }
  fprintf(e->file, ": %s */\n", mambaOpMnemonic(mambaOpKind(call)));
}

static float scalarOf(Emitter *e, MlirValue value) {
  float scalar = 0;
  if (!e->status)
    e->status = mambaPlanScalar(e->plan, value, &scalar, e->error);
  return scalar;
}

/* ", scale, scales" of a mamba_input or mamba_output: one value, one per channel, or none. */
static void formatScale(Emitter *e, MlirValue scale, char *text, size_t size) {
  char literal[FLOAT_TEXT];
  if (mlirValueIsNull(scale))
    snprintf(text, size, "0.0f, NULL");
  else if (mambaRank(scale))
    snprintf(text, size, "0.0f, %s", nameOf(e, scale));
  else
    snprintf(text, size, "%s, NULL", floatText(scalarOf(e, scale), literal));
}

enum { SCALE_TEXT = 512 };

static void argumentInput(Emitter *e, MlirValue value, MlirValue scale) {
  char text[SCALE_TEXT];
  formatScale(e, scale, text, sizeof text);
  callArgument(e, "(mamba_input){%s, %s, %s}", nameOf(e, value), typeConstant(mambaElementOf(value)), text);
}

static void argumentOutput(Emitter *e, MlirValue value, MlirValue inv_scale) {
  char text[SCALE_TEXT];
  formatScale(e, inv_scale, text, sizeof text);
  callArgument(e, "(mamba_output){%s, %s, %" PRId64 ", %s}", nameOf(e, value),
               typeConstant(mambaElementOf(value)), mambaChannels(value), text);
}

/* Declares an array of all results, the i8 ones with the next of `inv_scales`. */
static void declareOutputs(Emitter *e, MlirOperation call, const char *name, bool logits) {
  const intptr_t first = mambaOperandIndex(call, "inv_scales");
  intptr_t used = 0;
  fprintf(e->file, "  const mamba_output %s[] = {\n", name);
  for (intptr_t i = 0, count = mlirOperationGetNumResults(call); i < count; i++) {
    const MlirValue value = mlirOperationGetResult(call, i);
    const MlirValue none = {NULL};
    const MlirValue inv_scale =
        mambaElementOf(value) == MAMBA_ELEMENT_I8 ? mlirOperationGetOperand(call, first + used++) : none;
    char text[SCALE_TEXT];
    formatScale(e, inv_scale, text, sizeof text);
    fprintf(e->file, "      {%s, %s, %" PRId64 ", %s},\n", logits ? "run->logits" : nameOf(e, value),
            typeConstant(mambaElementOf(value)), mambaChannels(value), text);
  }
  fprintf(e->file, "  };\n");
}

/* The second result, a scale for each token, or NULL. */
static const char *rowScaleName(Emitter *e, MlirOperation call, intptr_t result) {
  return mlirOperationGetNumResults(call) > result ? nameOf(e, mlirOperationGetResult(call, result)) : "NULL";
}

/* ---- Calls, in the argument order of mamba_kernels.h ---------------------------------------------- */

static void argumentFloat(Emitter *e, MlirOperation call, const char *attribute) {
  char literal[FLOAT_TEXT];
  callArgument(e, "%s", floatText((float)mambaFloatAttribute(call, attribute), literal));
}

static void emitEmbedding(Emitter *e, MlirOperation call) {
  const MlirValue table = mambaOperand(call, "table"), result = mlirOperationGetResult(call, 0);
  callArgument(e, "run->ids");
  callArgument(e, "%s", nameOf(e, table));
  callArgument(e, "%s", typeConstant(mambaElementOf(table)));
  callArgument(e, "rows");
  callArgument(e, "%" PRId64, mambaChannels(result));
  callArgument(e, "%s", nameOf(e, result));
}

static void emitRmsNorm(Emitter *e, MlirOperation call) {
  const bool add = mambaOpIs(call, MAMBA_OP_ADD_RMS_NORM_QUANT);
  const MlirValue input = mambaOperand(call, "input"), result = mlirOperationGetResult(call, add);
  callArgument(e, "%s", nameOf(e, input));
  callArgument(e, "%s", add ? nameOf(e, mambaOperand(call, "delta")) : "NULL");
  callArgument(e, "%s", add ? nameOf(e, mlirOperationGetResult(call, 0)) : "NULL");
  callArgument(e, "%s", nameOf(e, mambaOperand(call, "gamma")));
  argumentFloat(e, call, "epsilon");
  callArgument(e, "rows");
  callArgument(e, "%" PRId64, mambaChannels(input));
  argumentOutput(e, result, mambaOperand(call, "inv_scale"));
  callArgument(e, "%s", rowScaleName(e, call, 1 + add));
}

/* The row that a linear layer begins with, as " + first * k" for the head, which skips tokens whose logits
 * nobody asked for. */
static void argumentRows(Emitter *e, MlirValue value, bool head) {
  if (head)
    callArgument(e, "%s + first * %" PRId64, nameOf(e, value), mambaChannels(value));
  else
    callArgument(e, "%s", nameOf(e, value));
}

static void emitLinearI8(Emitter *e, MlirOperation call, bool head) {
  const MlirValue input = mambaOperand(call, "input"), weight = mambaOperand(call, "weight");
  const MlirValue row_scale = mambaOperand(call, "row_scale");
  argumentRows(e, input, head);
  if (mlirValueIsNull(row_scale))
    callArgument(e, "NULL");
  else
    argumentRows(e, row_scale, head);
  callArgument(e, "%s", nameOf(e, weight));
  callArgument(e, "%s", nameOf(e, mambaOperand(call, "multiplier")));
  callArgument(e, "%s", nameOf(e, mambaOperand(call, "bias")));
  callArgument(e, head ? "run->logit_rows" : "rows");
  callArgument(e, "%" PRId64, mambaChannels(input));
  callArgument(e, "%" PRId64, mambaElementCount(mambaOperand(call, "multiplier")));
}

static void emitLinear(Emitter *e, MlirOperation call, bool head) {
  const MlirValue input = mambaOperand(call, "input"), weight = mambaOperand(call, "weight");
  const MlirValue bias = mambaOperand(call, "bias");
  if (mambaElementOf(input) != MAMBA_ELEMENT_F32 ||
      (!mlirValueIsNull(bias) && mambaElementOf(bias) != MAMBA_ELEMENT_F32))
    fail(e, call, "expected an f32 input and bias for the float kernel");
  argumentRows(e, input, head);
  callArgument(e, "%s", nameOf(e, weight));
  callArgument(e, "%s", typeConstant(mambaElementOf(weight)));
  callArgument(e, "%s", nameOf(e, bias));
  callArgument(e, head ? "run->logit_rows" : "rows");
  callArgument(e, "%" PRId64, mambaChannels(input));
  callArgument(e, "%" PRId64, mambaDim(weight, 0));
  callArgument(e, "%s", head ? "run->logits" : nameOf(e, mlirOperationGetResult(call, 0)));
}

static void argumentState(Emitter *e, MlirOperation call) {
  const MambaPlanState *state = mambaPlanFindState(e->plan, call);
  if (state)
    callArgument(e, "%s", state->identifier);
  else
    fail(e, call, "expected a state that the module declares");
}

static void emitConv1d(Emitter *e, MlirOperation call) {
  const MlirValue input = mambaOperand(call, "input"), weight = mambaOperand(call, "weight");
  if (mambaElementOf(weight) != MAMBA_ELEMENT_I8 && mambaElementOf(weight) != MAMBA_ELEMENT_F32)
    fail(e, call, "expected an i8 or f32 weight for the convolution kernel");
  argumentInput(e, input, mambaOperand(call, "input_scale"));
  callArgument(e, "%s", nameOf(e, weight));
  callArgument(e, "%s", typeConstant(mambaElementOf(weight)));
  callArgument(e, "%s", nameOf(e, mambaOperand(call, "multiplier")));
  callArgument(e, "%s", nameOf(e, mambaOperand(call, "bias")));
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
  callArgument(e, "%s", nameOf(e, mambaOperand(call, "a")));
  argumentInput(e, b, mambaOperand(call, "b_scale"));
  argumentInput(e, mambaOperand(call, "c"), mambaOperand(call, "c_scale"));
  callArgument(e, "%s", nameOf(e, mambaOperand(call, "d")));
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
  if (!mambaHasAttribute(call, "mamba.scratch"))
    fail(e, call, "expected mamba.scratch, the place of the transform's working memory");
  callArgument(e, "%s", nameOf(e, input));
  callArgument(e, mambaHasAttribute(call, "transpose") ? "true" : "false");
  callArgument(e, "rows");
  callArgument(e, "%" PRId64, mambaChannels(input));
  callArgument(e, "(float *)(arena + %" PRId64 ")", e->status ? 0 : mambaIntAttribute(call, "mamba.scratch"));
  argumentOutput(e, mlirOperationGetResult(call, 0), mambaOperand(call, "inv_scale"));
  callArgument(e, "%s", rowScaleName(e, call, 1));
}

static void emitQuantizeRows(Emitter *e, MlirOperation call) {
  const MlirValue none = {NULL}, input = mambaOperand(call, "input");
  if (mambaElementOf(input) == MAMBA_ELEMENT_I8)
    fail(e, call, "expected a float input");
  argumentInput(e, input, none);
  callArgument(e, "rows");
  callArgument(e, "%" PRId64, mambaChannels(input));
  argumentOutput(e, mlirOperationGetResult(call, 0), none);
  callArgument(e, "%s", rowScaleName(e, call, 1));
}

static void emitQuantize(Emitter *e, MlirOperation call) {
  const MlirValue none = {NULL}, input = mambaOperand(call, "input"), scale = mambaOperand(call, "scale");
  char literal[FLOAT_TEXT];
  if (mambaRank(scale))
    fail(e, call, "expected one scale for the whole tensor");
  argumentInput(e, input, none);
  callArgument(e, "rows");
  callArgument(e, "%" PRId64, mambaChannels(input));
  callArgument(e, "(mamba_output){%s, MAMBA_I8, %" PRId64 ", %s, NULL}",
               nameOf(e, mlirOperationGetResult(call, 0)), mambaChannels(input),
               floatText(mambaGetInverseScale(scalarOf(e, scale)), literal));
  callArgument(e, "NULL");
}

static void emitCall(Emitter *e, MlirOperation call, bool head) {
  const MlirStringRef kernel = mambaStringAttribute(call, "mamba.kernel");
  const MambaOp kind = mambaOpKind(call);
  const bool has_list = kind == MAMBA_OP_LINEAR_I8 || kind == MAMBA_OP_CONV1D_SILU_QUANT;
  char function[128], outputs[SCALE_TEXT];
  snprintf(function, sizeof function, "%.*s", (int)kernel.length, kernel.data);
  if (head && kind != MAMBA_OP_LINEAR && kind != MAMBA_OP_LINEAR_I8)
    fail(e, call, "expected a linear layer to compute the logits");
  if (head && mambaElementOf(mlirOperationGetResult(call, 0)) != MAMBA_ELEMENT_F32)
    fail(e, call, "expected logits in f32");
  if (kind == MAMBA_OP_LINEAR_I8 &&
      mambaIsPacked(mambaOperand(call, "weight")) != !strcmp(function, "mamba_linear_i8_packed"))
    fail(e, call, "expected mamba.kernel to be that of the weight's layout: run mamba-plan again");
  comment(e, call);
  declareTensors(e, call);
  declareBuffers(e, call);
  if (has_list) {
    snprintf(outputs, sizeof outputs, "%s_outputs",
             head ? "logits" : nameOf(e, mlirOperationGetResult(call, 0)));
    declareOutputs(e, call, outputs, head);
  }
  callBegin(e, function);
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
    fail(e, call, "expected an op that has a kernel: run mamba-fuse-kernels first");
    break;
  }
  if (has_list) {
    callArgument(e, "%s", outputs);
    callArgument(e, "%td", (ptrdiff_t)mlirOperationGetNumResults(call));
  }
  callArgument(e, "worker");
  callEnd(e);
}

/* ---- The file ----------------------------------------------------------------------------------- */

static void emitForward(Emitter *e) {
  const MambaPlan *plan = e->plan;
  fprintf(e->file, "static void forward(const mamba_run *run, mamba_worker worker) {\n"
                   "  const unsigned char *const weights = run->weights;\n"
                   "  unsigned char *const arena = run->arena;\n"
                   "  const int32_t rows = run->sequences * run->tokens;\n");
  for (size_t i = 0; i < plan->state_count; i++) {
    const MambaPlanState *state = &plan->states[i];
    const char *type = typeName(mambaElementOfType(state->type));
    fprintf(e->file,
            "  %s *const %s = (%s *)state_of(run, %zu); /* [sequences, %" PRId64 ", %" PRId64 "] */\n", type,
            state->identifier, type, i, mlirShapedTypeGetDimSize(state->type, 0),
            mlirShapedTypeGetDimSize(state->type, 1));
  }
  for (intptr_t i = 0; i < plan->call_count && !e->status; i++) {
    const bool head = i == plan->call_count - 1;
    if (head)
      fprintf(e->file, "\n  if (!run->logit_rows)\n"
                       "    return;\n"
                       "  const int32_t first = rows - run->logit_rows;\n");
    emitCall(e, plan->calls[i], head);
    if (!head)
      fprintf(e->file, "  mamba_pool_barrier(run->pool, worker);\n");
  }
  fprintf(e->file, "}\n");
}

/* The places of the states, and the function that finds one. */
static void emitStates(const MambaPlan *plan, FILE *file) {
  fprintf(file, "/* {offset, bytes} of the states of one sequence. */\n"
                "static const mamba_state_place states[] = {");
  for (size_t i = 0; i < plan->state_count; i++)
    fprintf(file, "%s{%zu, %zu},", i % 4 ? " " : "\n    ", plan->states[i].offset, plan->states[i].bytes);
  fprintf(file,
          "%s\n};\n\n"
          "static void *state_of(const mamba_run *run, int i) {\n"
          "  return mamba_state_of(run->state, run->capacity, run->first, states[i]);\n"
          "}\n\n",
          plan->state_count ? "" : "{0, 0}");
}

MambaStatus mambaEmitProgram(const MambaPlan *plan, int64_t end_of_text, FILE *file, MambaError *error) {
  Emitter e = {.plan = plan, .file = file, .error = error};
  e.declared = calloc(plan->tensor_count + 1, sizeof *e.declared);
  if (!e.declared)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for %zu tensors", plan->tensor_count);
  fprintf(file, "/* The model, written by mamba-compile: one call per kernel, named after the checkpoint. "
                "Every worker runs\n"
                " * this function and does its share of each call. Buffers lie in one arena; those that do "
                "not live at\n"
                " * the same time share memory. */\n"
                "#include \"program.h\"\n\n");
  emitStates(plan, file);
  emitForward(&e);
  fprintf(file,
          "\nconst mamba_program mamba_model_program = {\n"
          "    .vocabulary = %" PRId64 ",\n"
          "    .end_of_text = %" PRId64 ",\n"
          "    .chunk = %" PRId64 ",\n"
          "    .max_threads = %" PRId64 ",\n"
          "    .arena_bytes = %zu,\n"
          "    .state_bytes = %zu,\n"
          "    .weights_bytes = %zu,\n"
          "    .step_bytes = %zu,\n"
          "    .weights_hash = UINT64_C(0x%016" PRIx64 "),\n"
          "    .states = states,\n"
          "    .state_count = %zu,\n"
          "    .forward = forward,\n"
          "};\n",
          plan->vocabulary, end_of_text, plan->chunk, plan->threads, plan->arena_bytes, plan->state_bytes,
          plan->weights_bytes, plan->step_bytes, plan->weights_hash, plan->state_count);
  free(e.declared);
  return e.status;
}
