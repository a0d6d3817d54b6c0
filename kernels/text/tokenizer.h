/* Byte-level BPE tokenizer: text to token ids and back.
 *
 * Portable C11 without dependencies, so that a bundle can carry it. It reads the binary image that the
 * compiler makes from a Hugging Face tokenizer.json (tokenizer_image.h describes it) and gives the ids that
 * the Hugging Face tokenizers library gives. No globals: a tokenizer never changes after its creation and may
 * be used by several threads at once.
 *
 * Text is UTF-8. Bytes that are not part of a well-formed UTF-8 sequence are kept: each one counts as a
 * character that is neither letter, number nor space. Every byte string survives encode and decode, unless
 * the tokenizer normalizes (NFC), puts a space first, or has an added token that strips the spaces around it;
 * and unless its vocabulary lacks some of the 13 bytes that UTF-8 never uses, as GPT-NeoX's does: those are
 * dropped. */
#ifndef MAMBA_TEXT_TOKENIZER_H
#define MAMBA_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct MambaTokenizer MambaTokenizer;

typedef enum MambaTokenizerResult {
  MAMBA_TOKENIZER_OK = 0,
  MAMBA_TOKENIZER_CORRUPT,   /* the image breaks its format */
  MAMBA_TOKENIZER_NO_MEMORY, /* an allocation failed */
  MAMBA_TOKENIZER_TOO_LONG,  /* more than MAMBA_TOKENIZER_MAX_TEXT bytes in one call */
} MambaTokenizerResult;

#define MAMBA_TOKENIZER_MAX_TEXT ((size_t)1 << 30)

/* One English phrase for a result. */
const char *mambaTokenizerResultMessage(MambaTokenizerResult result);

/* Reads an image of `size` bytes; it is copied and may be freed afterwards. On success the caller owns
 * *tokenizer. On failure *tokenizer is untouched and, where `reason` is not NULL, *reason is a constant
 * phrase that says what was wrong. */
MambaTokenizerResult mambaTokenizerCreate(const void *image, size_t size, MambaTokenizer **tokenizer,
                                          const char **reason);

/* Accepts NULL. */
void mambaTokenizerDestroy(MambaTokenizer *tokenizer);

/* One more than the largest id. Ids below it may be unused; a model may have more logits than this. */
int32_t mambaTokenizerGetSize(const MambaTokenizer *tokenizer);

/* Encodes `size` bytes of text. Adds no token of its own (no beginning or end marks). On success *ids is
 * malloc'ed (never NULL) and is the caller's to free(). */
MambaTokenizerResult mambaTokenizerEncode(const MambaTokenizer *tokenizer, const char *text, size_t size,
                                          int32_t **ids, size_t *count);

/* The bytes that an id stands for, borrowed and not terminated; a sequence of UTF-8 may be split between
 * ids. Ids that are unused or out of range stand for nothing: *size is 0. */
const char *mambaTokenizerGetBytes(const MambaTokenizer *tokenizer, int32_t id, size_t *size);

/* True for added tokens that the tokenizer calls special, such as <|endoftext|>. */
bool mambaTokenizerIsSpecial(const MambaTokenizer *tokenizer, int32_t id);

/* The id whose bytes are exactly text[0..size), or -1. For looking up <|endoftext|> and the like once; it
 * compares with every token. */
int32_t mambaTokenizerFind(const MambaTokenizer *tokenizer, const char *text, size_t size);

/* Joins the bytes of `count` ids, leaving special tokens out where skipSpecial is set. On success *text is
 * malloc'ed, terminated by a NUL that *size does not count, and the caller's to free(). */
MambaTokenizerResult mambaTokenizerDecode(const MambaTokenizer *tokenizer, const int32_t *ids, size_t count,
                                          bool skipSpecial, char **text, size_t *size);

/* Turns a stream of bytes, cut anywhere, into well-formed UTF-8 for a screen: incomplete sequences wait for
 * their end, ill-formed ones become U+FFFD (one for each maximal subpart, as WHATWG and Unicode recommend).
 * Zero-initialise it. */
typedef struct MambaUtf8Stream {
  unsigned char held[4];
  unsigned count;
} MambaUtf8Stream;

/* Room that `out` needs for `size` more bytes. */
#define MAMBA_UTF8_STREAM_CAPACITY(size) (3 * ((size) + 3))

/* Adds bytes and writes what is complete to `out`, which holds MAMBA_UTF8_STREAM_CAPACITY(size) bytes.
 * Returns the number written. */
size_t mambaUtf8StreamPush(MambaUtf8Stream *stream, const char *bytes, size_t size, char *out);

/* Ends the stream: writes U+FFFD (3 bytes) if a sequence was cut off. Returns the number written. */
size_t mambaUtf8StreamFlush(MambaUtf8Stream *stream, char *out);

#ifdef __cplusplus
}
#endif
#endif
