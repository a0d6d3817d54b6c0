/* From planned IR (level 4) to a bundle: a folder of C, or CUDA C++, that builds by itself and runs the
 * model. */
#ifndef MAMBA_CODEGEN_H
#define MAMBA_CODEGEN_H

#include "mamba/ir.h"
#include "mamba/target.h"

typedef struct MambaBundleOptions {
  const char *output; /* the folder to write */
  const char *name;   /* of the model, for people */
  const char *recipe; /* what made the integers, for the manifest */
  int threads;        /* that evaluate weights and compute the golden logits; 0 for one per processor */
} MambaBundleOptions;

/* The memory that a deployment needs, in bytes. */
typedef struct MambaBundleSummary {
  const MambaTarget *target; /* of the plan */
  size_t weights, arena, state, tokenizer;
  size_t
      device; /* what a program with one sequence allocates on a GPU, all of it in one piece; 0 for the CPU */
  double decode_seconds; /* that the plan predicts for a token of one sequence on the GPU; 0 for the CPU */
} MambaBundleSummary;

/* Fails where mambaCodegen would refuse `output`: it exists and is neither an empty folder nor a bundle,
 * or the folder above it does not exist. For calling before long work. */
MAMBA_MUST_CHECK MambaStatus mambaBundleCheckOutput(const char *output, MambaError *error);

/* Writes the bundle of a module that mamba-plan prepared. The folder appears whole or not at
 * all and replaces an older bundle of that name. Every constant is evaluated, so mamba-materialize need not
 * have run. The module's `mamba.tokenizer` (tokenizer.json) and `mamba.eos` (the id that ends a text) are
 * used where they are present; without a tokenizer the bundle knows token ids only. The same module and
 * options give the same bytes. What is wrong with the IR is also reported as an MLIR error at the op.
 * `summary` may be NULL. */
MAMBA_MUST_CHECK MambaStatus mambaCodegen(MlirOperation module, const MambaBundleOptions *options,
                                          MambaBundleSummary *summary, MambaError *error);

#endif
