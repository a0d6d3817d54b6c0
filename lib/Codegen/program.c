#include "program.h"

#include "bundle/weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t mambaProgramAlign(size_t count) {
  return (count + MAMBA_WEIGHTS_ALIGNMENT - 1) / MAMBA_WEIGHTS_ALIGNMENT * MAMBA_WEIGHTS_ALIGNMENT;
}

/* An MLIR error at the op, and the same as a summary. */
static MambaStatus refuse(MlirOperation op, MambaError *error, const char *expected) {
  mambaEmitError(op, "%s", expected);
  return mambaFail(error, MAMBA_INVALID, "the IR cannot become a program: %s", expected);
}

/* ---- Names -------------------------------------------------------------------------------------- */

/* The key of the weight that a constant is made of, following first operands; empty when there is none. */
static MlirStringRef leafKey(MlirValue value) {
  MlirOperation op = mambaDefiningOp(value);
  while (!mlirOperationIsNull(op) && !mambaOpIs(op, MAMBA_OP_WEIGHT))
    op = mlirOperationGetNumOperands(op) ? mambaDefiningOp(mlirOperationGetOperand(op, 0)) : (MlirOperation){NULL};
  return mlirOperationIsNull(op) ? mambaRef("") : mambaWeightKey(op);
}

static MlirStringRef withoutPrefix(MlirStringRef name, const char *prefix) {
  const size_t length = strlen(prefix);
  if (name.length > length && !memcmp(name.data, prefix, length))
    return mlirStringRefCreate(name.data + length, name.length - length);
  return name;
}

static MlirStringRef withoutSuffix(MlirStringRef name, const char *suffix) {
  const size_t length = strlen(suffix);
  if (name.length > length && !memcmp(name.data + name.length - length, suffix, length))
    name.length -= length;
  return name;
}

MlirStringRef mambaProgramCallName(MlirOperation call) {
  const MlirValue weight = mambaOperand(call, "weight");
  const MlirStringRef key = withoutPrefix(mlirValueIsNull(weight) ? mambaRef("") : leafKey(weight), "backbone.");
  /* A head that is tied to the embedding is named by its result. */
  const bool tied = !mlirStringRefEqual(withoutSuffix(key, "embeddings.weight"), key) ||
                    !mlirStringRefEqual(withoutSuffix(key, "embedding.weight"), key);
  return key.length && !tied ? withoutSuffix(key, ".weight") : mambaOpName(call);
}

/* The name of operand `role` of a call in weights.bin. Weights and biases keep their checkpoint's name; what was
 * computed for a call is named for it. */
static MlirStringRef nameTensor(MambaProgram *program, MlirOperation call, const char *role, MlirValue value) {
  static const char *const kept[] = {"weight", "table", "gamma", "bias"};
  const MlirStringRef key = withoutPrefix(leafKey(value), "backbone.");
  char text[512];
  for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
    if (!strcmp(role, kept[i]) && key.length)
      return key;
  const MlirStringRef name = mambaProgramCallName(call);
  snprintf(text, sizeof text, "%.*s.%s", (int)name.length, name.data, role);
  return mlirIdentifierStr(mlirIdentifierGet(mlirOperationGetContext(program->module), mambaRef(text)));
}

/* ---- Looking up --------------------------------------------------------------------------------- */

static bool isSameConstant(MlirValue a, MlirValue b) {
  if (mlirValueEqual(a, b))
    return true;
  const MlirOperation left = mambaDefiningOp(a), right = mambaDefiningOp(b);
  return mambaOpIs(left, MAMBA_OP_WEIGHT) && mambaOpIs(right, MAMBA_OP_WEIGHT) &&
         mlirStringRefEqual(mambaWeightFile(left), mambaWeightFile(right)) &&
         mlirStringRefEqual(mambaWeightKey(left), mambaWeightKey(right));
}

const MambaProgramTensor *mambaProgramFindTensor(const MambaProgram *program, MlirValue value) {
  for (size_t i = 0; i < program->tensor_count; i++)
    if (isSameConstant(program->tensors[i].value, value))
      return &program->tensors[i];
  return NULL;
}

const MambaProgramBuffer *mambaProgramFindBuffer(const MambaProgram *program, MlirValue value) {
  for (size_t i = 0; i < program->buffer_count; i++)
    if (mlirValueEqual(program->buffers[i].value, value))
      return &program->buffers[i];
  return NULL;
}

const MambaProgramState *mambaProgramFindState(const MambaProgram *program, MlirOperation op) {
  const MlirStringRef symbol = mambaStringAttribute(op, "state");
  for (size_t i = 0; i < program->state_count; i++)
    if (mlirStringRefEqual(mambaStringAttribute(program->states[i].op, "sym_name"), symbol))
      return &program->states[i];
  return NULL;
}

MambaStatus mambaProgramScalar(const MambaProgram *program, MlirValue value, float *scalar, MambaError *error) {
  MambaConstant constant;
  MambaStatus status = mambaParametersEvaluate(program->parameters, value, false, &constant, error);
  if (status)
    return status;
  if (constant.element != MAMBA_ELEMENT_F32 || constant.count != 1)
    status = mambaFail(error, MAMBA_INVALID, "expected a scale of one f32 value, found %zu values", constant.count);
  else if (!isfinite(*(const float *)constant.data))
    status = mambaFail(error, MAMBA_INVALID, "expected a finite scale, found %g", *(const float *)constant.data);
  else
    *scalar = *(const float *)constant.data;
  mambaConstantDestroy(&constant);
  return status;
}

/* ---- Reading the module ------------------------------------------------------------------------- */

static MambaStatus readFunction(MambaProgram *program, MambaError *error) {
  static const char *const wanted[] = {"mamba.arena", "mamba.target", "mamba.tokens", "mamba.threads"};
  program->forward = mambaForward(program->module);
  if (mlirBlockIsNull(mambaForwardBody(program->module)))
    return refuse(program->module, error, "expected a function @forward with one block");
  for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
    if (!mambaHasAttribute(program->forward, wanted[i]))
      return refuse(program->forward, error,
                    "expected a planned function, with mamba.arena, .target, .tokens and .threads: run mamba-plan first");
  if (!mambaRefIs(mambaStringAttribute(program->forward, "mamba.target"), "cpu"))
    return refuse(program->forward, error, "expected mamba.target \"cpu\"");
  const int64_t arena = mambaIntAttribute(program->forward, "mamba.arena");
  program->chunk = mambaIntAttribute(program->forward, "mamba.tokens");
  program->threads = mambaIntAttribute(program->forward, "mamba.threads");
  if (arena < 0 || program->chunk < 1 || program->chunk > INT32_MAX || program->threads < 1 ||
      program->threads > 1024)
    return refuse(program->forward, error,
                  "expected mamba.arena >= 0, mamba.tokens >= 1 and mamba.threads from 1 to 1024");
  program->arena_bytes = (size_t)arena;
  return MAMBA_OK;
}

/* Sizes of a static type in bytes, false when it has a dynamic size or does not fit. */
static bool staticBytes(MlirType type, size_t *bytes) {
  size_t total = mambaElementSize(mambaElementOfType(type));
  for (int64_t i = 0, rank = mlirShapedTypeGetRank(type); i < rank; i++) {
    const int64_t size = mlirShapedTypeGetDimSize(type, i);
    if (size < 0 || (size && total > SIZE_MAX / 2 / (size_t)size))
      return false;
    total *= (size_t)size;
  }
  *bytes = total;
  return true;
}

static MambaStatus readStates(MambaProgram *program, MambaError *error) {
  const MlirBlock body = mlirRegionGetFirstBlock(mlirOperationGetRegion(program->module, 0));
  size_t count = 0;
  for (MlirOperation op = mlirBlockGetFirstOperation(body); !mlirOperationIsNull(op);
       op = mlirOperationGetNextInBlock(op))
    count += mambaOpIs(op, MAMBA_OP_STATE);
  program->states = calloc(count + 1, sizeof *program->states);
  if (!program->states)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for %zu states", count);
  for (MlirOperation op = mlirBlockGetFirstOperation(body); !mlirOperationIsNull(op);
       op = mlirOperationGetNextInBlock(op)) {
    if (!mambaOpIs(op, MAMBA_OP_STATE))
      continue;
    MambaProgramState *state = &program->states[program->state_count++];
    state->op = op;
    state->type = mlirTypeAttrGetValue(mlirOperationGetAttributeByName(op, mambaRef("type")));
    state->identifier = mambaNamesAdd(&program->names, mambaStringAttribute(op, "sym_name"));
    state->offset = program->state_bytes;
    if (!state->identifier)
      return mambaFail(error, MAMBA_NO_MEMORY, "no memory for names");
    if (!staticBytes(state->type, &state->bytes) || state->bytes > SIZE_MAX / 4 - state->offset)
      return refuse(op, error, "expected a state that fits into memory");
    program->state_bytes = mambaProgramAlign(state->offset + state->bytes);
  }
  return MAMBA_OK;
}

/* Operand `role` of a call, where it is a constant with a dimension and not known yet. */
static MambaStatus readTensor(MambaProgram *program, MlirOperation call, const char *role, MlirValue value,
                              MambaError *error) {
  if (!mambaRank(value) || !mambaIsConstant(value) || mambaProgramFindTensor(program, value))
    return MAMBA_OK;
  MambaProgramTensor *larger =
      realloc(program->tensors, (program->tensor_count + 1) * sizeof *program->tensors);
  if (larger)
    program->tensors = larger;
  const MlirStringRef name = nameTensor(program, call, role, value);
  MambaProgramTensor tensor = {.value = value, .offset = program->weights_bytes};
  if (larger) {
    tensor.identifier = mambaNamesAdd(&program->names, name);
    tensor.name = mambaNamesAddLabel(&program->labels, name);
  }
  if (!tensor.identifier || !tensor.name)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for the names of weights");
  if (!staticBytes(mlirValueGetType(value), &tensor.bytes) || tensor.bytes > SIZE_MAX / 4 - tensor.offset)
    return refuse(call, error, "expected weights of a static size that fits into memory");
  program->weights_bytes = mambaProgramAlign(tensor.offset + tensor.bytes);
  program->tensors[program->tensor_count++] = tensor;
  return MAMBA_OK;
}

static MambaStatus readBuffers(MambaProgram *program, MlirOperation call, MambaError *error) {
  const intptr_t count = mlirOperationGetNumResults(call);
  const MlirAttribute offsets = mlirOperationGetAttributeByName(call, mambaRef("mamba.offsets"));
  if (!mambaHasAttribute(call, "mamba.kernel") || mlirAttributeIsNull(offsets) ||
      !mlirAttributeIsADenseI64Array(offsets) || mlirDenseArrayGetNumElements(offsets) != count)
    return refuse(call, error,
                  "expected a planned op, with mamba.kernel and one of mamba.offsets per result: run mamba-plan first");
  MambaProgramBuffer *larger =
      realloc(program->buffers, (program->buffer_count + (size_t)count + 1) * sizeof *program->buffers);
  if (!larger)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for %zu buffers", program->buffer_count);
  program->buffers = larger;
  for (intptr_t i = 0; i < count; i++) {
    MambaProgramBuffer *buffer = &program->buffers[program->buffer_count++];
    buffer->value = mlirOperationGetResult(call, i);
    buffer->offset = mlirDenseI64ArrayGetElement(offsets, i);
    const MlirStringRef name = mambaValueName(buffer->value);
    buffer->identifier = mambaNamesAdd(&program->names, name.length ? name : mambaOpName(call));
    if (!buffer->identifier)
      return mambaFail(error, MAMBA_NO_MEMORY, "no memory for the names of buffers");
  }
  return MAMBA_OK;
}

/* Visits the operands in order, with their names of ops.def. */
static MambaStatus readTensors(MambaProgram *program, MlirOperation call, MambaError *error) {
  static const char *const roles[MAMBA_OP_COUNT][MAMBA_MAX_OPERANDS] = {
#define MAMBA_OP(kind, mnemonic, segmented, ...) [MAMBA_OP_##kind] = {__VA_ARGS__},
#include "mamba/ops.def"
  };
  const MambaOp kind = mambaOpKind(call);
  MambaStatus status = MAMBA_OK;
  for (int i = 0; i < MAMBA_MAX_OPERANDS && roles[kind][i] && !status; i++) {
    char role[32];
    snprintf(role, sizeof role, "%.*s", (int)strcspn(roles[kind][i], "?*"), roles[kind][i]);
    const intptr_t first = mambaOperandIndex(call, role), count = mambaOperandCount(call, role);
    for (intptr_t k = 0; k < count && !status; k++)
      status = readTensor(program, call, role, mlirOperationGetOperand(call, first + k), error);
  }
  return status;
}

/* Every op is a kernel's, a constant's (its value is known now), or the return. */
static MambaStatus readCalls(MambaProgram *program, MambaError *error) {
  const MlirBlock body = mambaForwardBody(program->module);
  MlirOperation *ops = NULL, terminator = {NULL};
  intptr_t count = 0;
  MambaStatus status = mambaBlockOperations(body, &ops, &count, error);
  program->calls = ops;
  for (intptr_t i = 0; i < count && !status; i++) {
    if (mambaRefIs(mlirIdentifierStr(mlirOperationGetName(ops[i])), "func.return")) {
      terminator = ops[i];
      continue;
    }
    if (mlirOperationGetNumResults(ops[i]) && mambaIsConstant(mlirOperationGetResult(ops[i], 0)))
      continue;
    const MlirOperation call = ops[i];
    program->calls[program->call_count++] = call;
    status = readBuffers(program, call, error);
    if (!status)
      status = readTensors(program, call, error);
  }
  if (status)
    return status;
  const MlirValue logits = mlirOperationIsNull(terminator) || mlirOperationGetNumOperands(terminator) != 1
                               ? (MlirValue){NULL}
                               : mlirOperationGetOperand(terminator, 0);
  if (!program->call_count || mlirValueIsNull(logits) ||
      !mlirOperationEqual(mambaDefiningOp(logits), program->calls[program->call_count - 1]) ||
      mlirOperationGetNumResults(mambaDefiningOp(logits)) != 1)
    return refuse(program->forward, error, "expected the last kernel to compute the one value that is returned");
  program->vocabulary = mambaChannels(logits);
  if (program->vocabulary < 1 || program->vocabulary > INT32_MAX)
    return refuse(program->forward, error, "expected logits of a static vocabulary");
  program->buffer_count--; /* the logits go to the caller's memory */
  return MAMBA_OK;
}

MambaStatus mambaProgramCreate(MlirOperation module, MambaProgram **result, MambaError *error) {
  MambaProgram *program = calloc(1, sizeof *program);
  if (!program)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for a program");
  program->module = module;
  MambaStatus status = readFunction(program, error);
  if (!status)
    status = mambaParametersCreate(module, &program->parameters, error);
  if (!status)
    status = readStates(program, error);
  if (!status)
    status = readCalls(program, error);
  if (status)
    mambaProgramDestroy(program);
  else
    *result = program;
  return status;
}

void mambaProgramDestroy(MambaProgram *program) {
  if (!program)
    return;
  mambaParametersDestroy(program->parameters);
  mambaNamesDestroy(&program->names);
  mambaNamesDestroy(&program->labels);
  free(program->calls);
  free(program->tensors);
  free(program->states);
  free(program->buffers);
  free(program);
}
