/* mamba-opt: the pass tool. Everything that mlir-opt does, on .mlir, on bytecode, or on a checkpoint. */
#include "cli_pages.h"
#include "complete.h"

#include "mamba/shim.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 512 };

typedef struct Options {
  MambaCliOption list[MOST];
  size_t count, pass_count; /* passes are first */
} Options;

static void collect(const char *name, const char *help, MambaOptKind kind, void *context) {
  Options *options = context;
  if (options->count == MOST)
    return;
  MambaCliOption *option = &options->list[options->count++];
  if (kind == MAMBA_OPT_PASS) {
    MambaCliOption *first = &options->list[options->pass_count++];
    memmove(first + 1, first, (size_t)(option - first) * sizeof *first);
    option = first;
  }
  *option = (MambaCliOption){256, strdup(name), kind == MAMBA_OPT_VALUE ? "value" : NULL, strdup(help)};
}

/* The manual page or what a word can become: the options are MLIR's and those of every registered pass. */
static bool writePages(int argc, char **argv) {
  Options options = {.count = 0};
  mambaOptVisitOptions(collect, &options);
  const MambaCli cli = {
      .program = "mamba-opt",
      .usage = "MODEL [PASS ...] [OPTION ...]",
      .summary = "Runs passes over a Mamba model in MLIR and prints it.\n"
                 "MODEL is a checkpoint (a folder or a GGUF file), IR as .mlir or bytecode, or - for "
                 "standard input.\n",
      .options = options.list,
      .option_count = options.count,
      .values = kPassValues,
      .value_count = kPassValueCount,
  };
  const bool written = completePass(&cli, options.pass_count, argc, argv) || mambaCliPages(&cli, argc, argv);
  for (size_t i = 0; i < options.count; i++) {
    free((void *)options.list[i].name);
    free((void *)options.list[i].help);
  }
  return written;
}

int main(int argc, char **argv) {
  if (argc > 1 && (!strcmp(argv[1], "--man") || !strcmp(argv[1], "--complete")))
    return writePages(argc, argv) ? MAMBA_EXIT_OK : MAMBA_EXIT_USAGE;
  return mambaOptMain(argc, argv);
}
