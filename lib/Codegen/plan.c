#include "plan.h"

#include "bundle/weights.h"
#include "cuda/limits.h"
#include "draw.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t mambaPlanAlign(size_t count) {
  return (count + MAMBA_WEIGHTS_ALIGNMENT - 1) / MAMBA_WEIGHTS_ALIGNMENT * MAMBA_WEIGHTS_ALIGNMENT;
}

/* An MLIR error at the op, and the same as a summary. */
static MambaStatus refuse(MlirOperation op, MambaError *error, const char *expected) {
  mambaEmitError(op, "%s", expected);
  return mambaFail(error, MAMBA_INVALID, "the IR cannot become a program: %s", expected);
}

/* ---- Names -------------------------------------------------------------------------------------- */

/* The key of the weight that a constant is made of, following first operands; empty when there is none. Part
 * of a weight has a name of its own. */
static MlirStringRef leafKey(MlirValue value) {
  MlirOperation op = mambaDefiningOp(value);
  while (!mlirOperationIsNull(op) && !mambaOpIs(op, MAMBA_OP_WEIGHT)) {
    if (mambaOpIs(op, MAMBA_OP_SLICE_ROWS))
      return mambaOpName(op);
    op = mlirOperationGetNumOperands(op) ? mambaDefiningOp(mlirOperationGetOperand(op, 0))
                                         : (MlirOperation){NULL};
  }
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

MlirStringRef mambaPlanCallName(MlirOperation call) {
  const bool is_layer = mambaOpIs(call, MAMBA_OP_LINEAR) || mambaOpIs(call, MAMBA_OP_LINEAR_I8) ||
                        mambaOpIs(call, MAMBA_OP_LINEAR_W8);
  const MlirValue weight = mambaOperand(call, "weight");
  if (mlirValueIsNull(weight) || (is_layer && mlirOperationGetNumResults(call) == 1))
    return mambaOpName(call); /* what a linear layer computes is called as the layer is */
  const MlirStringRef key = withoutPrefix(leafKey(weight), "backbone.");
  return key.length ? withoutSuffix(key, ".weight") : mambaOpName(call);
}

static bool isTaken(const MambaPlan *plan, MlirStringRef name) {
  for (size_t i = 0; i < plan->tensor_count; i++)
    if (mambaRefIs(name, plan->tensors[i].name))
      return true;
  return false;
}

/* The name of operand `role` of a call in weights.bin. Weights and biases keep their checkpoint's name, the
 * first form of each that is read; what was computed for a call is named for it. */
static MlirStringRef nameTensor(MambaPlan *plan, MlirOperation call, const char *role, MlirValue value) {
  static const char *const kept[] = {"weight", "table", "gamma", "bias"};
  const MlirStringRef key = withoutPrefix(leafKey(value), "backbone.");
  char text[512];
  for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
    if (!strcmp(role, kept[i]) && key.length && !isTaken(plan, key))
      return key;
  const MlirStringRef name = mambaPlanCallName(call);
  snprintf(text, sizeof text, "%.*s.%s", (int)name.length, name.data, role);
  return mlirIdentifierStr(mlirIdentifierGet(mlirOperationGetContext(plan->module), mambaRef(text)));
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

const MambaPlanTensor *mambaPlanFindTensor(const MambaPlan *plan, MlirValue value) {
  for (size_t i = 0; i < plan->tensor_count; i++)
    if (isSameConstant(plan->tensors[i].value, value))
      return &plan->tensors[i];
  return NULL;
}

const MambaPlanTensor *mambaPlanTable(const MambaPlan *plan) {
  for (intptr_t i = 0; i < plan->call_count; i++)
    if (mambaOpIs(plan->calls[i], MAMBA_OP_EMBEDDING))
      return mambaPlanFindTensor(plan, mambaOperand(plan->calls[i], "table"));
  return NULL;
}

const void *mambaPlanTensorData(const MambaPlan *plan, const MambaPlanTensor *tensor) {
  return (const unsigned char *)plan->weights.data + sizeof(mamba_weights_header) + tensor->offset;
}

const MambaPlanBuffer *mambaPlanFindBuffer(const MambaPlan *plan, MlirValue value) {
  for (size_t i = 0; i < plan->buffer_count; i++)
    if (mlirValueEqual(plan->buffers[i].value, value))
      return &plan->buffers[i];
  return NULL;
}

const MambaPlanState *mambaPlanFindState(const MambaPlan *plan, MlirOperation op) {
  const MlirStringRef symbol = mambaStringAttribute(op, "state");
  for (size_t i = 0; i < plan->state_count; i++)
    if (mlirStringRefEqual(mambaStringAttribute(plan->states[i].op, "sym_name"), symbol))
      return &plan->states[i];
  return NULL;
}

MambaStatus mambaPlanScalar(const MambaPlan *plan, MlirValue value, float *scalar, MambaError *error) {
  MambaConstant constant;
  MambaStatus status = mambaParametersEvaluate(plan->parameters, value, false, &constant, error);
  if (status)
    return status;
  if (constant.element != MAMBA_ELEMENT_F32 || constant.count != 1)
    status = mambaFail(error, MAMBA_INVALID, "expected a scale of one f32 value, found %zu values",
                       constant.count);
  else if (!isfinite(*(const float *)constant.data))
    status =
        mambaFail(error, MAMBA_INVALID, "expected a finite scale, found %g", *(const float *)constant.data);
  else
    *scalar = *(const float *)constant.data;
  mambaConstantDestroy(&constant);
  return status;
}

/* ---- Reading the module ------------------------------------------------------------------------- */

static MambaStatus readFunction(MambaPlan *plan, MambaError *error) {
  static const char *const wanted[] = {"mamba.arena", "mamba.target", "mamba.tokens", "mamba.threads"};
  plan->forward = mambaForward(plan->module);
  if (mlirBlockIsNull(mambaForwardBody(plan->module)))
    return refuse(plan->module, error, "expected a function @forward with one block");
  for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
    if (!mambaHasAttribute(plan->forward, wanted[i]))
      return refuse(plan->forward, error,
                    "expected a planned function, with mamba.arena, .target, .tokens and .threads: run "
                    "mamba-plan first");
  const MlirStringRef target = mambaStringAttribute(plan->forward, "mamba.target");
  char name[64], expected[512];
  snprintf(name, sizeof name, "%.*s", (int)target.length, target.data);
  plan->target = mambaTargetFind(name);
  if (!plan->target) {
    mambaTargetDescribeUnknown(name, expected, sizeof expected);
    return refuse(plan->forward, error, expected);
  }
  const int64_t arena = mambaIntAttribute(plan->forward, "mamba.arena");
  plan->chunk = mambaIntAttribute(plan->forward, "mamba.tokens");
  plan->threads = mambaIntAttribute(plan->forward, "mamba.threads");
  if (arena < 0 || plan->chunk < 1 || plan->chunk > INT32_MAX || plan->threads < 1 || plan->threads > 1024)
    return refuse(plan->forward, error,
                  "expected mamba.arena >= 0, mamba.tokens >= 1 and mamba.threads from 1 to 1024");
  plan->arena_bytes = (size_t)arena;
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

static MambaStatus readStates(MambaPlan *plan, MambaError *error) {
  const MlirBlock body = mlirRegionGetFirstBlock(mlirOperationGetRegion(plan->module, 0));
  size_t count = 0;
  for (MlirOperation op = mlirBlockGetFirstOperation(body); !mlirOperationIsNull(op);
       op = mlirOperationGetNextInBlock(op))
    count += mambaOpIs(op, MAMBA_OP_STATE);
  plan->states = calloc(count + 1, sizeof *plan->states);
  if (!plan->states)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for %zu states", count);
  for (MlirOperation op = mlirBlockGetFirstOperation(body); !mlirOperationIsNull(op);
       op = mlirOperationGetNextInBlock(op)) {
    if (!mambaOpIs(op, MAMBA_OP_STATE))
      continue;
    MambaPlanState *state = &plan->states[plan->state_count++];
    state->op = op;
    state->type = mlirTypeAttrGetValue(mlirOperationGetAttributeByName(op, mambaRef("type")));
    state->identifier = mambaNamesAdd(&plan->names, mambaStringAttribute(op, "sym_name"));
    state->offset = plan->state_bytes;
    if (!state->identifier)
      return mambaFail(error, MAMBA_NO_MEMORY, "no memory for names");
    if (!staticBytes(state->type, &state->bytes) || state->bytes > SIZE_MAX / 4 - state->offset)
      return refuse(op, error, "expected a state that fits into memory");
    plan->state_bytes = mambaPlanAlign(state->offset + state->bytes);
  }
  return MAMBA_OK;
}

/* Operand `role` of a call, where it is a constant with a dimension and not known yet. */
static MambaStatus readTensor(MambaPlan *plan, MlirOperation call, const char *role, MlirValue value,
                              MambaError *error) {
  if (!mambaRank(value) || !mambaIsConstant(value) || mambaPlanFindTensor(plan, value))
    return MAMBA_OK;
  MambaPlanTensor *larger = realloc(plan->tensors, (plan->tensor_count + 1) * sizeof *plan->tensors);
  if (larger)
    plan->tensors = larger;
  const MlirStringRef name = nameTensor(plan, call, role, value);
  MambaPlanTensor tensor = {.value = value, .offset = plan->weights_bytes};
  if (larger) {
    tensor.identifier = mambaNamesAdd(&plan->names, name);
    tensor.name = mambaNamesAddLabel(&plan->labels, name);
  }
  if (!tensor.identifier || !tensor.name)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for the names of weights");
  if (!staticBytes(mlirValueGetType(value), &tensor.bytes) || tensor.bytes > SIZE_MAX / 4 - tensor.offset)
    return refuse(call, error, "expected weights of a static size that fits into memory");
  plan->weights_bytes = mambaPlanAlign(tensor.offset + tensor.bytes);
  plan->tensors[plan->tensor_count++] = tensor;
  return MAMBA_OK;
}

static MambaStatus readBuffers(MambaPlan *plan, MlirOperation call, MambaError *error) {
  const intptr_t count = mlirOperationGetNumResults(call);
  const MlirAttribute offsets = mlirOperationGetAttributeByName(call, mambaRef("mamba.offsets"));
  if (!mambaHasAttribute(call, "mamba.kernel") || mlirAttributeIsNull(offsets) ||
      !mlirAttributeIsADenseI64Array(offsets) || mlirDenseArrayGetNumElements(offsets) != count)
    return refuse(
        call, error,
        "expected a planned op, with mamba.kernel and one of mamba.offsets per result: run mamba-plan first");
  MambaPlanBuffer *larger =
      realloc(plan->buffers, (plan->buffer_count + (size_t)count + 1) * sizeof *plan->buffers);
  if (!larger)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for %zu buffers", plan->buffer_count);
  plan->buffers = larger;
  for (intptr_t i = 0; i < count; i++) {
    MambaPlanBuffer *buffer = &plan->buffers[plan->buffer_count++];
    buffer->value = mlirOperationGetResult(call, i);
    buffer->offset = mlirDenseI64ArrayGetElement(offsets, i);
    const MlirStringRef name = mambaValueName(buffer->value);
    buffer->identifier = mambaNamesAdd(&plan->names, name.length ? name : mambaOpName(call));
    if (!buffer->identifier)
      return mambaFail(error, MAMBA_NO_MEMORY, "no memory for the names of buffers");
  }
  return MAMBA_OK;
}

/* Visits the operands in order, with their names of ops.def. */
static MambaStatus readTensors(MambaPlan *plan, MlirOperation call, MambaError *error) {
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
      status = readTensor(plan, call, role, mlirOperationGetOperand(call, first + k), error);
  }
  return status;
}

/* Every op is a kernel's, a constant's (its value is known now), or the return. */
static MambaStatus readCalls(MambaPlan *plan, MambaError *error) {
  const MlirBlock body = mambaForwardBody(plan->module);
  MlirOperation *ops = NULL, terminator = {NULL};
  intptr_t count = 0;
  MambaStatus status = mambaBlockOperations(body, &ops, &count, error);
  plan->calls = ops;
  for (intptr_t i = 0; i < count && !status; i++) {
    if (mambaRefIs(mlirIdentifierStr(mlirOperationGetName(ops[i])), "func.return")) {
      terminator = ops[i];
      continue;
    }
    if (mlirOperationGetNumResults(ops[i]) && mambaIsConstant(mlirOperationGetResult(ops[i], 0)))
      continue;
    const MlirOperation call = ops[i];
    plan->calls[plan->call_count++] = call;
    status = readBuffers(plan, call, error);
    if (!status)
      status = readTensors(plan, call, error);
  }
  if (status)
    return status;
  const MlirValue logits = mlirOperationIsNull(terminator) || mlirOperationGetNumOperands(terminator) != 1
                               ? (MlirValue){NULL}
                               : mlirOperationGetOperand(terminator, 0);
  if (!plan->call_count || mlirValueIsNull(logits) ||
      !mlirOperationEqual(mambaDefiningOp(logits), plan->calls[plan->call_count - 1]) ||
      mlirOperationGetNumResults(mambaDefiningOp(logits)) != 1)
    return refuse(plan->forward, error, "expected the last kernel to compute the one value that is returned");
  plan->vocabulary = mambaChannels(logits);
  if (plan->vocabulary < 1 || plan->vocabulary > INT32_MAX)
    return refuse(plan->forward, error, "expected logits of a static vocabulary");
  plan->buffer_count--; /* the logits go to the caller's memory */
  return MAMBA_OK;
}

/* Every weight that a call reads, as often as one does; of an embedding, the row of one token. */
static size_t countStepBytes(const MambaPlan *plan) {
  size_t bytes = 0;
  for (intptr_t i = 0; i < plan->call_count; i++) {
    const MlirOperation call = plan->calls[i];
    for (intptr_t k = 0, count = mlirOperationGetNumOperands(call); k < count; k++) {
      const MambaPlanTensor *tensor = mambaPlanFindTensor(plan, mlirOperationGetOperand(call, k));
      if (tensor)
        bytes += mambaOpIs(call, MAMBA_OP_EMBEDDING) ? tensor->bytes / (size_t)mambaDim(tensor->value, 0)
                                                     : tensor->bytes;
    }
  }
  return bytes;
}

/* On the CPU logits go where the caller wants them. On a GPU they need memory beside the arena. */
int64_t mambaPlanLogitRows(const MambaPlan *plan) {
  enum { CUDA_LOGIT_ROWS = 64 };
  return mambaTargetIsCuda(plan->target) && plan->chunk > CUDA_LOGIT_ROWS ? CUDA_LOGIT_ROWS : plan->chunk;
}

size_t mambaPlanDeviceBytes(const MambaPlan *plan, size_t sequences) {
  if (!mambaTargetIsCuda(plan->target))
    return 0;
  const size_t rows = (size_t)mambaPlanLogitRows(plan);
  return mambaPlanAlign(plan->weights_bytes) + mambaPlanAlign(plan->arena_bytes) +
         mambaPlanAlign(plan->state_bytes * sequences) +
         mambaPlanAlign((size_t)plan->chunk * sizeof(int32_t)) + mambaPlanAlign(rows * sizeof(mamba_draw)) +
         mambaPlanAlign(rows * (size_t)plan->vocabulary * sizeof(float)) +
         mambaPlanAlign(rows * sizeof(int32_t)) + mambaPlanAlign(rows * sizeof(mamba_cuda_best));
}

MambaStatus mambaPlanCreate(MlirOperation module, int threads, MambaPlan **result, MambaError *error) {
  MambaPlan *plan = calloc(1, sizeof *plan);
  if (!plan)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for a program");
  plan->module = module;
  MambaStatus status = readFunction(plan, error);
  if (!status)
    status = mambaParametersCreate(module, threads, &plan->parameters, error);
  if (!status)
    status = readStates(plan, error);
  if (!status)
    status = readCalls(plan, error);
  plan->step_bytes = status ? 0 : countStepBytes(plan);
  if (status)
    mambaPlanDestroy(plan);
  else
    *result = plan;
  return status;
}

void mambaPlanDestroy(MambaPlan *plan) {
  if (!plan)
    return;
  mambaParametersDestroy(plan->parameters);
  mambaMappedFileClose(&plan->weights);
  mambaNamesDestroy(&plan->names);
  mambaNamesDestroy(&plan->labels);
  free(plan->calls);
  free(plan->tensors);
  free(plan->states);
  free(plan->buffers);
  free(plan);
}
