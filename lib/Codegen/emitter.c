#include "emitter.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *emitTypeName(MambaElement element) {
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

const char *emitTypeConstant(MambaElement element) {
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
      [MAMBA_ELEMENT_OTHER] = "?", [MAMBA_ELEMENT_I8] = "i8",   [MAMBA_ELEMENT_I4] = "i4",
      [MAMBA_ELEMENT_I32] = "i32", [MAMBA_ELEMENT_F16] = "f16", [MAMBA_ELEMENT_BF16] = "bf16",
      [MAMBA_ELEMENT_F32] = "f32",
  };
  return names[element];
}

void emitName(FILE *file, MlirStringRef name) {
  for (size_t i = 0; i < name.length; i++)
    fputc(strchr("*\"\\", name.data[i]) || (unsigned char)name.data[i] < ' ' ? '_' : name.data[i], file);
}

const char *emitFloatText(float value, char text[EMIT_FLOAT_TEXT]) {
  int digits = 1;
  do
    snprintf(text, EMIT_FLOAT_TEXT, "%.*g", digits, value);
  while (strtof(text, NULL) != value && digits++ < 9);
  strcat(text, strpbrk(text, ".e") ? "f" : ".0f");
  return text;
}

void emitFail(Emitter *e, MlirOperation op, const char *expected) {
  if (e->status)
    return;
  const MlirStringRef name = mambaOpName(op);
  mambaEmitError(op, "%s", expected);
  e->status = mambaFail(e->error, MAMBA_UNSUPPORTED, "%.*s: %s", (int)name.length, name.data, expected);
}

const char *emitNameOf(Emitter *e, MlirValue value) {
  if (mlirValueIsNull(value))
    return "NULL";
  const MambaPlanBuffer *buffer = mambaPlanFindBuffer(e->plan, value);
  if (buffer)
    return buffer->identifier;
  const MambaPlanTensor *tensor = mambaPlanFindTensor(e->plan, value);
  return tensor ? tensor->identifier : "run->ids";
}

void emitDeclareTensors(Emitter *e, MlirOperation call) {
  for (intptr_t i = 0, count = mlirOperationGetNumOperands(call); i < count; i++) {
    const MlirValue value = mlirOperationGetOperand(call, i);
    const MambaPlanTensor *tensor = mambaPlanFindTensor(e->plan, value);
    if (!tensor || e->declared[tensor - e->plan->tensors])
      continue;
    e->declared[tensor - e->plan->tensors] = true;
    const char *type = emitTypeName(mambaElementOf(value));
    fprintf(e->file, "  const %s *const %s = (const %s *)(weights + %zu); /* %s [", type, tensor->identifier,
            type, tensor->offset, elementName(mambaElementOf(value)));
    for (int axis = 0, rank = mambaRank(value); axis < rank; axis++)
      fprintf(e->file, "%s%" PRId64, axis ? ", " : "", mambaDim(value, axis));
    fprintf(e->file, "] */\n");
  }
}

void emitDeclareBuffer(Emitter *e, MlirValue value) {
  const MambaPlanBuffer *buffer = mambaPlanFindBuffer(e->plan, value);
  if (!buffer)
    return; /* the logits */
  const char *type = emitTypeName(mambaElementOf(value));
  if (buffer->offset < 0 || (size_t)buffer->offset > e->plan->arena_bytes)
    emitFail(e, mambaDefiningOp(value), "expected mamba.offsets inside of the arena");
  fprintf(e->file, "  %s *const %s = (%s *)(arena + %" PRId64 "); /* [rows, %" PRId64 "] */\n", type,
          buffer->identifier, type, buffer->offset, mambaChannels(value));
}

float emitScalarOf(Emitter *e, MlirValue value) {
  float scalar = 0;
  if (!e->status)
    e->status = mambaPlanScalar(e->plan, value, &scalar, e->error);
  return scalar;
}

void emitScaleText(Emitter *e, MlirValue scale, char *text, size_t size) {
  char literal[EMIT_FLOAT_TEXT];
  if (mlirValueIsNull(scale))
    snprintf(text, size, "0.0f, NULL");
  else if (mambaRank(scale))
    snprintf(text, size, "0.0f, %s", emitNameOf(e, scale));
  else
    snprintf(text, size, "%s, NULL", emitFloatText(emitScalarOf(e, scale), literal));
}

MlirValue emitInverseScale(MlirOperation op, intptr_t result) {
  intptr_t used = mambaOperandIndex(op, "inv_scales");
  for (intptr_t i = 0; i < result; i++)
    used += mambaElementOf(mlirOperationGetResult(op, i)) == MAMBA_ELEMENT_I8;
  return mambaElementOf(mlirOperationGetResult(op, result)) == MAMBA_ELEMENT_I8
             ? mlirOperationGetOperand(op, used)
             : (MlirValue){NULL};
}
