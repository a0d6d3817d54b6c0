/* mamba-opt: the pass tool. Everything that mlir-opt does, on .mlir, on bytecode, or on a checkpoint. */
#include "mamba/shim.h"

int main(int argc, char **argv) { return mambaOptMain(argc, argv); }
