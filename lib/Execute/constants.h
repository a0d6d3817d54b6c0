/* The ops of constant expressions, evaluated on values in memory. */
#ifndef MAMBA_EXECUTE_CONSTANTS_H
#define MAMBA_EXECUTE_CONSTANTS_H

#include "mamba/parameters.h"
#include "threads.h"

/* Zeros of the given shape, which is checked for overflow, at a multiple of 64 bytes. */
MAMBA_MUST_CHECK MambaStatus mambaConstantCreate(MambaElement element, bool wide, int rank,
                                                 const int64_t *shape, MambaConstant *constant,
                                                 MambaError *error);

/* Evaluates one op into `result`, which has the type of its result. operands: one per operand. The workers of
 * `pool`, which may be NULL, share the rows; the bytes do not depend on how many there are. */
MAMBA_MUST_CHECK MambaStatus mambaConstantApply(MlirOperation op, const MambaConstant *operands,
                                                mamba_pool *pool, MambaConstant *result, MambaError *error);

/* The threads that evaluate, which whoever runs what was evaluated may use too. Borrowed. */
mamba_pool *mambaParametersPool(const MambaParameters *parameters);

/* The same values as `element`, rounded to nearest even. */
MAMBA_MUST_CHECK MambaStatus mambaConstantCast(const MambaConstant *input, MambaElement element,
                                               MambaConstant *result, MambaError *error);

/* [C, ..., K] as [K, C]: the op channels_last. */
MAMBA_MUST_CHECK MambaStatus mambaConstantChannelsLast(const MambaConstant *input, MambaConstant *result,
                                                       MambaError *error);

#endif
