/* The layout of int8 weights that every instruction set reads in the order it multiplies.
 *
 * w is [n, k], row-major. Rows are taken 16 at a time and k 4 at a time, filled up with zeros:
 *   blocks   int8  [ceil(n / 16)][ceil(k / 4)][16][4]
 *   offsets  int32 [ceil(n / 16)][16], little-endian: -128 * sum_k w[n, k] modulo 2^32
 * A block of 64 bytes is one AVX-512 register, two of AVX2, four of NEON, and a row of an AMX tile; each
 * of its 16 lanes of 32 bits holds four neighbours of one row, which is what the dot product
 * instructions (vpdpbusd, sdot, tdpbssd) take. Decode reads the blocks from the first to the last.
 * The offsets serve vpdpbusd, one of whose operands is unsigned: with x + 128 in place of x the sum
 * begins at the offset and is exact. */
#ifndef MAMBA_PACK_H
#define MAMBA_PACK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MAMBA_PACK_ROWS = 16, MAMBA_PACK_DEPTH = 4, MAMBA_PACK_BLOCK = MAMBA_PACK_ROWS * MAMBA_PACK_DEPTH };

/* Blocks of k that a group of 16 rows has. */
static inline int32_t mamba_pack_depth_blocks(int32_t k) {
  return (k - 1) / MAMBA_PACK_DEPTH + 1;
}

static inline int32_t mamba_pack_groups(int32_t n) {
  return (n - 1) / MAMBA_PACK_ROWS + 1;
}

/* Where group `group` begins. */
static inline size_t mamba_pack_group_offset(int32_t group, int32_t k) {
  return (size_t)group * (size_t)mamba_pack_depth_blocks(k) * MAMBA_PACK_BLOCK;
}

/* Bytes of a packed tensor; n and k are at least 1. It is at a multiple of 64. */
size_t mamba_packed_i8_bytes(int32_t n, int32_t k);

/* packed = w [n, k], values in [-127, 127]. They do not overlap. */
void mamba_pack_i8(const int8_t *w, int32_t n, int32_t k, void *packed);

#ifdef __cplusplus
}
#endif
#endif
