/* Writing the text of a program: what emit_model.c and emit_layer.c share. */
#ifndef MAMBA_CODEGEN_EMITTER_H
#define MAMBA_CODEGEN_EMITTER_H

#include "plan.h"

#include <stdio.h>

typedef struct Emitter {
  const MambaPlan *plan;
  FILE *file;
  MambaError *error;
  MambaStatus status; /* the first failure; later calls then do nothing of consequence */
  bool cuda;
  bool decode;                /* writes the function for single tokens */
  intptr_t persistent_layers; /* that one kernel computes in it, or 0 */
  bool *declared;             /* per tensor: in the function that is being written */
  int column, indent;         /* of the call that is being written */
} Emitter;

enum { EMIT_FLOAT_TEXT = 32, EMIT_SCALE_TEXT = 512 };

/* Keeps the first failure, with an MLIR error at the op. */
void emitFail(Emitter *e, MlirOperation op, const char *expected);

/* The C type of a buffer or tensor, and its mamba_type. */
const char *emitTypeName(MambaElement element);
const char *emitTypeConstant(MambaElement element);

/* A name inside a comment or a string, which nothing in it may end. */
void emitName(FILE *file, MlirStringRef name);

/* The shortest literal that reads back as the same float. */
const char *emitFloatText(float value, char text[EMIT_FLOAT_TEXT]);

/* The identifier of a tensor or buffer; "NULL" for a null value, "run->ids" for the function's argument. */
const char *emitNameOf(Emitter *e, MlirValue value);

/* Declares the tensors that a call reads, unless they are, and one buffer. */
void emitDeclareTensors(Emitter *e, MlirOperation call);
void emitDeclareBuffer(Emitter *e, MlirValue value);

/* A constant of rank 0. */
float emitScalarOf(Emitter *e, MlirValue value);

/* ", scale, scales" of a mamba_input or mamba_output: one value, one per channel, or none. */
void emitScaleText(Emitter *e, MlirValue scale, char *text, size_t size);

/* The inverse scale of a result of an op with inv_scales, which are of the i8 results in order; null for
 * another. */
MlirValue emitInverseScale(MlirOperation op, intptr_t result);

/* ---- Decode on a GPU ---------------------------------------------------------------------------- */

/* Whether mamba-plan has put a call into a layer of fused kernels, and whether call `call` is its first. */
bool emitIsInLayer(MlirOperation call);
bool emitBeginsLayer(const Emitter *e, intptr_t call);

/* The three calls of the layer that begins with a call; returns the index of the last call of the layer. */
intptr_t emitLayer(Emitter *e, intptr_t call);

/* For the persistent kernel: fills `layers` with the structs of all layers, whose number is returned; and
 * puts the call for these `count` layers in the place of the one that begins with a call; returns the last
 * one's last. */
intptr_t emitLayerList(Emitter *e);
intptr_t emitAllLayers(Emitter *e, intptr_t call, intptr_t count);

#endif
