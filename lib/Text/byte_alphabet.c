#include "byte_alphabet.h"

static bool standsForItself(uint32_t value) {
  return (value >= 0x21 && value <= 0x7E) || (value >= 0xA1 && value <= 0xFF && value != 0xAD);
}

static uint32_t letterOf(unsigned char byte) {
  if (standsForItself(byte))
    return byte;
  uint32_t letter = 0x100;
  for (unsigned i = 0; i < byte; i++)
    letter += !standsForItself(i);
  return letter;
}

void mambaByteAlphabetSpell(unsigned char byte, char letter[3]) {
  letter[mambaTextEncode(letterOf(byte), (unsigned char *)letter)] = 0;
}

/* The byte of a letter, or -1. */
static int byteOf(uint32_t letter) {
  if (letter < 0x100)
    return standsForItself(letter) ? (int)letter : -1;
  uint32_t next = 0x100;
  for (int byte = 0; byte < 256; byte++)
    if (!standsForItself((uint32_t)byte) && next++ == letter)
      return byte;
  return -1;
}

bool mambaByteAlphabetRead(const char *text, size_t size, MambaTextBytes *out, bool *spelled) {
  const size_t before = out->size;
  *spelled = true;
  for (size_t at = 0; at < size;) {
    uint32_t letter;
    at += mambaTextDecode((const unsigned char *)text + at, size - at, &letter);
    const int byte = byteOf(letter);
    if (byte < 0) {
      out->size = before;
      *spelled = false;
      return true;
    }
    if (!mambaTextBytesAppend(out, &(unsigned char){(unsigned char)byte}, 1))
      return false;
  }
  return true;
}
