/* Normalization Form C: UAX #15, and The Unicode Standard, section 3.11 and 3.12 (Hangul). */
#include "tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

/* A scalar of a segment with its canonical combining class in the high byte. Values of ill-formed bytes
 * (mambaTextDecode) fit as well and have class 0. */
typedef uint32_t Mark;

static inline uint32_t scalarOf(Mark mark) {
  return mark & 0xFFFFFF;
}
static inline unsigned classOf(Mark mark) {
  return mark >> 24;
}

enum {
  HANGUL_S = 0xAC00,
  HANGUL_L = 0x1100,
  HANGUL_V = 0x1161,
  HANGUL_T = 0x11A7,
  HANGUL_L_COUNT = 19,
  HANGUL_V_COUNT = 21,
  HANGUL_T_COUNT = 28,
  HANGUL_S_COUNT = HANGUL_L_COUNT * HANGUL_V_COUNT * HANGUL_T_COUNT,
};

static Mark markOf(const MambaTokenizer *tokenizer, uint32_t scalar) {
  return scalar | (uint32_t)(mambaTextProperties(tokenizer, scalar) >> MAMBA_PROPERTY_CCC_SHIFT) << 24;
}

/* Writes the full canonical decomposition, at most MAMBA_MAX_DECOMPOSITION marks; returns their number. */
static size_t decompose(const MambaTokenizer *tokenizer, uint32_t scalar, Mark *out) {
  if (scalar - HANGUL_S < HANGUL_S_COUNT) {
    const uint32_t s = scalar - HANGUL_S, t = s % HANGUL_T_COUNT;
    out[0] = HANGUL_L + s / (HANGUL_V_COUNT * HANGUL_T_COUNT);
    out[1] = HANGUL_V + s / HANGUL_T_COUNT % HANGUL_V_COUNT;
    if (t)
      out[2] = HANGUL_T + t;
    return t ? 3 : 2;
  }
  if (mambaTextProperties(tokenizer, scalar) & MAMBA_PROPERTY_DECOMPOSES) {
    const uint32_t *list = tokenizer->decompositions;
    uint32_t low = 0, high = tokenizer->decompositionCount;
    while (low < high) {
      const uint32_t middle = low + (high - low) / 2;
      if (list[2 * middle] < scalar)
        low = middle + 1;
      else
        high = middle;
    }
    if (low < tokenizer->decompositionCount && list[2 * low] == scalar) {
      size_t n = 0;
      for (uint32_t i = mambaTextStart(list + 1, 2, low); i < list[2 * low + 1]; i++)
        out[n++] = markOf(tokenizer, tokenizer->decompositionScalars[i]);
      return n;
    }
  }
  out[0] = markOf(tokenizer, scalar);
  return 1;
}

/* The primary composite of two scalars, or 0. */
static uint32_t compose(const MambaTokenizer *tokenizer, uint32_t first, uint32_t second) {
  if (first - HANGUL_L < HANGUL_L_COUNT && second - HANGUL_V < HANGUL_V_COUNT)
    return HANGUL_S + ((first - HANGUL_L) * HANGUL_V_COUNT + (second - HANGUL_V)) * HANGUL_T_COUNT;
  if (first - HANGUL_S < HANGUL_S_COUNT && (first - HANGUL_S) % HANGUL_T_COUNT == 0 && second > HANGUL_T &&
      second - HANGUL_T < HANGUL_T_COUNT)
    return first + (second - HANGUL_T);
  const uint32_t *list = tokenizer->compositions;
  const uint64_t key = (uint64_t)first << 32 | second;
  uint32_t low = 0, high = tokenizer->compositionCount;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    const uint64_t found = (uint64_t)list[3 * middle] << 32 | list[3 * middle + 1];
    if (found == key)
      return list[3 * middle + 2];
    if (found < key)
      low = middle + 1;
    else
      high = middle;
  }
  return 0;
}

/* Sorts each run of marks of non-zero class by class, keeping the order of equals. Counting keeps a run of a
 * million marks linear. */
static void reorder(Mark *marks, Mark *scratch, size_t count) {
  for (size_t begin = 0, end; begin < count; begin = end + 1) {
    bool sorted = true;
    for (end = begin; end < count && classOf(marks[end]) != 0; end++)
      sorted = sorted && (end == begin || classOf(marks[end - 1]) <= classOf(marks[end]));
    if (sorted)
      continue;
    size_t starts[257] = {0};
    for (size_t i = begin; i < end; i++)
      starts[classOf(marks[i]) + 1]++;
    for (size_t i = 1; i < 257; i++)
      starts[i] += starts[i - 1];
    for (size_t i = begin; i < end; i++)
      scratch[starts[classOf(marks[i])]++] = marks[i];
    memcpy(marks + begin, scratch, (end - begin) * sizeof *marks);
  }
}

/* Composes in place; returns the number of marks left. */
static size_t recompose(const MambaTokenizer *tokenizer, Mark *marks, size_t count) {
  size_t n = 0, starter = SIZE_MAX;
  for (size_t i = 0; i < count; i++) {
    const unsigned class = classOf(marks[i]);
    if (starter != SIZE_MAX) {
      const unsigned before = classOf(marks[n - 1]); /* 0: nothing lies between the starter and this one */
      const uint32_t composite =
          before == 0 || before < class ? compose(tokenizer, marks[starter], scalarOf(marks[i])) : 0;
      if (composite) {
        marks[starter] = composite;
        continue;
      }
    }
    if (class == 0)
      starter = n;
    marks[n++] = marks[i];
  }
  return n;
}

static bool normalizeSegment(const MambaTokenizer *tokenizer, const unsigned char *text, size_t size,
                             MambaTextBytes *out) {
  Mark local[2 * 64], *marks = local;
  const size_t capacity = size * MAMBA_MAX_DECOMPOSITION;
  bool ok = false;
  if (2 * capacity > sizeof local / sizeof *local)
    marks = malloc(2 * capacity * sizeof *marks);
  if (!marks)
    return false;
  size_t count = 0;
  for (size_t at = 0; at < size;) {
    uint32_t scalar;
    at += mambaTextDecode(text + at, size - at, &scalar);
    count += decompose(tokenizer, scalar, marks + count);
  }
  reorder(marks, marks + capacity, count);
  count = recompose(tokenizer, marks, count);
  for (size_t i = 0; i < count; i++) {
    unsigned char bytes[4];
    if (!mambaTextBytesAppend(out, bytes, mambaTextEncode(scalarOf(marks[i]), bytes)))
      goto cleanup;
  }
  ok = true;
cleanup:
  if (marks != local)
    free(marks);
  return ok;
}

bool mambaTextNormalize(const MambaTokenizer *tokenizer, const unsigned char *text, size_t size,
                        MambaTextBytes *out) {
  size_t copied = 0, at = 0;
  while (at < size) {
    uint32_t scalar;
    if (at + 1 < size && text[at] < 0x80 && text[at + 1] < 0x80) { /* no ASCII joins what is before it */
      at++;
      continue;
    }
    /* A segment is a character with all that may join it. One that stands alone and does not change is most
     * of any text, and is copied with its neighbours. */
    const size_t begin = at;
    at += mambaTextDecode(text + at, size - at, &scalar);
    const size_t single = at;
    while (at < size) {
      uint32_t next;
      const unsigned length = mambaTextDecode(text + at, size - at, &next);
      if (!(mambaTextProperties(tokenizer, next) & MAMBA_PROPERTY_JOINS))
        break;
      at += length;
    }
    if (at == single && !(mambaTextProperties(tokenizer, scalar) & MAMBA_PROPERTY_CHANGES))
      continue;
    if (!mambaTextBytesAppend(out, text + copied, begin - copied) ||
        !normalizeSegment(tokenizer, text + begin, at - begin, out))
      return false;
    copied = at;
  }
  return mambaTextBytesAppend(out, text + copied, size - copied);
}
