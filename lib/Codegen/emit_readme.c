/* README.md: how to build and use the bundle. */
#include "emit.h"

/* What it takes to build. */
static void emitNeeds(const MambaTarget *target, FILE *file) {
  char command[256];
  mambaTargetBuildCommand(target, command, sizeof command);
  fprintf(file,
          "A Mamba language model as %s, written by mamba-opt. It needs %s.\n\n"
          "    %s\n\n",
          mambaTargetIsCuda(target) ? "CUDA C++ and C11" : "C11",
          mambaTargetIsCuda(target) ? "the CUDA toolkit, 11.4 or later" : "a C compiler and POSIX threads",
          command);
}

/* What is promised, and how to choose what computes. */
static void emitPromises(const MambaTarget *target, FILE *file) {
  if (mambaTargetIsCuda(target))
    fprintf(
        file,
        "Logits are the same bytes as a bundle for the CPU gives, on every GPU of compute capability %d.%d "
        "or\n"
        "later, for a text at once or token by token. Do not leave out -fmad=false: the program notices and\n"
        "refuses to run. `MAMBA_CUDA_GRAPH=0` makes a step launch kernel by kernel instead of as a graph.\n",
        target->architecture / 10, target->architecture % 10);
  else
    fputs("Logits are the same bytes on every processor, with any number of threads, for a text at once\n"
          "or token by token. Do not build with -ffast-math: the program notices and refuses to run.\n"
          "The best instruction set that the processor has is picked at start; `MAMBA_ISA=portable` picks "
          "one by hand\n"
          "(x86-64: x86-64-v3, avx-vnni, x86-64-v4, avx512-vnni, amx-int8; aarch64: neon, neon-dotprod).\n",
          file);
}

void mambaEmitReadme(const MambaPlan *plan, const MambaBundleOptions *options,
                     const MambaBundleSummary *summary, FILE *file) {
  const bool cuda = mambaTargetIsCuda(plan->target);
  fprintf(file, "# %s, recipe %s, for %s\n\n", options->name, options->recipe, plan->target->summary);
  emitNeeds(plan->target, file);
  if (summary->tokenizer)
    fputs("    ./run generate \"Once upon a time\"\n"
          "    ./run perplexity FILE\n",
          file);
  fputs("    ./run selftest\n"
        "    ./run bench\n"
        "    ./run --help\n\n"
        "or `cmake -B build && cmake --build build`. `run` looks for its data beside itself.\n\n",
        file);
  if (cuda)
    fprintf(file,
            "Memory on the GPU: %zu bytes for one sequence, %zu of them its state, which every other takes "
            "too.\n\n",
            summary->device, summary->state);
  else
    fprintf(file,
            "Memory: %zu bytes of weights, mapped and shared by processes; %zu of buffers; %zu of state.\n\n",
            summary->weights, summary->arena, summary->state);
  fprintf(file,
          "| file | is |\n"
          "|---|---|\n"
          "| `model.h` | the model as a library: link everything but main.c |\n"
          "| `%s` | the program: one call per kernel, in order |\n"
          "| `model.mlir` | what it was made from |\n"
          "| `manifest.json` | versions, hashes, sizes, where each weight lies |\n"
          "| `golden.c` | the reference executor's results, for `selftest` |\n"
          "| `mamba_kernels.h` | what each kernel computes, exactly |\n\n",
          cuda ? "model.cu" : "model.c");
  emitPromises(plan->target, file);
}
