/* The Unicode tables of a tokenizer image, computed from libutf8proc. */
#ifndef MAMBA_LIB_TEXT_UNICODE_TABLES_H
#define MAMBA_LIB_TEXT_UNICODE_TABLES_H

#include "text/tokenizer_internal.h"

typedef struct UnicodeTables {
  uint32_t version;     /* major << 16 | minor << 8 | update */
  uint16_t *properties; /* [0x110000], MAMBA_PROPERTY_* */
  /* As in tokenizer_image.h; empty unless made for normalization. */
  uint32_t *decompositions, *decompositionScalars, *compositions;
  uint32_t decompositionCount, decompositionScalarCount, compositionCount;
} UnicodeTables;

/* Makes the tables, those of NFC only where `nfc` is set. Clear them in any case. False when memory is short.
 */
bool mambaUnicodeTablesCreate(bool nfc, UnicodeTables *tables);
void mambaUnicodeTablesClear(UnicodeTables *tables);

/* Appends the NFC of UTF-8 text. False when memory is short. */
bool mambaUnicodeNormalize(const unsigned char *text, size_t size, MambaTextBytes *out);

#endif
