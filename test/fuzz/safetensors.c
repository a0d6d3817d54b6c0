#include "fuzz.h"

#include "mamba/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  MambaSafetensors *file = NULL;
  MambaError error;
  volatile unsigned sum = 0;
  if (mambaSafetensorsParse(data, size, "file", &file, &error) == MAMBA_OK)
    for (size_t i = 0; i < mambaSafetensorsGetCount(file); i++)
      sum += touch(mambaSafetensorsGet(file, i));
  mambaSafetensorsClose(file);
  return 0;
}
