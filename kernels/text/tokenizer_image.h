/* The binary image of a tokenizer (tokenizer.bin), version 1.
 *
 * All numbers are little-endian. Sections follow the header without gaps in the order below, so their
 * offsets and the size of the whole follow from the counts.
 *
 *   offset 0   magic, 8 bytes
 *   offset 8   u64 checksum: mambaTextHash of everything after it
 *   offset 16  u32 header[MAMBA_IMAGE_WORDS], indexed by the enumeration below
 *
 *   u32 byteTokens[256]           the token of each single byte, or MAMBA_IMAGE_NO_TOKEN
 *   u32 tokenEnds[tokens]         token i is tokenBytes[tokenEnds[i - 1] .. tokenEnds[i])
 *   u32 merges[merges][3]         left, right and result, best rank first
 *   u32 added[added][3]           id, end in addedBytes, MAMBA_ADDED_* flags
 *   u32 decompositions[n][2]      scalar, end in decompositionScalars; ascending
 *   u32 decompositionScalars[]    full canonical decompositions
 *   u32 compositions[n][3]        first, second, composite; ascending by the first two
 *   u16 propertyIndex[0x1100]     for each 256 scalars, which block describes them
 *   u16 properties[blocks][256]   MAMBA_PROPERTY_*
 *   u8  tokenFlags[tokens]        MAMBA_TOKEN_*
 *   u8  tokenBytes[]
 *   u8  addedBytes[]              the texts by which added tokens are recognised
 *
 * Hangul syllables are composed by arithmetic and appear in neither list. A tokenizer that does not normalize
 * has empty lists and classes only. */
#ifndef MAMBA_TEXT_TOKENIZER_IMAGE_H
#define MAMBA_TEXT_TOKENIZER_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#define MAMBA_IMAGE_MAGIC "MAMBATOK"

/* For bytes that never occur in UTF-8 and that the vocabulary leaves out; encoding drops them. */
#define MAMBA_IMAGE_NO_TOKEN UINT32_MAX

enum {
  MAMBA_IMAGE_VERSION = 1,
  MAMBA_IMAGE_CHECKSUM_AT = 8,
  MAMBA_IMAGE_HEADER_AT = 16,

  /* Words of the header. */
  MAMBA_IMAGE_WORD_VERSION = 0,
  MAMBA_IMAGE_WORD_FLAGS,
  MAMBA_IMAGE_WORD_UNICODE, /* major << 16 | minor << 8 | update, for people */
  MAMBA_IMAGE_WORD_TOKENS,
  MAMBA_IMAGE_WORD_TOKEN_BYTES,
  MAMBA_IMAGE_WORD_MERGES,
  MAMBA_IMAGE_WORD_ADDED,
  MAMBA_IMAGE_WORD_ADDED_BYTES,
  MAMBA_IMAGE_WORD_BLOCKS,
  MAMBA_IMAGE_WORD_DECOMPOSITIONS,
  MAMBA_IMAGE_WORD_DECOMPOSITION_SCALARS,
  MAMBA_IMAGE_WORD_COMPOSITIONS,
  MAMBA_IMAGE_WORDS,

  MAMBA_IMAGE_SECTIONS_AT = MAMBA_IMAGE_HEADER_AT + 4 * MAMBA_IMAGE_WORDS,

  MAMBA_IMAGE_BLOCK = 256,
  MAMBA_IMAGE_INDEX = 0x110000 / MAMBA_IMAGE_BLOCK,
  MAMBA_IMAGE_MAX_TOKENS = 1 << 22,

  /* Flags of the tokenizer. */
  MAMBA_IMAGE_PREFIX_SPACE = 1,  /* a space is put before a piece that does not begin with one */
  MAMBA_IMAGE_SPLIT_WORDS = 2,   /* GPT-2's pattern cuts pieces into words */
  MAMBA_IMAGE_NFC = 4,           /* text is brought to Normalization Form C first */
  MAMBA_IMAGE_IGNORE_MERGES = 8, /* a word that is a token is that token, whatever the merges say */
  MAMBA_IMAGE_ALL_FLAGS = 15,

  /* Flags of a token. */
  MAMBA_TOKEN_SPECIAL = 1,
  MAMBA_TOKEN_WORD = 2, /* in the vocabulary and spelled in the byte alphabet: words may become it */
  MAMBA_TOKEN_ALL_FLAGS = 3,

  /* Flags of an added token, as in tokenizer.json. */
  MAMBA_ADDED_SINGLE_WORD = 1,
  MAMBA_ADDED_LSTRIP = 2,
  MAMBA_ADDED_RSTRIP = 4,
  MAMBA_ADDED_NORMALIZED = 8,
  MAMBA_ADDED_ALL_FLAGS = 15,

  /* Properties of a scalar; the canonical combining class is in the high byte. */
  MAMBA_PROPERTY_CLASS = 3, /* one of the four classes */
  MAMBA_CLASS_OTHER = 0,
  MAMBA_CLASS_LETTER = 1,      /* \p{L} */
  MAMBA_CLASS_NUMBER = 2,      /* \p{N} */
  MAMBA_CLASS_SPACE = 3,       /* \s: White_Space */
  MAMBA_PROPERTY_WORD = 4,     /* \w */
  MAMBA_PROPERTY_JOINS = 8,    /* NFC may join or reorder it with what comes before it */
  MAMBA_PROPERTY_CHANGES = 16, /* its NFC is not itself */
  MAMBA_PROPERTY_DECOMPOSES = 32,
  MAMBA_PROPERTY_CCC_SHIFT = 8,

  MAMBA_MAX_DECOMPOSITION = 4, /* scalars in the longest canonical decomposition */
};

/* A multiplicative hash of 64 bits, eight bytes a step, the same on every machine. Any change within eight
 * consecutive bytes changes it. */
uint64_t mambaTextHash(const void *bytes, size_t size);

#endif
