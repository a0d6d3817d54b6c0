/* What the bench compares the int8 products of many rows with. */
#ifndef MAMBA_TEST_GPU_CUBLAS_H
#define MAMBA_TEST_GPU_CUBLAS_H

#include <stdint.h>

/* The median time of cublasLt's best algorithm of the first few for int32[rows, n] = int8[rows, k] w^T,
 * int8 w [n, k], over weights that no cache holds, in seconds; 0 where this was built without cublasLt. */
double cublas_seconds(int32_t rows, int32_t n, int32_t k);

#endif
