/* Reading and building mamba IR from C, on top of MLIR's C API.
 *
 * Values and operations are borrowed from the module they are in. A null MlirValue (ptr == NULL)
 * stands for an absent optional operand. */
#ifndef MAMBA_IR_H
#define MAMBA_IR_H

#include "mlir-c/BuiltinAttributes.h"
#include "mlir-c/BuiltinTypes.h"
#include "mlir-c/Diagnostics.h"
#include "mlir-c/IR.h"

#include "mamba/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MAMBA_MAX_OPERANDS 16
#define MAMBA_MAX_RESULTS 8
#define MAMBA_DYNAMIC INT64_MIN /* a size that is known at run time only: ShapedType::kDynamic */

typedef enum MambaOp {
  MAMBA_OP_NONE = 0, /* an op of another dialect */
#define MAMBA_OP(kind, ...) MAMBA_OP_##kind,
#include "mamba/ops.def"
  MAMBA_OP_COUNT
} MambaOp;

typedef enum MambaElement {
  MAMBA_ELEMENT_OTHER = 0,
  MAMBA_ELEMENT_I8,
  MAMBA_ELEMENT_I4, /* of weights; in memory and in files a byte each */
  MAMBA_ELEMENT_I32,
  MAMBA_ELEMENT_F16,
  MAMBA_ELEMENT_BF16,
  MAMBA_ELEMENT_F32,
} MambaElement;

/* ---- Reading ------------------------------------------------------------------------------------ */

MambaOp mambaOpKind(MlirOperation op);
const char *mambaOpMnemonic(MambaOp kind); /* "linear", without the dialect's prefix */
static inline bool mambaOpIs(MlirOperation op, MambaOp kind) { return mambaOpKind(op) == kind; }

/* The function @forward of a module, or a null operation. Its body is one block. */
MlirOperation mambaForward(MlirOperation module);
MlirBlock mambaForwardBody(MlirOperation module); /* null when there is no @forward with one block */
/* The symbol op (checkpoint, state, function) of that name in the module, or null. */
MlirOperation mambaSymbol(MlirOperation module, MlirStringRef name);

/* The operand of that name (as in ops.def, without ? or *), or null when absent. For a variadic operand
 * the first one; mambaOperandCount counts them (0 or 1 for the others). mambaOperandIndex is its position, or -1. */
MlirValue mambaOperand(MlirOperation op, const char *name);
intptr_t mambaOperandIndex(MlirOperation op, const char *name);
intptr_t mambaOperandCount(MlirOperation op, const char *name);

MlirOperation mambaDefiningOp(MlirValue value); /* null for a block argument or a null value */
MambaOp mambaDefiningKind(MlirValue value);     /* MAMBA_OP_NONE likewise */
bool mambaHasOneUse(MlirValue value);
bool mambaHasUses(MlirValue value);

/* True when the value depends on weights and constants only: it can be evaluated at compile time. */
bool mambaIsConstant(MlirValue value);

/* True for the weight of a linear_i8 or linear_w8 in the layout of `pack`, [blocks, 16, 4], or of `pack_i4`; else
 * it is [N, K]. */
bool mambaIsPacked(MlirValue weight);
/* Columns that share a scale of a weight in the layout of `pack_i4`, [rows, groups, group / 2 + 1]; 0 for others. */
int64_t mambaPackedGroup(MlirValue weight);

int mambaRank(MlirValue value);
int64_t mambaDim(MlirValue value, int axis); /* MAMBA_DYNAMIC where unknown */
int64_t mambaChannels(MlirValue value);      /* the last dimension; 1 for rank 0 */
int64_t mambaElementCount(MlirValue value);  /* MAMBA_DYNAMIC when a size is unknown */
MambaElement mambaElementOf(MlirValue value);
MambaElement mambaElementOfType(MlirType tensor);
size_t mambaElementSize(MambaElement element); /* bytes; 0 for OTHER */

/* Attributes of an op by name; the op must have them (the verifier says which do). */
double mambaFloatAttribute(MlirOperation op, const char *name);
int64_t mambaIntAttribute(MlirOperation op, const char *name);
MlirStringRef mambaStringAttribute(MlirOperation op, const char *name); /* strings and flat symbol names */
bool mambaHasAttribute(MlirOperation op, const char *name);

/* `mamba.weight @file::@"key"`: the two names. */
MlirStringRef mambaWeightFile(MlirOperation weight);
MlirStringRef mambaWeightKey(MlirOperation weight);

/* The element type of the memory behind an op's attribute `state`. */
MambaElement mambaStateElement(MlirOperation op);

/* The checkpoint name of a value, such as "layers.3.mixer.in_proj": the name location of its op, or
 * for an op with several results the entry of its fused location. Empty when it has none. */
MlirStringRef mambaValueName(MlirValue value);
MlirStringRef mambaOpName(MlirOperation op); /* of its first result */

/* ---- Building ----------------------------------------------------------------------------------- */

/* New ops go into `block`, before `before` (at the end when that is null). */
typedef struct MambaBuilder {
  MlirContext context;
  MlirBlock block;
  MlirOperation before;
} MambaBuilder;

static inline MambaBuilder mambaBuilderBefore(MlirOperation op) {
  MambaBuilder builder = {mlirOperationGetContext(op), mlirOperationGetBlock(op), op};
  return builder;
}

/* What mambaBuild makes. operands: one per name of ops.def in order, null for an absent one; a variadic operand is
 * given by `variadic` instead. Attributes are set with the functions below. */
typedef struct MambaOpState {
  MambaOp kind;
  MlirLocation location;
  MlirValue operands[MAMBA_MAX_OPERANDS];
  const MlirValue *variadic;
  intptr_t variadic_count;
  MlirType results[MAMBA_MAX_RESULTS];
  intptr_t result_count;
  MlirNamedAttribute attributes[8];
  intptr_t attribute_count;
} MambaOpState;

void mambaSetFloat(MambaOpState *state, const char *name, double f32_value);
void mambaSetInt(MambaOpState *state, const char *name, int64_t value);
void mambaSetUnit(MambaOpState *state, const char *name);
void mambaSetString(MambaOpState *state, const char *name, MlirStringRef value);
void mambaSetFlatSymbol(MambaOpState *state, const char *name, MlirStringRef value);
void mambaSetAttribute(MambaOpState *state, const char *name, MlirAttribute value);

MlirOperation mambaBuild(MambaBuilder *builder, const MambaOpState *state);
/* Ops with one result and no attributes; `second` may be null. */
MlirValue mambaBuildSimple(MambaBuilder *builder, MambaOp kind, MlirLocation location, MlirType result,
                           MlirValue first, MlirValue second);
MlirValue mambaBuildWeight(MambaBuilder *builder, MlirStringRef file, MlirStringRef key, MlirType type);
MlirValue mambaBuildScale(MambaBuilder *builder, MlirLocation location, float scale);
MlirValue mambaBuildHadamard(MambaBuilder *builder, MlirLocation location, MlirValue input, int64_t axis,
                             bool transpose);

MlirType mambaTensorType(MlirContext context, MambaElement element, int rank, const int64_t *shape);
MlirType mambaWithElement(MlirType tensor, MambaElement element);   /* the same shape */
MlirType mambaWithChannels(MlirType tensor, int64_t channels);      /* the last dimension replaced */

MlirLocation mambaName(MlirContext context, const char *format, ...) MAMBA_PRINTF(2, 3);
MlirLocation mambaNameFrom(MlirContext context, MlirStringRef name);
/* One name per result, for ops with several. */
MlirLocation mambaNames(MlirContext context, const MlirStringRef *names, intptr_t count);

/* The operations of a block in order, as an array that the caller frees: for passes that change the
 * block while they look at it. */
MambaStatus mambaBlockOperations(MlirBlock block, MlirOperation **ops, intptr_t *count,
                                 MambaError *error) MAMBA_MUST_CHECK;

/* Removes the ops of the block that have no effect and whose results nothing uses, last to first. */
MambaStatus mambaEraseUnused(MlirBlock block, MambaError *error) MAMBA_MUST_CHECK;

/* ---- Text ---------------------------------------------------------------------------------------- */

static inline MlirStringRef mambaRef(const char *text) { return mlirStringRefCreateFromCString(text); }
static inline bool mambaRefIs(MlirStringRef ref, const char *text) { return mlirStringRefEqual(ref, mambaRef(text)); }

/* A printf-style MLIR error at the op's location; prints through the context's diagnostic handlers. */
void mambaEmitError(MlirOperation op, const char *format, ...) MAMBA_PRINTF(2, 3);
/* The same of what a function returned, as "PASS: MESSAGE"; nothing where the message is empty, as a diagnostic has told. */
void mambaEmitFailure(MlirOperation op, const char *pass, const MambaError *error);

#ifdef __cplusplus
}
#endif
#endif
