#include "fuzz.h"

#include "mamba/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  MambaGguf *file = NULL;
  MambaError error;
  volatile unsigned sum = 0;
  if (mambaGgufParse(data, size, "file", &file, &error) == MAMBA_OK)
    for (size_t i = 0; i < mambaGgufGetCount(file); i++)
      sum += touch(mambaGgufGet(file, i));
  mambaGgufClose(file);
  return 0;
}
