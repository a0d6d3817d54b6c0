#include "tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

/* Sections that follow each other; an exact size was checked before, so reading cannot run over. */
typedef struct Reader {
  const unsigned char *at;
  bool noMemory;
} Reader;

static uint32_t read32(const unsigned char *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Copies a section; the caller owns it. Empty ones are allocated as well, so that NULL means no memory. */
static void *allocateSection(Reader *reader, size_t count, size_t elementSize) {
  void *section = malloc(count ? count * elementSize : 1);
  if (!section)
    reader->noMemory = true;
  return section;
}

static uint32_t *takeWords(Reader *reader, size_t count) {
  uint32_t *words = allocateSection(reader, count, sizeof *words);
  for (size_t i = 0; words && i < count; i++)
    words[i] = read32(reader->at + 4 * i);
  reader->at += 4 * count;
  return words;
}

static uint16_t *takeHalves(Reader *reader, size_t count) {
  uint16_t *halves = allocateSection(reader, count, sizeof *halves);
  for (size_t i = 0; halves && i < count; i++)
    halves[i] = (uint16_t)(reader->at[2 * i] | reader->at[2 * i + 1] << 8);
  reader->at += 2 * count;
  return halves;
}

static unsigned char *takeBytes(Reader *reader, size_t count) {
  unsigned char *bytes = allocateSection(reader, count, 1);
  if (bytes && count)
    memcpy(bytes, reader->at, count);
  reader->at += count;
  return bytes;
}

uint64_t mambaTextHash(const void *bytes, size_t size) {
  const unsigned char *p = bytes;
  uint64_t hash = size;
  for (; size >= 8; p += 8, size -= 8)
    hash = (hash ^ (read32(p) | (uint64_t)read32(p + 4) << 32)) * UINT64_C(0x9E3779B97F4A7C15);
  uint64_t tail = 0;
  for (size_t i = 0; i < size; i++)
    tail |= (uint64_t)p[i] << 8 * i;
  hash = (hash ^ tail) * UINT64_C(0x9E3779B97F4A7C15);
  return hash ^ hash >> 32; /* the product's low bits know nothing of its high ones */
}

/* What is wrong with the frame of the image, or NULL. */
static const char *checkFrame(const unsigned char *image, size_t size, uint32_t header[MAMBA_IMAGE_WORDS]) {
  if (size < MAMBA_IMAGE_SECTIONS_AT)
    return "it is shorter than a header";
  if (memcmp(image, MAMBA_IMAGE_MAGIC, MAMBA_IMAGE_CHECKSUM_AT) != 0)
    return "it does not begin with " MAMBA_IMAGE_MAGIC;
  for (int i = 0; i < MAMBA_IMAGE_WORDS; i++)
    header[i] = read32(image + MAMBA_IMAGE_HEADER_AT + 4 * i);
  if (header[MAMBA_IMAGE_WORD_VERSION] != MAMBA_IMAGE_VERSION)
    return "its version is not 1";
  const uint64_t wanted =
      MAMBA_IMAGE_SECTIONS_AT + UINT64_C(4) * 256 + UINT64_C(5) * header[MAMBA_IMAGE_WORD_TOKENS] +
      UINT64_C(12) * header[MAMBA_IMAGE_WORD_MERGES] + UINT64_C(12) * header[MAMBA_IMAGE_WORD_ADDED] +
      UINT64_C(8) * header[MAMBA_IMAGE_WORD_DECOMPOSITIONS] +
      UINT64_C(4) * header[MAMBA_IMAGE_WORD_DECOMPOSITION_SCALARS] +
      UINT64_C(12) * header[MAMBA_IMAGE_WORD_COMPOSITIONS] + UINT64_C(2) * MAMBA_IMAGE_INDEX +
      UINT64_C(2) * MAMBA_IMAGE_BLOCK * header[MAMBA_IMAGE_WORD_BLOCKS] +
      header[MAMBA_IMAGE_WORD_TOKEN_BYTES] + header[MAMBA_IMAGE_WORD_ADDED_BYTES];
  if (size != wanted)
    return "its size does not agree with its header";
  const uint64_t checksum =
      (uint64_t)read32(image + MAMBA_IMAGE_CHECKSUM_AT + 4) << 32 | read32(image + MAMBA_IMAGE_CHECKSUM_AT);
  if (checksum != mambaTextHash(image + MAMBA_IMAGE_HEADER_AT, size - MAMBA_IMAGE_HEADER_AT))
    return "its checksum is wrong";
  if (header[MAMBA_IMAGE_WORD_FLAGS] > MAMBA_IMAGE_ALL_FLAGS)
    return "it has unknown flags";
  if (header[MAMBA_IMAGE_WORD_TOKENS] > MAMBA_IMAGE_MAX_TOKENS)
    return "it has too many tokens";
  if (header[MAMBA_IMAGE_WORD_MERGES] > (1u << 30))
    return "it has too many merges";
  return NULL;
}

/* True if ends[0], ends[stride], ... grow by `least` to `most` each and the last is `total`. */
static bool endsAreValid(const uint32_t *ends, uint32_t stride, uint32_t count, uint32_t least, uint32_t most,
                         uint32_t total) {
  uint32_t last = 0;
  for (size_t i = 0; i < count; i++) {
    const uint32_t end = ends[i * stride];
    if (end < last || end - last < least || end - last > most)
      return false;
    last = end;
  }
  return last == total;
}

static bool isScalar(uint32_t value) {
  return value < MAMBA_TEXT_SCALARS && (value & ~0x7FFu) != 0xD800;
}

/* What is wrong with the Unicode tables, or NULL. */
static const char *checkUnicode(const MambaTokenizer *tokenizer, const uint32_t *header) {
  for (size_t i = 0; i < MAMBA_IMAGE_INDEX; i++)
    if (tokenizer->propertyIndex[i] >= header[MAMBA_IMAGE_WORD_BLOCKS])
      return "its property index leaves its table";
  const uint32_t scalars = header[MAMBA_IMAGE_WORD_DECOMPOSITION_SCALARS];
  const uint32_t *decompositions = tokenizer->decompositions, *compositions = tokenizer->compositions;
  if (!endsAreValid(decompositions + 1, 2, tokenizer->decompositionCount, 1, MAMBA_MAX_DECOMPOSITION,
                    scalars))
    return "its decompositions have wrong offsets";
  for (size_t i = 0; i < tokenizer->decompositionCount; i++)
    if (!isScalar(decompositions[2 * i]) || (i && decompositions[2 * i] <= decompositions[2 * (i - 1)]))
      return "its decompositions are not in order";
  for (size_t i = 0; i < scalars; i++)
    if (!isScalar(tokenizer->decompositionScalars[i]))
      return "its decompositions hold a value that is no character";
  uint64_t last = 0;
  for (size_t i = 0; i < tokenizer->compositionCount; i++) {
    const uint64_t key = (uint64_t)compositions[3 * i] << 32 | compositions[3 * i + 1];
    if (key <= last)
      return "its compositions are not in order";
    if (!isScalar(compositions[3 * i + 2]))
      return "its compositions hold a value that is no character";
    last = key;
  }
  return NULL;
}

/* What is wrong with the tokens, or NULL. */
static const char *checkTokens(const MambaTokenizer *tokenizer, const uint32_t *header) {
  const uint32_t count = tokenizer->tokenCount;
  for (int i = 0; i < 256; i++)
    if (tokenizer->byteTokens[i] >= count && tokenizer->byteTokens[i] != MAMBA_IMAGE_NO_TOKEN)
      return "the token of a byte is out of range";
  if (!endsAreValid(tokenizer->tokenEnds, 1, count, 0, UINT32_MAX, header[MAMBA_IMAGE_WORD_TOKEN_BYTES]))
    return "its tokens have wrong offsets";
  for (size_t i = 0; i < count; i++)
    if (tokenizer->tokenFlags[i] > MAMBA_TOKEN_ALL_FLAGS)
      return "a token has unknown flags";
  for (size_t i = 0; i < 3 * (size_t)tokenizer->mergeCount; i++)
    if (tokenizer->merges[i] >= count)
      return "a merge names a token that is out of range";
  if (!endsAreValid(tokenizer->added + 1, 3, tokenizer->addedCount, 1, UINT32_MAX,
                    header[MAMBA_IMAGE_WORD_ADDED_BYTES]))
    return "its added tokens have wrong offsets";
  for (size_t i = 0; i < tokenizer->addedCount; i++)
    if (tokenizer->added[3 * i] >= count || tokenizer->added[3 * i + 2] > MAMBA_ADDED_ALL_FLAGS)
      return "an added token is out of range or has unknown flags";
  return NULL;
}

static bool buildMergeTable(MambaTokenizer *tokenizer) {
  const uint32_t size = mambaTextTableSize(tokenizer->mergeCount), mask = size - 1;
  uint32_t *table = calloc(size, sizeof *table);
  if (!table)
    return false;
  for (uint32_t i = 0; i < tokenizer->mergeCount; i++) {
    const uint32_t *merge = tokenizer->merges + 3 * (size_t)i;
    uint32_t slot = mambaTextPairHash(merge[0], merge[1]) & mask;
    while (table[slot])
      slot = (slot + 1) & mask;
    table[slot] = i + 1;
  }
  tokenizer->mergeTable = table;
  tokenizer->mergeMask = mask;
  return true;
}

static bool buildWordTable(MambaTokenizer *tokenizer) {
  if (!(tokenizer->flags & MAMBA_IMAGE_IGNORE_MERGES))
    return true;
  const uint32_t size = mambaTextTableSize(tokenizer->tokenCount), mask = size - 1;
  uint32_t *table = calloc(size, sizeof *table);
  if (!table)
    return false;
  for (uint32_t i = 0; i < tokenizer->tokenCount; i++) {
    if (!(tokenizer->tokenFlags[i] & MAMBA_TOKEN_WORD))
      continue;
    const uint32_t start = mambaTextStart(tokenizer->tokenEnds, 1, i);
    uint32_t slot =
        (uint32_t)mambaTextHash(tokenizer->tokenBytes + start, tokenizer->tokenEnds[i] - start) & mask;
    while (table[slot])
      slot = (slot + 1) & mask;
    table[slot] = i + 1;
  }
  tokenizer->wordTable = table;
  tokenizer->wordMask = mask;
  return true;
}

MambaTokenizerResult mambaTokenizerCreate(const void *image, size_t size, MambaTokenizer **tokenizer,
                                          const char **reason) {
  uint32_t header[MAMBA_IMAGE_WORDS];
  MambaTokenizerResult result = MAMBA_TOKENIZER_CORRUPT;
  MambaTokenizer *t = NULL;
  const char *wrong = checkFrame(image, size, header);
  if (wrong)
    goto cleanup;

  result = MAMBA_TOKENIZER_NO_MEMORY;
  t = calloc(1, sizeof *t);
  if (!t)
    goto cleanup;
  t->flags = header[MAMBA_IMAGE_WORD_FLAGS];
  t->tokenCount = header[MAMBA_IMAGE_WORD_TOKENS];
  t->mergeCount = header[MAMBA_IMAGE_WORD_MERGES];
  t->addedCount = header[MAMBA_IMAGE_WORD_ADDED];
  t->decompositionCount = header[MAMBA_IMAGE_WORD_DECOMPOSITIONS];
  t->compositionCount = header[MAMBA_IMAGE_WORD_COMPOSITIONS];
  Reader reader = {.at = (const unsigned char *)image + MAMBA_IMAGE_SECTIONS_AT};
  t->byteTokens = takeWords(&reader, 256);
  t->tokenEnds = takeWords(&reader, t->tokenCount);
  t->merges = takeWords(&reader, 3 * (size_t)t->mergeCount);
  t->added = takeWords(&reader, 3 * (size_t)t->addedCount);
  t->decompositions = takeWords(&reader, 2 * (size_t)t->decompositionCount);
  t->decompositionScalars = takeWords(&reader, header[MAMBA_IMAGE_WORD_DECOMPOSITION_SCALARS]);
  t->compositions = takeWords(&reader, 3 * (size_t)t->compositionCount);
  t->propertyIndex = takeHalves(&reader, MAMBA_IMAGE_INDEX);
  t->properties = takeHalves(&reader, (size_t)MAMBA_IMAGE_BLOCK * header[MAMBA_IMAGE_WORD_BLOCKS]);
  t->tokenFlags = takeBytes(&reader, t->tokenCount);
  t->tokenBytes = takeBytes(&reader, header[MAMBA_IMAGE_WORD_TOKEN_BYTES]);
  t->addedBytes = takeBytes(&reader, header[MAMBA_IMAGE_WORD_ADDED_BYTES]);
  if (reader.noMemory)
    goto cleanup;

  wrong = checkTokens(t, header);
  if (!wrong)
    wrong = checkUnicode(t, header);
  if (wrong) {
    result = MAMBA_TOKENIZER_CORRUPT;
    goto cleanup;
  }
  if (!buildMergeTable(t) || !buildWordTable(t) || !mambaTextTrieBuild(t, false, &t->raw) ||
      !mambaTextTrieBuild(t, true, &t->normalized))
    goto cleanup;
  *tokenizer = t;
  t = NULL;
  result = MAMBA_TOKENIZER_OK;
cleanup:
  mambaTokenizerDestroy(t);
  if (result != MAMBA_TOKENIZER_OK && reason)
    *reason = wrong ? wrong : mambaTokenizerResultMessage(result);
  return result;
}

void mambaTokenizerDestroy(MambaTokenizer *tokenizer) {
  if (!tokenizer)
    return;
  free(tokenizer->byteTokens);
  free(tokenizer->tokenEnds);
  free(tokenizer->merges);
  free(tokenizer->added);
  free(tokenizer->decompositions);
  free(tokenizer->decompositionScalars);
  free(tokenizer->compositions);
  free(tokenizer->propertyIndex);
  free(tokenizer->properties);
  free(tokenizer->tokenFlags);
  free(tokenizer->tokenBytes);
  free(tokenizer->addedBytes);
  free(tokenizer->mergeTable);
  free(tokenizer->wordTable);
  free(tokenizer->raw.nodes);
  free(tokenizer->normalized.nodes);
  free(tokenizer);
}
