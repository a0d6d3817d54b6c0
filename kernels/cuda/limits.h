/* What the compiler has to know of the kernels, too: which sizes the fused kernels of decode take. Plain C.
 */
#ifndef MAMBA_CUDA_LIMITS_H
#define MAMBA_CUDA_LIMITS_H

#include "../hadamard_matrices.h"

#include <stdbool.h>
#include <stdint.h>

enum {
  MAMBA_CUDA_LAYER_ROWS = 64,    /* the most rows */
  MAMBA_CUDA_LAYER_STATES = 16,  /* of a channel */
  MAMBA_CUDA_LAYER_WIDTH = 4,    /* of the convolution */
  MAMBA_CUDA_SCAN_CHANNELS = 16, /* a block of the scan does the butterflies of strides below */
  MAMBA_CUDA_LAYER_BYTES = 704   /* sizeof(mamba_cuda_layer) */
};

/* The most rows of a program whose buffers hold `tokens` rows. */
static inline int64_t mambaCudaLayerRows(int64_t tokens) {
  const int64_t most = MAMBA_CUDA_LAYER_ROWS;
  return tokens < most ? tokens : most;
}

/* What the layers of a program keep in memory of their own, which is zero between runs, in this order: a
 * scale and the integer sums of out_proj for each row, where there are several, and those of x_proj. Offsets
 * in bytes. */
static inline int64_t mambaCudaOutSums(void) {
  return MAMBA_CUDA_LAYER_ROWS * (int64_t)sizeof(float);
}
static inline int64_t mambaCudaSums(int64_t rows, int64_t d) {
  return mambaCudaOutSums() + rows * d * (int64_t)sizeof(int32_t);
}

/* What mamba_cuda_decode's blocks hand each other: a word for each value of the residual, of u, z and y, and
 * for each sum of x_proj and what it was before; and the number of the last launch (exchange.cuh). */
static inline int64_t mambaCudaExchangeBytes(int64_t d, int64_t inner, int64_t rank) {
  const int64_t words = d + 3 * inner + 2 * (rank + 2 * MAMBA_CUDA_LAYER_STATES) + 1;
  return (words + 7) / 8 * 8 * (int64_t)sizeof(uint64_t);
}

/* Of the residual: a row of which one block normalises. */
static inline bool mambaCudaTakesWidth(int64_t d) {
  return d >= 128 && d <= 4096 && d % 128 == 0;
}

static inline bool mambaCudaTakesInner(int64_t inner) {
  return inner >= 128 && inner <= 8192 && inner % 128 == 0;
}

static inline bool mambaCudaTakesRank(int64_t rank) {
  return rank >= 16 && rank <= 256 && rank % 16 == 0;
}

/* The Hadamard transform of a row of `inner` values, for which the former says yes. */
static inline bool mambaCudaTakesTransform(int64_t inner) {
  const int64_t order = mambaHadamardOrder((int32_t)inner), block = order ? inner / order : 0;
  return block >= MAMBA_CUDA_SCAN_CHANNELS && (order == 1 || block <= 256);
}

/* Whether mamba_cuda_decode takes a transform; it does not take x, z and u in f32 either: there would be
 * three times as many kernels to compile, for layers that no recipe makes. */
static inline bool mambaCudaPersists(int32_t order, bool transpose) {
  return (order == 1 || order == 12 || order == 20) && !transpose;
}

/* What the blocks of a row of mamba_cuda_argmax exchange: zero before the first call and after each. */
typedef struct mamba_cuda_best {
  unsigned long long key;
  uint32_t finished;
} mamba_cuda_best;

#endif
