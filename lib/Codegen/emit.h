/* The generated files of a bundle. Each function writes one to `file`; the caller checks the stream. */
#ifndef MAMBA_CODEGEN_EMIT_H
#define MAMBA_CODEGEN_EMIT_H

#include "mamba/codegen.h"
#include "plan.h"

#include <stdio.h>

/* model.c: the plan, one call per kernel. end_of_text: the id that ends a text, or -1. */
MAMBA_MUST_CHECK MambaStatus mambaEmitProgram(const MambaPlan *plan, int64_t end_of_text, FILE *file,
                                              MambaError *error);

/* golden.c: runs a few sequences in the reference executor and writes what must come out. */
MAMBA_MUST_CHECK MambaStatus mambaEmitGolden(const MambaPlan *plan, const MambaBundleOptions *options,
                                             FILE *file, MambaError *error);

/* manifest.json. */
MAMBA_MUST_CHECK MambaStatus mambaEmitManifest(const MambaPlan *plan, const MambaBundleOptions *options,
                                               const MambaBundleSummary *summary, FILE *file,
                                               MambaError *error);

/* README.md. */
void mambaEmitReadme(const MambaBundleOptions *options, const MambaBundleSummary *summary, FILE *file);

#endif
