/* Which ops a GPU computes together when it decodes. */
#ifndef MAMBA_PASSES_PLAN_DECODE_H
#define MAMBA_PASSES_PLAN_DECODE_H

#include "mamba/ir.h"

/* The ops of one layer that three kernels of kernels/cuda/mamba_cuda.h (mamba_cuda_layer_*) compute for
 * single tokens. */
typedef struct DecodeLayer {
  MlirOperation norm, in_proj, conv, x_proj, dt_proj, scan;
  MlirOperation hadamard; /* null where the scan's result is quantized as it is */
  MlirOperation out_proj;
  MlirOperation next; /* the norm behind the layer, whose addition is the layer's now */
} DecodeLayer;

/* The layer that begins with `norm`, where its ops and types are what the kernels take; false otherwise. */
bool decodeLayerMatch(MlirOperation norm, DecodeLayer *layer);

/* Bytes of what the layer's kernels keep for `rows` rows in memory that nothing else uses: integer sums,
 * scales. */
int64_t decodeLayerSums(const DecodeLayer *layer, int64_t rows);

/* Bytes of what the blocks of a persistent kernel hand each other. */
int64_t decodeLayerExchange(const DecodeLayer *layer);

/* Whether the persistent kernel takes it. */
bool decodeLayerPersists(const DecodeLayer *layer);

/* Whether one kernel can compute both. */
bool decodeLayersAreAlike(const DecodeLayer *a, const DecodeLayer *b);

/* Marks the ops of a layer: `mamba.decode_group`, the layer's number, and `mamba.decode_kernel`, the kernel
 * that an op is part of. */
void decodeLayerMark(const DecodeLayer *layer, int64_t number);

/* Removes what an earlier plan said about decode. */
void decodeUnmark(MlirOperation op);

#endif
