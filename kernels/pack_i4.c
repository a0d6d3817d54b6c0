#include "pack_i4.h"

#include <string.h>

/* The byte of two weights. */
static uint8_t nibbles(int8_t low, int8_t high) {
  return (uint8_t)((low + 8) | (high + 8) << 4);
}

void mamba_pack_i4_blocks(const int8_t *q, const int8_t *scales, int32_t n, int32_t k, int32_t group,
                          void *packed) {
  const size_t blocks = (size_t)k / MAMBA_I4_DEPTH, group_count = (size_t)(k / group);
  uint8_t *const packed_scales = (uint8_t *)packed + mamba_pack_i4_blocks_offset(n, k);
  memset(packed, 0, mamba_packed_i4_blocks_bytes(n, k, group));
  for (size_t row = 0; row < (size_t)n; ++row) {
    const size_t first = row / MAMBA_PACK_ROWS, lane = row % MAMBA_PACK_ROWS;
    uint8_t *to = (uint8_t *)packed + first * blocks * MAMBA_PACK_BLOCK + lane * MAMBA_PACK_DEPTH;
    const int8_t *from = q + row * (size_t)k;
    for (size_t b = 0; b < blocks; ++b, to += MAMBA_PACK_BLOCK, from += MAMBA_I4_DEPTH)
      for (int j = 0; j < MAMBA_PACK_DEPTH; ++j)
        to[j] = nibbles(from[j], from[j + MAMBA_PACK_DEPTH]);
    for (size_t g = 0; g < group_count; ++g)
      packed_scales[(first * group_count + g) * MAMBA_PACK_ROWS + lane] =
          (uint8_t)scales[row * group_count + g];
  }
}

void mamba_pack_i4_rows(const int8_t *q, const int8_t *scales, int32_t n, int32_t k, int32_t group,
                        void *packed) {
  enum { HALF = MAMBA_I4_GROUP / 2 };
  const size_t blocks = (size_t)n * (size_t)(k / MAMBA_I4_GROUP);
  uint8_t *to = packed;
  for (size_t b = 0; b < blocks; ++b, to += HALF, q += MAMBA_I4_GROUP)
    for (int j = 0; j < HALF; ++j)
      to[j] = nibbles(q[j], q[j + HALF]);
  memcpy(to, scales, (size_t)n * (size_t)(k / group));
}
