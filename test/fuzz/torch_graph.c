/* An archive of torch.export, or only the JSON of one: the program, a zero byte, and the list of its weights.
 * These are put into an archive with data for them. */
#include "fuzz.h"

#include "mamba/graph_model.h"

#include <stdlib.h>
#include <string.h>

static void readArchive(const uint8_t *data, size_t size) {
  MambaGraphModel *file = NULL;
  MambaError error;
  if (mambaGraphModelParse(MAMBA_GRAPH_TORCH, data, size, "file", &file, &error) == MAMBA_OK)
    for (size_t i = 0; i < mambaGraphModelGetCount(file); i++)
      fuzzTouch(mambaGraphModelGet(file, i));
  mambaGraphModelClose(file);
}

void fuzzRead(const uint8_t *data, size_t size) {
  static const uint8_t weight[256] = {1, 2, 3};
  const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
  if ((size >= 2 && memcmp(data, "PK", 2) == 0) || !zero) {
    readArchive(data, size);
    return;
  }
  const FuzzEntry entries[] = {
      {"m/models/model.json", data, (size_t)(zero - data)},
      {"m/data/weights/model_weights_config.json", zero + 1, size - (size_t)(zero + 1 - data)},
      {"m/data/weights/weight_0", weight, sizeof weight}};
  uint8_t *archive = fuzzMakeArchive(entries, sizeof entries / sizeof *entries, &size);
  if (archive)
    readArchive(archive, size);
  free(archive);
}
