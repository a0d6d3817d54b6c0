/* README.md: how to build and use the bundle. */
#include "emit.h"

void mambaEmitReadme(const MambaBundleOptions *options, const MambaBundleSummary *summary, FILE *file) {
  fprintf(file, "# %s, recipe %s\n\n", options->name, options->recipe);
  fputs("A Mamba language model as C11, written by mamba-opt. It needs a C compiler and POSIX threads.\n\n"
        "    cc -std=c11 -O3 -pthread *.c -lm -o run\n\n",
        file);
  if (summary->tokenizer)
    fputs("    ./run generate \"Once upon a time\"\n"
          "    ./run perplexity FILE\n",
          file);
  fputs("    ./run selftest\n"
        "    ./run bench\n"
        "    ./run --help\n\n"
        "or `cmake -B build && cmake --build build`. `run` looks for its data beside itself.\n\n",
        file);
  fprintf(file,
          "Memory: %zu bytes of weights, mapped and shared by processes; %zu of buffers; %zu of state.\n\n",
          summary->weights, summary->arena, summary->state);
  fputs("| file | is |\n"
        "|---|---|\n"
        "| `model.h` | the model as a library: link everything but main.c |\n"
        "| `model.c` | the program: one call per kernel, in order |\n"
        "| `model.mlir` | what it was made from |\n"
        "| `manifest.json` | versions, hashes, sizes, where each weight lies |\n"
        "| `golden.c` | the reference executor's results, for `selftest` |\n"
        "| `mamba_kernels.h` | what each kernel computes, exactly |\n\n"
        "Logits are the same bytes on every processor, with any number of threads, for a text at once\n"
        "or token by token. Do not build with -ffast-math: the program notices and refuses to run.\n"
        "The best instruction set that the processor has is picked at start; `MAMBA_ISA=portable` picks one by hand\n"
        "(x86-64: x86-64-v3, avx-vnni, x86-64-v4, avx512-vnni, amx-int8; aarch64: neon, neon-dotprod).\n",
        file);
}
