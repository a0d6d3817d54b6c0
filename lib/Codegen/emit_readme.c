/* README.md and CMakeLists.txt: how to build the bundle. */
#include "emit.h"

void mambaEmitReadme(const MambaBundleOptions *options, const MambaBundleSummary *summary, FILE *file) {
  fprintf(file, "# %s, recipe %s\n\n", options->name, options->recipe);
  fprintf(file, "A Mamba language model as C11, written by mamba-opt. It needs a C compiler with IEEE floats and POSIX\n"
                "threads; nothing else.\n\n"
                "    cc -std=c11 -O3 -pthread *.c -lm -o run\n\n");
  if (summary->tokenizer)
    fprintf(file, "    ./run generate \"Once upon a time\"\n"
                  "    ./run perplexity FILE\n");
  fprintf(file, "    ./run selftest\n"
                "    ./run --help\n\n"
                "or `cmake -B build && cmake --build build`. `run` finds weights.bin%s beside itself.\n\n",
          summary->tokenizer ? " and tokenizer.bin" : "");
  fprintf(file, "Memory: %zu bytes of weights (mapped, shared between processes), %zu of buffers, %zu of state for\n"
                "the sequence.\n\n",
          summary->weights, summary->arena, summary->state);
  fprintf(file, "| file | is |\n|---|---|\n"
                "| `model.h` | the model as a library: link everything but main.c |\n"
                "| `model.c` | the program: one call per kernel, in order |\n"
                "| `model.mlir` | what it was made from |\n"
                "| `manifest.json` | versions, hashes, sizes, where each weight lies |\n"
                "| `golden.c` | the reference executor's results, for `selftest` |\n"
                "| `mamba_kernels.h` | what each kernel computes, exactly |\n\n"
                "Logits are the same bytes on every processor, with any number of threads, for a text at once or token\n"
                "by token. Do not build with -ffast-math: the program notices and refuses to run.\n"
                "`MAMBA_ISA=portable` (or x86-64-v3, x86-64-v4) picks an instruction set by hand.\n");
}

void mambaEmitCMake(FILE *file) {
  fprintf(file, "cmake_minimum_required(VERSION 3.16)\n"
                "project(model LANGUAGES C)\n"
                "if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)\n"
                "  set(CMAKE_BUILD_TYPE Release)\n"
                "endif()\n"
                "set(CMAKE_C_STANDARD 11)\n"
                "set(CMAKE_C_STANDARD_REQUIRED ON)\n"
                "set(CMAKE_C_EXTENSIONS OFF)\n"
                "set(THREADS_PREFER_PTHREAD_FLAG ON)\n"
                "find_package(Threads REQUIRED)\n"
                "file(GLOB sources \"${CMAKE_CURRENT_SOURCE_DIR}/*.c\")\n"
                "list(REMOVE_ITEM sources \"${CMAKE_CURRENT_SOURCE_DIR}/main.c\")\n"
                "add_library(model STATIC ${sources})\n"
                "target_include_directories(model PUBLIC \"${CMAKE_CURRENT_SOURCE_DIR}\")\n"
                "target_link_libraries(model PUBLIC Threads::Threads m)\n"
                "add_executable(run main.c)\n"
                "target_link_libraries(run PRIVATE model)\n"
                "foreach(file weights.bin tokenizer.bin)\n"
                "  if(EXISTS \"${CMAKE_CURRENT_SOURCE_DIR}/${file}\")\n"
                "    file(CREATE_LINK \"${CMAKE_CURRENT_SOURCE_DIR}/${file}\" \"${CMAKE_CURRENT_BINARY_DIR}/${file}\"\n"
                "         COPY_ON_ERROR SYMBOLIC)\n"
                "  endif()\n"
                "endforeach()\n");
}
