#include "mamba/safetensors_writer.h"
#include "mamba/output_file.h"
#include "mamba/safetensors.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { DATA_ALIGNMENT = 64 };

struct MambaSafetensorsWriter {
  MambaOutputFile *output;
  char *path;       /* for messages */
  json_t *metadata; /* becomes the header's first entry if it has any */
  json_t *tensors;  /* name -> entry, in the order of declaration */
  void *current;    /* iterator of the tensor being written, NULL after the last */
  int64_t declared; /* bytes of all tensors */
  int64_t missing;  /* bytes of the current tensor still to come */
  bool begun;       /* the header is written */
};

static MambaStatus failMemory(const MambaSafetensorsWriter *writer, MambaError *error) {
  return mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory", writer->path);
}

MambaStatus mambaSafetensorsWriterCreate(const char *path, MambaSafetensorsWriter **writer,
                                         MambaError *error) {
  MambaStatus status = MAMBA_OK;
  MambaSafetensorsWriter *result = calloc(1, sizeof *result);
  if (!result || !(result->path = strdup(path)) || !(result->metadata = json_object()) ||
      !(result->tensors = json_object())) {
    status = mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory", path);
    goto cleanup;
  }
  status = mambaOutputFileCreate(path, &result->output, error);
  if (status != MAMBA_OK)
    goto cleanup;
  *writer = result;
  result = NULL;

cleanup:
  mambaSafetensorsWriterDestroy(result);
  return status;
}

MambaStatus mambaSafetensorsWriterSetMetadata(MambaSafetensorsWriter *writer, const char *key,
                                              const char *value, MambaError *error) {
  if (writer->begun || json_object_get(writer->metadata, key))
    return mambaFail(error, MAMBA_INVALID, "%s: metadata '%s' %s", writer->path, key,
                     writer->begun ? "comes after data" : "is set twice");
  if (json_object_set_new(writer->metadata, key, json_string(value)) != 0)
    return mambaFail(error, MAMBA_INVALID, "%s: metadata '%s' is not valid UTF-8", writer->path, key);
  return MAMBA_OK;
}

static json_t *createEntry(MambaDtype dtype, int rank, const int64_t *shape, int64_t begin, int64_t end) {
  json_t *dimensions = json_array();
  for (int i = 0; i < rank && dimensions; i++) {
    if (json_array_append_new(dimensions, json_integer(shape[i])) != 0) {
      json_decref(dimensions);
      dimensions = NULL;
    }
  }
  return json_pack("{s:s, s:o, s:[I, I]}", "dtype", mambaDtypeGetName(dtype), "shape", dimensions,
                   "data_offsets", (json_int_t)begin, (json_int_t)end);
}

MambaStatus mambaSafetensorsWriterDeclare(MambaSafetensorsWriter *writer, const char *name, MambaDtype dtype,
                                          int rank, const int64_t *shape, MambaError *error) {
  size_t bytes;
  if (writer->begun || json_object_get(writer->tensors, name) || strcmp(name, "__metadata__") == 0)
    return mambaFail(error, MAMBA_INVALID, "%s: tensor '%s' is declared %s", writer->path, name,
                     writer->begun                            ? "after data"
                     : json_object_get(writer->tensors, name) ? "twice"
                                                              : "under a reserved name");
  if (rank < 0 || rank > MAMBA_MAX_RANK || !mambaShapeGetBytes(dtype, rank, shape, &bytes) ||
      bytes > (size_t)(INT64_MAX - writer->declared))
    return mambaFail(error, MAMBA_INVALID,
                     "%s: tensor '%s': its rank, its size or the file's is out of range", writer->path, name);
  json_t *entry = createEntry(dtype, rank, shape, writer->declared, writer->declared + (int64_t)bytes);
  if (!entry)
    return failMemory(writer, error);
  if (json_object_set_new(writer->tensors, name, entry) != 0)
    return mambaFail(error, MAMBA_INVALID, "%s: tensor name '%s' is not valid UTF-8", writer->path, name);
  writer->declared += (int64_t)bytes;
  return MAMBA_OK;
}

/* Goes on to the next tensor that has data, starting with the one at `current`. */
static void enterTensor(MambaSafetensorsWriter *writer) {
  for (; writer->current; writer->current = json_object_iter_next(writer->tensors, writer->current)) {
    const json_t *offsets = json_object_get(json_object_iter_value(writer->current), "data_offsets");
    writer->missing =
        json_integer_value(json_array_get(offsets, 1)) - json_integer_value(json_array_get(offsets, 0));
    if (writer->missing > 0)
      return;
  }
}

static MambaStatus writeHeader(MambaSafetensorsWriter *writer, MambaError *error) {
  static const char spaces[DATA_ALIGNMENT + 1] =
      "                                                                ";
  MambaStatus status = MAMBA_OK;
  unsigned char prefix[8];
  char *text = NULL;
  json_t *header = json_object();
  if (!header ||
      (json_object_size(writer->metadata) > 0 &&
       json_object_set(header, "__metadata__", writer->metadata) != 0) ||
      json_object_update(header, writer->tensors) != 0 || !(text = json_dumps(header, JSON_COMPACT))) {
    status = failMemory(writer, error);
    goto cleanup;
  }
  const size_t length = strlen(text);
  const size_t padding = (DATA_ALIGNMENT - (sizeof prefix + length) % DATA_ALIGNMENT) % DATA_ALIGNMENT;
  if (length + padding > MAMBA_SAFETENSORS_MAX_HEADER) {
    status = mambaFail(error, MAMBA_UNSUPPORTED, "%s: expected a header of at most %d bytes, found %zu",
                       writer->path, MAMBA_SAFETENSORS_MAX_HEADER, length + padding);
    goto cleanup;
  }
  for (int i = 0; i < 8; i++)
    prefix[i] = (unsigned char)((uint64_t)(length + padding) >> (8 * i));
  status = mambaOutputFileWrite(writer->output, prefix, sizeof prefix, error);
  if (status == MAMBA_OK)
    status = mambaOutputFileWrite(writer->output, text, length, error);
  if (status == MAMBA_OK)
    status = mambaOutputFileWrite(writer->output, spaces, padding, error);
  if (status != MAMBA_OK)
    goto cleanup;
  writer->begun = true;
  writer->current = json_object_iter(writer->tensors);
  enterTensor(writer);

cleanup:
  free(text);
  json_decref(header);
  return status;
}

MambaStatus mambaSafetensorsWriterAppend(MambaSafetensorsWriter *writer, const char *name, const void *data,
                                         size_t bytes, MambaError *error) {
  MambaStatus status = writer->begun ? MAMBA_OK : writeHeader(writer, error);
  if (status != MAMBA_OK)
    return status;
  if (bytes == 0 && json_object_get(writer->tensors, name))
    return MAMBA_OK; /* empty tensors have no turn */
  if (!writer->current || strcmp(name, json_object_iter_key(writer->current)) != 0)
    return mambaFail(error, MAMBA_INVALID, "%s: expected data of tensor '%s', found '%s'", writer->path,
                     writer->current ? json_object_iter_key(writer->current) : "(none)", name);
  if (bytes > (uint64_t)writer->missing)
    return mambaFail(error, MAMBA_INVALID, "%s: tensor '%s': expected at most %lld more bytes, found %zu",
                     writer->path, name, (long long)writer->missing, bytes);
  status = mambaOutputFileWrite(writer->output, data, bytes, error);
  if (status != MAMBA_OK)
    return status;
  writer->missing -= (int64_t)bytes;
  if (writer->missing == 0) {
    writer->current = json_object_iter_next(writer->tensors, writer->current);
    enterTensor(writer);
  }
  return MAMBA_OK;
}

MambaStatus mambaSafetensorsWriterFinish(MambaSafetensorsWriter *writer, MambaError *error) {
  const MambaStatus status = writer->begun ? MAMBA_OK : writeHeader(writer, error);
  if (status != MAMBA_OK)
    return status;
  if (writer->current)
    return mambaFail(error, MAMBA_INVALID, "%s: tensor '%s': expected %lld more bytes", writer->path,
                     json_object_iter_key(writer->current), (long long)writer->missing);
  return mambaOutputFileCommit(writer->output, error);
}

void mambaSafetensorsWriterDestroy(MambaSafetensorsWriter *writer) {
  if (!writer)
    return;
  mambaOutputFileDestroy(writer->output);
  json_decref(writer->tensors);
  json_decref(writer->metadata);
  free(writer->path);
  free(writer);
}
