/* A file of torch.save, or only the pickle of one: which is put into an archive with data for it. */
#include "fuzz.h"

#include "mamba/torch_file.h"

#include <stdlib.h>
#include <string.h>

static void readArchive(const uint8_t *data, size_t size) {
  MambaTorchFile *file = NULL;
  MambaError error;
  if (mambaTorchFileParse(data, size, "file", &file, &error) == MAMBA_OK)
    for (size_t i = 0; i < mambaTorchFileGetCount(file); i++)
      fuzzTouch(mambaTorchFileGet(file, i));
  mambaTorchFileClose(file);
}

void fuzzRead(const uint8_t *data, size_t size) {
  static const uint8_t storage[64] = {1, 2, 3};
  if (size >= 2 && memcmp(data, "PK", 2) == 0) {
    readArchive(data, size);
    return;
  }
  const FuzzEntry entries[] = {
      {"a/data.pkl", data, size}, {"a/data/0", storage, sizeof storage}, {"a/data/1", storage, 8}};
  uint8_t *archive = fuzzMakeArchive(entries, sizeof entries / sizeof *entries, &size);
  if (archive)
    readArchive(archive, size);
  free(archive);
}
