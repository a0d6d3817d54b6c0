/* CUDA errors in test programs: one sentence, exit 1. */
#ifndef MAMBA_TEST_GPU_CHECK_H
#define MAMBA_TEST_GPU_CHECK_H

#include <cuda_runtime.h>

#include <stdio.h>
#include <stdlib.h>

#define CHECK(call)                                                                                          \
  do {                                                                                                       \
    const cudaError_t check_error = (call);                                                                  \
    if (check_error != cudaSuccess) {                                                                        \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, cudaGetErrorString(check_error));        \
      exit(1);                                                                                               \
    }                                                                                                        \
  } while (0)

#endif
