/* weights.bin: a header of 64 bytes, then the tensors, each at a multiple of 64 bytes from the first one's
 * begin. Numbers are little-endian. */
#ifndef MAMBA_WEIGHTS_H
#define MAMBA_WEIGHTS_H

#include "model.h"

#include <stdio.h>
#include <string.h>

/* "MAMBAWTS", without a terminator. */
#define MAMBA_WEIGHTS_MAGIC                                                                                  \
  { 'M', 'A', 'M', 'B', 'A', 'W', 'T', 'S' }
enum { MAMBA_WEIGHTS_VERSION = 1, MAMBA_WEIGHTS_ALIGNMENT = 64 };

typedef struct mamba_weights_header {
  char magic[8];
  uint32_t version;
  uint32_t header_bytes; /* sizeof this */
  uint64_t tensor_bytes; /* of what follows */
  uint64_t hash;         /* of what follows */
  uint8_t zero[32];
} mamba_weights_header;

/* A checksum of bytes that come in pieces: four interleaved FNV-1a sums over 64-bit words (the last one
 * filled up with zeros), so that it runs as fast as memory. Finds damage, not malice. Pieces but for the last
 * are multiples of 32 bytes long. */
typedef struct mamba_hash {
  uint64_t lanes[4];
  uint64_t bytes;
} mamba_hash;

static inline mamba_hash mamba_hash_begin(void) {
  const uint64_t basis = UINT64_C(0xcbf29ce484222325);
  return (mamba_hash){{basis, basis + 1, basis + 2, basis + 3}, 0};
}

static inline uint64_t mamba_hash_word(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
  return hash ^ hash >> 32;
}

static inline void mamba_hash_add(mamba_hash *hash, const void *data, size_t size) {
  const unsigned char *bytes = (const unsigned char *)data;
  hash->bytes += size;
  for (; size; bytes += 32) {
    uint64_t words[4] = {0, 0, 0, 0};
    const size_t part = size < sizeof words ? size : sizeof words;
    memcpy(words, bytes, part);
    for (int i = 0; i < 4; ++i)
      hash->lanes[i] = mamba_hash_word(hash->lanes[i], words[i]);
    size -= part;
  }
}

static inline uint64_t mamba_hash_end(const mamba_hash *hash) {
  uint64_t result = hash->bytes;
  for (int i = 0; i < 4; ++i)
    result = mamba_hash_word(result, hash->lanes[i]);
  return result;
}

static inline uint64_t mamba_hash_of(const void *data, size_t size) {
  mamba_hash hash = mamba_hash_begin();
  mamba_hash_add(&hash, data, size);
  return mamba_hash_end(&hash);
}

/* A weights file in memory. */
typedef struct mamba_weights {
  const unsigned char *tensors;
  void *memory; /* the whole file */
  size_t size;
  FILE *file; /* where `memory` is mapped, else NULL */
} mamba_weights;

/* Opens a file that must hold exactly `bytes` bytes of tensors with this hash. The whole file is read once,
 * to check it, in blocks: nothing of it is resident before a run reads it. */
mamba_code mamba_weights_open(const char *path, size_t bytes, uint64_t hash, mamba_weights *weights,
                              mamba_error *error);
void mamba_weights_close(mamba_weights *weights); /* of a zeroed one too */

/* Copies a few bytes of the tensors. To touch them where they are mapped would bring the pages around them
 * into memory, up to 2 MB, and with the rows of some hundred tokens all of an embedding. */
mamba_code mamba_weights_read(const mamba_weights *weights, size_t offset, size_t bytes, void *to,
                              mamba_error *error);

#endif
