/* GPT-2's byte alphabet: one printable character for each byte, in which byte-level vocabularies are spelled.
 * Bytes that are printable in Latin-1 stand for themselves, the others are U+0100, U+0101, ... in order. */
#ifndef MAMBA_LIB_TEXT_BYTE_ALPHABET_H
#define MAMBA_LIB_TEXT_BYTE_ALPHABET_H

#include "text/tokenizer_internal.h"

/* The letter of a byte, as UTF-8: one or two bytes, terminated. */
void mambaByteAlphabetSpell(unsigned char byte, char letter[3]);

/* Reads `size` bytes of UTF-8 spelled in the alphabet and appends what they stand for to `out`. *spelled is
 * false, and nothing appended, if some character is not a letter of it. Returns false when memory is short.
 */
bool mambaByteAlphabetRead(const char *text, size_t size, MambaTextBytes *out, bool *spelled);

#endif
