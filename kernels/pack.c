#include "pack.h"

#include <string.h>

size_t mamba_packed_i8_bytes(int32_t n, int32_t k) {
  const int32_t groups = mamba_pack_groups(n);
  return mamba_pack_group_offset(groups, k) + (size_t)groups * MAMBA_PACK_ROWS * sizeof(int32_t);
}

static void store_little_endian(unsigned char *bytes, uint32_t value) {
  for (int i = 0; i < 4; ++i)
    bytes[i] = (unsigned char)(value >> 8 * i);
}

void mamba_pack_i8(const int8_t *w, int32_t n, int32_t k, void *packed) {
  const int32_t groups = mamba_pack_groups(n);
  const size_t row_blocks = (size_t)mamba_pack_depth_blocks(k);
  unsigned char *offsets = (unsigned char *)packed + mamba_pack_group_offset(groups, k);
  memset(packed, 0, mamba_packed_i8_bytes(n, k));
  for (int32_t row = 0; row < n; ++row) {
    const int32_t group = row / MAMBA_PACK_ROWS, lane = row % MAMBA_PACK_ROWS;
    const int8_t *from = w + (size_t)row * (size_t)k;
    int8_t *to = (int8_t *)packed + mamba_pack_group_offset(group, k) + lane * MAMBA_PACK_DEPTH;
    uint32_t sum = 0;
    for (size_t block = 0; block < row_blocks; ++block, to += MAMBA_PACK_BLOCK) {
      const size_t at = block * MAMBA_PACK_DEPTH;
      for (size_t i = 0; i < MAMBA_PACK_DEPTH && at + i < (size_t)k; ++i) {
        to[i] = from[at + i];
        sum += (uint32_t)from[at + i];
      }
    }
    store_little_endian(offsets + (size_t)row * sizeof(int32_t), 0u - 128u * sum);
  }
}
