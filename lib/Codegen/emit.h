/* The generated files of a bundle. Each function writes one to `file`; the caller checks the stream. */
#ifndef MAMBA_CODEGEN_EMIT_H
#define MAMBA_CODEGEN_EMIT_H

#include "mamba/codegen.h"
#include "plan.h"

#include <stdio.h>

/* program.c: sizes and places. Needs the hash of the weights. */
void mambaEmitProgram(const MambaPlan *plan, FILE *file);

/* model.c or model.cu: one call per kernel. */
MAMBA_MUST_CHECK MambaStatus mambaEmitModel(const MambaPlan *plan, FILE *file, MambaError *error);

/* golden.c: runs a few sequences in the reference executor and writes what must come out. */
MAMBA_MUST_CHECK MambaStatus mambaEmitGolden(const MambaPlan *plan, const MambaBundleOptions *options,
                                             FILE *file, MambaError *error);

/* manifest.json. */
MAMBA_MUST_CHECK MambaStatus mambaEmitManifest(const MambaPlan *plan, const MambaBundleOptions *options,
                                               const MambaBundleSummary *summary, FILE *file,
                                               MambaError *error);

/* README.md. */
void mambaEmitReadme(const MambaPlan *plan, const MambaBundleOptions *options,
                     const MambaBundleSummary *summary, FILE *file);

#endif
