#include "mamba/graph_model.h"

#include "graph_onnx.h"
#include "graph_torch.h"
#include "mamba/mapped_file.h"
#include "recognise.h"
#include "recover_log.h" /* of lib/Parameters */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KEY = 96 };

typedef struct Entry {
  MambaTensorView view;
  char name[MAX_KEY];
  void *memory; /* of what is not in the file as it is needed; else NULL */
} Entry;

struct MambaGraphModel {
  MambaMappedFile map; /* empty when the buffer is the caller's */
  Onnx *onnx;          /* has other files open; NULL of an archive */
  Entry *entries;
  size_t count;
  int64_t layers;
  double norm_epsilon, mixer_epsilon;
};

static const char *const kLayerKeys[LAYER_PARAMETERS] = {
    [LAYER_NORM] = "norm.weight",
    [LAYER_IN_PROJ] = "mixer.in_proj.weight",
    [LAYER_IN_PROJ_BIAS] = "mixer.in_proj.bias",
    [LAYER_CONV] = "mixer.conv1d.weight",
    [LAYER_CONV_BIAS] = "mixer.conv1d.bias",
    [LAYER_X_PROJ] = "mixer.x_proj.weight",
    [LAYER_DT_PROJ] = "mixer.dt_proj.weight",
    [LAYER_DT_PROJ_BIAS] = "mixer.dt_proj.bias",
    [LAYER_A_LOG] = "mixer.A_log",
    [LAYER_A] = "mixer.A",
    [LAYER_D] = "mixer.D",
    [LAYER_OUT_PROJ] = "mixer.out_proj.weight",
    [LAYER_OUT_PROJ_BIAS] = "mixer.out_proj.bias",
};

/* ---- Tensors ---------------------------------------------------------------------------------------- */

/* Brings a matrix that is stored another way into rows. */
static MambaStatus gather(Entry *entry, const Parameter *parameter, const unsigned char *data,
                          MambaError *error) {
  const size_t size = mambaDtypeGetSize(entry->view.dtype);
  const int64_t columns = parameter->rank == 2 ? parameter->shape[1] : 1;
  unsigned char *out = entry->memory = malloc(entry->view.bytes + 1);
  if (!out)
    return mambaFail(error, MAMBA_NO_MEMORY, "tensor '%s': out of memory for %zu bytes", entry->name,
                     entry->view.bytes);
  for (int64_t i = 0; i < parameter->shape[0]; i++)
    for (int64_t k = 0; k < columns; k++, out += size)
      memcpy(out, data + (size_t)(i * parameter->stride[0] + k * parameter->stride[1]) * size, size);
  entry->view.data = entry->memory;
  entry->view.resident = true;
  return MAMBA_OK;
}

static MambaStatus present(Entry *entry, const Graph *graph, const Parameter *parameter, MambaError *error) {
  const MambaTensorView *tensor = graph->nodes[parameter->node].tensor;
  MambaTensorView *view = &entry->view;
  int64_t last = parameter->offset, stride = 1;
  bool rows = true;
  *view = (MambaTensorView){.name = entry->name, .dtype = tensor->dtype, .rank = parameter->rank};
  for (int i = parameter->rank; i-- > 0; stride *= parameter->shape[i]) {
    view->shape[i] = parameter->shape[i];
    last += (parameter->shape[i] - 1) * parameter->stride[i];
    rows = rows && (parameter->shape[i] == 1 || parameter->stride[i] == stride);
  }
  if (!mambaShapeGetBytes(view->dtype, view->rank, view->shape, &view->bytes) || parameter->offset < 0 ||
      (uint64_t)last >= mambaTensorGetCount(tensor))
    return mambaFail(error, MAMBA_INVALID,
                     "tensor '%s': expected elements of '%s' up to %" PRId64 ", found %zu", entry->name,
                     tensor->name, last, mambaTensorGetCount(tensor));
  view->data =
      (const unsigned char *)tensor->data + (size_t)parameter->offset * mambaDtypeGetSize(view->dtype);
  view->resident = tensor->resident;
  return rows ? MAMBA_OK : gather(entry, parameter, view->data, error);
}

/* Adds a parameter under that name, where the model has it. */
static MambaStatus addTensor(MambaGraphModel *model, const Graph *graph, const Parameter *parameter,
                             const char *name, MambaError *error) {
  if (parameter->node < 0)
    return MAMBA_OK;
  Entry *entry = &model->entries[model->count++];
  snprintf(entry->name, sizeof entry->name, "%s", name);
  return present(entry, graph, parameter, error);
}

static MambaStatus addLayer(MambaGraphModel *model, const Graph *graph, const Layer *layer, int64_t number,
                            MambaError *error) {
  MambaStatus status = MAMBA_OK;
  char name[MAX_KEY];
  for (int i = 0; i < LAYER_PARAMETERS && status == MAMBA_OK; i++) {
    if (layer->parameters[i].node < 0)
      continue;
    Entry *entry = &model->entries[model->count];
    snprintf(name, sizeof name, "backbone.layers.%" PRId64 ".%s", number, kLayerKeys[i]);
    status = addTensor(model, graph, &layer->parameters[i], name, error);
    if (status == MAMBA_OK && i == LAYER_CONV) {
      entry->view.rank = 3;
      entry->view.shape[2] = entry->view.shape[1];
      entry->view.shape[1] = 1;
    }
  }
  return status;
}

static bool isA(const Entry *entry) {
  static const char suffix[] = ".mixer.A";
  const size_t length = strlen(entry->name), tail = sizeof suffix - 1;
  return length > tail && strcmp(entry->name + length - tail, suffix) == 0;
}

/* Where a program has A itself, A_log is recovered: in all layers or in none. */
static MambaStatus recoverLogs(MambaGraphModel *model, MambaError *error) {
  MambaStatus status = MAMBA_OK;
  bool all = true;
  Entry *logs = calloc(model->count + 1, sizeof *logs);
  if (!logs)
    return mambaFail(error, MAMBA_NO_MEMORY, "out of memory for the logarithms of A");
  for (size_t i = 0; i < model->count && all && status == MAMBA_OK; i++) {
    uint16_t *memory = NULL;
    if (!isA(&model->entries[i]))
      continue;
    logs[i].view = model->entries[i].view;
    status = recoverLog(&logs[i].view, &memory, error);
    logs[i].memory = memory;
    all = memory != NULL;
  }
  for (size_t i = 0; i < model->count; i++) {
    Entry *entry = &model->entries[i];
    if (all && status == MAMBA_OK && logs[i].memory) {
      free(entry->memory);
      entry->memory = logs[i].memory;
      entry->view = logs[i].view;
      strcat(entry->name, "_log");
    } else {
      free(logs[i].memory);
    }
  }
  free(logs);
  return status;
}

/* A head that is the embedding is left out: a tied model. */
static void dropTiedHead(MambaGraphModel *model) {
  const MambaTensorView *embedding = &model->entries[0].view, *head = &model->entries[1].view;
  if (head->dtype != embedding->dtype || head->bytes != embedding->bytes ||
      memcmp(head->shape, embedding->shape, sizeof head->shape) != 0 ||
      (head->data != embedding->data && memcmp(head->data, embedding->data, head->bytes) != 0))
    return;
  free(model->entries[1].memory);
  model->entries[1].memory = NULL;
  model->count = 1;
}

static MambaStatus fill(MambaGraphModel *model, const Graph *graph, const Recognition *found,
                        MambaError *error) {
  model->layers = found->layer_count;
  model->norm_epsilon = found->norm_epsilon;
  model->mixer_epsilon = found->mixer_epsilon;
  model->entries = calloc((size_t)(found->layer_count * LAYER_PARAMETERS + 3), sizeof *model->entries);
  if (!model->entries)
    return mambaFail(error, MAMBA_NO_MEMORY, "out of memory for the tensors of a graph");
  MambaStatus status = addTensor(model, graph, &found->embedding, "backbone.embeddings.weight", error);
  if (status == MAMBA_OK)
    status = addTensor(model, graph, &found->head, "lm_head.weight", error);
  if (status == MAMBA_OK)
    dropTiedHead(model);
  if (status == MAMBA_OK)
    status = addTensor(model, graph, &found->final_norm, "backbone.norm_f.weight", error);
  for (int64_t i = 0; i < found->layer_count && status == MAMBA_OK; i++)
    status = addLayer(model, graph, &found->layers[found->layer_count - 1 - i], i, error);
  return status == MAMBA_OK ? recoverLogs(model, error) : status;
}

/* ---- Files ------------------------------------------------------------------------------------------ */

/* What both kinds of files become in the end. */
typedef struct Source {
  Pt2 *archive;
  Onnx *onnx;
} Source;

static void describe(const Source *source, int32_t origin, char *text, size_t size) {
  if (source->archive)
    graphDescribeTorch(source->archive, origin, text, size);
  else
    graphDescribeOnnx(source->onnx, origin, text, size);
}

static MambaStatus build(const Source *source, MambaGraphModel *model, MambaError *error) {
  Graph graph = {0};
  Recognition found = {.layers = NULL};
  int32_t failed = -1;
  char text[400];
  MambaStatus status = source->archive ? graphReadTorch(source->archive, &graph, error)
                                       : graphReadOnnx(source->onnx, &graph, error);
  if (status == MAMBA_OK && (status = recognise(&graph, &found, &failed, error)) != MAMBA_OK && failed >= 0) {
    describe(source, graph.nodes[failed].origin, text, sizeof text);
    mambaFailContext(error, "%s", text);
  }
  if (status == MAMBA_OK)
    status = fill(model, &graph, &found, error);
  recognitionClear(&found);
  graphClear(&graph);
  return status;
}

MambaStatus mambaGraphModelParse(MambaGraphFormat format, const void *data, size_t size, const char *label,
                                 MambaGraphModel **model, MambaError *error) {
  Source source = {NULL, NULL};
  MambaGraphModel *result = calloc(1, sizeof *result);
  MambaStatus status = !result ? mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory", label)
                       : format == MAMBA_GRAPH_TORCH ? pt2Parse(data, size, label, &source.archive, error)
                                                     : onnxParse(data, size, label, &source.onnx, error);
  if (status != MAMBA_OK)
    goto cleanup;
  status = build(&source, result, error);
  if (status != MAMBA_OK) {
    mambaFailContext(error, "%s", label);
    goto cleanup;
  }
  result->onnx = source.onnx;
  source.onnx = NULL;
  *model = result;
  result = NULL;

cleanup:
  pt2Close(source.archive);
  onnxClose(source.onnx);
  mambaGraphModelClose(result);
  return status;
}

/* An archive has a magic number; a message of protocol buffers has none. */
static bool formatOf(const char *path, MambaGraphFormat *format) {
  const bool archive = mambaFileLooksLike(path, "PK\3\4", ".pt2");
  *format = archive ? MAMBA_GRAPH_TORCH : MAMBA_GRAPH_ONNX;
  return archive || mambaFileLooksLike(path, NULL, ".onnx");
}

bool mambaGraphIsFile(const char *path) {
  MambaGraphFormat format;
  return formatOf(path, &format);
}

MambaStatus mambaGraphModelOpen(const char *path, MambaGraphModel **model, MambaError *error) {
  MambaMappedFile map;
  MambaGraphFormat format;
  MambaStatus status = mambaMappedFileOpen(path, &map, error);
  if (status != MAMBA_OK)
    return status;
  formatOf(path, &format);
  status = mambaGraphModelParse(format, map.data ? map.data : "", map.size, path, model, error);
  if (status == MAMBA_OK)
    (*model)->map = map;
  else
    mambaMappedFileClose(&map);
  return status;
}

void mambaGraphModelClose(MambaGraphModel *model) {
  if (!model)
    return;
  for (size_t i = 0; i < model->count; i++)
    free(model->entries[i].memory);
  free(model->entries);
  onnxClose(model->onnx);
  mambaMappedFileClose(&model->map);
  free(model);
}

size_t mambaGraphModelGetCount(const MambaGraphModel *model) {
  return model->count;
}

const MambaTensorView *mambaGraphModelGet(const MambaGraphModel *model, size_t index) {
  return &model->entries[index].view;
}

int64_t mambaGraphModelGetLayers(const MambaGraphModel *model) {
  return model->layers;
}

double mambaGraphModelGetNormEpsilon(const MambaGraphModel *model) {
  return model->norm_epsilon;
}

double mambaGraphModelGetMixerEpsilon(const MambaGraphModel *model) {
  return model->mixer_epsilon;
}
