#include "mamba/torch_file.h"

#include "mamba/mapped_file.h"
#include "pickle.h"
#include "zip.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PICKLE = 64 << 20 };

struct MambaTorchFile {
  MambaMappedFile map; /* empty when the buffer is the caller's */
  MambaZip zip;
  Pickle *pickle;
  char **names;
  MambaTensorView *tensors;
  size_t count;
};

typedef struct Reader {
  MambaTorchFile *file;
  const char *label;
  const char *root; /* the folder in the archive, rootSize bytes with its '/' */
  size_t rootSize;
  MambaError *error;
} Reader;

/* ---- The archive -------------------------------------------------------------------------------- */

/* The folder that holds data.pkl. */
static bool findRoot(Reader *r) {
  static const char name[] = "/data.pkl";
  for (size_t i = 0; i < r->file->zip.count; i++) {
    const MambaZipEntry *entry = &r->file->zip.entries[i];
    const size_t size = entry->nameSize, tail = sizeof name - 1;
    if (size > tail && memcmp(entry->name + size - tail, name, tail) == 0 &&
        !memchr(entry->name, '/', size - tail)) {
      r->root = entry->name;
      r->rootSize = size - tail + 1;
      return true;
    }
  }
  return false;
}

/* "root/folder/name", NULL when there is none. */
static const MambaZipEntry *findEntry(const Reader *r, const char *folder, const char *name,
                                      size_t nameSize) {
  char path[512];
  const size_t length = strlen(folder);
  if (r->rootSize + length + nameSize > sizeof path)
    return NULL;
  memcpy(path, r->root, r->rootSize);
  memcpy(path + r->rootSize, folder, length);
  memcpy(path + r->rootSize + length, name, nameSize);
  return mambaZipFind(&r->file->zip, path, r->rootSize + length + nameSize);
}

static MambaStatus checkByteOrder(const Reader *r) {
  const MambaZipEntry *order = findEntry(r, "", "byteorder", strlen("byteorder"));
  if (order && (order->size != 6 || memcmp(order->data, "little", 6) != 0))
    return mambaFail(r->error, MAMBA_UNSUPPORTED, "%s: expected little-endian data, found byteorder '%.*s'",
                     r->label, (int)(order->size < 16 ? order->size : 16), (const char *)order->data);
  return MAMBA_OK;
}

/* ---- Tensors ------------------------------------------------------------------------------------ */

static bool dtypeOf(const PickleValue *storage, MambaDtype *dtype) {
  static const struct {
    const char *name;
    MambaDtype dtype;
  } known[] = {{"FloatStorage", MAMBA_DTYPE_F32},     {"HalfStorage", MAMBA_DTYPE_F16},
               {"BFloat16Storage", MAMBA_DTYPE_BF16}, {"DoubleStorage", MAMBA_DTYPE_F64},
               {"LongStorage", MAMBA_DTYPE_I64},      {"IntStorage", MAMBA_DTYPE_I32},
               {"ShortStorage", MAMBA_DTYPE_I16},     {"CharStorage", MAMBA_DTYPE_I8},
               {"ByteStorage", MAMBA_DTYPE_U8},       {"BoolStorage", MAMBA_DTYPE_BOOL}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (mambaPickleIsGlobal(storage, "torch", known[i].name)) {
      *dtype = known[i].dtype;
      return true;
    }
  }
  return false;
}

static bool isText(const PickleValue *value, const char *text) {
  return value->kind == PICKLE_TEXT && value->textSize == strlen(text) &&
         memcmp(value->text, text, value->textSize) == 0;
}

static MambaStatus failTensor(const Reader *r, const char *name, const char *expected) {
  return mambaFail(r->error, MAMBA_INVALID, "%s: tensor '%s': expected %s", r->label, name, expected);
}

/* The bytes behind ('storage', its type, key, device, number of elements). */
static MambaStatus readStorage(const Reader *r, const char *name, const PickleValue *value, MambaDtype *dtype,
                               const MambaZipEntry **entry) {
  const PickleValue *id = value->kind == PICKLE_PERSISTENT ? value->items[0] : value;
  if (value->kind != PICKLE_PERSISTENT || id->kind != PICKLE_TUPLE || id->count != 5 ||
      !isText(id->items[0], "storage") || id->items[2]->kind != PICKLE_TEXT ||
      id->items[4]->kind != PICKLE_INTEGER)
    return failTensor(r, name, "('storage', type, key, device, size) as its storage");
  if (!dtypeOf(id->items[1], dtype))
    return failTensor(r, name, "a storage of a known type, such as torch.HalfStorage");
  *entry = findEntry(r, "data/", id->items[2]->text, id->items[2]->textSize);
  if (!*entry)
    return mambaFail(r->error, MAMBA_INVALID, "%s: tensor '%s': its data '%.*s' is not in the archive",
                     r->label, name, (int)id->items[2]->textSize, id->items[2]->text);
  return MAMBA_OK;
}

/* Sizes and strides, which must be those of a row-major tensor without gaps. */
static MambaStatus readShape(const Reader *r, const char *name, const PickleValue *sizes,
                             const PickleValue *strides, MambaTensorView *tensor) {
  char shape[MAMBA_SHAPE_TEXT];
  if (sizes->kind != PICKLE_TUPLE || strides->kind != PICKLE_TUPLE || sizes->count != strides->count)
    return failTensor(r, name, "a tuple of sizes and one of strides");
  if (sizes->count > MAMBA_MAX_RANK)
    return mambaFail(r->error, MAMBA_UNSUPPORTED,
                     "%s: tensor '%s': expected at most %d dimensions, found %zu", r->label, name,
                     MAMBA_MAX_RANK, sizes->count);
  tensor->rank = (int)sizes->count;
  for (int i = 0; i < tensor->rank; i++) {
    if (sizes->items[i]->kind != PICKLE_INTEGER || strides->items[i]->kind != PICKLE_INTEGER)
      return failTensor(r, name, "integers as sizes and strides");
    tensor->shape[i] = sizes->items[i]->integer;
  }
  if (!mambaShapeGetBytes(tensor->dtype, tensor->rank, tensor->shape, &tensor->bytes))
    return failTensor(r, name, "sizes that are not negative and whose product fits 63 bits");
  int64_t stride = 1;
  for (int i = tensor->rank; i-- > 0;) {
    if (tensor->shape[i] > 1 && tensor->bytes && strides->items[i]->integer != stride)
      return mambaFail(r->error, MAMBA_UNSUPPORTED,
                       "%s: tensor '%s' of shape %s is stored transposed or with gaps: save it contiguous",
                       r->label, name, mambaShapeFormat(tensor->rank, tensor->shape, shape));
    if (tensor->bytes)
      stride *= tensor->shape[i];
  }
  return MAMBA_OK;
}

/* torch._utils._rebuild_tensor_v2(storage, offset, sizes, strides, ...), perhaps in a _rebuild_parameter, or in one
 * that comes with attributes, which are dropped. */
static MambaStatus readTensor(const Reader *r, const char *name, const PickleValue *value,
                              MambaTensorView *tensor) {
  const MambaZipEntry *entry;
  if (value->kind == PICKLE_CALL &&
      (mambaPickleIsGlobal(value->items[0], "torch._utils", "_rebuild_parameter") ||
       mambaPickleIsGlobal(value->items[0], "torch._utils", "_rebuild_parameter_with_state")) &&
      value->items[1]->count >= 1)
    value = value->items[1]->items[0];
  if (value->kind == PICKLE_CALL &&
      !mambaPickleIsGlobal(value->items[0], "torch._utils", "_rebuild_tensor_v2"))
    return mambaFail(r->error, MAMBA_UNSUPPORTED, "%s: '%s': expected a tensor, found a call of %.*s.%.*s",
                     r->label, name, (int)value->items[0]->moduleSize, value->items[0]->text,
                     (int)(value->items[0]->textSize - value->items[0]->moduleSize - 1),
                     value->items[0]->text + value->items[0]->moduleSize + 1);
  const PickleValue *arguments = value->kind == PICKLE_CALL ? value->items[1] : value;
  if (value->kind != PICKLE_CALL || arguments->count < 4 || arguments->items[1]->kind != PICKLE_INTEGER)
    return mambaFail(r->error, MAMBA_UNSUPPORTED, "%s: '%s': expected a tensor, found another value",
                     r->label, name);
  MambaStatus status = readStorage(r, name, arguments->items[0], &tensor->dtype, &entry);
  if (status == MAMBA_OK)
    status = readShape(r, name, arguments->items[2], arguments->items[3], tensor);
  if (status != MAMBA_OK)
    return status;
  const size_t size = mambaDtypeGetSize(tensor->dtype), elements = entry->size / size;
  const int64_t offset = arguments->items[1]->integer;
  if (offset < 0 || (uint64_t)offset > elements || tensor->bytes > (elements - (size_t)offset) * size)
    return mambaFail(r->error, MAMBA_INVALID,
                     "%s: tensor '%s': expected %zu bytes from element %" PRId64
                     " of its storage, which has %zu",
                     r->label, name, tensor->bytes, offset, entry->size);
  tensor->name = name;
  tensor->data = entry->data + (size_t)offset * size;
  return MAMBA_OK;
}

static int compareNames(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A dictionary that sets a key twice has the last value in Python: no writer does it. */
static MambaStatus checkNamesDiffer(const Reader *r) {
  MambaStatus status = MAMBA_OK;
  const size_t count = r->file->count;
  char **sorted = malloc((count + 1) * sizeof *sorted);
  if (!sorted)
    return mambaFail(r->error, MAMBA_NO_MEMORY, "%s: out of memory", r->label);
  memcpy(sorted, r->file->names, count * sizeof *sorted);
  qsort(sorted, count, sizeof *sorted, compareNames);
  for (size_t i = 1; i < count && status == MAMBA_OK; i++)
    if (strcmp(sorted[i - 1], sorted[i]) == 0)
      status = mambaFail(r->error, MAMBA_INVALID, "%s: tensor '%s' is there twice", r->label, sorted[i]);
  free(sorted);
  return status;
}

static MambaStatus readTensors(const Reader *r, const PickleValue *root) {
  MambaTorchFile *file = r->file;
  if (root->kind != PICKLE_DICT)
    return mambaFail(r->error, MAMBA_UNSUPPORTED, "%s: expected a dictionary of tensors", r->label);
  file->names = calloc(root->count / 2 + 1, sizeof *file->names);
  file->tensors = calloc(root->count / 2 + 1, sizeof *file->tensors);
  if (!file->names || !file->tensors)
    return mambaFail(r->error, MAMBA_NO_MEMORY, "%s: out of memory", r->label);
  for (; file->count < root->count / 2; file->count++) {
    const PickleValue *key = root->items[2 * file->count], *value = root->items[2 * file->count + 1];
    if (key->kind != PICKLE_TEXT || memchr(key->text, 0, key->textSize))
      return mambaFail(r->error, MAMBA_UNSUPPORTED, "%s: expected texts as keys of the dictionary", r->label);
    char *name = strndup(key->text, key->textSize);
    if (!name)
      return mambaFail(r->error, MAMBA_NO_MEMORY, "%s: out of memory", r->label);
    file->names[file->count] = name;
    const MambaStatus status = readTensor(r, name, value, &file->tensors[file->count]);
    if (status != MAMBA_OK) {
      file->count++; /* the name is to be freed */
      return status;
    }
  }
  return checkNamesDiffer(r);
}

/* ---- The file ----------------------------------------------------------------------------------- */

static MambaStatus readArchive(Reader *r) {
  const PickleValue *root;
  if (!findRoot(r))
    return mambaFail(r->error, MAMBA_INVALID, "%s: expected data.pkl in a folder of the archive, found none",
                     r->label);
  MambaStatus status = checkByteOrder(r);
  if (status != MAMBA_OK)
    return status;
  const MambaZipEntry *entry = findEntry(r, "", "data.pkl", strlen("data.pkl"));
  if (!entry || entry->size > MAX_PICKLE)
    return mambaFail(r->error, MAMBA_INVALID, "%s: expected data.pkl of at most %d bytes", r->label,
                     MAX_PICKLE);
  status = mambaPickleRead(entry->data, entry->size, r->label, &r->file->pickle, &root, r->error);
  return status == MAMBA_OK ? readTensors(r, root) : status;
}

MambaStatus mambaTorchFileParse(const void *buffer, size_t size, const char *label, MambaTorchFile **file,
                                MambaError *error) {
  static const unsigned char legacy[] = {0x80, 2, 0x8a, 10}; /* a long integer, the magic number before 1.6 */
  MambaStatus status;
  MambaTorchFile *result = NULL;
  if (size >= sizeof legacy && memcmp(buffer, legacy, sizeof legacy) == 0) {
    status = mambaFail(
        error, MAMBA_UNSUPPORTED,
        "%s: a file of PyTorch before 1.6: load and save it with a newer one, or as safetensors", label);
    goto cleanup;
  }
  result = calloc(1, sizeof *result);
  if (!result) {
    status = mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory", label);
    goto cleanup;
  }
  Reader reader = {.file = result, .label = label, .error = error};
  status = mambaZipParse(buffer, size, label, &result->zip, error);
  if (status == MAMBA_OK)
    status = readArchive(&reader);
  if (status != MAMBA_OK)
    goto cleanup;
  *file = result;
  result = NULL;

cleanup:
  mambaTorchFileClose(result);
  return status;
}

MambaStatus mambaTorchFileOpen(const char *path, MambaTorchFile **file, MambaError *error) {
  MambaMappedFile map;
  MambaStatus status = mambaMappedFileOpen(path, &map, error);
  if (status != MAMBA_OK)
    return status;
  status = mambaTorchFileParse(map.data ? map.data : "", map.size, path, file, error);
  if (status == MAMBA_OK)
    (*file)->map = map;
  else
    mambaMappedFileClose(&map);
  return status;
}

void mambaTorchFileClose(MambaTorchFile *file) {
  if (!file)
    return;
  for (size_t i = 0; i < file->count; i++)
    free(file->names[i]);
  free(file->names);
  free(file->tensors);
  mambaPickleDestroy(file->pickle);
  mambaZipClear(&file->zip);
  mambaMappedFileClose(&file->map);
  free(file);
}

size_t mambaTorchFileGetCount(const MambaTorchFile *file) {
  return file->count;
}

const MambaTensorView *mambaTorchFileGet(const MambaTorchFile *file, size_t index) {
  return &file->tensors[index];
}
