#include "fuzz.h"

#include "mamba/torch_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  MambaTorchFile *file = NULL;
  MambaError error;
  volatile unsigned sum = 0;
  if (mambaTorchFileParse(data, size, "file", &file, &error) == MAMBA_OK)
    for (size_t i = 0; i < mambaTorchFileGetCount(file); i++)
      sum += touch(mambaTorchFileGet(file, i));
  mambaTorchFileClose(file);
  return 0;
}
