/* The weights of a module: its `mamba.checkpoint` files, opened on first use, and the values of the
 * constant expressions over them, evaluated one at a time. */
#ifndef MAMBA_PARAMETERS_H
#define MAMBA_PARAMETERS_H

#include "mamba/checkpoint.h"
#include "mamba/ir.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A constant value in memory, row-major. The owner frees it with mambaConstantDestroy. */
typedef struct MambaConstant {
  MambaElement element; /* I8, F16, BF16 or F32 as its type says; see `wide` */
  bool wide;            /* floats are stored as double instead (evaluation in f64) */
  int rank;
  int64_t shape[MAMBA_MAX_RANK];
  size_t count; /* elements; 1 for rank 0 */
  void *data;
} MambaConstant;

typedef struct MambaParameters MambaParameters;

/* `module` must outlive the result and stay as it is. Nothing is opened yet. threads: that evaluate a
 * constant together, with the same result for any number; 0 for one per processor. */
MAMBA_MUST_CHECK MambaStatus mambaParametersCreate(MlirOperation module, int threads,
                                                   MambaParameters **parameters, MambaError *error);
void mambaParametersDestroy(MambaParameters *parameters);

/* The checkpoint behind a `mamba.checkpoint` symbol. Opened, and its hash compared with the op's, on
 * first use: a file that is not the one that the IR was made for is refused. Borrowed. */
MAMBA_MUST_CHECK MambaStatus mambaParametersCheckpoint(MambaParameters *parameters, MlirStringRef symbol,
                                                       MambaCheckpoint **checkpoint, MambaError *error);

/* The bytes of a weight where they lie in a mapped file of its checkpoint, in the type and shape that the IR
 * gives it and at a multiple of its element's size: valid as long as `parameters`. NULL for every other
 * value. */
const void *mambaParametersMapped(MambaParameters *parameters, MlirValue value);

/* Evaluates a value for which mambaIsConstant holds. Float arithmetic is f32 per op as docs/numerics.md states
 * (the Hadamard transform of a weight in f64, rounded once); with `wide`, f64 throughout. Memory: the
 * largest operand and result of the expression, not the model, and the last Hadamard transform, which is kept
 * for the next expression that reads it. */
MAMBA_MUST_CHECK MambaStatus mambaParametersEvaluate(MambaParameters *parameters, MlirValue value, bool wide,
                                                     MambaConstant *constant, MambaError *error);
void mambaConstantDestroy(MambaConstant *constant);

#ifdef __cplusplus
}
#endif
#endif
