#include "fuzz.h"

#include "mamba/safetensors.h"

void fuzzRead(const uint8_t *data, size_t size) {
  MambaSafetensors *file = NULL;
  MambaError error;
  if (mambaSafetensorsParse(data, size, "file", &file, &error) == MAMBA_OK)
    for (size_t i = 0; i < mambaSafetensorsGetCount(file); i++)
      fuzzTouch(mambaSafetensorsGet(file, i));
  mambaSafetensorsClose(file);
}
