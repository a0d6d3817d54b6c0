/* How kernels hand values to each other.
 *
 * At level 2 a value v is stored by `quantize` (i8) or `cast` (f16) and read back by `dequantize` or `cast`.
 * The kernel that makes v takes over the storing: each stored form of v becomes one of its results. The
 * kernel that needs v takes over the reading: it gets the stored form. Both replace values by equal ones, so
 * every kernel is fused by itself. */
#ifndef MAMBA_PASSES_FUSE_STORES_H
#define MAMBA_PASSES_FUSE_STORES_H

#include "mamba/ir.h"

/* One stored form of a value. */
typedef struct Store {
  MlirValue value; /* what a kernel's result replaces: a `quantize`, a `cast` to f16, or the value itself */
  MlirValue scale; /* of i8 with a constant scale, and its reciprocal; null otherwise */
  MlirValue inv_scale;
  MlirValue row_scale; /* of i8 with a scale per token: the `absmax_scale` that a second result replaces */
  MlirStringRef name;  /* the result's */
  MlirType type;
} Store;

/* The stored forms of `value` in program order, at most `limit` (else a diagnostic at `op`). New ops that
 * they need are put before `op`. A scale per token is a stored form only with `row_scales`: a kernel that
 * cannot make it stores f32. A `clamp` of the value disappears where each of its readers quantizes and
 * saturates at its limit. */
bool findStores(MlirOperation op, MlirValue value, bool row_scales, Store *stores, int limit, int *count);

/* A kernel op in the making. */
typedef struct Kernel {
  MambaOpState state;
  MlirValue inv_scales[MAMBA_MAX_RESULTS];
  MlirStringRef names[MAMBA_MAX_RESULTS];
} Kernel;

void addResult(Kernel *kernel, MlirType type, MlirStringRef name);
/* The result of a stored form, and that of its row scale; its reciprocal joins the variadic inv_scales. */
void addStore(Kernel *kernel, const Store *store);
/* Builds the op in front of `before`, named after its results. */
MlirOperation buildKernel(Kernel *kernel, MlirOperation before);

/* Puts a result of the kernel in the place of a stored form, and the next one in that of its row scale. */
void takeStore(const Store *store, MlirOperation kernel, int result);

/* Destroys an op that a kernel replaces and everything that reads it: forms of its value that the kernel has
 * replaced too. */
void eraseReplaced(MlirOperation op);

/* What a kernel reads for a value: i8 with the scale that it was stored by, f16, or f32 with a null scale. */
typedef struct Load {
  MlirValue value;
  MlirValue scale;
} Load;
Load loadOf(MlirValue value);

#endif
