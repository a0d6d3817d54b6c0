/* fake_weights BYTES FILE: a weights.bin with so many bytes of tensors, to measure speed, which does not
 * depend on their values: as floats they are small and finite. Prints the hash that program.c has to name. */
#include "bundle/weights.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  const mamba_weights_header empty = {.magic = MAMBA_WEIGHTS_MAGIC, .version = MAMBA_WEIGHTS_VERSION};
  mamba_weights_header header = empty;
  mamba_hash hash = mamba_hash_begin();
  uint32_t block[MAMBA_WEIGHTS_ALIGNMENT / sizeof(uint32_t)], random = 1;
  FILE *file = argc == 3 ? fopen(argv[2], "wb") : NULL;
  if (!file)
    return 1;
  header.header_bytes = sizeof header;
  header.tensor_bytes = strtoull(argv[1], NULL, 10);
  fwrite(&header, sizeof header, 1, file);
  for (uint64_t done = 0; done < header.tensor_bytes; done += sizeof block) {
    for (size_t i = 0; i < sizeof block / sizeof block[0]; ++i) {
      random = random * 1664525 + 1013904223;
      block[i] = (random >> 8 & 0x00ff3fffu) | 0x3c000000u; /* 2^-7 to 2^-6; as halves, below 2 */
    }
    mamba_hash_add(&hash, block, sizeof block);
    fwrite(block, sizeof block, 1, file);
  }
  header.hash = mamba_hash_end(&hash);
  rewind(file);
  fwrite(&header, sizeof header, 1, file);
  printf("%016" PRIx64 "\n", header.hash);
  return fclose(file) != 0;
}
