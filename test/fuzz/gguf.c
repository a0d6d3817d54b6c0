/* A GGUF file: its values and tensors, the model and the tokenizer in it. */
#include "fuzz.h"

#include "gguf_model.h"
#include "tokenizer_model.h"

#include <string.h>

void fuzzRead(const uint8_t *data, size_t size) {
  MambaGguf *file = NULL;
  MambaGgufModel *gguf = NULL;
  TokenizerModel tokenizer = {0};
  MambaError error;
  if (mambaGgufParse(data, size, "file", &file, &error) != MAMBA_OK)
    return;
  for (size_t i = 0; i < mambaGgufGetCount(file); i++)
    fuzzTouch(mambaGgufGet(file, i));
  if (mambaTokenizerModelReadGgufFile(file, &tokenizer, &error) != MAMBA_OK)
    fuzzTouch(&(MambaTensorView){.data = error.message, .bytes = strlen(error.message)});
  mambaTokenizerModelClear(&tokenizer);
  if (mambaGgufModelCreate(file, &gguf, &error) == MAMBA_OK)
    for (size_t i = 0; i < mambaGgufModelGetCount(gguf); i++)
      fuzzTouch(mambaGgufModelGet(gguf, i));
  mambaGgufModelClose(gguf);
}
