#if defined(__unix__) || defined(__APPLE__)
#define _POSIX_C_SOURCE 200809L
#define MAMBA_MAPS_FILES 1
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include "weights.h"

#include "failure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

_Static_assert(sizeof(mamba_weights_header) == MAMBA_WEIGHTS_ALIGNMENT,
               "the header keeps the tensors aligned");

#ifdef MAMBA_MAPS_FILES
/* Maps the file: weights that a run does not touch cost no memory, and processes share the others. */
static mamba_code load(const char *path, mamba_weights *weights, mamba_error *error) {
  mamba_code code = MAMBA_CODE_OK;
  struct stat info;
  const int file = open(path, O_RDONLY);
  if (file < 0)
    return mamba_failure(error, MAMBA_CODE_FILE, "%s: %s", path, strerror(errno));
  if (fstat(file, &info)) {
    code = mamba_failure(error, MAMBA_CODE_FILE, "%s: %s", path, strerror(errno));
  } else if (!S_ISREG(info.st_mode)) {
    code = mamba_failure(error, MAMBA_CODE_FILE, "%s: expected a regular file", path);
  } else if (info.st_size > 0) {
    void *memory = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (memory == MAP_FAILED)
      code = mamba_failure(error, MAMBA_CODE_FILE, "%s: %s", path, strerror(errno));
    else
      *weights = (mamba_weights){.memory = memory, .size = (size_t)info.st_size};
  }
  close(file);
  return code;
}

void mamba_weights_close(mamba_weights *weights) {
  if (weights->memory)
    munmap(weights->memory, weights->size);
  *weights = (mamba_weights){0};
}
#else
static mamba_code load(const char *path, mamba_weights *weights, mamba_error *error) {
  mamba_code code = MAMBA_CODE_OK;
  long size = -1;
  FILE *file = fopen(path, "rb");
  if (!file)
    return mamba_failure(error, MAMBA_CODE_FILE, "%s: %s", path, strerror(errno));
  if (fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0 || fseek(file, 0, SEEK_SET))
    code = mamba_failure(error, MAMBA_CODE_FILE, "%s: cannot tell its size", path);
  if (!code && size > 0) {
    weights->size = (size_t)size;
    weights->memory =
        aligned_alloc(MAMBA_WEIGHTS_ALIGNMENT, (weights->size + MAMBA_WEIGHTS_ALIGNMENT - 1) /
                                                   MAMBA_WEIGHTS_ALIGNMENT * MAMBA_WEIGHTS_ALIGNMENT);
    if (!weights->memory)
      code = mamba_failure(error, MAMBA_CODE_MEMORY, "%s: no memory for %ld bytes", path, size);
    else if (fread(weights->memory, 1, weights->size, file) != weights->size)
      code = mamba_failure(error, MAMBA_CODE_FILE, "%s: cannot be read", path);
  }
  fclose(file);
  return code;
}

void mamba_weights_close(mamba_weights *weights) {
  free(weights->memory);
  *weights = (mamba_weights){0};
}
#endif

/* Each check has a message of its own, because each has another remedy. */
static mamba_code check(const char *path, size_t bytes, uint64_t hash, mamba_weights *weights,
                        mamba_error *error) {
  static const char magic[8] = MAMBA_WEIGHTS_MAGIC;
  static const uint8_t zeros[sizeof((mamba_weights_header *)NULL)->zero];
  mamba_weights_header header;
  if (weights->size < sizeof header)
    return mamba_failure(error, MAMBA_CODE_FILE, "%s: expected a weights file, found %zu bytes", path,
                         weights->size);
  memcpy(&header, weights->memory, sizeof header);
  if (memcmp(header.magic, magic, sizeof magic) != 0)
    return mamba_failure(error, MAMBA_CODE_FILE, "%s: not a weights file: it does not begin with %.8s", path,
                         magic);
  if (header.version != MAMBA_WEIGHTS_VERSION || header.header_bytes != sizeof header)
    return mamba_failure(error, MAMBA_CODE_FILE,
                         "%s: expected version %d in little-endian order, found version %" PRIu32, path,
                         MAMBA_WEIGHTS_VERSION, header.version);
  if (header.tensor_bytes != bytes || header.hash != hash)
    return mamba_failure(error, MAMBA_CODE_FILE,
                         "%s: the weights of another model: expected %zu bytes with hash %016" PRIx64
                         ", found %" PRIu64 " with %016" PRIx64,
                         path, bytes, hash, header.tensor_bytes, header.hash);
  if (weights->size != sizeof header + bytes)
    return mamba_failure(error, MAMBA_CODE_FILE, "%s: expected a file of %zu bytes, found %zu", path,
                         sizeof header + bytes, weights->size);
  if (memcmp(header.zero, zeros, sizeof zeros) != 0)
    return mamba_failure(error, MAMBA_CODE_FILE, "%s: damaged: expected zeros at the end of the header",
                         path);
  weights->tensors = (const unsigned char *)weights->memory + sizeof header;
  const uint64_t found = mamba_hash_of(weights->tensors, bytes);
  if (found != hash)
    return mamba_failure(error, MAMBA_CODE_FILE,
                         "%s: damaged: expected hash %016" PRIx64 ", found %016" PRIx64, path, hash, found);
  return MAMBA_CODE_OK;
}

mamba_code mamba_weights_open(const char *path, size_t bytes, uint64_t hash, mamba_weights *weights,
                              mamba_error *error) {
  mamba_weights opened = {0};
  mamba_code code = load(path, &opened, error);
  if (!code)
    code = check(path, bytes, hash, &opened, error);
  if (code)
    mamba_weights_close(&opened);
  else
    *weights = opened;
  return code;
}
