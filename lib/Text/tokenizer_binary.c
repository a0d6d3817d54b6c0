#include "tokenizer_model.h"
#include "unicode_tables.h"

#include <stdlib.h>
#include <string.h>

/* Appends to the image and remembers whether memory ran short, so that the layout below reads as a list. */
typedef struct Writer {
  MambaTextBytes image;
  bool noMemory;
} Writer;

static void put(Writer *writer, const void *bytes, size_t size) {
  writer->noMemory = writer->noMemory || !mambaTextBytesAppend(&writer->image, bytes, size);
}

static void put8(Writer *writer, uint32_t value) {
  put(writer, &(unsigned char){(unsigned char)value}, 1);
}

static void put16(Writer *writer, uint32_t value) {
  put8(writer, value);
  put8(writer, value >> 8);
}

static void put32(Writer *writer, uint32_t value) {
  put16(writer, value);
  put16(writer, value >> 16);
}

static void putWords(Writer *writer, const uint32_t *words, size_t count) {
  for (size_t i = 0; i < count; i++)
    put32(writer, words[i]);
}

/* Equal blocks of properties are stored once. */
typedef struct Blocks {
  uint16_t index[MAMBA_IMAGE_INDEX];  /* of each block of scalars, the block stored for it */
  uint16_t source[MAMBA_IMAGE_INDEX]; /* of each stored block, the block of scalars it came from */
  uint16_t count;
} Blocks;

static void findBlocks(const uint16_t *properties, Blocks *blocks) {
  const size_t bytes = MAMBA_IMAGE_BLOCK * sizeof *properties;
  blocks->count = 0;
  for (uint16_t i = 0; i < MAMBA_IMAGE_INDEX; i++) {
    uint16_t k = 0;
    while (k < blocks->count && memcmp(properties + (size_t)blocks->source[k] * MAMBA_IMAGE_BLOCK,
                                       properties + (size_t)i * MAMBA_IMAGE_BLOCK, bytes) != 0)
      k++;
    if (k == blocks->count)
      blocks->source[blocks->count++] = i;
    blocks->index[i] = k;
  }
}

MambaStatus mambaTokenizerModelWriteImage(const TokenizerModel *model, const char *name,
                                          MambaTextBytes *image, MambaError *error) {
  MambaStatus status = MAMBA_OK;
  Writer writer = {0};
  MambaTextBytes addedBytes = {0};
  UnicodeTables tables = {0};
  Blocks blocks;
  const bool nfc = model->flags & MAMBA_IMAGE_NFC;
  uint32_t end = 0;
  uint32_t *addedEnds = calloc(model->addedCount + 1, sizeof *addedEnds);
  writer.noMemory = !addedEnds || !mambaUnicodeTablesCreate(nfc, &tables);
  if (writer.noMemory)
    goto cleanup;
  findBlocks(tables.properties, &blocks);

  size_t tokenBytes = 0;
  for (size_t i = 0; i < model->tokenCount; i++)
    tokenBytes += model->tokens[i].bytes.size;
  for (size_t i = 0; i < model->addedCount; i++) {
    const TokenizerAdded *added = &model->added[i];
    const unsigned char *content = model->text.data + added->content.at;
    if (nfc && (added->flags & MAMBA_ADDED_NORMALIZED)) /* it is sought in normalized text */
      writer.noMemory = writer.noMemory || !mambaUnicodeNormalize(content, added->content.size, &addedBytes);
    else
      writer.noMemory = writer.noMemory || !mambaTextBytesAppend(&addedBytes, content, added->content.size);
    addedEnds[i] = (uint32_t)addedBytes.size;
  }
  if (tokenBytes > UINT32_MAX || addedBytes.size > UINT32_MAX / 2) {
    status = mambaFail(error, MAMBA_UNSUPPORTED, "%s: its tokens take more than 4 GiB", name);
    goto cleanup;
  }

  uint32_t header[MAMBA_IMAGE_WORDS];
  header[MAMBA_IMAGE_WORD_VERSION] = MAMBA_IMAGE_VERSION;
  header[MAMBA_IMAGE_WORD_FLAGS] = model->flags;
  header[MAMBA_IMAGE_WORD_UNICODE] = tables.version;
  header[MAMBA_IMAGE_WORD_TOKENS] = (uint32_t)model->tokenCount;
  header[MAMBA_IMAGE_WORD_TOKEN_BYTES] = (uint32_t)tokenBytes;
  header[MAMBA_IMAGE_WORD_MERGES] = (uint32_t)model->mergeCount;
  header[MAMBA_IMAGE_WORD_ADDED] = (uint32_t)model->addedCount;
  header[MAMBA_IMAGE_WORD_ADDED_BYTES] = (uint32_t)addedBytes.size;
  header[MAMBA_IMAGE_WORD_BLOCKS] = blocks.count;
  header[MAMBA_IMAGE_WORD_DECOMPOSITIONS] = tables.decompositionCount;
  header[MAMBA_IMAGE_WORD_DECOMPOSITION_SCALARS] = tables.decompositionScalarCount;
  header[MAMBA_IMAGE_WORD_COMPOSITIONS] = tables.compositionCount;

  put(&writer, MAMBA_IMAGE_MAGIC, MAMBA_IMAGE_CHECKSUM_AT);
  putWords(&writer, (const uint32_t[]){0, 0}, 2); /* the checksum, known at the end */
  putWords(&writer, header, MAMBA_IMAGE_WORDS);
  putWords(&writer, model->byteTokens, 256);
  for (size_t i = 0; i < model->tokenCount; i++)
    put32(&writer, end += (uint32_t)model->tokens[i].bytes.size);
  putWords(&writer, model->merges, 3 * model->mergeCount);
  for (size_t i = 0; i < model->addedCount; i++)
    putWords(&writer, (const uint32_t[]){model->added[i].id, addedEnds[i], model->added[i].flags}, 3);
  putWords(&writer, tables.decompositions, 2 * (size_t)tables.decompositionCount);
  putWords(&writer, tables.decompositionScalars, tables.decompositionScalarCount);
  putWords(&writer, tables.compositions, 3 * (size_t)tables.compositionCount);
  for (size_t i = 0; i < MAMBA_IMAGE_INDEX; i++)
    put16(&writer, blocks.index[i]);
  for (size_t i = 0; i < blocks.count; i++)
    for (size_t k = 0; k < MAMBA_IMAGE_BLOCK; k++)
      put16(&writer, tables.properties[(size_t)blocks.source[i] * MAMBA_IMAGE_BLOCK + k]);
  for (size_t i = 0; i < model->tokenCount; i++)
    put8(&writer, model->tokens[i].flags);
  for (size_t i = 0; i < model->tokenCount; i++)
    put(&writer, model->text.data + model->tokens[i].bytes.at, model->tokens[i].bytes.size);
  put(&writer, addedBytes.data, addedBytes.size);
  if (writer.noMemory)
    goto cleanup;

  const uint64_t checksum =
      mambaTextHash(writer.image.data + MAMBA_IMAGE_HEADER_AT, writer.image.size - MAMBA_IMAGE_HEADER_AT);
  for (int i = 0; i < 8; i++)
    writer.image.data[MAMBA_IMAGE_CHECKSUM_AT + i] = (unsigned char)(checksum >> 8 * i);
  *image = writer.image;
  writer.image.data = NULL;
cleanup:
  if (writer.noMemory)
    status = mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory", name);
  mambaUnicodeTablesClear(&tables);
  free(addedEnds);
  free(addedBytes.data);
  free(writer.image.data);
  return status;
}
