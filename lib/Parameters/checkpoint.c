#include "mamba/checkpoint.h"
#include "gguf_model.h"
#include "mamba/json.h"
#include "mamba/mapped_file.h"
#include "mamba/safetensors.h"
#include "mamba/torch_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

struct MambaCheckpoint {
  MambaSafetensors **files;
  size_t fileCount;
  MambaGgufModel *gguf;     /* or this */
  MambaTorchFile *torch;    /* or this, ... */
  MambaGraphModel *graph;   /* or this instead of them */
  MambaTensorView *tensors; /* of all files, by key */
  size_t count;
  XXH3_state_t *hasher; /* made early so that hashing cannot fail */
  char hash[sizeof "xxh3:0123456789abcdef"];
};

static const char singleName[] = "model.safetensors";
static const char indexName[] = "model.safetensors.index.json";
static const char pickleName[] = "pytorch_model.bin";

static MambaStatus failMemory(const char *path, MambaError *error) {
  return mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory", path);
}

/* "folder/name" in memory that the caller frees, or NULL. */
static char *joinPath(const char *folder, const char *name) {
  const size_t size = strlen(folder) + strlen(name) + 2;
  char *path = malloc(size);
  if (path)
    snprintf(path, size, "%s/%s", folder, name);
  return path;
}

static int compareKeys(const void *left, const void *right) {
  const MambaTensorView *a = left, *b = right;
  return strcmp(a->name, b->name);
}

/* Collects the views of all files, whose names are known to be distinct. */
static MambaStatus collectTensors(MambaCheckpoint *checkpoint, const char *path, MambaError *error) {
  size_t count = checkpoint->gguf    ? mambaGgufModelGetCount(checkpoint->gguf)
                 : checkpoint->torch ? mambaTorchFileGetCount(checkpoint->torch)
                 : checkpoint->graph ? mambaGraphModelGetCount(checkpoint->graph)
                                     : 0;
  for (size_t i = 0; i < checkpoint->fileCount; i++)
    count += mambaSafetensorsGetCount(checkpoint->files[i]);
  checkpoint->tensors = calloc(count + 1, sizeof *checkpoint->tensors);
  if (!checkpoint->tensors)
    return failMemory(path, error);
  for (size_t i = 0; checkpoint->gguf && i < count; i++)
    checkpoint->tensors[checkpoint->count++] = *mambaGgufModelGet(checkpoint->gguf, i);
  for (size_t i = 0; checkpoint->torch && i < count; i++)
    checkpoint->tensors[checkpoint->count++] = *mambaTorchFileGet(checkpoint->torch, i);
  for (size_t i = 0; checkpoint->graph && i < count; i++)
    checkpoint->tensors[checkpoint->count++] = *mambaGraphModelGet(checkpoint->graph, i);
  for (size_t i = 0; i < checkpoint->fileCount; i++) {
    for (size_t j = 0; j < mambaSafetensorsGetCount(checkpoint->files[i]); j++)
      checkpoint->tensors[checkpoint->count++] = *mambaSafetensorsGet(checkpoint->files[i], j);
  }
  qsort(checkpoint->tensors, count, sizeof *checkpoint->tensors, compareKeys);
  return MAMBA_OK;
}

static MambaStatus openSingle(MambaCheckpoint *checkpoint, const char *path, MambaError *error) {
  checkpoint->files = calloc(1, sizeof *checkpoint->files);
  if (!checkpoint->files)
    return failMemory(path, error);
  checkpoint->fileCount = 1;
  return mambaSafetensorsOpen(path, &checkpoint->files[0], error);
}

/* A shard is a file of the index's own folder: its name must not be able to lead anywhere else. */
static bool isShardName(const char *name) {
  static const char suffix[] = ".safetensors";
  const size_t length = strlen(name), tail = sizeof suffix - 1;
  return length > tail && strcmp(name + length - tail, suffix) == 0 && !strpbrk(name, "/\\");
}

/* Reads the index's weight_map: key -> shard. Borrowed from *index, which the caller owns. */
static MambaStatus readIndex(const char *path, json_t **index, json_t **map, MambaError *error) {
  char found[MAMBA_JSON_TEXT];
  const char *key;
  json_t *shard;
  const MambaStatus status = mambaJsonReadObject(path, index, error);
  if (status != MAMBA_OK)
    return status;
  *map = json_object_get(*index, "weight_map");
  if (!json_is_object(*map) || json_object_size(*map) == 0)
    return mambaFail(error, MAMBA_INVALID, "%s: expected an object of tensors as weight_map, found %s", path,
                     mambaJsonDescribe(*map, found));
  json_object_foreach(*map, key, shard) {
    if (!json_is_string(shard) || !isShardName(json_string_value(shard)))
      return mambaFail(
          error, MAMBA_INVALID,
          "%s: tensor '%s': expected the name of a .safetensors file in the same folder, found %s", path, key,
          mambaJsonDescribe(shard, found));
  }
  return MAMBA_OK;
}

/* Every tensor of a shard must be listed in the index as being in that shard. */
static MambaStatus checkShardListed(const MambaSafetensors *file, const char *shard, const char *indexPath,
                                    const json_t *map, MambaError *error) {
  for (size_t i = 0; i < mambaSafetensorsGetCount(file); i++) {
    const char *name = mambaSafetensorsGet(file, i)->name;
    const char *listed = json_string_value(json_object_get(map, name));
    if (!listed)
      return mambaFail(error, MAMBA_INVALID, "%s: tensor '%s' of shard %s is not in weight_map", indexPath,
                       name, shard);
    if (strcmp(listed, shard) != 0)
      return mambaFail(error, MAMBA_INVALID, "%s: tensor '%s': expected it in shard %s, found it in %s",
                       indexPath, name, listed, shard);
  }
  return MAMBA_OK;
}

static MambaStatus openSharded(MambaCheckpoint *checkpoint, const char *folder, const char *indexPath,
                               MambaError *error) {
  MambaStatus status;
  json_t *index = NULL, *map, *shard;
  json_t *opened = json_object(); /* shard -> its number in `files` */
  const char *key;
  if (!opened) {
    status = failMemory(indexPath, error);
    goto cleanup;
  }
  status = readIndex(indexPath, &index, &map, error);
  if (status != MAMBA_OK)
    goto cleanup;
  checkpoint->files = calloc(json_object_size(map), sizeof *checkpoint->files);
  if (!checkpoint->files) {
    status = failMemory(indexPath, error);
    goto cleanup;
  }
  json_object_foreach(map, key, shard) {
    const char *name = json_string_value(shard);
    json_t *number = json_object_get(opened, name);
    if (!number) {
      MambaSafetensors **file = &checkpoint->files[checkpoint->fileCount];
      number = json_integer((json_int_t)checkpoint->fileCount);
      char *path = joinPath(folder, name);
      if (!path || json_object_set_new(opened, name, number) != 0)
        status = failMemory(indexPath, error);
      else
        status = mambaSafetensorsOpen(path, file, error);
      free(path);
      if (status != MAMBA_OK) {
        mambaFailContext(error, "%s", indexPath);
        goto cleanup;
      }
      checkpoint->fileCount++;
      status = checkShardListed(*file, name, indexPath, map, error);
      if (status != MAMBA_OK)
        goto cleanup;
    }
    if (!mambaSafetensorsFind(checkpoint->files[json_integer_value(number)], key)) {
      status =
          mambaFail(error, MAMBA_INVALID, "%s: tensor '%s' is not in its shard %s", indexPath, key, name);
      goto cleanup;
    }
  }

cleanup:
  json_decref(opened);
  json_decref(index);
  return status;
}

/* A link to nowhere exists: it is what a download that was cut short leaves, and opening it says so. */
static bool exists(const char *path) {
  struct stat info;
  return lstat(path, &info) == 0;
}

static MambaStatus openFolder(MambaCheckpoint *checkpoint, const char *folder, MambaError *error) {
  MambaStatus status;
  char *single = joinPath(folder, singleName);
  char *index = joinPath(folder, indexName);
  char *pickle = joinPath(folder, pickleName);
  if (!single || !index || !pickle)
    status = failMemory(folder, error);
  else if (exists(single)) /* transformers prefers it, too */
    status = openSingle(checkpoint, single, error);
  else if (exists(index))
    status = openSharded(checkpoint, folder, index, error);
  else if (exists(pickle))
    status = mambaTorchFileOpen(pickle, &checkpoint->torch, error);
  else
    status = mambaFail(error, MAMBA_IO, "%s: expected %s, %s or %s in the folder, found none", folder,
                       singleName, indexName, pickleName);
  free(pickle);
  free(index);
  free(single);
  return status;
}

MambaStatus mambaCheckpointOpen(const char *path, MambaCheckpoint **checkpoint, MambaError *error) {
  MambaStatus status;
  struct stat info;
  MambaCheckpoint *result = calloc(1, sizeof *result);
  if (!result || !(result->hasher = XXH3_createState())) {
    status = failMemory(path, error);
    goto cleanup;
  }
  if (stat(path, &info) != 0)
    status = mambaFailErrno(error, "%s: cannot open", path);
  else if (S_ISDIR(info.st_mode))
    status = openFolder(result, path, error);
  else if (mambaGgufIsFile(path))
    status = mambaGgufModelOpen(path, &result->gguf, error);
  else if (mambaGraphIsFile(path))
    status = mambaGraphModelOpen(path, &result->graph, error);
  else
    status = openSingle(result, path, error);
  if (status == MAMBA_OK)
    status = collectTensors(result, path, error);
  if (status != MAMBA_OK)
    goto cleanup;
  *checkpoint = result;
  result = NULL;

cleanup:
  mambaCheckpointClose(result);
  return status;
}

void mambaCheckpointClose(MambaCheckpoint *checkpoint) {
  if (!checkpoint)
    return;
  for (size_t i = 0; i < checkpoint->fileCount; i++)
    mambaSafetensorsClose(checkpoint->files[i]);
  mambaGgufModelClose(checkpoint->gguf);
  mambaTorchFileClose(checkpoint->torch);
  mambaGraphModelClose(checkpoint->graph);
  free(checkpoint->files);
  free(checkpoint->tensors);
  XXH3_freeState(checkpoint->hasher);
  free(checkpoint);
}

const MambaGguf *mambaCheckpointGetGguf(const MambaCheckpoint *checkpoint) {
  return checkpoint->gguf ? mambaGgufModelGetFile(checkpoint->gguf) : NULL;
}

const MambaGraphModel *mambaCheckpointGetGraph(const MambaCheckpoint *checkpoint) {
  return checkpoint->graph;
}

size_t mambaCheckpointGetCount(const MambaCheckpoint *checkpoint) {
  return checkpoint->count;
}

const MambaTensorView *mambaCheckpointGet(const MambaCheckpoint *checkpoint, size_t index) {
  return &checkpoint->tensors[index];
}

const MambaTensorView *mambaCheckpointFind(const MambaCheckpoint *checkpoint, const char *key) {
  const MambaTensorView wanted = {.name = key};
  return bsearch(&wanted, checkpoint->tensors, checkpoint->count, sizeof wanted, compareKeys);
}

void mambaCheckpointRelease(const MambaTensorView *tensor) {
  if (!tensor->resident)
    mambaMappedFileRelease(tensor->data, tensor->bytes); /* a checkpoint's files are mapped */
}

static void hashInteger(XXH3_state_t *hasher, uint64_t value) {
  unsigned char bytes[8];
  for (int i = 0; i < 8; i++)
    bytes[i] = (unsigned char)(value >> (8 * i));
  XXH3_64bits_update(hasher, bytes, sizeof bytes);
}

const char *mambaCheckpointGetHash(MambaCheckpoint *checkpoint) {
  XXH3_state_t *hasher = checkpoint->hasher;
  if (checkpoint->hash[0])
    return checkpoint->hash;
  XXH3_64bits_reset(hasher);
  for (size_t i = 0; i < checkpoint->count; i++) {
    const MambaTensorView *tensor = &checkpoint->tensors[i];
    const char *dtype = mambaDtypeGetName(tensor->dtype);
    XXH3_64bits_update(hasher, tensor->name, strlen(tensor->name) + 1);
    XXH3_64bits_update(hasher, dtype, strlen(dtype) + 1);
    hashInteger(hasher, (uint64_t)tensor->rank);
    for (int j = 0; j < tensor->rank; j++)
      hashInteger(hasher, (uint64_t)tensor->shape[j]);
    XXH3_64bits_update(hasher, tensor->data, tensor->bytes);
    mambaCheckpointRelease(tensor);
  }
  snprintf(checkpoint->hash, sizeof checkpoint->hash, "xxh3:%016llx",
           (unsigned long long)XXH3_64bits_digest(hasher));
  return checkpoint->hash;
}
