/* A byte-level BPE tokenizer between its JSON and its binary image. */
#ifndef MAMBA_LIB_TEXT_TOKENIZER_MODEL_H
#define MAMBA_LIB_TEXT_TOKENIZER_MODEL_H

#include "mamba/gguf.h"
#include "text/tokenizer_internal.h"

#include <jansson.h>

/* Bytes in the `text` of the model. */
typedef struct TokenizerSpan {
  size_t at, size;
} TokenizerSpan;

typedef struct TokenizerToken {
  TokenizerSpan bytes;
  bool used;
  uint32_t flags; /* MAMBA_TOKEN_* */
} TokenizerToken;

typedef struct TokenizerAdded {
  TokenizerSpan content; /* what is sought in the text */
  uint32_t id;
  uint32_t flags; /* MAMBA_ADDED_* */
} TokenizerAdded;

typedef struct TokenizerModel {
  uint32_t flags; /* MAMBA_IMAGE_* */
  uint32_t byteTokens[256];
  TokenizerToken *tokens;
  size_t tokenCount, mergeCount, addedCount;
  uint32_t *merges; /* [mergeCount][3] */
  TokenizerAdded *added;
  MambaTextBytes text;
} TokenizerModel;

/* Frees what the model holds. */
void mambaTokenizerModelClear(TokenizerModel *model);

/* Reads tokenizer.json into a zero-initialised model; clear it in any case. */
MambaStatus mambaTokenizerModelReadJson(const char *path, TokenizerModel *model,
                                        MambaError *error) MAMBA_MUST_CHECK;

/* The same of a document in memory; `path` is for messages. */
MambaStatus mambaTokenizerModelReadJsonValue(const json_t *root, const char *path, TokenizerModel *model,
                                             MambaError *error) MAMBA_MUST_CHECK;
/* The same of a GGUF file. */
MambaStatus mambaTokenizerModelReadGguf(const char *path, TokenizerModel *model,
                                        MambaError *error) MAMBA_MUST_CHECK;
/* The same of one that is open. */
MambaStatus mambaTokenizerModelReadGgufFile(const MambaGguf *file, TokenizerModel *model,
                                            MambaError *error) MAMBA_MUST_CHECK;

/* Makes the binary image; the caller owns image->data. `name` is for messages. */
MambaStatus mambaTokenizerModelWriteImage(const TokenizerModel *model, const char *name,
                                          MambaTextBytes *image, MambaError *error) MAMBA_MUST_CHECK;

#endif
