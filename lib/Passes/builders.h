/* Pieces of IR that several passes build. */
#ifndef MAMBA_PASSES_BUILDERS_H
#define MAMBA_PASSES_BUILDERS_H

#include "mamba/ir.h"

/* New ops directly behind the one that defines `value` (at the start of the block for an argument). */
MambaBuilder builderAfter(MlirValue value, MlirBlock body);

/* The location named `name` with `suffix` behind it. */
MlirLocation suffixed(MlirContext context, MlirStringRef name, const char *suffix);
/* A name without the suffix, where it has it. */
MlirStringRef withoutSuffix(MlirStringRef name, const char *suffix);

/* What an expression over a weight of `op` is named after: the weight, or, where other ops read that weight
 * as it is, the op: the head's form of a table that it shares with the embedding is "lm_head.weight". */
MlirStringRef weightName(MlirOperation op, const char *operand);

/* The value as f32: itself, or a cast that keeps its name. Null stays null. */
MlirValue asF32(MambaBuilder *builder, MlirValue value);

MlirValue buildMul(MambaBuilder *builder, MlirLocation location, MlirType type, MlirValue lhs, MlirValue rhs);
/* dequantize(quantize(value, scale), scale'), where scale' is `read_scale` or, when null, `scale`. Named
 * after `name`. */
MlirValue buildQuantizeDequantize(MambaBuilder *builder, MlirStringRef name, MlirValue value, MlirValue scale,
                                  MlirValue read_scale);
/* absmax_scale(value) of that shape's type, f32. */
MlirValue buildAbsmaxScale(MambaBuilder *builder, MlirStringRef name, MlirValue value, MlirType type);

/* scale_groups(weights, scales): the int8 weights that 4-bit ones stand for. */
MlirValue buildScaleGroups(MambaBuilder *builder, MlirLocation location, MlirValue weights, MlirValue scales);

/* f32, the weight's first dimension and 1 for every other: one value per row (output channel). */
MlirType perRowType(MlirValue weight);
/* The activation's dimensions with 1 for the last: one value per token. */
MlirType perTokenType(MlirValue activation);

/* The scale of a value whose largest magnitude is `absmax`, in f32 as the kernels compute it. Of a value that
 * is always zero any scale is right: 1 / 127. */
float scaleOf(double absmax);

/* The constant for each channel that mamba-smooth has multiplied a run-time value by, or null. */
MlirValue smoothedBy(MlirValue value);

/* Moves a constant expression in front of `before`, as far as it is not there yet. */
void hoist(MlirValue constant, MlirOperation before);

#endif
