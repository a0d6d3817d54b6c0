#include "tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

const char *mambaTokenizerResultMessage(MambaTokenizerResult result) {
  switch (result) {
  case MAMBA_TOKENIZER_OK:
    return "no error";
  case MAMBA_TOKENIZER_CORRUPT:
    return "the tokenizer image is corrupt";
  case MAMBA_TOKENIZER_NO_MEMORY:
    return "out of memory";
  case MAMBA_TOKENIZER_TOO_LONG:
    return "the text is longer than 1 GiB";
  }
  return "unknown result";
}

int32_t mambaTokenizerGetSize(const MambaTokenizer *tokenizer) {
  return (int32_t)tokenizer->tokenCount;
}

/* Cuts a piece without added tokens into words and encodes them. */
static bool encodePiece(const MambaTokenizer *tokenizer, MambaTextMerger *merger, const MambaTextPiece *piece,
                        MambaTextBytes *prefixed, MambaTextIds *ids) {
  const unsigned char *text = piece->bytes;
  size_t size = piece->size;
  if ((tokenizer->flags & MAMBA_IMAGE_PREFIX_SPACE) && text[0] != ' ') {
    prefixed->size = 0;
    if (!mambaTextBytesAppend(prefixed, " ", 1) || !mambaTextBytesAppend(prefixed, text, size))
      return false;
    text = prefixed->data;
    size = prefixed->size;
  }
  while (size > 0) {
    const size_t length =
        tokenizer->flags & MAMBA_IMAGE_SPLIT_WORDS ? mambaTextWordLength(tokenizer, text, size) : size;
    if (!mambaTextMergerEncode(merger, text, length, ids))
      return false;
    text += length;
    size -= length;
  }
  return true;
}

MambaTokenizerResult mambaTokenizerEncode(const MambaTokenizer *tokenizer, const char *text, size_t size,
                                          int32_t **ids, size_t *count) {
  MambaTokenizerResult result = MAMBA_TOKENIZER_NO_MEMORY;
  MambaTextIds output = {0};
  MambaTextBytes normalized = {0}, prefixed = {0};
  MambaTextPiece outer, inner;
  if (size > MAMBA_TOKENIZER_MAX_TEXT)
    return MAMBA_TOKENIZER_TOO_LONG;
  MambaTextMerger *merger = mambaTextMergerCreate(tokenizer, size);
  if (!merger || !mambaTextIdsReserve(&output, size / 4 + 1))
    goto cleanup;

  /* Added tokens are sought in the text as given, then others in what is normalized between those. */
  MambaTextSplitter outers =
      mambaTextSplitterCreate(tokenizer, &tokenizer->raw, (const unsigned char *)text, size);
  while (mambaTextSplitterNext(&outers, &outer)) {
    if (outer.id >= 0) {
      if (!mambaTextIdsAppend(&output, outer.id))
        goto cleanup;
      continue;
    }
    if (tokenizer->flags & MAMBA_IMAGE_NFC) {
      normalized.size = 0;
      if (!mambaTextNormalize(tokenizer, outer.bytes, outer.size, &normalized))
        goto cleanup;
      outer.bytes = normalized.data;
      outer.size = normalized.size;
    }
    MambaTextSplitter inners =
        mambaTextSplitterCreate(tokenizer, &tokenizer->normalized, outer.bytes, outer.size);
    while (mambaTextSplitterNext(&inners, &inner))
      if (inner.id >= 0 ? !mambaTextIdsAppend(&output, inner.id)
                        : !encodePiece(tokenizer, merger, &inner, &prefixed, &output))
        goto cleanup;
  }
  *ids = output.data;
  *count = output.size;
  output.data = NULL;
  result = MAMBA_TOKENIZER_OK;
cleanup:
  mambaTextMergerDestroy(merger);
  free(normalized.data);
  free(prefixed.data);
  free(output.data);
  return result;
}

const char *mambaTokenizerGetBytes(const MambaTokenizer *tokenizer, int32_t id, size_t *size) {
  *size = 0;
  if (id < 0 || (uint32_t)id >= tokenizer->tokenCount)
    return "";
  const uint32_t start = mambaTextStart(tokenizer->tokenEnds, 1, (uint32_t)id);
  *size = tokenizer->tokenEnds[id] - start;
  return (const char *)tokenizer->tokenBytes + start;
}

bool mambaTokenizerIsSpecial(const MambaTokenizer *tokenizer, int32_t id) {
  return id >= 0 && (uint32_t)id < tokenizer->tokenCount && (tokenizer->tokenFlags[id] & MAMBA_TOKEN_SPECIAL);
}

int32_t mambaTokenizerFind(const MambaTokenizer *tokenizer, const char *text, size_t size) {
  for (int32_t id = 0; size > 0 && id < mambaTokenizerGetSize(tokenizer); id++) {
    size_t length;
    const char *bytes = mambaTokenizerGetBytes(tokenizer, id, &length);
    if (length == size && memcmp(bytes, text, size) == 0)
      return id;
  }
  return -1;
}

MambaTokenizerResult mambaTokenizerDecode(const MambaTokenizer *tokenizer, const int32_t *ids, size_t count,
                                          bool skipSpecial, char **text, size_t *size) {
  MambaTextBytes output = {0};
  for (size_t i = 0; i < count; i++) {
    size_t length;
    const char *bytes = mambaTokenizerGetBytes(tokenizer, ids[i], &length);
    if (skipSpecial && mambaTokenizerIsSpecial(tokenizer, ids[i]))
      continue;
    if (!mambaTextBytesAppend(&output, bytes, length))
      goto noMemory;
  }
  if (!mambaTextBytesAppend(&output, "", 1))
    goto noMemory;
  *text = (char *)output.data;
  *size = output.size - 1;
  return MAMBA_TOKENIZER_OK;
noMemory:
  free(output.data);
  return MAMBA_TOKENIZER_NO_MEMORY;
}
