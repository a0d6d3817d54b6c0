#include "mamba/ir.h"

#include "pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct OpInfo {
  const char *name; /* with the dialect's prefix */
  bool segmented;
  const char *operands[MAMBA_MAX_OPERANDS];
} OpInfo;

static const OpInfo kOps[MAMBA_OP_COUNT] = {
#define MAMBA_OP(kind, mnemonic, is_segmented, ...) \
  [MAMBA_OP_##kind] = {.name = "mamba." #mnemonic, .segmented = is_segmented, .operands = {__VA_ARGS__}},
#include "mamba/ops.def"
};

/* ---- Reading ------------------------------------------------------------------------------------ */

MambaOp mambaOpKind(MlirOperation op) {
  if (mlirOperationIsNull(op))
    return MAMBA_OP_NONE;
  const MlirStringRef name = mlirIdentifierStr(mlirOperationGetName(op));
  for (int kind = 1; kind < MAMBA_OP_COUNT; kind++)
    if (mambaRefIs(name, kOps[kind].name))
      return (MambaOp)kind;
  return MAMBA_OP_NONE;
}

const char *mambaOpMnemonic(MambaOp kind) {
  return kind == MAMBA_OP_NONE ? "(another dialect's op)" : kOps[kind].name + strlen("mamba.");
}

MlirOperation mambaSymbol(MlirOperation module, MlirStringRef name) {
  const MlirBlock body = mlirRegionGetFirstBlock(mlirOperationGetRegion(module, 0));
  const MlirStringRef key = mlirSymbolTableGetSymbolAttributeName();
  MlirOperation op = mlirBlockGetFirstOperation(body);
  for (; !mlirOperationIsNull(op); op = mlirOperationGetNextInBlock(op)) {
    const MlirAttribute symbol = mlirOperationGetAttributeByName(op, key);
    if (!mlirAttributeIsNull(symbol) && mlirAttributeIsAString(symbol) &&
        mlirStringRefEqual(mlirStringAttrGetValue(symbol), name))
      break;
  }
  return op;
}

MlirOperation mambaForward(MlirOperation module) {
  const MlirOperation op = mambaSymbol(module, mambaRef("forward"));
  const MlirOperation none = {NULL};
  if (mlirOperationIsNull(op) || !mambaRefIs(mlirIdentifierStr(mlirOperationGetName(op)), "func.func"))
    return none;
  return op;
}

MlirBlock mambaForwardBody(MlirOperation module) {
  const MlirOperation forward = mambaForward(module);
  MlirBlock none = {NULL};
  if (mlirOperationIsNull(forward))
    return none;
  const MlirBlock block = mlirRegionGetFirstBlock(mlirOperationGetRegion(forward, 0));
  if (mlirBlockIsNull(block) || !mlirBlockIsNull(mlirBlockGetNextInRegion(block)))
    return none;
  return block;
}

/* "bias?" and "inv_scales*" are named "bias" and "inv_scales". */
static bool isOperandNamed(const char *spec, const char *name) {
  const size_t n = strlen(name);
  return !strncmp(spec, name, n) && (!spec[n] || ((spec[n] == '?' || spec[n] == '*') && !spec[n + 1]));
}

static int operandGroup(MambaOp kind, const char *name) {
  for (int i = 0; i < MAMBA_MAX_OPERANDS && kOps[kind].operands[i]; i++)
    if (isOperandNamed(kOps[kind].operands[i], name))
      return i;
  return -1;
}

static intptr_t findOperand(MlirOperation op, const char *name, intptr_t *count) {
  const MambaOp kind = mambaOpKind(op);
  const int group = operandGroup(kind, name);
  *count = 0;
  if (group < 0)
    return -1;
  intptr_t first = group;
  const intptr_t total = mlirOperationGetNumOperands(op);
  if (kOps[kind].segmented) {
    const MlirAttribute sizes = mlirOperationGetInherentAttributeByName(op, mambaRef("operandSegmentSizes"));
    first = 0;
    for (int i = 0; i < group; i++)
      first += mlirDenseI32ArrayGetElement(sizes, i);
    *count = mlirDenseI32ArrayGetElement(sizes, group);
  } else {
    *count = first < total ? 1 : 0;
  }
  return *count ? first : -1;
}

intptr_t mambaOperandIndex(MlirOperation op, const char *name) {
  intptr_t count;
  return findOperand(op, name, &count);
}

intptr_t mambaOperandCount(MlirOperation op, const char *name) {
  intptr_t count;
  findOperand(op, name, &count);
  return count;
}

MlirValue mambaOperand(MlirOperation op, const char *name) {
  const intptr_t index = mambaOperandIndex(op, name);
  const MlirValue none = {NULL};
  return index < 0 ? none : mlirOperationGetOperand(op, index);
}

MlirOperation mambaDefiningOp(MlirValue value) {
  const MlirOperation none = {NULL};
  return mlirValueIsNull(value) || !mlirValueIsAOpResult(value) ? none : mlirOpResultGetOwner(value);
}

MambaOp mambaDefiningKind(MlirValue value) { return mambaOpKind(mambaDefiningOp(value)); }

bool mambaHasUses(MlirValue value) { return !mlirOpOperandIsNull(mlirValueGetFirstUse(value)); }

bool mambaHasOneUse(MlirValue value) {
  const MlirOpOperand use = mlirValueGetFirstUse(value);
  return !mlirOpOperandIsNull(use) && mlirOpOperandIsNull(mlirOpOperandGetNextUse(use));
}

bool mambaIsConstant(MlirValue value) {
  const MlirOperation op = mambaDefiningOp(value);
  switch (mambaOpKind(op)) {
  case MAMBA_OP_WEIGHT:
  case MAMBA_OP_SCALE:
    return true;
  case MAMBA_OP_RECIPROCAL:
  case MAMBA_OP_ABSMAX_SCALE:
  case MAMBA_OP_QUANTIZE:
  case MAMBA_OP_DEQUANTIZE:
  case MAMBA_OP_CAST:
  case MAMBA_OP_BROADCAST:
  case MAMBA_OP_CHANNELS_LAST:
  case MAMBA_OP_SLICE_ROWS:
  case MAMBA_OP_PACK:
  case MAMBA_OP_SMOOTHING:
  case MAMBA_OP_SCALE_GROUPS:
  case MAMBA_OP_PACK_I4:
  case MAMBA_OP_NEG_EXP:
  case MAMBA_OP_MUL:
  case MAMBA_OP_ADD:
  case MAMBA_OP_HADAMARD:
  case MAMBA_OP_CLAMP:
  case MAMBA_OP_SLICE:
    for (intptr_t i = 0, n = mlirOperationGetNumOperands(op); i < n; i++)
      if (!mambaIsConstant(mlirOperationGetOperand(op, i)))
        return false;
    return true;
  default:
    return false;
  }
}

bool mambaIsPacked(MlirValue weight) { return mambaRank(weight) == 3; }

int64_t mambaPackedGroup(MlirValue weight) {
  return mambaIsPacked(weight) && mambaDim(weight, 2) > MAMBA_PACK_DEPTH ? 2 * (mambaDim(weight, 2) - 1) : 0;
}

int mambaRank(MlirValue value) { return (int)mlirShapedTypeGetRank(mlirValueGetType(value)); }

int64_t mambaDim(MlirValue value, int axis) { return mlirShapedTypeGetDimSize(mlirValueGetType(value), axis); }

int64_t mambaChannels(MlirValue value) {
  const int rank = mambaRank(value);
  return rank ? mambaDim(value, rank - 1) : 1;
}

int64_t mambaElementCount(MlirValue value) {
  int64_t count = 1;
  for (int i = 0, rank = mambaRank(value); i < rank; i++) {
    const int64_t size = mambaDim(value, i);
    if (size == MAMBA_DYNAMIC)
      return MAMBA_DYNAMIC;
    count *= size;
  }
  return count;
}

MambaElement mambaElementOfType(MlirType tensor) {
  const MlirType element = mlirShapedTypeGetElementType(tensor);
  if (mlirTypeIsAF32(element))
    return MAMBA_ELEMENT_F32;
  if (mlirTypeIsAF16(element))
    return MAMBA_ELEMENT_F16;
  if (mlirTypeIsABF16(element))
    return MAMBA_ELEMENT_BF16;
  if (mlirTypeIsAInteger(element) && mlirIntegerTypeGetWidth(element) == 8)
    return MAMBA_ELEMENT_I8;
  if (mlirTypeIsAInteger(element) && mlirIntegerTypeGetWidth(element) == 4)
    return MAMBA_ELEMENT_I4;
  if (mlirTypeIsAInteger(element) && mlirIntegerTypeGetWidth(element) == 32)
    return MAMBA_ELEMENT_I32;
  return MAMBA_ELEMENT_OTHER;
}

MambaElement mambaElementOf(MlirValue value) { return mambaElementOfType(mlirValueGetType(value)); }

size_t mambaElementSize(MambaElement element) {
  static const size_t sizes[] = {[MAMBA_ELEMENT_I8] = 1,  [MAMBA_ELEMENT_I4] = 1,   [MAMBA_ELEMENT_I32] = 4,
                                 [MAMBA_ELEMENT_F16] = 2, [MAMBA_ELEMENT_BF16] = 2, [MAMBA_ELEMENT_F32] = 4};
  return sizes[element];
}

static MlirAttribute attribute(MlirOperation op, const char *name) {
  return mlirOperationGetAttributeByName(op, mambaRef(name));
}

double mambaFloatAttribute(MlirOperation op, const char *name) {
  return mlirFloatAttrGetValueDouble(attribute(op, name));
}

int64_t mambaIntAttribute(MlirOperation op, const char *name) {
  return mlirIntegerAttrGetValueInt(attribute(op, name));
}

MlirStringRef mambaStringAttribute(MlirOperation op, const char *name) {
  const MlirAttribute value = attribute(op, name);
  return mlirAttributeIsAString(value) ? mlirStringAttrGetValue(value) : mlirFlatSymbolRefAttrGetValue(value);
}

bool mambaHasAttribute(MlirOperation op, const char *name) { return !mlirAttributeIsNull(attribute(op, name)); }

MlirStringRef mambaWeightFile(MlirOperation weight) {
  return mlirSymbolRefAttrGetRootReference(attribute(weight, "key"));
}

MlirStringRef mambaWeightKey(MlirOperation weight) {
  return mlirSymbolRefAttrGetLeafReference(attribute(weight, "key"));
}

MambaElement mambaStateElement(MlirOperation op) {
  const MlirOperation module = mlirOperationGetParentOperation(mlirOperationGetParentOperation(op));
  const MlirOperation state = mambaSymbol(module, mambaStringAttribute(op, "state"));
  return mambaElementOfType(mlirTypeAttrGetValue(attribute(state, "type")));
}

static MlirStringRef nameOfLocation(MlirLocation location) {
  return mlirLocationIsAName(location) ? mlirIdentifierStr(mlirLocationNameGetName(location)) : mambaRef("");
}

MlirStringRef mambaValueName(MlirValue value) {
  const MlirOperation op = mambaDefiningOp(value);
  if (mlirOperationIsNull(op))
    return mambaRef("");
  const MlirLocation location = mlirOperationGetLocation(op);
  if (!mlirLocationIsAFused(location))
    return nameOfLocation(location);
  MlirLocation parts[MAMBA_MAX_RESULTS];
  const unsigned count = mlirLocationFusedGetNumLocations(location);
  const intptr_t index = mlirOpResultGetResultNumber(value);
  if (count > MAMBA_MAX_RESULTS || index >= (intptr_t)count)
    return mambaRef("");
  mlirLocationFusedGetLocations(location, parts);
  return nameOfLocation(parts[index]);
}

MlirStringRef mambaOpName(MlirOperation op) {
  return mlirOperationGetNumResults(op) ? mambaValueName(mlirOperationGetResult(op, 0)) : mambaRef("");
}

/* ---- Building ----------------------------------------------------------------------------------- */

void mambaSetAttribute(MambaOpState *state, const char *name, MlirAttribute value) {
  const MlirContext context = mlirLocationGetContext(state->location);
  state->attributes[state->attribute_count++] =
      mlirNamedAttributeGet(mlirIdentifierGet(context, mambaRef(name)), value);
}

void mambaSetFloat(MambaOpState *state, const char *name, double f32_value) {
  const MlirContext context = mlirLocationGetContext(state->location);
  mambaSetAttribute(state, name, mlirFloatAttrDoubleGet(context, mlirF32TypeGet(context), f32_value));
}

void mambaSetInt(MambaOpState *state, const char *name, int64_t value) {
  const MlirContext context = mlirLocationGetContext(state->location);
  mambaSetAttribute(state, name, mlirIntegerAttrGet(mlirIntegerTypeGet(context, 64), value));
}

void mambaSetUnit(MambaOpState *state, const char *name) {
  mambaSetAttribute(state, name, mlirUnitAttrGet(mlirLocationGetContext(state->location)));
}

void mambaSetString(MambaOpState *state, const char *name, MlirStringRef value) {
  mambaSetAttribute(state, name, mlirStringAttrGet(mlirLocationGetContext(state->location), value));
}

void mambaSetFlatSymbol(MambaOpState *state, const char *name, MlirStringRef value) {
  mambaSetAttribute(state, name, mlirFlatSymbolRefAttrGet(mlirLocationGetContext(state->location), value));
}

MlirOperation mambaBuild(MambaBuilder *builder, const MambaOpState *state) {
  const OpInfo *info = &kOps[state->kind];
  MlirOperationState mlir = mlirOperationStateGet(mambaRef(info->name), state->location);
  int32_t segments[MAMBA_MAX_OPERANDS];
  intptr_t groups = 0;
  for (; groups < MAMBA_MAX_OPERANDS && info->operands[groups]; groups++) {
    const char *spec = info->operands[groups];
    if (spec[strlen(spec) - 1] == '*') {
      segments[groups] = (int32_t)state->variadic_count;
      mlirOperationStateAddOperands(&mlir, state->variadic_count, state->variadic);
    } else {
      segments[groups] = !mlirValueIsNull(state->operands[groups]);
      mlirOperationStateAddOperands(&mlir, segments[groups], &state->operands[groups]);
    }
  }
  mlirOperationStateAddResults(&mlir, state->result_count, state->results);
  mlirOperationStateAddAttributes(&mlir, state->attribute_count, state->attributes);
  if (info->segmented) {
    const MlirNamedAttribute sizes =
        mlirNamedAttributeGet(mlirIdentifierGet(builder->context, mambaRef("operandSegmentSizes")),
                              mlirDenseI32ArrayGet(builder->context, groups, segments));
    mlirOperationStateAddAttributes(&mlir, 1, &sizes);
  }
  const MlirOperation op = mlirOperationCreate(&mlir);
  if (mlirOperationIsNull(builder->before))
    mlirBlockAppendOwnedOperation(builder->block, op);
  else
    mlirBlockInsertOwnedOperationBefore(builder->block, builder->before, op);
  return op;
}

MlirValue mambaBuildSimple(MambaBuilder *builder, MambaOp kind, MlirLocation location, MlirType result,
                           MlirValue first, MlirValue second) {
  const MambaOpState state = {.kind = kind,
                              .location = location,
                              .operands = {first, second},
                              .results = {result},
                              .result_count = 1};
  return mlirOperationGetResult(mambaBuild(builder, &state), 0);
}

MlirValue mambaBuildWeight(MambaBuilder *builder, MlirStringRef file, MlirStringRef key, MlirType type) {
  MambaOpState state = {.kind = MAMBA_OP_WEIGHT,
                        .location = mambaNameFrom(builder->context, key),
                        .results = {type},
                        .result_count = 1};
  const MlirAttribute leaf = mlirFlatSymbolRefAttrGet(builder->context, key);
  mambaSetAttribute(&state, "key", mlirSymbolRefAttrGet(builder->context, file, 1, &leaf));
  return mlirOperationGetResult(mambaBuild(builder, &state), 0);
}

MlirValue mambaBuildScale(MambaBuilder *builder, MlirLocation location, float scale) {
  MambaOpState state = {.kind = MAMBA_OP_SCALE,
                        .location = location,
                        .results = {mambaTensorType(builder->context, MAMBA_ELEMENT_F32, 0, NULL)},
                        .result_count = 1};
  mambaSetFloat(&state, "value", scale);
  return mlirOperationGetResult(mambaBuild(builder, &state), 0);
}

MlirValue mambaBuildHadamard(MambaBuilder *builder, MlirLocation location, MlirValue input, int64_t axis,
                             bool transpose) {
  MambaOpState state = {.kind = MAMBA_OP_HADAMARD,
                        .location = location,
                        .operands = {input},
                        .results = {mambaWithElement(mlirValueGetType(input), MAMBA_ELEMENT_F32)},
                        .result_count = 1};
  mambaSetInt(&state, "axis", axis);
  if (transpose)
    mambaSetUnit(&state, "transpose");
  return mlirOperationGetResult(mambaBuild(builder, &state), 0);
}

static MlirType elementType(MlirContext context, MambaElement element) {
  switch (element) {
  case MAMBA_ELEMENT_I8:
    return mlirIntegerTypeGet(context, 8);
  case MAMBA_ELEMENT_I4:
    return mlirIntegerTypeGet(context, 4);
  case MAMBA_ELEMENT_I32:
    return mlirIntegerTypeGet(context, 32);
  case MAMBA_ELEMENT_F16:
    return mlirF16TypeGet(context);
  case MAMBA_ELEMENT_BF16:
    return mlirBF16TypeGet(context);
  default:
    return mlirF32TypeGet(context);
  }
}

MlirType mambaTensorType(MlirContext context, MambaElement element, int rank, const int64_t *shape) {
  return mlirRankedTensorTypeGet(rank, shape, elementType(context, element), mlirAttributeGetNull());
}

MlirType mambaWithElement(MlirType tensor, MambaElement element) {
  int64_t shape[MAMBA_MAX_RANK];
  const int rank = (int)mlirShapedTypeGetRank(tensor);
  for (int i = 0; i < rank && i < MAMBA_MAX_RANK; i++)
    shape[i] = mlirShapedTypeGetDimSize(tensor, i);
  return mambaTensorType(mlirTypeGetContext(tensor), element, rank, shape);
}

MlirType mambaWithChannels(MlirType tensor, int64_t channels) {
  int64_t shape[MAMBA_MAX_RANK];
  const int rank = (int)mlirShapedTypeGetRank(tensor);
  for (int i = 0; i < rank && i < MAMBA_MAX_RANK; i++)
    shape[i] = i + 1 < rank ? mlirShapedTypeGetDimSize(tensor, i) : channels;
  return mlirRankedTensorTypeGet(rank, shape, mlirShapedTypeGetElementType(tensor), mlirAttributeGetNull());
}

MlirLocation mambaNameFrom(MlirContext context, MlirStringRef name) {
  return mlirLocationNameGet(context, name, mlirLocationUnknownGet(context));
}

MlirLocation mambaName(MlirContext context, const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return mambaNameFrom(context, mambaRef(text));
}

MlirLocation mambaNames(MlirContext context, const MlirStringRef *names, intptr_t count) {
  MlirLocation parts[MAMBA_MAX_RESULTS];
  intptr_t used = 0;
  for (; used < count && used < MAMBA_MAX_RESULTS; used++)
    parts[used] = mambaNameFrom(context, names[used]);
  return used == 1 ? parts[0] : mlirLocationFusedGet(context, used, parts, mlirAttributeGetNull());
}

static bool isDead(MlirOperation op) {
  const MambaOp kind = mambaOpKind(op);
  if (kind == MAMBA_OP_NONE || mambaHasAttribute(op, "state"))
    return false;
  const intptr_t results = mlirOperationGetNumResults(op);
  for (intptr_t i = 0; i < results; i++)
    if (mambaHasUses(mlirOperationGetResult(op, i)))
      return false;
  return results > 0;
}

MambaStatus mambaBlockOperations(MlirBlock block, MlirOperation **ops, intptr_t *count, MambaError *error) {
  intptr_t n = 0;
  for (MlirOperation op = mlirBlockGetFirstOperation(block); !mlirOperationIsNull(op);
       op = mlirOperationGetNextInBlock(op))
    n++;
  MlirOperation *list = malloc(sizeof *list * (size_t)(n ? n : 1));
  if (!list)
    return mambaFail(error, MAMBA_NO_MEMORY, "cannot allocate a list of %td operations", (ptrdiff_t)n);
  n = 0;
  for (MlirOperation op = mlirBlockGetFirstOperation(block); !mlirOperationIsNull(op);
       op = mlirOperationGetNextInBlock(op))
    list[n++] = op;
  *ops = list;
  *count = n;
  return MAMBA_OK;
}

MambaStatus mambaEraseUnused(MlirBlock block, MambaError *error) {
  MlirOperation *ops = NULL;
  intptr_t count = 0;
  const MambaStatus status = mambaBlockOperations(block, &ops, &count, error);
  for (intptr_t i = count - 1; i >= 0; i--)
    if (isDead(ops[i]))
      mlirOperationDestroy(ops[i]);
  free(ops);
  return status;
}

/* ---- Text ---------------------------------------------------------------------------------------- */

void mambaEmitError(MlirOperation op, const char *format, ...) {
  char text[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  mlirEmitError(mlirOperationGetLocation(op), text);
}

void mambaEmitFailure(MlirOperation op, const char *pass, const MambaError *error) {
  if (*error->message)
    mambaEmitError(op, "%s: %s", pass, error->message);
}
