/* Completion of what only mamba-opt has: options of passes, and textual pipelines. */
#ifndef MAMBA_TOOLS_COMPLETE_H
#define MAMBA_TOOLS_COMPLETE_H

#include "cli.h"

/* What options of passes can be. */
extern const MambaCliValues kPassValues[];
extern const size_t kPassValueCount;

/* Answers "mamba-opt --complete WORD ..." where the last word is "--PASS=...", "--pass-pipeline=..." or
 * "--mlir-print-ir-after=...". The first `pass_count` options of the table are the passes. False for anything
 * else. */
bool completePass(const MambaCli *cli, size_t pass_count, int argc, char **argv);

#endif
