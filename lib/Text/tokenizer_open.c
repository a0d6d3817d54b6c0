#include "mamba/gguf.h"
#include "mamba/mapped_file.h"
#include "mamba/tokenizer.h"
#include "tokenizer_model.h"

#include <stdlib.h>
#include <string.h>

MambaStatus mambaTokenizerMakeImage(const char *path, unsigned char **image, size_t *size,
                                        MambaError *error) {
  TokenizerModel model = {0};
  MambaTextBytes bytes = {0};
  MambaStatus status = mambaGgufIsFile(path) ? mambaTokenizerModelReadGguf(path, &model, error)
                                             : mambaTokenizerModelReadJson(path, &model, error);
  if (status == MAMBA_OK)
    status = mambaTokenizerModelWriteImage(&model, path, &bytes, error);
  if (status == MAMBA_OK) {
    *image = bytes.data;
    *size = bytes.size;
  }
  mambaTokenizerModelClear(&model);
  return status;
}

MambaStatus mambaTokenizerOpen(const char *path, MambaTokenizer **tokenizer, MambaError *error) {
  MambaMappedFile file = {0};
  unsigned char *made = NULL;
  const char *reason = "";
  MambaStatus status = mambaMappedFileOpen(path, &file, error);
  if (status != MAMBA_OK)
    return status;
  const unsigned char *image = file.data;
  size_t size = file.size;
  if (size < MAMBA_IMAGE_CHECKSUM_AT || memcmp(image, MAMBA_IMAGE_MAGIC, MAMBA_IMAGE_CHECKSUM_AT) != 0) {
    status = mambaTokenizerMakeImage(path, &made, &size, error);
    if (status != MAMBA_OK)
      goto cleanup;
    image = made;
  }
  const MambaTokenizerResult result = mambaTokenizerCreate(image, size, tokenizer, &reason);
  if (result != MAMBA_TOKENIZER_OK)
    status = mambaFail(error, result == MAMBA_TOKENIZER_NO_MEMORY ? MAMBA_NO_MEMORY : MAMBA_INVALID,
                       "%s: not a usable tokenizer image: %s", path, reason);
cleanup:
  free(made);
  mambaMappedFileClose(&file);
  return status;
}
