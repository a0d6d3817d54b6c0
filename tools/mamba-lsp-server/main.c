/* mamba-lsp-server: the language server for editors. */
#include "mamba/shim.h"

int main(int argc, char **argv) { return mambaLspServerMain(argc, argv); }
