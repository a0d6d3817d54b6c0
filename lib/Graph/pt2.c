#include "pt2.h"

#include "mamba/json.h"
#include "mamba/torch_file.h"
#include "zip.h" /* of lib/Parameters */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct Pt2 {
  MambaZip zip;
  json_t *program;
  json_t *config;        /* of weights as they are; else NULL, and ... */
  MambaTorchFile *state; /* ... this */
  MambaTensorView *tensors;
  size_t count;
};

typedef struct Reader {
  Pt2 *archive;
  const char *label;
  MambaError *error;
} Reader;

static bool startsWith(const char *text, size_t size, const char *prefix) {
  return size >= strlen(prefix) && memcmp(text, prefix, strlen(prefix)) == 0;
}

static bool endsWith(const char *text, size_t size, const char *suffix) {
  const size_t tail = strlen(suffix);
  return size >= tail && memcmp(text + size - tail, suffix, tail) == 0;
}

/* ---- Entries ---------------------------------------------------------------------------------------- */

/* An entry's name without the archive's own folder, as the writers from 2.8 on have it. */
static const char *pathOf(const MambaZipEntry *entry, size_t *size) {
  const char *slash = memchr(entry->name, '/', entry->nameSize);
  const size_t folder = slash ? (size_t)(slash - entry->name) + 1 : 0;
  *size = entry->nameSize - folder;
  return entry->name + folder;
}

/* Weights may be there as data or as a file of torch.save; constants are tensors that the model has no name
 * for. */
static bool isKnown(const char *path, size_t size) {
  static const char *const names[] = {"models/model.json",
                                      "data/weights/model.pt",
                                      "data/weights/model_weights_config.json",
                                      "data/constants/model.pt",
                                      "data/constants/model_constants_config.json",
                                      "data/sample_inputs/model.pt",
                                      "archive_format",
                                      "archive_version",
                                      "byteorder",
                                      "version",
                                      ".data/version",
                                      ".data/serialization_id",
                                      "serialized_exported_program.json",
                                      "serialized_state_dict.pt",
                                      "serialized_constants.pt",
                                      "serialized_example_inputs.pt"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (size == strlen(names[i]) && memcmp(path, names[i], size) == 0)
      return true;
  return startsWith(path, size, "data/weights/weight_") || startsWith(path, size, "data/constants/tensor_") ||
         startsWith(path, size, ".data/") || endsWith(path, size, "/");
}

static const MambaZipEntry *find(const Pt2 *archive, const char *name) {
  for (size_t i = 0; i < archive->zip.count; i++) {
    size_t size;
    const char *path = pathOf(&archive->zip.entries[i], &size);
    if (size == strlen(name) && memcmp(path, name, size) == 0)
      return &archive->zip.entries[i];
  }
  return NULL;
}

static MambaStatus checkEntries(const Reader *r) {
  const MambaZip *zip = &r->archive->zip;
  const MambaZipEntry *order = find(r->archive, "byteorder");
  for (size_t i = 0; i < zip->count; i++) {
    size_t size;
    const char *path = pathOf(&zip->entries[i], &size);
    if (!isKnown(path, size))
      return mambaFail(
          r->error, MAMBA_UNSUPPORTED,
          "%s: entry '%.*s': expected the program, its weights and versions only: nothing in an archive is "
          "executed, custom objects and compiled code are refused",
          r->label, (int)zip->entries[i].nameSize, zip->entries[i].name);
  }
  if (order && (order->size != 6 || memcmp(order->data, "little", 6) != 0))
    return mambaFail(r->error, MAMBA_UNSUPPORTED, "%s: expected little-endian data", r->label);
  return MAMBA_OK;
}

/* ---- Weights as they are ---------------------------------------------------------------------------- */

bool pt2Dtype(json_int_t number, MambaDtype *dtype) {
  static const struct {
    json_int_t number;
    MambaDtype dtype;
  } known[] = {{1, MAMBA_DTYPE_U8},    {2, MAMBA_DTYPE_I8},   {3, MAMBA_DTYPE_I16}, {4, MAMBA_DTYPE_I32},
               {5, MAMBA_DTYPE_I64},   {6, MAMBA_DTYPE_F16},  {7, MAMBA_DTYPE_F32}, {8, MAMBA_DTYPE_F64},
               {12, MAMBA_DTYPE_BOOL}, {13, MAMBA_DTYPE_BF16}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (known[i].number == number) {
      *dtype = known[i].dtype;
      return true;
    }
  }
  return false;
}

static MambaStatus failTensor(const Reader *r, const char *name, const char *what) {
  return mambaFail(r->error, MAMBA_INVALID, "%s: tensor '%s': expected %s", r->label, name, what);
}

/* Sizes, which are row-major by their strides. */
static MambaStatus readMeta(const Reader *r, const char *name, const json_t *meta, MambaTensorView *tensor) {
  const json_t *sizes = json_object_get(meta, "sizes"), *strides = json_object_get(meta, "strides");
  const json_t *offset = json_object_get(json_object_get(meta, "storage_offset"), "as_int");
  if (!pt2Dtype(json_integer_value(json_object_get(meta, "dtype")), &tensor->dtype) ||
      !json_is_array(sizes) || !json_is_array(strides) ||
      json_array_size(sizes) != json_array_size(strides) || json_array_size(sizes) > MAMBA_MAX_RANK ||
      !json_is_integer(offset) || json_integer_value(offset) != 0)
    return failTensor(r, name,
                      "a tensor_meta with dtype, sizes and strides, from the beginning of its storage");
  tensor->rank = (int)json_array_size(sizes);
  for (int i = 0; i < tensor->rank; i++) {
    const json_t *size = json_object_get(json_array_get(sizes, (size_t)i), "as_int");
    tensor->shape[i] = json_is_integer(size) ? json_integer_value(size) : -1;
  }
  if (!mambaShapeGetBytes(tensor->dtype, tensor->rank, tensor->shape, &tensor->bytes))
    return failTensor(r, name, "sizes that are integers, not negative, and whose product fits 63 bits");
  int64_t stride = 1;
  for (int i = tensor->rank; i-- > 0 && tensor->bytes; stride *= tensor->shape[i])
    if (tensor->shape[i] > 1 &&
        json_integer_value(json_object_get(json_array_get(strides, (size_t)i), "as_int")) != stride)
      return failTensor(r, name, "it stored row-major: export a model with contiguous weights");
  return MAMBA_OK;
}

static MambaStatus readWeight(const Reader *r, const char *name, const json_t *entry,
                              MambaTensorView *tensor) {
  const json_t *file = json_object_get(entry, "path_name");
  char path[256];
  if (!json_is_string(file) || !json_is_false(json_object_get(entry, "use_pickle")))
    return failTensor(r, name, "the name of a file of its bytes as they are, without a pickle");
  if (snprintf(path, sizeof path, "data/weights/%s", json_string_value(file)) >= (int)sizeof path)
    return failTensor(r, name, "a shorter path_name");
  const MambaZipEntry *data = find(r->archive, path);
  if (!data)
    return mambaFail(r->error, MAMBA_INVALID, "%s: tensor '%s': '%s' is not in the archive", r->label, name,
                     path);
  tensor->name = name;
  const MambaStatus status = readMeta(r, name, json_object_get(entry, "tensor_meta"), tensor);
  if (status == MAMBA_OK && tensor->bytes > data->size)
    return mambaFail(r->error, MAMBA_INVALID, "%s: tensor '%s': expected %zu bytes, found %zu", r->label,
                     name, tensor->bytes, data->size);
  tensor->data = data->data;
  return status;
}

static MambaStatus readWeights(const Reader *r, const MambaZipEntry *entry) {
  Pt2 *archive = r->archive;
  const char *name;
  json_t *value;
  MambaStatus status = mambaJsonParseObject(entry->data, entry->size, r->label, &archive->config, r->error);
  if (status != MAMBA_OK)
    return status;
  json_t *config = json_object_get(archive->config, "config");
  archive->tensors = calloc(json_object_size(config) + 1, sizeof *archive->tensors);
  if (!archive->tensors)
    return mambaFail(r->error, MAMBA_NO_MEMORY, "%s: out of memory", r->label);
  json_object_foreach(config, name, value) {
    status = readWeight(r, name, value, &archive->tensors[archive->count]);
    if (status != MAMBA_OK)
      return status;
    json_object_set_new(value, "index", json_integer((json_int_t)archive->count++));
  }
  return MAMBA_OK;
}

/* ---- The archive ------------------------------------------------------------------------------------ */

/* All writers of these archives, since PyTorch 2.6, have the same major version, which breaks readers when it
 * grows. */
static MambaStatus checkSchema(const Reader *r) {
  enum { MAJOR = 8 };
  char found[MAMBA_JSON_TEXT];
  const json_t *version = json_object_get(r->archive->program, "schema_version");
  if (json_integer_value(json_object_get(version, "major")) == MAJOR)
    return MAMBA_OK;
  return mambaFail(r->error, MAMBA_UNSUPPORTED, "%s: schema_version: expected major %d, found %s", r->label,
                   MAJOR, mambaJsonDescribe(version, found));
}

static MambaStatus readArchive(const Reader *r) {
  Pt2 *archive = r->archive;
  MambaStatus status = checkEntries(r);
  if (status != MAMBA_OK)
    return status;
  const MambaZipEntry *old = find(archive, "serialized_exported_program.json");
  const MambaZipEntry *program = old ? old : find(archive, "models/model.json");
  const MambaZipEntry *config = find(archive, "data/weights/model_weights_config.json");
  const MambaZipEntry *state = find(archive, old ? "serialized_state_dict.pt" : "data/weights/model.pt");
  if (!program || (!config && !state))
    return mambaFail(r->error, MAMBA_INVALID, "%s: expected the archive to have %s, found none", r->label,
                     program ? "weights" : "models/model.json");
  status = mambaJsonParseObject(program->data, program->size, r->label, &archive->program, r->error);
  if (status == MAMBA_OK)
    status = checkSchema(r);
  if (status != MAMBA_OK)
    return status;
  return config ? readWeights(r, config)
                : mambaTorchFileParse(state->data, state->size, r->label, &archive->state, r->error);
}

MambaStatus pt2Parse(const void *data, size_t size, const char *label, Pt2 **archive, MambaError *error) {
  Pt2 *result = calloc(1, sizeof *result);
  const Reader reader = {result, label, error};
  MambaStatus status = result ? mambaZipParse(data, size, label, &result->zip, error)
                              : mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory", label);
  if (status == MAMBA_OK)
    status = readArchive(&reader);
  if (status == MAMBA_OK)
    *archive = result;
  else
    pt2Close(result);
  return status;
}

void pt2Close(Pt2 *archive) {
  if (!archive)
    return;
  mambaTorchFileClose(archive->state);
  json_decref(archive->program);
  json_decref(archive->config);
  free(archive->tensors);
  mambaZipClear(&archive->zip);
  free(archive);
}

json_t *pt2GetProgram(const Pt2 *archive) {
  return archive->program;
}

const MambaTensorView *pt2Find(const Pt2 *archive, const char *name) {
  const json_t *entry = json_object_get(json_object_get(archive->config, "config"), name);
  if (entry)
    return &archive->tensors[json_integer_value(json_object_get(entry, "index"))];
  for (size_t i = 0; archive->state && i < mambaTorchFileGetCount(archive->state); i++)
    if (strcmp(mambaTorchFileGet(archive->state, i)->name, name) == 0)
      return mambaTorchFileGet(archive->state, i);
  return NULL;
}
