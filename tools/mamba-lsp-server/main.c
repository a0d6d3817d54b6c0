/* mamba-lsp-server: the language server for editors. */
#include "cli_pages.h"

#include "mamba/shim.h"

int main(int argc, char **argv) {
  static const MambaCli cli = {
      .program = "mamba-lsp-server",
      .usage = "[OPTION ...]",
      .summary = "The language server for Mamba models in MLIR.\n"
                 "An editor starts it and speaks with it on standard input and output; --help lists what "
                 "helps to debug it.\n",
  };
  return mambaCliPages(&cli, argc, argv) ? MAMBA_EXIT_OK : mambaLspServerMain(argc, argv);
}
