/* Byte pair encoding of one word: while any neighbours may be merged, merge those of the best rank, the
 * leftmost first. Symbols are a linked list and candidates a heap, so a word of n bytes takes O(n log n). */
#include "tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

enum { NONE = -1, CACHE_SLOTS = 4096, CACHE_WORD = 23, CACHE_PAYS = 4096 };

typedef struct Symbol {
  uint32_t token;
  uint32_t rank; /* of merging it with the next one; UINT32_MAX: no such merge, or it is gone */
  int32_t previous, next;
} Symbol;

/* A word seen before in this encoding, and where in the ids its tokens are. */
typedef struct CachedWord {
  size_t at;
  uint32_t count; /* 0: the slot is free */
  unsigned char size;
  unsigned char bytes[CACHE_WORD];
} CachedWord;

struct MambaTextMerger {
  const MambaTokenizer *tokenizer;
  Symbol *symbols;
  size_t symbolCapacity;
  uint64_t *heap; /* rank << 32 | index of the left symbol: the least is the next to merge */
  size_t heapSize;
  CachedWord *cache; /* CACHE_SLOTS, or NULL for texts below CACHE_PAYS bytes */
};

MambaTextMerger *mambaTextMergerCreate(const MambaTokenizer *tokenizer, size_t textSize) {
  MambaTextMerger *merger = calloc(1, sizeof *merger);
  if (!merger)
    return NULL;
  merger->tokenizer = tokenizer;
  if (textSize >= CACHE_PAYS) /* words repeat in most texts, but encoding goes on without the memory */
    merger->cache = calloc(CACHE_SLOTS, sizeof *merger->cache);
  return merger;
}

void mambaTextMergerDestroy(MambaTextMerger *merger) {
  if (!merger)
    return;
  free(merger->symbols);
  free(merger->heap);
  free(merger->cache);
  free(merger);
}

static bool reserveSymbols(MambaTextMerger *merger, size_t count) {
  if (count <= merger->symbolCapacity)
    return true;
  const size_t capacity = count < 256 ? 256 : count;
  Symbol *symbols = realloc(merger->symbols, capacity * sizeof *symbols);
  if (symbols)
    merger->symbols = symbols;
  /* Each pair enters at the start, and each merge makes at most two new ones. */
  uint64_t *heap = realloc(merger->heap, 3 * capacity * sizeof *heap);
  if (heap)
    merger->heap = heap;
  if (!symbols || !heap)
    return false;
  merger->symbolCapacity = capacity;
  return true;
}

static void heapPush(MambaTextMerger *merger, uint64_t value) {
  uint64_t *heap = merger->heap;
  size_t at = merger->heapSize++;
  while (at > 0 && heap[(at - 1) / 2] > value) {
    heap[at] = heap[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  heap[at] = value;
}

static uint64_t heapPop(MambaTextMerger *merger) {
  uint64_t *heap = merger->heap;
  const uint64_t least = heap[0];
  const uint64_t value = heap[--merger->heapSize];
  const size_t size = merger->heapSize;
  size_t at = 0;
  for (size_t child; (child = 2 * at + 1) < size; at = child) {
    if (child + 1 < size && heap[child + 1] < heap[child])
      child++;
    if (heap[child] >= value)
      break;
    heap[at] = heap[child];
  }
  heap[at] = value;
  return least;
}

static uint32_t findMerge(const MambaTokenizer *tokenizer, uint32_t left, uint32_t right) {
  uint32_t slot = mambaTextPairHash(left, right) & tokenizer->mergeMask;
  for (; tokenizer->mergeTable[slot]; slot = (slot + 1) & tokenizer->mergeMask) {
    const uint32_t rank = tokenizer->mergeTable[slot] - 1;
    const uint32_t *merge = tokenizer->merges + 3 * (size_t)rank;
    if (merge[0] == left && merge[1] == right)
      return rank;
  }
  return UINT32_MAX;
}

/* Looks up how the symbol merges with its next one, now that either is new. */
static void consider(MambaTextMerger *merger, int32_t at) {
  Symbol *symbol = &merger->symbols[at];
  symbol->rank = symbol->next == NONE
                     ? UINT32_MAX
                     : findMerge(merger->tokenizer, symbol->token, merger->symbols[symbol->next].token);
  if (symbol->rank != UINT32_MAX)
    heapPush(merger, (uint64_t)symbol->rank << 32 | (uint32_t)at);
}

static bool mergeWord(MambaTextMerger *merger, const unsigned char *word, size_t size, MambaTextIds *ids) {
  const MambaTokenizer *tokenizer = merger->tokenizer;
  if (!reserveSymbols(merger, size) || !mambaTextIdsReserve(ids, size))
    return false;
  Symbol *symbols = merger->symbols;
  int32_t count = 0; /* fits: size is little more than MAMBA_TOKENIZER_MAX_TEXT at most */
  for (size_t i = 0; i < size; i++)
    if (tokenizer->byteTokens[word[i]] != MAMBA_IMAGE_NO_TOKEN) {
      symbols[count] = (Symbol){tokenizer->byteTokens[word[i]], UINT32_MAX, count - 1, count + 1};
      count++;
    }
  if (count == 0)
    return true;
  symbols[count - 1].next = NONE;
  merger->heapSize = 0;
  for (int32_t i = 0; i < count; i++)
    consider(merger, i);
  while (merger->heapSize) {
    const uint64_t best = heapPop(merger);
    const int32_t at = (int32_t)(best & UINT32_MAX);
    Symbol *left = &symbols[at];
    if (left->rank != best >> 32) /* either of the pair has changed since */
      continue;
    Symbol *right = &symbols[left->next];
    left->token = tokenizer->merges[3 * (size_t)left->rank + 2];
    left->next = right->next;
    right->rank = UINT32_MAX;
    if (left->next != NONE)
      symbols[left->next].previous = at;
    consider(merger, at);
    if (left->previous != NONE)
      consider(merger, left->previous);
  }
  for (int32_t i = 0; i != NONE; i = symbols[i].next)
    ids->data[ids->size++] = (int32_t)symbols[i].token;
  return true;
}

/* The token that is the whole word, or -1. */
static int32_t findWord(const MambaTokenizer *tokenizer, const unsigned char *word, size_t size) {
  uint32_t slot = (uint32_t)mambaTextHash(word, size) & tokenizer->wordMask;
  for (; tokenizer->wordTable[slot]; slot = (slot + 1) & tokenizer->wordMask) {
    const uint32_t token = tokenizer->wordTable[slot] - 1;
    const uint32_t start = mambaTextStart(tokenizer->tokenEnds, 1, token);
    if (tokenizer->tokenEnds[token] - start == size && memcmp(tokenizer->tokenBytes + start, word, size) == 0)
      return (int32_t)token;
  }
  return -1;
}

bool mambaTextMergerEncode(MambaTextMerger *merger, const unsigned char *word, size_t size,
                           MambaTextIds *ids) {
  CachedWord *cached = NULL;
  if (merger->cache && size <= CACHE_WORD) {
    cached = &merger->cache[mambaTextHash(word, size) % CACHE_SLOTS];
    if (cached->count && cached->size == size && memcmp(cached->bytes, word, size) == 0) {
      if (!mambaTextIdsReserve(ids, cached->count))
        return false;
      memcpy(ids->data + ids->size, ids->data + cached->at, cached->count * sizeof *ids->data);
      ids->size += cached->count;
      return true;
    }
  }
  const size_t at = ids->size;
  const int32_t whole =
      merger->tokenizer->flags & MAMBA_IMAGE_IGNORE_MERGES ? findWord(merger->tokenizer, word, size) : -1;
  if (whole >= 0 ? !mambaTextIdsAppend(ids, whole) : !mergeWord(merger, word, size, ids))
    return false;
  if (cached) {
    cached->at = at;
    cached->count = (uint32_t)(ids->size - at);
    cached->size = (unsigned char)size;
    memcpy(cached->bytes, word, size);
  }
  return true;
}
