/* What the compiler has to know of the kernels, too: which sizes the fused kernels of decode take. Plain C.
 */
#ifndef MAMBA_CUDA_LIMITS_H
#define MAMBA_CUDA_LIMITS_H

#include "../hadamard_matrices.h"

#include <stdbool.h>
#include <stdint.h>

enum {
  MAMBA_CUDA_LAYER_ROWS = 1,    /* the most rows */
  MAMBA_CUDA_LAYER_STATES = 16, /* of a channel */
  MAMBA_CUDA_LAYER_WIDTH = 4,   /* of the convolution */
  MAMBA_CUDA_SCAN_CHANNELS = 16 /* a block of the scan does the butterflies of strides below */
};

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

/* What the blocks of a row of mamba_cuda_argmax exchange: zero before the first call and after each. */
typedef struct mamba_cuda_best {
  unsigned long long key;
  uint32_t finished;
} mamba_cuda_best;

#endif
