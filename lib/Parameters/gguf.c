#include "mamba/gguf.h"
#include "mamba/mapped_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KEY = 65535, MAX_NAME = 63, MAX_DIMENSIONS = 4, MAX_ALIGNMENT = 1 << 20, DEFAULT_ALIGNMENT = 32 };

/* The least bytes of a value and of a tensor's description: they bound the counts before memory is taken. */
enum { LEAST_VALUE = 8 + 4 + 1, LEAST_TENSOR = 8 + 4 + 8 + 4 + 8 };

typedef enum Type {
  TYPE_U8,
  TYPE_I8,
  TYPE_U16,
  TYPE_I16,
  TYPE_U32,
  TYPE_I32,
  TYPE_F32,
  TYPE_BOOL,
  TYPE_TEXT,
  TYPE_ARRAY,
  TYPE_U64,
  TYPE_I64,
  TYPE_F64,
  TYPE_COUNT
} Type;

static const struct {
  const char *name;
  size_t size; /* 0: as long as it says */
} kTypes[TYPE_COUNT] = {
    [TYPE_U8] = {"uint8", 1},       [TYPE_I8] = {"int8", 1},    [TYPE_U16] = {"uint16", 2},
    [TYPE_I16] = {"int16", 2},      [TYPE_U32] = {"uint32", 4}, [TYPE_I32] = {"int32", 4},
    [TYPE_F32] = {"float32", 4},    [TYPE_BOOL] = {"bool", 1},  [TYPE_TEXT] = {"a string", 0},
    [TYPE_ARRAY] = {"an array", 0}, [TYPE_U64] = {"uint64", 8}, [TYPE_I64] = {"int64", 8},
    [TYPE_F64] = {"float64", 8},
};

typedef struct Value {
  MambaGgufText key;
  Type type, element; /* element: of an array */
  size_t count;       /* of an array */
  const unsigned char *data;
} Value;

struct MambaGguf {
  MambaMappedFile map; /* empty when the buffer is the caller's */
  char *label;
  size_t valueCount, count;
  Value *values;                  /* by key */
  MambaTensorView *tensors;       /* in the order of the data */
  const MambaTensorView **byName; /* the same, by name */
  char *names;                    /* of the tensors */
};

/* ---- Reading ------------------------------------------------------------------------------------ */

/* What is left of the file. `where` says in messages what is being read. */
typedef struct Reader {
  const char *label;
  const unsigned char *begin, *next, *end;
  MambaError *error;
} Reader;

static size_t left(const Reader *r) {
  return (size_t)(r->end - r->next);
}

static MambaStatus failEnd(const Reader *r, const char *what) {
  return mambaFail(r->error, MAMBA_INVALID, "%s: the file ends inside of %s, at offset %zu", r->label, what,
                   (size_t)(r->next - r->begin));
}

static uint64_t littleEndian(const unsigned char *bytes, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; i++)
    value |= (uint64_t)bytes[i] << (8 * i);
  return value;
}

static MambaStatus readInteger(Reader *r, size_t size, const char *what, uint64_t *value) {
  *value = 0;
  if (left(r) < size)
    return failEnd(r, what);
  *value = littleEndian(r->next, size);
  r->next += size;
  return MAMBA_OK;
}

static MambaStatus readText(Reader *r, size_t limit, const char *what, MambaGgufText *text) {
  uint64_t size;
  const MambaStatus status = readInteger(r, 8, what, &size);
  if (status != MAMBA_OK)
    return status;
  if (size > left(r))
    return failEnd(r, what);
  if (size > limit)
    return mambaFail(r->error, MAMBA_INVALID, "%s: expected %s of at most %zu bytes, found %" PRIu64,
                     r->label, what, limit, size);
  *text = (MambaGgufText){(const char *)r->next, (size_t)size};
  r->next += size;
  return MAMBA_OK;
}

static MambaStatus readType(Reader *r, MambaGgufText key, Type *type) {
  uint64_t value;
  const MambaStatus status = readInteger(r, 4, "a value's type", &value);
  if (status != MAMBA_OK)
    return status;
  if (value >= TYPE_COUNT)
    return mambaFail(r->error, MAMBA_INVALID, "%s: key '%.*s': expected a type below %d, found %" PRIu64,
                     r->label, (int)key.size, key.data, TYPE_COUNT, value);
  *type = (Type)value;
  return MAMBA_OK;
}

/* Steps over `count` elements of a type that is no array. */
static MambaStatus skip(Reader *r, Type type, size_t count, MambaGgufText key) {
  MambaGgufText text;
  MambaStatus status = MAMBA_OK;
  if (type == TYPE_TEXT) {
    for (size_t i = 0; i < count && status == MAMBA_OK; i++)
      status = readText(r, SIZE_MAX, "a string", &text);
    return status;
  }
  if (count > left(r) / kTypes[type].size)
    return failEnd(r, "a value");
  for (size_t i = 0; type == TYPE_BOOL && i < count; i++)
    if (r->next[i] > 1)
      return mambaFail(r->error, MAMBA_INVALID, "%s: key '%.*s': expected a bool of 0 or 1, found %d",
                       r->label, (int)key.size, key.data, r->next[i]);
  r->next += count * kTypes[type].size;
  return MAMBA_OK;
}

static MambaStatus readValue(Reader *r, Value *value) {
  uint64_t count = 1;
  MambaStatus status = readText(r, MAX_KEY, "a key", &value->key);
  if (status == MAMBA_OK)
    status = readType(r, value->key, &value->type);
  if (status != MAMBA_OK)
    return status;
  value->element = value->type;
  if (value->type == TYPE_ARRAY) {
    status = readType(r, value->key, &value->element);
    if (status == MAMBA_OK)
      status = readInteger(r, 8, "an array's length", &count);
    if (status == MAMBA_OK && value->element == TYPE_ARRAY)
      status = mambaFail(r->error, MAMBA_UNSUPPORTED, "%s: key '%.*s': arrays of arrays are not supported",
                         r->label, (int)value->key.size, value->key.data);
    if (status == MAMBA_OK && count > left(r)) /* an element has a byte at least */
      status = failEnd(r, "an array");
    if (status != MAMBA_OK)
      return status;
  }
  value->count = (size_t)count;
  value->data = r->next;
  return skip(r, value->element, value->count, value->key);
}

static int compareTexts(MambaGgufText a, MambaGgufText b) {
  const int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
  return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compareValues(const void *a, const void *b) {
  return compareTexts(((const Value *)a)->key, ((const Value *)b)->key);
}

static MambaStatus readValues(Reader *r, MambaGguf *file, uint64_t count) {
  if (count > left(r) / LEAST_VALUE)
    return mambaFail(r->error, MAMBA_INVALID,
                     "%s: expected values that fit %zu bytes, found a count of %" PRIu64, r->label, left(r),
                     count);
  file->values = calloc((size_t)count + 1, sizeof *file->values);
  if (!file->values)
    return mambaFail(r->error, MAMBA_NO_MEMORY, "%s: out of memory for %" PRIu64 " values", r->label, count);
  for (; file->valueCount < count; file->valueCount++) {
    const MambaStatus status = readValue(r, &file->values[file->valueCount]);
    if (status != MAMBA_OK)
      return status;
  }
  qsort(file->values, file->valueCount, sizeof *file->values, compareValues);
  for (size_t i = 1; i < file->valueCount; i++)
    if (compareValues(&file->values[i - 1], &file->values[i]) == 0)
      return mambaFail(r->error, MAMBA_INVALID, "%s: key '%.*s' is there twice", r->label,
                       (int)file->values[i].key.size, file->values[i].key.data);
  return MAMBA_OK;
}

/* ---- Tensors ------------------------------------------------------------------------------------ */

static bool dtypeOf(uint64_t type, MambaDtype *dtype) {
  static const struct {
    uint64_t type; /* enum ggml_type */
    MambaDtype dtype;
  } known[] = {{0, MAMBA_DTYPE_F32}, {1, MAMBA_DTYPE_F16}, {8, MAMBA_DTYPE_Q8_0}, {30, MAMBA_DTYPE_BF16}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (known[i].type == type) {
      *dtype = known[i].dtype;
      return true;
    }
  }
  return false;
}

static MambaStatus readShape(Reader *r, MambaTensorView *tensor) {
  uint64_t rank, extent;
  MambaStatus status = readInteger(r, 4, "a tensor's description", &rank);
  if (status != MAMBA_OK)
    return status;
  if (rank < 1 || rank > MAX_DIMENSIONS)
    return mambaFail(r->error, MAMBA_INVALID, "%s: tensor '%s': expected 1 to %d dimensions, found %" PRIu64,
                     r->label, tensor->name, MAX_DIMENSIONS, rank);
  tensor->rank = (int)rank;
  for (int i = tensor->rank - 1; i >= 0; i--) {
    status = readInteger(r, 8, "a tensor's dimensions", &extent);
    if (status != MAMBA_OK)
      return status;
    if (extent > INT64_MAX)
      return mambaFail(r->error, MAMBA_INVALID,
                       "%s: tensor '%s': expected dimensions below 2^63, found %" PRIu64, r->label,
                       tensor->name, extent);
    tensor->shape[i] = (int64_t)extent;
  }
  return MAMBA_OK;
}

/* Reads one description; *offset is of the tensor in the data. */
static MambaStatus readTensor(Reader *r, char **names, MambaTensorView *tensor, uint64_t *offset) {
  MambaGgufText name;
  uint64_t type;
  char shape[MAMBA_SHAPE_TEXT];
  MambaStatus status = readText(r, MAX_NAME, "a tensor's name", &name);
  if (status != MAMBA_OK)
    return status;
  if (memchr(name.data, 0, name.size))
    return mambaFail(r->error, MAMBA_INVALID, "%s: tensor '%.*s': a name with a zero byte", r->label,
                     (int)name.size, name.data);
  memcpy(*names, name.data, name.size);
  tensor->name = *names;
  *names += name.size + 1; /* the memory is zero */
  status = readShape(r, tensor);
  if (status == MAMBA_OK)
    status = readInteger(r, 4, "a tensor's type", &type);
  if (status == MAMBA_OK)
    status = readInteger(r, 8, "a tensor's offset", offset);
  if (status != MAMBA_OK)
    return status;
  if (!dtypeOf(type, &tensor->dtype))
    return mambaFail(r->error, MAMBA_UNSUPPORTED,
                     "%s: tensor '%s': expected type F32, F16, BF16 or Q8_0, found ggml type %" PRIu64,
                     r->label, tensor->name, type);
  if (!mambaShapeGetBytes(tensor->dtype, tensor->rank, tensor->shape, &tensor->bytes))
    return mambaFail(r->error, MAMBA_INVALID, "%s: tensor '%s': %s is no shape of type %s", r->label,
                     tensor->name, mambaShapeFormat(tensor->rank, tensor->shape, shape),
                     mambaDtypeGetName(tensor->dtype));
  return MAMBA_OK;
}

static int compareNames(const void *a, const void *b) {
  return strcmp((*(const MambaTensorView *const *)a)->name, (*(const MambaTensorView *const *)b)->name);
}

static MambaStatus sortNames(const Reader *r, MambaGguf *file) {
  for (size_t i = 0; i < file->count; i++)
    file->byName[i] = &file->tensors[i];
  qsort(file->byName, file->count, sizeof *file->byName, compareNames);
  for (size_t i = 1; i < file->count; i++)
    if (strcmp(file->byName[i - 1]->name, file->byName[i]->name) == 0)
      return mambaFail(r->error, MAMBA_INVALID, "%s: tensor '%s' is there twice", r->label,
                       file->byName[i]->name);
  return MAMBA_OK;
}

static uint64_t roundUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

/* Gives the tensors their data, which begins after the descriptions. */
static MambaStatus placeTensors(Reader *r, MambaGguf *file, const uint64_t *offsets, uint64_t alignment) {
  const uint64_t begin = roundUp((uint64_t)(r->next - r->begin), alignment);
  const uint64_t size = (uint64_t)(r->end - r->begin);
  uint64_t next = 0;
  for (size_t i = 0; i < file->count; i++) {
    MambaTensorView *tensor = &file->tensors[i];
    if (offsets[i] != next)
      return mambaFail(r->error, MAMBA_INVALID,
                       "%s: tensor '%s': expected its data at offset %" PRIu64 ", found %" PRIu64, r->label,
                       tensor->name, next, offsets[i]);
    if (begin > size || next > size - begin || tensor->bytes > size - begin - next)
      return mambaFail(r->error, MAMBA_INVALID,
                       "%s: tensor '%s': expected %zu bytes of data at offset %" PRIu64
                       ", found a file of %" PRIu64 " bytes",
                       r->label, tensor->name, tensor->bytes, begin + next, size);
    tensor->data = r->begin + begin + next;
    next = roundUp(next + tensor->bytes, alignment);
  }
  if (file->count && size > begin + next)
    return mambaFail(r->error, MAMBA_INVALID,
                     "%s: expected the data to end at offset %" PRIu64 ", found a file of %" PRIu64 " bytes",
                     r->label, begin + next, size);
  return MAMBA_OK;
}

static MambaStatus readTensors(Reader *r, MambaGguf *file, uint64_t count, uint64_t alignment) {
  MambaStatus status = MAMBA_OK;
  uint64_t *offsets = NULL;
  if (count > left(r) / LEAST_TENSOR)
    return mambaFail(r->error, MAMBA_INVALID,
                     "%s: expected tensors that fit %zu bytes, found a count of %" PRIu64, r->label, left(r),
                     count);
  offsets = calloc((size_t)count + 1, sizeof *offsets);
  file->tensors = calloc((size_t)count + 1, sizeof *file->tensors);
  file->byName = calloc((size_t)count + 1, sizeof *file->byName);
  file->names = calloc((size_t)count + 1, MAX_NAME + 1);
  if (!offsets || !file->tensors || !file->byName || !file->names) {
    status =
        mambaFail(r->error, MAMBA_NO_MEMORY, "%s: out of memory for %" PRIu64 " tensors", r->label, count);
    goto cleanup;
  }
  char *names = file->names;
  for (; file->count < count && status == MAMBA_OK; file->count++)
    status = readTensor(r, &names, &file->tensors[file->count], &offsets[file->count]);
  if (status == MAMBA_OK)
    status = sortNames(r, file);
  if (status == MAMBA_OK)
    status = placeTensors(r, file, offsets, alignment);

cleanup:
  free(offsets);
  return status;
}

/* ---- The file ----------------------------------------------------------------------------------- */

static MambaStatus readAlignment(const MambaGguf *file, uint64_t *alignment, MambaError *error) {
  static const char key[] = "general.alignment";
  int64_t value = DEFAULT_ALIGNMENT;
  MambaStatus status = MAMBA_OK;
  if (mambaGgufHas(file, key))
    status = mambaGgufGetInteger(file, key, 1, MAX_ALIGNMENT, &value, error);
  if (status == MAMBA_OK && (value & (value - 1)))
    status = mambaFail(error, MAMBA_INVALID, "%s: key '%s': expected a power of two, found %" PRId64,
                       file->label, key, value);
  *alignment = (uint64_t)value;
  return status;
}

static MambaStatus checkNotSplit(const MambaGguf *file, MambaError *error) {
  static const char key[] = "split.count";
  int64_t parts;
  if (!mambaGgufHas(file, key))
    return MAMBA_OK;
  const MambaStatus status = mambaGgufGetInteger(file, key, 0, UINT16_MAX, &parts, error);
  if (status == MAMBA_OK && parts > 1)
    return mambaFail(error, MAMBA_UNSUPPORTED,
                     "%s: expected a model in one file, found one of %" PRId64 " parts: merge them first",
                     file->label, parts);
  return status;
}

static MambaStatus readFile(Reader *r, MambaGguf *file) {
  uint64_t version, tensors, values, alignment;
  if (left(r) < 4 || memcmp(r->next, "GGUF", 4) != 0)
    return mambaFail(r->error, MAMBA_INVALID, "%s: expected a file that begins with \"GGUF\"", r->label);
  r->next += 4;
  MambaStatus status = readInteger(r, 4, "the header", &version);
  if (status != MAMBA_OK)
    return status;
  if (version != 2 && version != 3)
    return mambaFail(r->error, MAMBA_UNSUPPORTED,
                     "%s: expected version 2 or 3, little-endian, found %" PRIu64 "%s", r->label, version,
                     version && !(version & 0xffffff) ? " (a big-endian file)" : "");
  status = readInteger(r, 8, "the header", &tensors);
  if (status == MAMBA_OK)
    status = readInteger(r, 8, "the header", &values);
  if (status == MAMBA_OK)
    status = readValues(r, file, values);
  if (status == MAMBA_OK)
    status = checkNotSplit(file, r->error);
  if (status == MAMBA_OK)
    status = readAlignment(file, &alignment, r->error);
  return status == MAMBA_OK ? readTensors(r, file, tensors, alignment) : status;
}

bool mambaGgufIsFile(const char *path) {
  return mambaFileLooksLike(path, "GGUF", ".gguf");
}

MambaStatus mambaGgufParse(const void *buffer, size_t size, const char *label, MambaGguf **file,
                           MambaError *error) {
  const unsigned char *bytes = buffer;
  Reader reader = {label, bytes, bytes, bytes + size, error};
  MambaStatus status;
  MambaGguf *result = calloc(1, sizeof *result);
  if (!result || !(result->label = strdup(label))) {
    status = mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory", label);
    goto cleanup;
  }
  status = readFile(&reader, result);
  if (status != MAMBA_OK)
    goto cleanup;
  *file = result;
  result = NULL;

cleanup:
  mambaGgufClose(result);
  return status;
}

MambaStatus mambaGgufOpen(const char *path, MambaGguf **file, MambaError *error) {
  MambaMappedFile map;
  MambaStatus status = mambaMappedFileOpen(path, &map, error);
  if (status != MAMBA_OK)
    return status;
  status = mambaGgufParse(map.data ? map.data : "", map.size, path, file, error);
  if (status == MAMBA_OK)
    (*file)->map = map;
  else
    mambaMappedFileClose(&map);
  return status;
}

void mambaGgufClose(MambaGguf *file) {
  if (!file)
    return;
  free(file->values);
  free(file->tensors);
  free(file->byName);
  free(file->names);
  free(file->label);
  mambaMappedFileClose(&file->map);
  free(file);
}

const char *mambaGgufGetLabel(const MambaGguf *file) {
  return file->label;
}

size_t mambaGgufGetCount(const MambaGguf *file) {
  return file->count;
}

const MambaTensorView *mambaGgufGet(const MambaGguf *file, size_t index) {
  return &file->tensors[index];
}

const MambaTensorView *mambaGgufFind(const MambaGguf *file, const char *name) {
  const MambaTensorView wanted = {.name = name}, *key = &wanted;
  const MambaTensorView **found =
      bsearch(&key, file->byName, file->count, sizeof *file->byName, compareNames);
  return found ? *found : NULL;
}

/* ---- Values ------------------------------------------------------------------------------------- */

static const Value *find(const MambaGguf *file, const char *key) {
  const Value wanted = {.key = {key, strlen(key)}};
  return bsearch(&wanted, file->values, file->valueCount, sizeof *file->values, compareValues);
}

bool mambaGgufHas(const MambaGguf *file, const char *key) {
  return find(file, key) != NULL;
}

static MambaStatus failValue(const MambaGguf *file, const char *key, const char *expected, const Value *found,
                             MambaError *error) {
  return mambaFail(error, MAMBA_INVALID, "%s: key '%s': expected %s, found %s%s", file->label, key, expected,
                   !found                      ? "none"
                   : found->type == TYPE_ARRAY ? "an array of "
                                               : kTypes[found->type].name,
                   found && found->type == TYPE_ARRAY ? kTypes[found->element].name : "");
}

/* A value of exactly this type. */
static MambaStatus get(const MambaGguf *file, const char *key, Type type, Type element, const Value **value,
                       MambaError *error) {
  char expected[32];
  *value = find(file, key);
  if (*value && (*value)->type == type && (*value)->element == element)
    return MAMBA_OK;
  snprintf(expected, sizeof expected, "%s%s", type == TYPE_ARRAY ? "an array of " : "", kTypes[element].name);
  return failValue(file, key, expected, *value, error);
}

MambaStatus mambaGgufGetInteger(const MambaGguf *file, const char *key, int64_t low, int64_t high,
                                int64_t *value, MambaError *error) {
  const Value *found = find(file, key);
  const Type type = found ? found->type : TYPE_TEXT;
  if (type > TYPE_I32 && type != TYPE_U64 && type != TYPE_I64)
    return failValue(file, key, "an integer", found, error);
  const size_t size = kTypes[type].size;
  const uint64_t bits = littleEndian(found->data, size), sign = UINT64_C(1) << (8 * size - 1);
  const bool is_signed = type == TYPE_I8 || type == TYPE_I16 || type == TYPE_I32 || type == TYPE_I64;
  const bool negative = is_signed && (bits & sign), large = !is_signed && bits > INT64_MAX;
  const int64_t magnitude = (int64_t)(negative ? bits & (sign - 1) : bits & INT64_MAX);
  const int64_t number = negative ? magnitude - (int64_t)(sign - 1) - 1 : magnitude;
  if (large || number < low || number > high)
    return mambaFail(error, MAMBA_INVALID,
                     "%s: key '%s': expected an integer in [%" PRId64 ", %" PRId64 "], found %s%" PRIu64,
                     file->label, key, low, high, negative ? "-" : "",
                     negative ? (uint64_t)0 - (uint64_t)number : bits);
  *value = number;
  return MAMBA_OK;
}

MambaStatus mambaGgufGetFloat(const MambaGguf *file, const char *key, double *value, MambaError *error) {
  const Value *found = find(file, key);
  float narrow;
  if (!found || (found->type != TYPE_F32 && found->type != TYPE_F64))
    return failValue(file, key, "a float", found, error);
  if (found->type == TYPE_F32) {
    memcpy(&narrow, found->data, sizeof narrow);
    *value = narrow;
  } else {
    memcpy(value, found->data, sizeof *value);
  }
  return MAMBA_OK;
}

MambaStatus mambaGgufGetBool(const MambaGguf *file, const char *key, bool *value, MambaError *error) {
  const Value *found;
  const MambaStatus status = get(file, key, TYPE_BOOL, TYPE_BOOL, &found, error);
  if (status == MAMBA_OK)
    *value = *found->data != 0;
  return status;
}

/* The text at `data`, whose place in the file is checked. */
static MambaGgufText textAt(const unsigned char *data) {
  return (MambaGgufText){(const char *)data + 8, (size_t)littleEndian(data, 8)};
}

MambaStatus mambaGgufGetText(const MambaGguf *file, const char *key, MambaGgufText *text, MambaError *error) {
  const Value *found;
  const MambaStatus status = get(file, key, TYPE_TEXT, TYPE_TEXT, &found, error);
  if (status == MAMBA_OK)
    *text = textAt(found->data);
  return status;
}

static MambaStatus getArray(const MambaGguf *file, const char *key, Type element, MambaGgufArray *array,
                            MambaError *error) {
  const Value *found;
  const MambaStatus status = get(file, key, TYPE_ARRAY, element, &found, error);
  if (status == MAMBA_OK)
    *array = (MambaGgufArray){found->count, found->data};
  return status;
}

MambaStatus mambaGgufGetTexts(const MambaGguf *file, const char *key, MambaGgufArray *array,
                              MambaError *error) {
  return getArray(file, key, TYPE_TEXT, array, error);
}

MambaStatus mambaGgufGetInt32s(const MambaGguf *file, const char *key, MambaGgufArray *array,
                               MambaError *error) {
  return getArray(file, key, TYPE_I32, array, error);
}

MambaGgufText mambaGgufNextText(MambaGgufArray *array) {
  const MambaGgufText text = textAt(array->next);
  array->next += 8 + text.size;
  array->left--;
  return text;
}

int32_t mambaGgufNextInt32(MambaGgufArray *array) {
  const uint32_t bits = (uint32_t)littleEndian(array->next, 4);
  array->next += 4;
  array->left--;
  return (int32_t)bits;
}
