/* From a checkpoint to level-1 IR. */
#ifndef MAMBA_IMPORT_H
#define MAMBA_IMPORT_H

#include "mlir-c/IR.h"

#include "mamba/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* True when `path` names a folder, a GGUF file or an exported graph, or weights alone, which are refused:
 * what the tools import instead of parsing. */
bool mambaImportIsModel(const char *path);

/* Reads a Hugging Face folder (config.json and safetensors) or a GGUF file, see docs/import.md, and builds
 * the float model as a new module that the caller owns. Weights stay in the files; the module refers to them
 * by `path` as it was given. The context has the mamba and func dialects loaded (mambaRegisterAll). */
MAMBA_MUST_CHECK MambaStatus mambaImport(MlirContext context, const char *path, MlirModule *module,
                                         MambaError *error);

#ifdef __cplusplus
}
#endif
#endif
