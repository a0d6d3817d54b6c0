/* What MLIR offers to C++ only, for C: registering dialects and named passes, and the standard tools' mains. */
#ifndef MAMBA_SHIM_H
#define MAMBA_SHIM_H

#include "mlir-c/IR.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Loads the mamba dialect and those it is used with into the context, and registers every pass and
 * pipeline with MLIR (once a process), so that mlirOpPassManagerAddPipeline knows them by name. */
void mambaRegisterAll(MlirContext context);

/* Parses and verifies IR, text or bytecode; "-" for standard input. Null after an error was emitted. Diagnostics
 * of the context that belong to this text show its line and a caret from then on. The caller destroys the module. */
MlirModule mambaParseFile(MlirContext context, const char *path);

/* From now on a diagnostic of the context about a named value is printed as "FILE: error: NAME: MESSAGE". Others are
 * left to the handlers that were there before. */
void mambaShowNames(MlirContext context, const char *file);

/* The main of mamba-opt: mlir-opt's, on a checkpoint folder too. Exit codes 0 ok, 1 bad input, 2 bad usage. */
int mambaOptMain(int argc, char **argv);

/* What the command line of mamba-opt has. */
typedef enum MambaOptKind { MAMBA_OPT_FLAG, MAMBA_OPT_VALUE, MAMBA_OPT_PASS } MambaOptKind;
typedef void (*MambaOptVisitor)(const char *name, const char *help, MambaOptKind kind, void *context);

/* Calls `visit` with every option that mamba-opt shows in its help, passes and pipelines included, in the order of
 * names. Registers them, so once a process. */
void mambaOptVisitOptions(MambaOptVisitor visit, void *context);

/* Calls `visit` with the name of every option of a pass or pipeline; for an unknown one, with none. */
void mambaOptVisitPassOptions(const char *pass, void (*visit)(const char *option, void *context), void *context);

/* The main of mamba-lsp-server. */
int mambaLspServerMain(int argc, char **argv);

#ifdef __cplusplus
}
#endif
#endif
