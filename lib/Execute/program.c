/* See program.h. */
#include "program.h"

#include "constants.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  CHUNK_ROWS = 256, /* rows of a buffer: enough for a weight that is read once to serve many rows */
  ALIGNMENT = 64,
  /* These keep every count of rows, blocks and bytes of a buffer within the kernels' int32 and size_t. */
  MAX_BATCH = 1024,
  MAX_CHANNELS = 1 << 20,
};

void mambaCompileFail(Compiler *c, MambaStatus status, const char *format, ...) {
  char text[768];
  va_list args;
  if (c->status != MAMBA_OK)
    return;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  const MlirStringRef op = mlirIdentifierStr(mlirOperationGetName(c->op));
  mambaEmitError(c->op, "'%.*s' op %s", (int)op.length, op.data, text);
  c->status = mambaFail(c->error, status, "%s", "");
}

/* `items` with room for one more, or NULL. */
static void *reserve(Compiler *c, void *items, size_t count, size_t *capacity, size_t size) {
  if (count < *capacity)
    return items;
  const size_t wanted = *capacity ? 2 * *capacity : 64;
  void *grown = realloc(items, wanted * size);
  if (grown)
    *capacity = wanted;
  else
    mambaCompileFail(c, MAMBA_NO_MEMORY, "out of memory");
  return grown;
}

#define APPEND(c, array, item)                                                                               \
  do {                                                                                                       \
    void *grown_ = reserve(c, (array).items, (array).count, &(array).capacity, sizeof *(array).items);       \
    if (grown_) {                                                                                            \
      (array).items = grown_;                                                                                \
      (array).items[(array).count++] = (item);                                                               \
    }                                                                                                        \
  } while (0)

/* ---- Buffers ----------------------------------------------------------------------------------- */

/* The smallest free buffer that is large enough and not much too large, else a new one. Its index, or -1. */
static int acquireBuffer(Compiler *c, MambaElement element, int64_t channels) {
  Program *program = c->program;
  const size_t row = (size_t)channels * mambaStoredSize(element, program->wide);
  const size_t bytes =
      ((size_t)(program->batch * program->chunk) * row + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  int best = -1;
  for (size_t i = 0; i < program->buffers.count; i++) {
    const Buffer *buffer = &program->buffers.items[i];
    if (!buffer->in_use && buffer->bytes >= bytes && buffer->bytes / 4 <= bytes &&
        (best < 0 || buffer->bytes < program->buffers.items[best].bytes))
      best = (int)i;
  }
  if (best < 0) {
    const Buffer made = {.data = aligned_alloc(ALIGNMENT, bytes), .bytes = bytes};
    if (!made.data) {
      mambaCompileFail(c, MAMBA_NO_MEMORY, "out of memory for %zu bytes", bytes);
      return -1;
    }
    const size_t count = program->buffers.count;
    APPEND(c, program->buffers, made);
    if (program->buffers.count == count) {
      free(made.data);
      return -1;
    }
    best = (int)count;
  }
  program->buffers.items[best].in_use = true;
  return best;
}

static void releaseBuffer(Compiler *c, int buffer) {
  if (buffer >= 0)
    c->program->buffers.items[buffer].in_use = false;
}

/* A buffer until the end of the op being compiled. */
static void *acquireTemporary(Compiler *c, MambaElement element, int64_t channels) {
  const int buffer = acquireBuffer(c, element, channels);
  if (buffer < 0)
    return NULL;
  c->temporaries[c->temporary_count++] = buffer;
  return c->program->buffers.items[buffer].data;
}

/* ---- Values ------------------------------------------------------------------------------------- */

static void appendStep(Compiler *c, Step step) {
  APPEND(c, c->program->steps, step);
}

void mambaCompileStep(Compiler *c, Step step) {
  memcpy(step.slots, c->made, sizeof step.slots);
  step.slot_count = c->made_count;
  memcpy(step.leaving, c->leaving, sizeof step.leaving);
  step.leaving_count = c->leaving_count;
  step.selected = mlirOperationEqual(c->op, c->head);
  appendStep(c, step);
}

/* Most operands were computed a few ops ago. */
static Slot *findSlot(Compiler *c, MlirValue value) {
  for (size_t i = c->program->slots.count; i-- > 0;)
    if (mlirValueEqual(c->program->slots.items[i].value, value))
      return &c->program->slots.items[i];
  return NULL;
}

/* The head sees the selected tokens only, side by side. */
static void selectTokens(Compiler *c, Slot *slot) {
  const size_t bytes = (size_t)slot->channels * mambaStoredSize(slot->element, c->program->wide);
  void *selected = acquireTemporary(c, slot->element, slot->channels);
  Step step = {.run = mambaStepSelect};
  step.call.copy = (CopyCall){.from = slot->data, .to = selected, .bytes = bytes};
  appendStep(c, step);
  slot->data = selected;
}

Slot mambaCompileValue(Compiler *c, MlirValue value) {
  Slot slot = {.element = MAMBA_ELEMENT_F32};
  const Slot *found = findSlot(c, value);
  if (!found) {
    mambaCompileFail(c, MAMBA_UNSUPPORTED, "expected operands computed at run time, found a constant");
    return slot;
  }
  slot = *found;
  if (mlirOperationEqual(c->op, c->head))
    selectTokens(c, &slot);
  return slot;
}

const void *mambaCompileReal(Compiler *c, const char *name) {
  const Slot slot = mambaCompileValue(c, mambaOperand(c->op, name));
  if (c->program->wide || slot.element == MAMBA_ELEMENT_F32)
    return slot.data;
  void *converted = acquireTemporary(c, MAMBA_ELEMENT_F32, slot.channels);
  Step step = {.run = mambaStepElementwise, .selected = mlirOperationEqual(c->op, c->head)};
  const size_t size = mambaElementSize(slot.element);
  step.call.elementwise = (ElementwiseCall){
      .what = {.kind = MAMBA_OP_CAST, .out = MAMBA_ELEMENT_F32, .a = slot.element},
      .a = {.data = slot.data, .row_bytes = (size_t)slot.channels * size, .element_bytes = size},
      .out = converted,
      .out_bytes = sizeof(float),
      .channels = slot.channels,
  };
  appendStep(c, step);
  return converted;
}

mamba_type mambaKernelType(MambaElement element) {
  switch (element) {
  case MAMBA_ELEMENT_I8:
    return MAMBA_I8;
  case MAMBA_ELEMENT_F16:
    return MAMBA_F16;
  case MAMBA_ELEMENT_BF16:
    return MAMBA_BF16;
  default:
    return MAMBA_F32;
  }
}

mamba_input mambaCompileInput(Compiler *c, const char *name, const char *scale) {
  const Slot slot = mambaCompileValue(c, mambaOperand(c->op, name));
  mamba_input input = {.data = slot.data, .type = mambaKernelType(slot.element)};
  if (scale)
    mambaCompileScale(c, mambaOperand(c->op, scale), &input.scale, &input.scales);
  return input;
}

Slot mambaCompileResult(Compiler *c, intptr_t index) {
  const MlirValue value = mlirOperationGetResult(c->op, index);
  Slot slot = {.value = value, .element = mambaElementOf(value), .channels = mambaChannels(value)};
  if (mambaRank(value) != 3 || mambaDim(value, 0) != MAMBA_DYNAMIC || mambaDim(value, 1) != MAMBA_DYNAMIC ||
      slot.channels < 1 || slot.channels > MAX_CHANNELS || mambaElementSize(slot.element) == 0) {
    mambaCompileFail(
        c, MAMBA_UNSUPPORTED,
        "result %td: expected tensor<?x?xN> of i8, f16, bf16 or f32 with N from 1 to %d, found another type",
        index, MAX_CHANNELS);
    return slot;
  }
  for (MlirOpOperand use = mlirValueGetFirstUse(value); !mlirOpOperandIsNull(use);
       use = mlirOpOperandGetNextUse(use))
    slot.uses++;
  slot.buffer = acquireBuffer(c, slot.element, slot.channels);
  if (slot.buffer < 0)
    return slot;
  slot.data = c->program->buffers.items[slot.buffer].data;
  c->made[c->made_count++] = (int)c->program->slots.count;
  APPEND(c, c->program->slots, slot);
  return slot;
}

/* The scale whose reciprocal an i8 result is multiplied by, where it is one number. */
static float scaleOfInverse(Compiler *c, MlirValue inv_scale) {
  const MlirOperation op = mambaDefiningOp(inv_scale);
  if (mambaOpIs(op, MAMBA_OP_RECIPROCAL))
    return *(const float *)mambaCompileConstant(c, mlirOperationGetOperand(op, 0), FORM_REAL)->data;
  return 1 / *(const float *)mambaCompileConstant(c, inv_scale, FORM_REAL)->data;
}

mamba_output mambaCompileOutput(Compiler *c, intptr_t index, MlirValue inv_scale) {
  const Slot slot = mambaCompileResult(c, index);
  mamba_output output = {
      .data = slot.data, .type = mambaKernelType(slot.element), .channels = (int32_t)slot.channels};
  mambaCompileScale(c, inv_scale, &output.inv_scale, &output.inv_scales);
  if (c->status == MAMBA_OK && !mlirValueIsNull(inv_scale) && !output.inv_scales)
    c->program->slots.items[c->made[c->made_count - 1]].scale = scaleOfInverse(c, inv_scale);
  return output;
}

void mambaCompileRememberScale(Compiler *c, MlirValue scale) {
  if (c->status == MAMBA_OK && c->made_count == 1 && !c->program->wide && mambaIsConstant(scale) &&
      mambaElementCount(scale) == 1)
    c->program->slots.items[c->made[0]].scale =
        *(const float *)mambaCompileConstant(c, scale, FORM_REAL)->data;
}

void mambaCompileScratch(Compiler *c, int64_t floats) {
  if (floats > c->program->scratch)
    c->program->scratch = floats;
}

void mambaCompileScanStates(Compiler *c, int64_t states) {
  enum { MAX_STATES = 256 };
  if (states > MAX_STATES)
    mambaCompileFail(c, MAMBA_UNSUPPORTED, "expected at most %d states per channel, found %lld", MAX_STATES,
                     (long long)states);
}

/* ---- Constants and states ------------------------------------------------------------------------ */

/* Whether a constant stays in memory: the first ones for which there is room, and small ones, which are less
 * than what a file of their own would take. */
static bool isKept(Compiler *c, MlirValue value, Form form) {
  enum { SMALL = 1 << 16 };
  const MambaElement element = form == FORM_STORED ? mambaElementOf(value) : MAMBA_ELEMENT_F32;
  const size_t room = c->options->weight_memory - c->program->kept;
  const size_t bytes = (size_t)mambaElementCount(value) * mambaStoredSize(element, c->program->wide);
  if (!c->options->weight_memory || bytes < SMALL)
    return true;
  if (bytes > room)
    return false;
  c->program->kept += bytes;
  return true;
}

/* A constant whose bytes are in memory, or may be in a file, already, in the form that is wanted. */
static bool borrow(const Compiler *c, MlirValue value, Form form, bool is_kept, MambaConstant *constant) {
  const MambaElement element = mambaElementOf(value);
  const bool as_stored = form == FORM_STORED || (form == FORM_REAL && element == MAMBA_ELEMENT_F32);
  const void *data = NULL;
  if (!as_stored || c->program->wide)
    return false;
  if (c->options->constants)
    data = c->options->constants(c->options->context, value);
  if (!data && !is_kept)
    data = mambaParametersMapped(c->program->parameters, value);
  if (!data)
    return false;
  *constant = (MambaConstant){.element = element,
                              .rank = mambaRank(value),
                              .count = (size_t)mambaElementCount(value),
                              .data = (void *)(uintptr_t)data};
  for (int i = 0; i < constant->rank; i++)
    constant->shape[i] = mambaDim(value, i);
  return true;
}

/* Evaluates into the given form. */
static MambaStatus prepare(Compiler *c, MlirValue value, Form form, MambaConstant *constant) {
  const bool wide = c->program->wide;
  MambaConstant stored = {0}, real = {0};
  MambaStatus status = mambaParametersEvaluate(c->program->parameters, value, wide, &stored, c->error);
  if (status != MAMBA_OK || form == FORM_STORED) {
    *constant = stored;
    return status;
  }
  status = mambaConstantCast(&stored, MAMBA_ELEMENT_F32, &real, c->error);
  mambaConstantDestroy(&stored);
  if (status != MAMBA_OK || form == FORM_REAL) {
    *constant = real;
    return status;
  }
  status = mambaConstantChannelsLast(&real, constant, c->error);
  mambaConstantDestroy(&real);
  return status;
}

/* Moves an evaluated constant from memory into a temporary file. */
static MambaStatus spill(Prepared *prepared, MambaError *error) {
  MambaConstant *constant = &prepared->constant;
  const size_t bytes = constant->count * mambaStoredSize(constant->element, constant->wide);
  const MambaStatus status = mambaMappedFileCreateTemporary(constant->data, bytes, &prepared->spilled, error);
  mambaConstantDestroy(constant);
  constant->data = (void *)(uintptr_t)prepared->spilled.data;
  return status;
}

static MambaStatus obtain(Compiler *c, Prepared *prepared) {
  const bool is_kept = isKept(c, prepared->value, prepared->form);
  MambaStatus status = MAMBA_OK;
  prepared->leaves = !is_kept;
  prepared->borrowed = borrow(c, prepared->value, prepared->form, is_kept, &prepared->constant);
  if (!prepared->borrowed)
    status = prepare(c, prepared->value, prepared->form, &prepared->constant);
  if (status == MAMBA_OK && !prepared->borrowed && !is_kept)
    status = spill(prepared, c->error);
  return status;
}

static void destroyPrepared(Prepared *prepared) {
  if (prepared->spilled.data)
    mambaMappedFileClose(&prepared->spilled);
  else if (!prepared->borrowed)
    mambaConstantDestroy(&prepared->constant);
}

/* The op that is being compiled reads the constant. */
static const MambaConstant *noteRead(Compiler *c, const Prepared *prepared) {
  const MambaConstant *constant = &prepared->constant;
  if (prepared->leaves && c->leaving_count < MAMBA_MAX_OPERANDS)
    c->leaving[c->leaving_count++] =
        (MappedBytes){constant->data, constant->count * mambaStoredSize(constant->element, constant->wide)};
  return constant;
}

const MambaConstant *mambaCompileConstant(Compiler *c, MlirValue value, Form form) {
  static const double zero = 0;
  static const MambaConstant none = {.element = MAMBA_ELEMENT_F32, .count = 1, .data = (void *)&zero};
  Program *program = c->program;
  if (c->status != MAMBA_OK)
    return &none;
  for (size_t i = program->constants.count; i-- > 0;)
    if (program->constants.items[i].form == form && mlirValueEqual(program->constants.items[i].value, value))
      return noteRead(c, &program->constants.items[i]);
  if (!mambaIsConstant(value)) {
    mambaCompileFail(c, MAMBA_UNSUPPORTED,
                     "expected weights and scales that are constants, found a value "
                     "computed at run time");
    return &none;
  }
  Prepared prepared = {.value = value, .form = form};
  c->status = obtain(c, &prepared);
  if (c->status != MAMBA_OK) {
    mambaEmitError(mambaDefiningOp(value), "%s", c->error->message);
    mambaFail(c->error, c->status, "%s", "");
    return &none;
  }
  APPEND(c, program->constants, prepared);
  if (c->status != MAMBA_OK) {
    destroyPrepared(&prepared);
    return &none;
  }
  return noteRead(c, &program->constants.items[program->constants.count - 1]);
}

const void *mambaCompileWeight(Compiler *c, const char *name, Form form) {
  const MlirValue value = mambaOperand(c->op, name);
  return mlirValueIsNull(value) ? NULL : mambaCompileConstant(c, value, form)->data;
}

void mambaCompileScale(Compiler *c, MlirValue value, float *scale, const float **scales) {
  *scale = 0;
  *scales = NULL;
  if (mlirValueIsNull(value))
    return;
  const MambaConstant *constant = mambaCompileConstant(c, value, FORM_REAL);
  if (c->program->wide)
    mambaCompileFail(c, MAMBA_UNSUPPORTED, "expected no integer kernel in f64");
  else if (constant->count == 1)
    *scale = *(const float *)constant->data;
  else
    *scales = constant->data;
}

void *mambaCompileState(Compiler *c) {
  Program *program = c->program;
  State state = {.op = mambaSymbol(c->module, mambaStringAttribute(c->op, "state"))};
  for (size_t i = 0; i < program->states.count; i++)
    if (mlirOperationEqual(program->states.items[i].op, state.op))
      return program->states.items[i].memory.data;
  const MlirType type = mlirTypeAttrGetValue(mlirOperationGetAttributeByName(state.op, mambaRef("type")));
  const int64_t shape[] = {program->batch, mlirShapedTypeGetDimSize(type, 0),
                           mlirShapedTypeGetDimSize(type, 1)};
  MambaError error;
  if (c->status != MAMBA_OK)
    return NULL;
  const MambaStatus status =
      mambaConstantCreate(mambaElementOfType(type), program->wide, 3, shape, &state.memory, &error);
  if (status != MAMBA_OK) {
    mambaCompileFail(c, status, "state: %s", error.message);
    return NULL;
  }
  APPEND(c, program->states, state);
  if (c->status != MAMBA_OK) {
    mambaConstantDestroy(&state.memory);
    return NULL;
  }
  return state.memory.data;
}

/* ---- The function -------------------------------------------------------------------------------- */

static CompileFunction *const kCompile[MAMBA_OP_COUNT] = {
    [MAMBA_OP_EMBEDDING] = mambaCompileEmbedding,
    [MAMBA_OP_RMS_NORM] = mambaCompileRmsNorm,
    [MAMBA_OP_LINEAR] = mambaCompileLinear,
    [MAMBA_OP_SLICE] = mambaCompileSlice,
    [MAMBA_OP_CAUSAL_CONV1D] = mambaCompileCausalConv1d,
    [MAMBA_OP_SELECTIVE_SCAN] = mambaCompileSelectiveScan,
    [MAMBA_OP_HADAMARD] = mambaCompileHadamard,
    [MAMBA_OP_ABSMAX_SCALE] = mambaCompileAbsmaxScale,
    [MAMBA_OP_QUANTIZE_ROWS] = mambaCompileQuantizeRows,
    [MAMBA_OP_RMS_NORM_QUANT] = mambaCompileRmsNormQuant,
    [MAMBA_OP_ADD_RMS_NORM_QUANT] = mambaCompileRmsNormQuant,
    [MAMBA_OP_LINEAR_I8] = mambaCompileLinearI8,
    [MAMBA_OP_LINEAR_W8] = mambaCompileLinearW8,
    [MAMBA_OP_CONV1D_SILU_QUANT] = mambaCompileConv1dSiluQuant,
    [MAMBA_OP_SELECTIVE_SCAN_QUANT] = mambaCompileSelectiveScanQuant,
    [MAMBA_OP_HADAMARD_QUANT] = mambaCompileHadamardQuant,
};

static bool isReturn(MlirOperation op) {
  return mambaRefIs(mlirIdentifierStr(mlirOperationGetName(op)), "func.return");
}

/* Kernels that work in integers, or in f32 that is part of their contract. */
static bool isKernelOp(MambaOp kind) {
  return kind >= MAMBA_OP_QUANTIZE_ROWS;
}

/* An op may be run for some of the tokens when it treats each by itself and nothing else reads its result. */
static bool canSelect(MlirOperation op) {
  switch (mambaOpKind(op)) {
  case MAMBA_OP_NONE:
  case MAMBA_OP_EMBEDDING:
  case MAMBA_OP_CAUSAL_CONV1D:
  case MAMBA_OP_SELECTIVE_SCAN:
  case MAMBA_OP_CONV1D_SILU_QUANT:
  case MAMBA_OP_SELECTIVE_SCAN_QUANT:
    return false;
  default:
    return mlirOperationGetNumResults(op) == 1 && mambaHasOneUse(mlirOperationGetResult(op, 0));
  }
}

static void compileReturn(Compiler *c) {
  const Slot *slot = findSlot(c, c->result);
  if (!slot || slot->element != MAMBA_ELEMENT_F32) {
    mambaCompileFail(c, MAMBA_UNSUPPORTED,
                     "expected logits of f32 computed at run time, found another value");
    return;
  }
  Step step = {.run = mambaStepStore};
  step.call.store = (StoreCall){.from = slot->data,
                                .wide = c->program->wide,
                                .from_selected = !mlirOperationIsNull(c->head),
                                .channels = slot->channels};
  c->program->vocabulary = slot->channels;
  appendStep(c, step);
}

static void compileOp(Compiler *c) {
  const MambaOp kind = mambaOpKind(c->op);
  CompileFunction *compile = mambaIsElementwise(kind) ? mambaCompileElementwise : kCompile[kind];
  c->temporary_count = c->made_count = c->leaving_count = 0;
  if (!compile)
    mambaCompileFail(c, MAMBA_UNSUPPORTED, "expected an op of the mamba dialect that runs, found %s",
                     mambaOpMnemonic(kind));
  else if (c->program->wide && isKernelOp(kind))
    mambaCompileFail(c, MAMBA_UNSUPPORTED,
                     "expected float ops for a run in f64, found a kernel with its own "
                     "arithmetic");
  else
    compile(c, c->op);
}

/* After an op: the buffers of its temporaries, of operands that nothing else will read, and of results that
 * nothing reads. */
static void releaseDead(Compiler *c) {
  for (int i = 0; i < c->temporary_count; i++)
    releaseBuffer(c, c->temporaries[i]);
  for (intptr_t i = 0, n = mlirOperationGetNumOperands(c->op); i < n; i++) {
    Slot *slot = findSlot(c, mlirOperationGetOperand(c->op, i));
    if (slot && --slot->uses == 0)
      releaseBuffer(c, slot->buffer);
  }
  for (int i = 0; i < c->made_count; i++)
    if (c->program->slots.items[c->made[i]].uses == 0)
      releaseBuffer(c, c->program->slots.items[c->made[i]].buffer);
}

static bool isConstantOp(MlirOperation op) {
  return mlirOperationGetNumResults(op) == 1 && mambaIsConstant(mlirOperationGetResult(op, 0));
}

/* The signature that this executor runs: one tensor of ids in, one value out. */
static MambaStatus checkForward(MlirOperation module, MlirBlock *body, MlirOperation *terminator,
                                MambaError *error) {
  *body = mambaForwardBody(module);
  if (mlirBlockIsNull(*body))
    return mambaFail(error, MAMBA_INVALID, "expected a function @forward with one block, found none");
  if (!mlirOperationVerify(module))
    return mambaFail(error, MAMBA_INVALID, "expected a valid module, found errors");
  *terminator = mlirBlockGetTerminator(*body);
  const bool one_argument = mlirBlockGetNumArguments(*body) == 1;
  const MlirType ids = one_argument ? mlirValueGetType(mlirBlockGetArgument(*body, 0)) : (MlirType){NULL};
  if (!one_argument || !mlirTypeIsARankedTensor(ids) || mlirShapedTypeGetRank(ids) != 2 ||
      mambaElementOfType(ids) != MAMBA_ELEMENT_I32 || !isReturn(*terminator) ||
      mlirOperationGetNumOperands(*terminator) != 1)
    return mambaFail(
        error, MAMBA_UNSUPPORTED,
        "@forward: expected one tensor<?x?xi32> of token ids and one result, found another type");
  return MAMBA_OK;
}

MambaStatus mambaProgramCompile(MlirOperation module, int64_t batch, const MambaExecutorOptions *options,
                                Program *program, MambaError *error) {
  Program made = {.batch = batch, .wide = options->wide, .id_limit = INT32_MAX};
  Compiler c = {.program = &made, .options = options, .module = module, .error = error};
  MlirBlock body;
  MlirOperation terminator;
  if (batch < 1 || batch > MAX_BATCH)
    return mambaFail(error, MAMBA_INVALID, "batch: expected 1 to %d sequences, found %lld", MAX_BATCH,
                     (long long)batch);
  made.chunk = batch < CHUNK_ROWS ? CHUNK_ROWS / batch : 1;
  c.status = checkForward(module, &body, &terminator, error);
  if (c.status == MAMBA_OK)
    c.status = mambaParametersCreate(module, options->threads, &made.parameters, error);
  if (c.status != MAMBA_OK)
    return c.status;
  made.ids = calloc((size_t)(batch * made.chunk), sizeof *made.ids);
  if (!made.ids)
    c.status = mambaFail(error, MAMBA_NO_MEMORY, "out of memory");
  c.result = mlirOperationGetOperand(terminator, 0);
  if (canSelect(mambaDefiningOp(c.result)))
    c.head = mambaDefiningOp(c.result);
  c.op = mlirBlockGetFirstOperation(body);
  for (; c.status == MAMBA_OK && !mlirOperationIsNull(c.op); c.op = mlirOperationGetNextInBlock(c.op)) {
    if (isConstantOp(c.op))
      continue;
    if (isReturn(c.op))
      compileReturn(&c);
    else
      compileOp(&c);
    if (c.status == MAMBA_OK)
      releaseDead(&c);
  }
  if (c.status == MAMBA_OK)
    *program = made;
  else
    mambaProgramDestroy(&made);
  return c.status;
}

void mambaProgramDestroy(Program *program) {
  for (size_t i = 0; i < program->buffers.count; i++)
    free(program->buffers.items[i].data);
  for (size_t i = 0; i < program->constants.count; i++)
    destroyPrepared(&program->constants.items[i]);
  for (size_t i = 0; i < program->states.count; i++)
    mambaConstantDestroy(&program->states.items[i].memory);
  mambaParametersDestroy(program->parameters);
  free(program->steps.items);
  free(program->slots.items);
  free(program->buffers.items);
  free(program->constants.items);
  free(program->states.items);
  free(program->ids);
}
