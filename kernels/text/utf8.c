#include "tokenizer_internal.h"

/* Well-formed sequences: The Unicode Standard, table 3-7. For a lead byte: how many bytes it promises (0:
 * none start with it) and the range of the second byte, which is where overlong forms, surrogates and
 * values above U+10FFFF are excluded. */
static unsigned promised(unsigned lead, unsigned *low, unsigned *high) {
  *low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  *high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (lead < 0x80)
    return 1;
  if (lead < 0xC2)
    return 0;
  if (lead < 0xE0)
    return 2;
  if (lead < 0xF0)
    return 3;
  return lead < 0xF5 ? 4 : 0;
}

/* How many bytes at the start of `bytes` are a well-formed sequence or the start of one. */
static unsigned wellFormed(const unsigned char *bytes, size_t size, unsigned length, unsigned low,
                           unsigned high) {
  unsigned n = 1;
  while (n < length && n < size && bytes[n] >= low && bytes[n] <= high) {
    low = 0x80;
    high = 0xBF;
    n++;
  }
  return n;
}

unsigned mambaTextDecode(const unsigned char *bytes, size_t size, uint32_t *scalar) {
  unsigned low, high;
  if (bytes[0] < 0x80) {
    *scalar = bytes[0];
    return 1;
  }
  const unsigned length = promised(bytes[0], &low, &high);
  if (length == 0 || wellFormed(bytes, size, length, low, high) < length) {
    *scalar = MAMBA_TEXT_SCALARS + bytes[0];
    return 1;
  }
  uint32_t value = bytes[0] & (0xFFu >> (length + 1));
  for (unsigned i = 1; i < length; i++)
    value = value << 6 | (bytes[i] & 0x3Fu);
  *scalar = value;
  return length;
}

unsigned mambaTextDecodeBack(const unsigned char *bytes, size_t size, uint32_t *scalar) {
  const unsigned char *end = bytes + size;
  for (unsigned n = 1; n <= 4 && n <= size; n++)
    if ((end[-(int)n] & 0xC0) != 0x80) { /* not a continuation: the character can only start here */
      if (mambaTextDecode(end - n, n, scalar) == n)
        return n;
      break;
    }
  *scalar = MAMBA_TEXT_SCALARS + end[-1];
  return 1;
}

unsigned mambaTextEncode(uint32_t scalar, unsigned char *bytes) {
  static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
  if (scalar < 0x80 || scalar >= MAMBA_TEXT_SCALARS) {
    bytes[0] = (unsigned char)(scalar < 0x80 ? scalar : scalar - MAMBA_TEXT_SCALARS);
    return 1;
  }
  const unsigned length = scalar < 0x800 ? 2 : scalar < 0x10000 ? 3 : 4;
  for (unsigned i = length - 1; i > 0; i--) {
    bytes[i] = (unsigned char)(0x80 | (scalar & 0x3F));
    scalar >>= 6;
  }
  bytes[0] = (unsigned char)(lead[length] | scalar);
  return length;
}

static size_t putReplacement(char *out) {
  out[0] = (char)0xEF;
  out[1] = (char)0xBF;
  out[2] = (char)0xBD;
  return 3;
}

size_t mambaUtf8StreamPush(MambaUtf8Stream *stream, const char *bytes, size_t size, char *out) {
  size_t written = 0;
  for (size_t i = 0; i < size; i++) {
    unsigned low, high;
    stream->held[stream->count++] = (unsigned char)bytes[i];
    unsigned length = promised(stream->held[0], &low, &high);
    if (length && wellFormed(stream->held, stream->count, length, low, high) < stream->count) {
      /* The new byte does not continue what was held: that is one maximal subpart, and it starts anew. */
      written += putReplacement(out + written);
      stream->held[0] = (unsigned char)bytes[i];
      stream->count = 1;
      length = promised(stream->held[0], &low, &high);
    }
    if (length == 0) {
      written += putReplacement(out + written);
      stream->count = 0;
    } else if (stream->count == length) {
      for (unsigned k = 0; k < length; k++)
        out[written++] = (char)stream->held[k];
      stream->count = 0;
    }
  }
  return written;
}

size_t mambaUtf8StreamFlush(MambaUtf8Stream *stream, char *out) {
  const size_t written = stream->count ? putReplacement(out) : 0;
  stream->count = 0;
  return written;
}
