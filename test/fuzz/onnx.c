#include "fuzz.h"

#include "mamba/graph_model.h"

void fuzzRead(const uint8_t *data, size_t size) {
  MambaGraphModel *file = NULL;
  MambaError error;
  if (mambaGraphModelParse(MAMBA_GRAPH_ONNX, data, size, "/nonexistent/file", &file, &error) == MAMBA_OK)
    for (size_t i = 0; i < mambaGraphModelGetCount(file); i++)
      fuzzTouch(mambaGraphModelGet(file, i));
  mambaGraphModelClose(file);
}
