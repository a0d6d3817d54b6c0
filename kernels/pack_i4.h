/* The layouts of weights in 4 bits: w[n, k] = q[n, k] * scale[n, k / group], row-major before packing. q is
 * in
 * [-8, 7] and is stored as the nibble q + 8; scale is in [0, 15], so that w fits an int8. k is a multiple of
 * group, group one of 32, and k at most MAMBA_LINEAR_I8_MAX_K.
 *
 * Blocks, for integer dot products: as in pack.h a lane of 32 bits has four neighbours of one of 16 rows, and
 * a nibble's other half the four next to those. The rows of the last block are filled up with a scale of 0.
 *   blocks  uint8 [ceil(n / 16)][k / 8][16][4]: w[row, 8 b + j] low, w[row, 8 b + 4 + j] high
 *   scales  uint8 [ceil(n / 16)][k / group][16]
 * Rows, for float sums, whose 16 partial sums lie along k:
 *   rows    uint8 [n][k / 32][16]: w[row, 32 b + j] low, w[row, 32 b + 16 + j] high
 *   scales  uint8 [n][k / group] */
#ifndef MAMBA_PACK_I4_H
#define MAMBA_PACK_I4_H

#include "pack.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  MAMBA_I4_GROUP = 32,                  /* what a group of columns is a multiple of */
  MAMBA_I4_MAX_SCALE = 15,              /* 8 * 15 fits an int8 */
  MAMBA_I4_DEPTH = 2 * MAMBA_PACK_DEPTH /* columns of a block */
};

/* Whether weights of these sizes can be packed. */
static inline bool mamba_pack_i4_is_possible(int64_t n, int64_t k, int64_t group) {
  return n >= 1 && n <= INT32_MAX - MAMBA_PACK_ROWS && group >= MAMBA_I4_GROUP &&
         group % MAMBA_I4_GROUP == 0 && k >= group && k % group == 0 && k <= INT32_MAX / 8;
}

/* Bytes of a packed tensor, and where its scales begin. It is at a multiple of 64. */
static inline size_t mamba_pack_i4_blocks_offset(int32_t n, int32_t k) {
  return (size_t)mamba_pack_groups(n) * MAMBA_PACK_ROWS * ((size_t)k / 2);
}

static inline size_t mamba_packed_i4_blocks_bytes(int32_t n, int32_t k, int32_t group) {
  return mamba_pack_i4_blocks_offset(n, k) +
         (size_t)mamba_pack_groups(n) * MAMBA_PACK_ROWS * ((size_t)k / (size_t)group);
}

static inline size_t mamba_pack_i4_rows_offset(int32_t n, int32_t k) {
  return (size_t)n * ((size_t)k / 2);
}

static inline size_t mamba_packed_i4_rows_bytes(int32_t n, int32_t k, int32_t group) {
  return mamba_pack_i4_rows_offset(n, k) + (size_t)n * ((size_t)k / (size_t)group);
}

/* packed = the layout of q [n, k] in [-8, 7], a byte each, and scales [n, k / group] in [0, 15]. */
void mamba_pack_i4_blocks(const int8_t *q, const int8_t *scales, int32_t n, int32_t k, int32_t group,
                          void *packed);
void mamba_pack_i4_rows(const int8_t *q, const int8_t *scales, int32_t n, int32_t k, int32_t group,
                        void *packed);

#ifdef __cplusplus
}
#endif
#endif
