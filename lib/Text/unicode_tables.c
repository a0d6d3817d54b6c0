#include "unicode_tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* White_Space, which is what \s means in the regular expressions of tokenizers. */
static bool isSpace(uint32_t c, utf8proc_category_t category) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x85 || category == UTF8PROC_CATEGORY_ZS ||
         category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

/* \w by UTS #18: Alphabetic, marks, decimal digits, connectors and joiners. Alphabetic is letters, letter
 * numbers and some marks, and beside those only circled and squared Latin letters. */
static bool isWord(uint32_t c, utf8proc_category_t category) {
  switch (category) {
  case UTF8PROC_CATEGORY_LU:
  case UTF8PROC_CATEGORY_LL:
  case UTF8PROC_CATEGORY_LT:
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_LO:
  case UTF8PROC_CATEGORY_MN:
  case UTF8PROC_CATEGORY_MC:
  case UTF8PROC_CATEGORY_ME:
  case UTF8PROC_CATEGORY_ND:
  case UTF8PROC_CATEGORY_NL:
  case UTF8PROC_CATEGORY_PC:
    return true;
  default:
    return c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
           (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
  }
}

static uint16_t classify(uint32_t c) {
  const utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
  unsigned class = MAMBA_CLASS_OTHER;
  if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO)
    class = MAMBA_CLASS_LETTER;
  else if (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO)
    class = MAMBA_CLASS_NUMBER;
  else if (isSpace(c, category))
    class = MAMBA_CLASS_SPACE;
  return (uint16_t)(class | (isWord(c, category) ? MAMBA_PROPERTY_WORD : 0));
}

static bool isHangulSyllable(uint32_t c) {
  return c >= 0xAC00 && c < 0xAC00 + 19 * 21 * 28;
}

/* Vowels and trailing consonants, which join what comes before them. */
static bool isHangulTail(uint32_t c) {
  return (c >= 0x1161 && c < 0x1161 + 21) || (c > 0x11A7 && c < 0x11A7 + 28);
}

/* The full canonical decomposition; at least one scalar. */
static uint32_t decompose(uint32_t c, int32_t out[MAMBA_MAX_DECOMPOSITION]) {
  int boundary = 0;
  return (uint32_t)utf8proc_decompose_char((utf8proc_int32_t)c, out, MAMBA_MAX_DECOMPOSITION,
                                           UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &boundary);
}

static unsigned combiningClass(int32_t c) {
  return (unsigned)utf8proc_get_property(c)->combining_class;
}

/* NFC in place. */
static uint32_t compose(int32_t *scalars, uint32_t count) {
  return (uint32_t)utf8proc_normalize_utf32(scalars, count, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
}

/* Three words: first, second, composite. */
static int compareCompositions(const void *a, const void *b) {
  const uint32_t *x = a, *y = b;
  if (x[0] != y[0])
    return x[0] < y[0] ? -1 : 1;
  return x[1] < y[1] ? -1 : x[1] > y[1];
}

/* Adds one scalar to the lists and flags of NFC. A composite that NFC makes is one that survives it; the pair
 * that makes it is the last scalar of its decomposition and the NFC of those before. */
static void addNormalization(UnicodeTables *tables, uint32_t c) {
  int32_t scalars[MAMBA_MAX_DECOMPOSITION], composed[MAMBA_MAX_DECOMPOSITION];
  const uint32_t count = decompose(c, scalars);
  unsigned flags = combiningClass((int32_t)c) << MAMBA_PROPERTY_CCC_SHIFT;
  if (flags || isHangulTail(c))
    flags |= MAMBA_PROPERTY_JOINS;
  if ((count > 1 || scalars[0] != (int32_t)c) && !isHangulSyllable(c)) {
    flags |= MAMBA_PROPERTY_DECOMPOSES;
    memcpy(composed, scalars, sizeof composed);
    if (compose(composed, count) == 1 && composed[0] == (int32_t)c) {
      memcpy(composed, scalars, sizeof composed);
      compose(composed, count - 1);
      uint32_t *row = tables->compositions + 3 * (size_t)tables->compositionCount++;
      row[0] = (uint32_t)composed[0];
      row[1] = (uint32_t)scalars[count - 1];
      row[2] = c;
    } else {
      flags |= MAMBA_PROPERTY_CHANGES;
    }
    for (uint32_t i = 0; i < count; i++)
      tables->decompositionScalars[tables->decompositionScalarCount++] = (uint32_t)scalars[i];
    tables->decompositions[2 * tables->decompositionCount] = c;
    tables->decompositions[2 * tables->decompositionCount++ + 1] = tables->decompositionScalarCount;
  }
  tables->properties[c] |= (uint16_t)flags;
}

/* Marks what a composition or a decomposition can join with what comes before it. */
static void markJoins(UnicodeTables *tables) {
  for (uint32_t i = 0; i < tables->compositionCount; i++)
    tables->properties[tables->compositions[3 * i + 1]] |= MAMBA_PROPERTY_JOINS;
  for (uint32_t i = 0, start = 0; i < tables->decompositionCount; i++) {
    const uint32_t *row = tables->decompositions + 2 * (size_t)i;
    if (tables->properties[tables->decompositionScalars[start]] & MAMBA_PROPERTY_JOINS)
      tables->properties[row[0]] |= MAMBA_PROPERTY_JOINS;
    start = row[1];
  }
}

bool mambaUnicodeTablesCreate(bool nfc, UnicodeTables *tables) {
  enum { SURROGATES = 0xD800, AFTER_SURROGATES = 0xE000, MAX_DECOMPOSITIONS = 1 << 14 };
  unsigned major = 0, minor = 0, update = 0;
  *tables = (UnicodeTables){0};
  if (sscanf(utf8proc_unicode_version(), "%u.%u.%u", &major, &minor, &update) >= 2)
    tables->version = major << 16 | minor << 8 | update;
  tables->properties = calloc(MAMBA_TEXT_SCALARS, sizeof *tables->properties);
  tables->decompositions = malloc(2 * sizeof(uint32_t) * MAX_DECOMPOSITIONS);
  tables->decompositionScalars = malloc(MAMBA_MAX_DECOMPOSITION * sizeof(uint32_t) * MAX_DECOMPOSITIONS);
  tables->compositions = malloc(3 * sizeof(uint32_t) * MAX_DECOMPOSITIONS);
  if (!tables->properties || !tables->decompositions || !tables->decompositionScalars ||
      !tables->compositions)
    return false;
  for (uint32_t c = 0; c < MAMBA_TEXT_SCALARS; c++) {
    if (c == SURROGATES)
      c = AFTER_SURROGATES;
    tables->properties[c] = classify(c);
    if (nfc)
      addNormalization(tables, c);
  }
  markJoins(tables);
  qsort(tables->compositions, tables->compositionCount, 3 * sizeof(uint32_t), compareCompositions);
  return true;
}

void mambaUnicodeTablesClear(UnicodeTables *tables) {
  free(tables->properties);
  free(tables->decompositions);
  free(tables->decompositionScalars);
  free(tables->compositions);
  *tables = (UnicodeTables){0};
}

bool mambaUnicodeNormalize(const unsigned char *text, size_t size, MambaTextBytes *out) {
  utf8proc_uint8_t *normalized = NULL;
  const utf8proc_ssize_t length =
      utf8proc_map(text, (utf8proc_ssize_t)size, &normalized, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  const bool ok = length >= 0 && mambaTextBytesAppend(out, normalized, (size_t)length);
  free(normalized);
  return ok;
}
