/* What the files of the tokenizer share. */
#ifndef MAMBA_TEXT_TOKENIZER_INTERNAL_H
#define MAMBA_TEXT_TOKENIZER_INTERNAL_H

#include "tokenizer.h"
#include "tokenizer_image.h"

/* ---- Growing arrays (growing.c). Zero-initialise; free(data). ---- */

typedef struct MambaTextBytes {
  unsigned char *data;
  size_t size, capacity;
} MambaTextBytes;

typedef struct MambaTextIds {
  int32_t *data;
  size_t size, capacity;
} MambaTextIds;

/* False when memory is short; the array is then unchanged. */
bool mambaTextBytesAppend(MambaTextBytes *bytes, const void *data, size_t size);
bool mambaTextIdsReserve(MambaTextIds *ids, size_t more);
bool mambaTextIdsAppend(MambaTextIds *ids, int32_t id);

/* ---- UTF-8 (utf8.c). ---- */

enum { MAMBA_TEXT_SCALARS = 0x110000 };

/* Reads the character at bytes[0], size > 0, and returns its length. An ill-formed sequence reads as one byte
 * b with the value MAMBA_TEXT_SCALARS + b. */
unsigned mambaTextDecode(const unsigned char *bytes, size_t size, uint32_t *scalar);

/* The same for the character that ends at bytes[size], size > 0. */
unsigned mambaTextDecodeBack(const unsigned char *bytes, size_t size, uint32_t *scalar);

/* Writes a value of mambaTextDecode, at most 4 bytes; returns the length. */
unsigned mambaTextEncode(uint32_t scalar, unsigned char *bytes);

/* ---- The tokenizer (tokenizer_image.c). ---- */

typedef struct MambaTextTrieNode {
  uint32_t child, sibling; /* 0: none; the root is nobody's child */
  int32_t added;           /* index of the added token that ends here, or -1 */
  unsigned char byte;
} MambaTextTrieNode;

/* Added tokens that are looked for in one pass. */
typedef struct MambaTextTrie {
  uint32_t first[256]; /* the root's children */
  MambaTextTrieNode *nodes;
  uint32_t count;
} MambaTextTrie;

struct MambaTokenizer {
  uint32_t flags;
  uint32_t tokenCount, mergeCount, addedCount, decompositionCount, compositionCount;
  uint32_t *byteTokens;
  uint32_t *tokenEnds;
  uint32_t *merges;
  uint32_t *added;
  uint32_t *decompositions;
  uint32_t *decompositionScalars;
  uint32_t *compositions;
  uint16_t *propertyIndex;
  uint16_t *properties;
  unsigned char *tokenFlags;
  unsigned char *tokenBytes;
  unsigned char *addedBytes;
  /* Built from the above. Hash tables hold index + 1, 0 when free; sizes are powers of two. */
  uint32_t *mergeTable, mergeMask;
  uint32_t *wordTable, wordMask; /* only for MAMBA_IMAGE_IGNORE_MERGES */
  MambaTextTrie raw, normalized; /* added tokens sought before and after normalization */
};

static inline unsigned mambaTextProperties(const MambaTokenizer *tokenizer, uint32_t scalar) {
  if (scalar >= MAMBA_TEXT_SCALARS)
    return MAMBA_CLASS_OTHER;
  const size_t block = tokenizer->propertyIndex[scalar / MAMBA_IMAGE_BLOCK];
  return tokenizer->properties[block * MAMBA_IMAGE_BLOCK + scalar % MAMBA_IMAGE_BLOCK];
}

/* The bytes of element i of an array with ends (tokens: stride 1; added tokens: stride 3, ends at 1; ...). */
static inline uint32_t mambaTextStart(const uint32_t *ends, uint32_t stride, uint32_t i) {
  return i ? ends[(size_t)(i - 1) * stride] : 0;
}

/* ---- Added tokens (added_tokens.c). ---- */

/* Builds the trie of the added tokens whose MAMBA_ADDED_NORMALIZED flag is `normalized`. */
bool mambaTextTrieBuild(const MambaTokenizer *tokenizer, bool normalized, MambaTextTrie *trie);

/* Walks over text, cut into added tokens and what lies between them. */
typedef struct MambaTextSplitter {
  const MambaTokenizer *tokenizer;
  const MambaTextTrie *trie;
  const unsigned char *text;
  size_t size;
  size_t searched; /* where the search for the next token goes on */
  size_t done;     /* the end of what was given out */
  int32_t pending; /* a token that follows the text given out last, or -1 */
} MambaTextSplitter;

typedef struct MambaTextPiece {
  const unsigned char *bytes;
  size_t size;
  int32_t id; /* of an added token, or -1 for text */
} MambaTextPiece;

MambaTextSplitter mambaTextSplitterCreate(const MambaTokenizer *tokenizer, const MambaTextTrie *trie,
                                          const unsigned char *text, size_t size);
bool mambaTextSplitterNext(MambaTextSplitter *splitter, MambaTextPiece *piece);

/* ---- Normalization (nfc.c). ---- */

/* Appends the NFC of text to `out`. */
bool mambaTextNormalize(const MambaTokenizer *tokenizer, const unsigned char *text, size_t size,
                        MambaTextBytes *out);

/* ---- Words (pretokenize.c). ---- */

/* The length of the first word of text, size > 0: the first match of GPT-2's pattern
 *   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+   */
size_t mambaTextWordLength(const MambaTokenizer *tokenizer, const unsigned char *text, size_t size);

/* ---- Byte pair encoding (bpe.c). ---- */

typedef struct MambaTextMerger MambaTextMerger;

/* Working memory for encoding a text of about textSize bytes; NULL when memory is short. */
MambaTextMerger *mambaTextMergerCreate(const MambaTokenizer *tokenizer, size_t textSize);
void mambaTextMergerDestroy(MambaTextMerger *merger);

/* Appends the tokens of one word to `ids`, the same array in every call on one merger. */
bool mambaTextMergerEncode(MambaTextMerger *merger, const unsigned char *word, size_t size,
                           MambaTextIds *ids);

/* Slots of an open-addressing table for `count` entries: a power of two, at most half full. */
static inline uint32_t mambaTextTableSize(uint32_t count) {
  uint32_t size = 16;
  while (size / 2 < count)
    size *= 2;
  return size;
}

static inline uint32_t mambaTextPairHash(uint32_t left, uint32_t right) {
  const uint64_t key = ((uint64_t)left << 32 | right) * UINT64_C(0x9E3779B97F4A7C15);
  return (uint32_t)(key >> 32);
}

#endif
