/* Added tokens are cut out of the text before anything else looks at it. The rules, corner cases included,
 * are those of AddedVocabulary::find_matches in the Hugging Face tokenizers library. */
#include "tokenizer_internal.h"

#include <stdlib.h>

bool mambaTextTrieBuild(const MambaTokenizer *tokenizer, bool normalized, MambaTextTrie *trie) {
  const uint32_t *added = tokenizer->added, count = tokenizer->addedCount;
  const size_t bytes = count ? added[3 * (size_t)(count - 1) + 1] : 0;
  trie->nodes = calloc(bytes + 1, sizeof *trie->nodes);
  if (!trie->nodes)
    return false;
  trie->count = 1; /* node 0 is never used, so that 0 can mean none */
  for (uint32_t i = 0; i < count; i++) {
    if (normalized != ((added[3 * i + 2] & MAMBA_ADDED_NORMALIZED) != 0))
      continue;
    const uint32_t end = added[3 * i + 1];
    uint32_t node = 0;
    for (uint32_t at = mambaTextStart(added + 1, 3, i); at < end; at++) {
      const unsigned char byte = tokenizer->addedBytes[at];
      uint32_t *link = node ? &trie->nodes[node].child : &trie->first[byte];
      while (*link && trie->nodes[*link].byte != byte)
        link = &trie->nodes[*link].sibling;
      if (!*link) {
        *link = trie->count++;
        trie->nodes[*link].byte = byte;
        trie->nodes[*link].added = -1;
      }
      node = *link;
    }
    if (trie->nodes[node].added < 0) /* of two that NFC makes equal, the first */
      trie->nodes[node].added = (int32_t)i;
  }
  return true;
}

/* The longest added token at text[0] and its length, or -1. */
static int32_t longestMatch(const MambaTextTrie *trie, const unsigned char *text, size_t size,
                            size_t *length) {
  int32_t best = -1;
  uint32_t node = trie->first[text[0]];
  for (size_t at = 1; node; at++) {
    if (trie->nodes[node].added >= 0) {
      best = trie->nodes[node].added;
      *length = at;
    }
    if (at == size)
      break;
    node = trie->nodes[node].child;
    while (node && trie->nodes[node].byte != text[at])
      node = trie->nodes[node].sibling;
  }
  return best;
}

static bool isWordAt(const MambaTextSplitter *s, size_t at) {
  uint32_t scalar;
  mambaTextDecode(s->text + at, s->size - at, &scalar);
  return mambaTextProperties(s->tokenizer, scalar) & MAMBA_PROPERTY_WORD;
}

static bool isWordBefore(const MambaTextSplitter *s, size_t at) {
  uint32_t scalar;
  mambaTextDecodeBack(s->text, at, &scalar);
  return mambaTextProperties(s->tokenizer, scalar) & MAMBA_PROPERTY_WORD;
}

static bool isSpace(const MambaTextSplitter *s, uint32_t scalar) {
  return (mambaTextProperties(s->tokenizer, scalar) & MAMBA_PROPERTY_CLASS) == MAMBA_CLASS_SPACE;
}

static size_t spacesBegin(const MambaTextSplitter *s, size_t at, size_t limit) {
  while (at > limit) {
    uint32_t scalar;
    const unsigned length = mambaTextDecodeBack(s->text, at, &scalar);
    if (!isSpace(s, scalar))
      break;
    at -= length;
  }
  return at;
}

static size_t spacesEnd(const MambaTextSplitter *s, size_t at) {
  while (at < s->size) {
    uint32_t scalar;
    const unsigned length = mambaTextDecode(s->text + at, s->size - at, &scalar);
    if (!isSpace(s, scalar))
      break;
    at += length;
  }
  return at;
}

MambaTextSplitter mambaTextSplitterCreate(const MambaTokenizer *tokenizer, const MambaTextTrie *trie,
                                          const unsigned char *text, size_t size) {
  return (MambaTextSplitter){.tokenizer = tokenizer, .trie = trie, .text = text, .size = size, .pending = -1};
}

bool mambaTextSplitterNext(MambaTextSplitter *s, MambaTextPiece *piece) {
  if (s->pending >= 0) {
    *piece = (MambaTextPiece){.id = s->pending};
    s->pending = -1;
    return true;
  }
  while (s->searched < s->size) {
    size_t length = 0, start = s->searched;
    const int32_t match = longestMatch(s->trie, s->text + start, s->size - start, &length);
    if (match < 0) {
      s->searched++;
      continue;
    }
    const uint32_t *added = s->tokenizer->added + 3 * (size_t)match;
    size_t stop = start + length;
    s->searched = stop; /* also when this match is dropped, and whatever rstrip takes */
    if ((added[2] & MAMBA_ADDED_SINGLE_WORD) &&
        ((start > 0 && isWordBefore(s, start)) || (stop < s->size && isWordAt(s, stop))))
      continue;
    if ((added[2] & MAMBA_ADDED_LSTRIP) && start > s->done)
      start = spacesBegin(s, start, s->done);
    if (added[2] & MAMBA_ADDED_RSTRIP)
      stop = spacesEnd(s, stop);
    const size_t before = s->done;
    s->done = stop;
    if (before < start) {
      *piece = (MambaTextPiece){.bytes = s->text + before, .size = start - before, .id = -1};
      s->pending = (int32_t)added[0];
    } else {
      *piece = (MambaTextPiece){.id = (int32_t)added[0]};
    }
    return true;
  }
  if (s->done == s->size)
    return false;
  *piece = (MambaTextPiece){.bytes = s->text + s->done, .size = s->size - s->done, .id = -1};
  s->done = s->size;
  return true;
}
