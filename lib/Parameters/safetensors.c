#include "mamba/safetensors.h"
#include "mamba/json.h"
#include "mamba/mapped_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct MambaSafetensors {
  MambaMappedFile map; /* empty when the buffer is the caller's */
  json_t *header;      /* owns the names */
  size_t count;
  MambaTensorView *tensors;       /* in the order of the data */
  const MambaTensorView **byName; /* the same, by name */
};

static const char metadataKey[] = "__metadata__";

/* What the functions below need to say where a fault is. */
typedef struct Parser {
  const char *label;
  const unsigned char *data; /* after the header */
  size_t size;               /* of the data */
  MambaError *error;
} Parser;

static MambaStatus readDtype(const Parser *parser, const char *name, const json_t *value, MambaDtype *dtype) {
  static const char *const narrow[] = {"F4", "F6_E2M3", "F6_E3M2"};
  char found[MAMBA_JSON_TEXT];
  const char *text = json_string_value(value);
  if (text && mambaDtypeFromName(text, dtype))
    return MAMBA_OK;
  for (size_t i = 0; text && i < sizeof narrow / sizeof *narrow; i++) {
    if (strcmp(text, narrow[i]) == 0)
      return mambaFail(parser->error, MAMBA_UNSUPPORTED,
                       "%s: tensor '%s': elements of less than a byte are not supported, found dtype %s",
                       parser->label, name, text);
  }
  return mambaFail(parser->error, MAMBA_INVALID,
                   "%s: tensor '%s': expected a dtype of the safetensors format, found %s", parser->label,
                   name, mambaJsonDescribe(value, found));
}

/* The format's numbers are non-negative integers; jansson has refused those beyond int64_t. */
static MambaStatus readNumber(const Parser *parser, const char *name, const char *field, const json_t *value,
                              int64_t *out) {
  char found[MAMBA_JSON_TEXT];
  if (!json_is_integer(value) || json_integer_value(value) < 0)
    return mambaFail(parser->error, MAMBA_INVALID,
                     "%s: tensor '%s': expected non-negative integers in %s, found %s", parser->label, name,
                     field, mambaJsonDescribe(value, found));
  *out = json_integer_value(value);
  return MAMBA_OK;
}

static MambaStatus readShape(const Parser *parser, const char *name, const json_t *value,
                             MambaTensorView *tensor) {
  char found[MAMBA_JSON_TEXT];
  if (!json_is_array(value))
    return mambaFail(parser->error, MAMBA_INVALID, "%s: tensor '%s': expected an array as shape, found %s",
                     parser->label, name, mambaJsonDescribe(value, found));
  if (json_array_size(value) > MAMBA_MAX_RANK)
    return mambaFail(parser->error, MAMBA_UNSUPPORTED,
                     "%s: tensor '%s': expected at most %d dimensions, found %zu", parser->label, name,
                     MAMBA_MAX_RANK, json_array_size(value));
  tensor->rank = (int)json_array_size(value);
  for (int i = 0; i < tensor->rank; i++) {
    const MambaStatus status =
        readNumber(parser, name, "shape", json_array_get(value, (size_t)i), &tensor->shape[i]);
    if (status != MAMBA_OK)
      return status;
  }
  return MAMBA_OK;
}

static MambaStatus readOffsets(const Parser *parser, const char *name, const json_t *value, int64_t *begin,
                               int64_t *end) {
  char found[MAMBA_JSON_TEXT];
  if (!json_is_array(value) || json_array_size(value) != 2)
    return mambaFail(parser->error, MAMBA_INVALID,
                     "%s: tensor '%s': expected [begin, end] as data_offsets, found %s", parser->label, name,
                     mambaJsonDescribe(value, found));
  MambaStatus status = readNumber(parser, name, "data_offsets", json_array_get(value, 0), begin);
  if (status == MAMBA_OK)
    status = readNumber(parser, name, "data_offsets", json_array_get(value, 1), end);
  if (status != MAMBA_OK)
    return status;
  if (*begin > *end || (uint64_t)*end > parser->size)
    return mambaFail(parser->error, MAMBA_INVALID,
                     "%s: tensor '%s': expected data_offsets with begin <= end <= %zu, found [%" PRId64
                     ", %" PRId64 "]",
                     parser->label, name, parser->size, *begin, *end);
  return MAMBA_OK;
}

static MambaStatus readTensor(const Parser *parser, const char *name, const json_t *entry,
                              MambaTensorView *tensor) {
  char found[MAMBA_JSON_TEXT], shapeText[MAMBA_SHAPE_TEXT];
  const json_t *dtype = json_object_get(entry, "dtype");
  const json_t *shape = json_object_get(entry, "shape");
  const json_t *offsets = json_object_get(entry, "data_offsets");
  int64_t begin = 0, end = 0;
  size_t bytes;
  /* Keys are distinct, so three keys with these three among them are exactly these. */
  if (!dtype || !shape || !offsets || json_object_size(entry) != 3)
    return mambaFail(parser->error, MAMBA_INVALID,
                     "%s: tensor '%s': expected an object of dtype, shape and data_offsets, found %s",
                     parser->label, name, mambaJsonDescribe(entry, found));
  MambaStatus status = readDtype(parser, name, dtype, &tensor->dtype);
  if (status == MAMBA_OK)
    status = readShape(parser, name, shape, tensor);
  if (status == MAMBA_OK)
    status = readOffsets(parser, name, offsets, &begin, &end);
  if (status != MAMBA_OK)
    return status;

  if (!mambaShapeGetBytes(tensor->dtype, tensor->rank, tensor->shape, &bytes))
    return mambaFail(parser->error, MAMBA_INVALID, "%s: tensor '%s': the size of %s %s overflows",
                     parser->label, name, mambaDtypeGetName(tensor->dtype),
                     mambaShapeFormat(tensor->rank, tensor->shape, shapeText));
  if (bytes != (uint64_t)(end - begin))
    return mambaFail(parser->error, MAMBA_INVALID,
                     "%s: tensor '%s': expected %zu bytes for %s %s, found data_offsets [%" PRId64
                     ", %" PRId64 "]",
                     parser->label, name, bytes, mambaDtypeGetName(tensor->dtype),
                     mambaShapeFormat(tensor->rank, tensor->shape, shapeText), begin, end);
  tensor->name = name;
  tensor->bytes = bytes;
  tensor->data = parser->data + begin;
  return MAMBA_OK;
}

static MambaStatus checkMetadata(const Parser *parser, json_t *metadata) {
  char found[MAMBA_JSON_TEXT];
  const char *key;
  json_t *value;
  if (!json_is_object(metadata))
    return mambaFail(parser->error, MAMBA_INVALID, "%s: expected an object as %s, found %s", parser->label,
                     metadataKey, mambaJsonDescribe(metadata, found));
  json_object_foreach(metadata, key, value) {
    if (!json_is_string(value))
      return mambaFail(parser->error, MAMBA_INVALID, "%s: expected text as %s entry '%s', found %s",
                       parser->label, metadataKey, key, mambaJsonDescribe(value, found));
  }
  return MAMBA_OK;
}

/* By begin, then end, so that an empty tensor comes before the one that starts where it does. */
static int compareOffsets(const void *left, const void *right) {
  const MambaTensorView *a = left, *b = right;
  const uintptr_t begin[] = {(uintptr_t)a->data, (uintptr_t)b->data};
  if (begin[0] != begin[1])
    return begin[0] < begin[1] ? -1 : 1;
  if (a->bytes != b->bytes)
    return a->bytes < b->bytes ? -1 : 1;
  return strcmp(a->name, b->name);
}

static int compareNames(const void *left, const void *right) {
  const MambaTensorView *const *a = left, *const *b = right;
  return strcmp((*a)->name, (*b)->name);
}

/* The sorted tensors must follow each other without gap or overlap from the first byte to the last. */
static MambaStatus checkCoverage(const Parser *parser, const MambaSafetensors *file) {
  const unsigned char *next = parser->data;
  for (size_t i = 0; i < file->count; i++) {
    const MambaTensorView *tensor = &file->tensors[i];
    const unsigned char *begin = tensor->data;
    if (begin != next)
      return mambaFail(parser->error, MAMBA_INVALID,
                       "%s: tensor '%s': expected its data to begin at offset %zu, found %zu (%s)",
                       parser->label, tensor->name, (size_t)(next - parser->data),
                       (size_t)(begin - parser->data), begin < next ? "an overlap" : "a hole");
    next = begin + tensor->bytes;
  }
  if (next != parser->data + parser->size)
    return mambaFail(parser->error, MAMBA_INVALID,
                     "%s: expected the data to end with the last tensor at offset %zu, found %zu more bytes",
                     parser->label, (size_t)(next - parser->data),
                     parser->size - (size_t)(next - parser->data));
  return MAMBA_OK;
}

static MambaStatus readHeader(const Parser *parser, MambaSafetensors *file) {
  json_t *metadata = json_object_get(file->header, metadataKey);
  const size_t count = json_object_size(file->header) - (metadata ? 1 : 0);
  const char *name;
  json_t *entry;
  if (metadata) {
    const MambaStatus status = checkMetadata(parser, metadata);
    if (status != MAMBA_OK)
      return status;
  }
  /* The header's limit bounds the count; one more, since calloc may give NULL for none. */
  file->tensors = calloc(count + 1, sizeof *file->tensors);
  file->byName = calloc(count + 1, sizeof *file->byName);
  if (!file->tensors || !file->byName)
    return mambaFail(parser->error, MAMBA_NO_MEMORY, "%s: out of memory for %zu tensors", parser->label,
                     count);
  json_object_foreach(file->header, name, entry) {
    if (entry == metadata)
      continue;
    const MambaStatus status = readTensor(parser, name, entry, &file->tensors[file->count]);
    if (status != MAMBA_OK)
      return status;
    file->count++;
  }
  qsort(file->tensors, file->count, sizeof *file->tensors, compareOffsets);
  for (size_t i = 0; i < file->count; i++)
    file->byName[i] = &file->tensors[i];
  qsort(file->byName, file->count, sizeof *file->byName, compareNames);
  return checkCoverage(parser, file);
}

/* Finds the header's text in the buffer, from byte 8 to *textEnd, and the data, from *dataBegin. */
static MambaStatus locateHeader(const unsigned char *buffer, size_t size, const char *label, size_t *textEnd,
                                size_t *dataBegin, MambaError *error) {
  uint64_t declared = 0;
  if (size < 8)
    return mambaFail(error, MAMBA_INVALID, "%s: expected 8 bytes of header length, found a file of %zu bytes",
                     label, size);
  for (int i = 0; i < 8; i++)
    declared |= (uint64_t)buffer[i] << (8 * i);
  if (declared > MAMBA_SAFETENSORS_MAX_HEADER)
    return mambaFail(error, MAMBA_INVALID,
                     "%s: expected a header of at most %d bytes, found a length of %" PRIu64, label,
                     MAMBA_SAFETENSORS_MAX_HEADER, declared);
  if (declared > size - 8)
    return mambaFail(error, MAMBA_INVALID,
                     "%s: expected a header of %" PRIu64 " bytes, found a file that has %zu after its length",
                     label, declared, size - 8);
  size_t end = 8 + (size_t)declared;
  *dataBegin = end;
  if (declared == 0 || buffer[8] != '{')
    return mambaFail(error, MAMBA_INVALID, "%s: expected the header to start with '{'", label);
  while (buffer[end - 1] == ' ') /* stops at the '{' at the latest */
    end--;
  if (buffer[end - 1] != '}')
    return mambaFail(error, MAMBA_INVALID, "%s: expected the header to end with '}' and spaces", label);
  *textEnd = end;
  return MAMBA_OK;
}

MambaStatus mambaSafetensorsParse(const void *buffer, size_t size, const char *label, MambaSafetensors **file,
                                  MambaError *error) {
  MambaSafetensors *result = NULL;
  const unsigned char *bytes = buffer;
  size_t textEnd = 0, dataBegin = 0;
  MambaStatus status = locateHeader(bytes, size, label, &textEnd, &dataBegin, error);
  if (status != MAMBA_OK)
    goto cleanup;
  result = calloc(1, sizeof *result);
  if (!result) {
    status = mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory", label);
    goto cleanup;
  }
  status = mambaJsonParseObject(bytes + 8, textEnd - 8, label, &result->header, error);
  if (status != MAMBA_OK)
    goto cleanup;

  const Parser parser = {label, bytes + dataBegin, size - dataBegin, error};
  status = readHeader(&parser, result);
  if (status != MAMBA_OK)
    goto cleanup;
  *file = result;
  result = NULL;

cleanup:
  mambaSafetensorsClose(result);
  return status;
}

MambaStatus mambaSafetensorsOpen(const char *path, MambaSafetensors **file, MambaError *error) {
  MambaMappedFile map;
  MambaStatus status = mambaMappedFileOpen(path, &map, error);
  if (status != MAMBA_OK)
    return status;
  status = mambaSafetensorsParse(map.data, map.size, path, file, error);
  if (status == MAMBA_OK)
    (*file)->map = map;
  else
    mambaMappedFileClose(&map);
  return status;
}

void mambaSafetensorsClose(MambaSafetensors *file) {
  if (!file)
    return;
  free(file->byName);
  free(file->tensors);
  json_decref(file->header);
  mambaMappedFileClose(&file->map);
  free(file);
}

size_t mambaSafetensorsGetCount(const MambaSafetensors *file) {
  return file->count;
}

const MambaTensorView *mambaSafetensorsGet(const MambaSafetensors *file, size_t index) {
  return &file->tensors[index];
}

const MambaTensorView *mambaSafetensorsFind(const MambaSafetensors *file, const char *name) {
  const MambaTensorView wanted = {.name = name}, *key = &wanted;
  const MambaTensorView **found =
      bsearch(&key, file->byName, file->count, sizeof *file->byName, compareNames);
  return found ? *found : NULL;
}

const char *mambaSafetensorsGetMetadata(const MambaSafetensors *file, const char *key) {
  return json_string_value(json_object_get(json_object_get(file->header, metadataKey), key));
}
