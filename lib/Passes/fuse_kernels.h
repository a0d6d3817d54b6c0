/* mamba-fuse-kernels, kernel by kernel. Each function replaces one op of level 2, with what surrounds it, by
 * a kernel op, and returns that (or the op itself where it may stay); null after a diagnostic. */
#ifndef MAMBA_PASSES_FUSE_KERNELS_H
#define MAMBA_PASSES_FUSE_KERNELS_H

#include "mamba/ir.h"

MlirOperation fuseNorm(MlirOperation norm);         /* [add] rms_norm: [add_]rms_norm_quant */
MlirOperation fuseHadamard(MlirOperation hadamard); /* of activations: hadamard_quant */
MlirOperation fuseQuantize(MlirOperation quantize); /* by token: quantize_rows */
MlirOperation fuseLinear(MlirOperation linear);     /* linear, slices: linear_i8 */
MlirOperation fuseConv(MlirOperation conv);         /* causal_conv1d, silu: conv1d_silu_quant */
MlirOperation fuseScan(MlirOperation scan); /* softplus, selective_scan, silu, mul: selective_scan_quant */

/* `scale * input_scale` per row of a weight whose scale is one value or one per row, [rows, 1...] f32: what
 * integer sums are multiplied by. A null input_scale counts as 1. Null after a diagnostic at `op`. */
MlirValue buildMultiplier(MlirOperation op, MlirValue weight, MlirValue scale, MlirValue input_scale);

#endif
