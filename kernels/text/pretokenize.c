#include "tokenizer_internal.h"

/* The letters after an apostrophe that belong to it, or 0. */
static size_t contraction(const unsigned char *text, size_t size) {
  if (size < 2)
    return 0;
  switch (text[1]) {
  case 's':
  case 't':
  case 'm':
  case 'd':
    return 2;
  case 'r':
  case 'v':
    return size > 2 && text[2] == 'e' ? 3 : 0;
  case 'l':
    return size > 2 && text[2] == 'l' ? 3 : 0;
  default:
    return 0;
  }
}

size_t mambaTextWordLength(const MambaTokenizer *tokenizer, const unsigned char *text, size_t size) {
  uint32_t scalar;
  if (text[0] == '\'') {
    const size_t length = contraction(text, size);
    if (length)
      return length;
  }
  size_t at = mambaTextDecode(text, size, &scalar);
  unsigned class = mambaTextProperties(tokenizer, scalar) & MAMBA_PROPERTY_CLASS;
  if (text[0] == ' ' && size > 1) { /* " ?" takes one space before anything but a space */
    const unsigned length = mambaTextDecode(text + 1, size - 1, &scalar);
    const unsigned next = mambaTextProperties(tokenizer, scalar) & MAMBA_PROPERTY_CLASS;
    if (next != MAMBA_CLASS_SPACE) {
      class = next;
      at += length;
    }
  }
  size_t last = 0; /* where the last character of the run begins */
  while (at < size) {
    const unsigned length = mambaTextDecode(text + at, size - at, &scalar);
    if ((mambaTextProperties(tokenizer, scalar) & MAMBA_PROPERTY_CLASS) != class)
      break;
    last = at;
    at += length;
  }
  /* \s+(?!\S): spaces before something else leave their last one to it, unless it is the only one. */
  return class == MAMBA_CLASS_SPACE && at < size && last > 0 ? last : at;
}
