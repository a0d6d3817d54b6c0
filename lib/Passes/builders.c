#include "builders.h"

#include <stdio.h>
#include <string.h>

#include "mamba/quantizer.h"

MambaBuilder builderAfter(MlirValue value, MlirBlock body) {
  const MlirOperation op = mambaDefiningOp(value);
  MambaBuilder builder = {.context = mlirTypeGetContext(mlirValueGetType(value)), .block = body};
  builder.before =
      mlirOperationIsNull(op) ? mlirBlockGetFirstOperation(body) : mlirOperationGetNextInBlock(op);
  return builder;
}

MlirLocation suffixed(MlirContext context, MlirStringRef name, const char *suffix) {
  return mambaName(context, "%.*s%s", (int)name.length, name.data, suffix);
}

MlirStringRef withoutSuffix(MlirStringRef name, const char *suffix) {
  const size_t n = strlen(suffix);
  if (name.length > n && !memcmp(name.data + name.length - n, suffix, n))
    name.length -= n;
  return name;
}

MlirStringRef weightName(MlirOperation op, const char *operand) {
  const MlirValue weight = mambaOperand(op, operand);
  if (mambaHasOneUse(weight))
    return mambaValueName(weight);
  char text[512];
  const MlirStringRef name = mambaOpName(op);
  snprintf(text, sizeof text, "%.*s.%s", (int)name.length, name.data, operand);
  return mlirIdentifierStr(mlirIdentifierGet(mlirOperationGetContext(op), mambaRef(text)));
}

MlirValue asF32(MambaBuilder *builder, MlirValue value) {
  if (mlirValueIsNull(value) || mambaElementOf(value) == MAMBA_ELEMENT_F32)
    return value;
  const MlirValue none = {NULL};
  return mambaBuildSimple(builder, MAMBA_OP_CAST, mambaNameFrom(builder->context, mambaValueName(value)),
                          mambaWithElement(mlirValueGetType(value), MAMBA_ELEMENT_F32), value, none);
}

MlirValue buildMul(MambaBuilder *builder, MlirLocation location, MlirType type, MlirValue lhs,
                   MlirValue rhs) {
  return mambaBuildSimple(builder, MAMBA_OP_MUL, location, type, lhs, rhs);
}

MlirValue buildQuantizeDequantize(MambaBuilder *builder, MlirStringRef name, MlirValue value, MlirValue scale,
                                  MlirValue read_scale) {
  const MlirContext context = builder->context;
  const MlirType type = mlirValueGetType(value);
  const MlirValue integers = mambaBuildSimple(builder, MAMBA_OP_QUANTIZE, suffixed(context, name, ".q"),
                                              mambaWithElement(type, MAMBA_ELEMENT_I8), value, scale);
  return mambaBuildSimple(builder, MAMBA_OP_DEQUANTIZE, suffixed(context, name, ".dq"),
                          mambaWithElement(type, MAMBA_ELEMENT_F32), integers,
                          mlirValueIsNull(read_scale) ? scale : read_scale);
}

MlirValue buildAbsmaxScale(MambaBuilder *builder, MlirStringRef name, MlirValue value, MlirType type) {
  const MlirValue none = {NULL};
  return mambaBuildSimple(builder, MAMBA_OP_ABSMAX_SCALE, suffixed(builder->context, name, ".scale"), type,
                          value, none);
}

MlirValue buildScaleGroups(MambaBuilder *builder, MlirLocation location, MlirValue weights,
                           MlirValue scales) {
  return mambaBuildSimple(builder, MAMBA_OP_SCALE_GROUPS, location,
                          mambaWithElement(mlirValueGetType(weights), MAMBA_ELEMENT_I8), weights, scales);
}

MlirType perRowType(MlirValue weight) {
  int64_t shape[MAMBA_MAX_RANK];
  const int rank = mambaRank(weight);
  for (int i = 0; i < rank; i++)
    shape[i] = i ? 1 : mambaDim(weight, 0);
  return mambaTensorType(mlirTypeGetContext(mlirValueGetType(weight)), MAMBA_ELEMENT_F32, rank, shape);
}

MlirType perTokenType(MlirValue activation) {
  return mambaWithChannels(mambaWithElement(mlirValueGetType(activation), MAMBA_ELEMENT_F32), 1);
}

float scaleOf(double absmax) {
  const float scale = mambaGetScale((float)absmax);
  return scale > 0 ? scale : 1.0f / 127.0f;
}

MlirValue smoothedBy(MlirValue value) {
  const MlirValue none = {NULL};
  const MlirOperation op = mambaDefiningOp(value);
  if (!mambaOpIs(op, MAMBA_OP_MUL) || mambaIsConstant(value) || !mambaIsConstant(mambaOperand(op, "rhs")))
    return none;
  return mambaOperand(op, "rhs");
}

void hoist(MlirValue constant, MlirOperation before) {
  const MlirOperation op = mambaDefiningOp(constant);
  if (mlirOperationIsBeforeInBlock(op, before))
    return;
  for (intptr_t i = 0, n = mlirOperationGetNumOperands(op); i < n; i++)
    hoist(mlirOperationGetOperand(op, i), before);
  mlirOperationMoveBefore(op, before);
}
