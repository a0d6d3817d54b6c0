/* From a Hugging Face tokenizer.json, or the one in a GGUF file, to the tokenizer that bundles carry.
 *
 * Encoding and decoding are in text/tokenizer.h, which a bundle includes without this header. What is
 * supported is listed in docs/tokenizer.md; everything else is refused with MAMBA_UNSUPPORTED. */
#ifndef MAMBA_TOKENIZER_H
#define MAMBA_TOKENIZER_H

#include "mamba/status.h"
#include "kernels/text/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads tokenizer.json or the GGUF file at `path` and makes its binary image, the contents of a bundle's tokenizer.bin: the
 * same bytes for the same file and Unicode version. On success *image is malloc'ed and is the caller's to
 * free(). */
MambaStatus mambaTokenizerMakeImage(const char *path, unsigned char **image, size_t *size,
                                        MambaError *error) MAMBA_MUST_CHECK;

/* Opens a tokenizer.json, a GGUF file or a binary image, whichever the file is. On success the caller owns *tokenizer. */
MambaStatus mambaTokenizerOpen(const char *path, MambaTokenizer **tokenizer,
                               MambaError *error) MAMBA_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
