/* A module of one block of a model: it reads what was recorded of its input as rows of an embedding, and
 * returns the residual stream behind the block. Values keep their names, so that every pass does to it what
 * it would do to the model. */
#ifndef MAMBA_SEARCH_BLOCK_MODULE_H
#define MAMBA_SEARCH_BLOCK_MODULE_H

#include "mamba/ir.h"

/* The value that a block reads: the residual stream in front of its norm. `in_proj` reads that norm. Null
 * after a diagnostic. */
MlirValue blockInput(MlirOperation in_proj);

/* Block `block` of the model (level 1), in the order of findSites; the head counts as one that reads the last
 * norm and returns the logits. `folder` gets two files, block.safetensors and input.safetensors, which the
 * module names; rows: [count, channels] of the input. A null operation after a diagnostic; the caller
 * destroys it. */
MlirOperation blockModuleCreate(MlirOperation model, intptr_t block, const char *folder, const float *rows,
                                int64_t count, int64_t channels);

/* Runs the module over ids [samples, length] = 0, 1, 2, ...: output [samples, length, channels], of the head
 * [samples, length, vocabulary]. */
MAMBA_MUST_CHECK MambaStatus blockModuleRun(MlirOperation module, int64_t samples, int64_t length,
                                            float *output, MambaError *error);

#endif
