#if defined(__unix__) || defined(__APPLE__)
#define _POSIX_C_SOURCE 200809L
#define MAMBA_MAPS_FILES 1
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

static mamba_code fail_errno(const char *path, mamba_error *error) {
  return mamba_failure(error, MAMBA_CODE_FILE, "%s: %s", path, strerror(errno));
}

#ifdef MAMBA_MAPS_FILES
static mamba_code find_size(const char *path, FILE *file, size_t *size, mamba_error *error) {
  struct stat info;
  if (fstat(fileno(file), &info))
    return fail_errno(path, error);
  if (!S_ISREG(info.st_mode))
    return mamba_failure(error, MAMBA_CODE_FILE, "%s: expected a regular file", path);
  *size = (size_t)info.st_size;
  return MAMBA_CODE_OK;
}

/* Maps the file: weights that a run does not touch cost no memory, and processes share the others. */
static mamba_code load(const char *path, FILE *file, mamba_weights *weights, mamba_error *error) {
  void *memory = mmap(NULL, weights->size, PROT_READ, MAP_PRIVATE, fileno(file), 0);
  if (memory == MAP_FAILED)
    return fail_errno(path, error);
  weights->memory = memory;
  weights->file = file;
  return MAMBA_CODE_OK;
}

void mamba_weights_close(mamba_weights *weights) {
  if (weights->memory)
    munmap(weights->memory, weights->size);
  if (weights->file)
    fclose(weights->file);
  *weights = (mamba_weights){0};
}

mamba_code mamba_weights_read(const mamba_weights *weights, size_t offset, size_t bytes, void *to,
                              mamba_error *error) {
  const off_t at = (off_t)(sizeof(mamba_weights_header) + offset);
  if (pread(fileno(weights->file), to, bytes, at) != (ssize_t)bytes)
    return mamba_failure(error, MAMBA_CODE_FILE, "the weights cannot be read any more: %zu bytes at %zu",
                         bytes, offset);
  return MAMBA_CODE_OK;
}
#else
static mamba_code find_size(const char *path, FILE *file, size_t *size, mamba_error *error) {
  long end = -1;
  if (fseek(file, 0, SEEK_END) || (end = ftell(file)) < 0 || fseek(file, 0, SEEK_SET))
    return mamba_failure(error, MAMBA_CODE_FILE, "%s: cannot tell its size", path);
  *size = (size_t)end;
  return MAMBA_CODE_OK;
}

static mamba_code load(const char *path, FILE *file, mamba_weights *weights, mamba_error *error) {
  weights->memory =
      aligned_alloc(MAMBA_WEIGHTS_ALIGNMENT, (weights->size + MAMBA_WEIGHTS_ALIGNMENT - 1) /
                                                 MAMBA_WEIGHTS_ALIGNMENT * MAMBA_WEIGHTS_ALIGNMENT);
  if (!weights->memory)
    return mamba_failure(error, MAMBA_CODE_MEMORY, "%s: no memory for %zu bytes", path, weights->size);
  rewind(file);
  if (fread(weights->memory, 1, weights->size, file) != weights->size)
    return mamba_failure(error, MAMBA_CODE_FILE, "%s: cannot be read", path);
  return MAMBA_CODE_OK;
}

void mamba_weights_close(mamba_weights *weights) {
  free(weights->memory);
  *weights = (mamba_weights){0};
}

mamba_code mamba_weights_read(const mamba_weights *weights, size_t offset, size_t bytes, void *to,
                              mamba_error *error) {
  (void)error;
  memcpy(to, weights->tensors + offset, bytes);
  return MAMBA_CODE_OK;
}
#endif

/* Each check has a message of its own, because each has another remedy. */
static mamba_code check_header(const char *path, const mamba_weights_header *header, size_t size,
                               size_t bytes, uint64_t hash, mamba_error *error) {
  static const char magic[8] = MAMBA_WEIGHTS_MAGIC;
  static const uint8_t zeros[sizeof header->zero];
  if (memcmp(header->magic, magic, sizeof magic) != 0)
    return mamba_failure(error, MAMBA_CODE_FILE, "%s: not a weights file: it does not begin with %.8s", path,
                         magic);
  if (header->version != MAMBA_WEIGHTS_VERSION || header->header_bytes != sizeof *header)
    return mamba_failure(error, MAMBA_CODE_FILE,
                         "%s: expected version %d in little-endian order, found version %" PRIu32, path,
                         MAMBA_WEIGHTS_VERSION, header->version);
  if (header->tensor_bytes != bytes || header->hash != hash)
    return mamba_failure(error, MAMBA_CODE_FILE,
                         "%s: the weights of another model: expected %zu bytes with hash %016" PRIx64
                         ", found %" PRIu64 " with %016" PRIx64,
                         path, bytes, hash, header->tensor_bytes, header->hash);
  if (size != sizeof *header + bytes)
    return mamba_failure(error, MAMBA_CODE_FILE, "%s: expected a file of %zu bytes, found %zu", path,
                         sizeof *header + bytes, size);
  if (memcmp(header->zero, zeros, sizeof zeros) != 0)
    return mamba_failure(error, MAMBA_CODE_FILE, "%s: damaged: expected zeros at the end of the header",
                         path);
  return MAMBA_CODE_OK;
}

/* Reads the file through a block that stays in the first cache. A mapping that was hashed would have all of
 * its pages in memory, those of the embedding too, of which a run reads a few rows. */
static mamba_code check(const char *path, FILE *file, size_t size, size_t bytes, uint64_t hash,
                        mamba_error *error) {
  enum { BLOCK = 32 << 10 };
  unsigned char block[BLOCK];
  mamba_weights_header header;
  mamba_hash sum = mamba_hash_begin();
  if (size < sizeof header)
    return mamba_failure(error, MAMBA_CODE_FILE, "%s: expected a weights file, found %zu bytes", path, size);
  if (fread(&header, sizeof header, 1, file) != 1)
    return mamba_failure(error, MAMBA_CODE_FILE, "%s: cannot be read", path);
  const mamba_code code = check_header(path, &header, size, bytes, hash, error);
  if (code)
    return code;
  for (size_t left = bytes; left;) {
    const size_t part = left < BLOCK ? left : BLOCK;
    if (fread(block, 1, part, file) != part)
      return mamba_failure(error, MAMBA_CODE_FILE, "%s: cannot be read", path);
    mamba_hash_add(&sum, block, part);
    left -= part;
  }
  const uint64_t found = mamba_hash_end(&sum);
  if (found != hash)
    return mamba_failure(error, MAMBA_CODE_FILE,
                         "%s: damaged: expected hash %016" PRIx64 ", found %016" PRIx64, path, hash, found);
  return MAMBA_CODE_OK;
}

mamba_code mamba_weights_open(const char *path, size_t bytes, uint64_t hash, mamba_weights *weights,
                              mamba_error *error) {
  mamba_weights opened = {0};
  FILE *file = fopen(path, "rb");
  if (!file)
    return fail_errno(path, error);
  mamba_code code = find_size(path, file, &opened.size, error);
  if (!code)
    code = check(path, file, opened.size, bytes, hash, error);
  if (!code)
    code = load(path, file, &opened, error);
  if (file != opened.file)
    fclose(file);
  if (code) {
    mamba_weights_close(&opened);
  } else {
    opened.tensors = (const unsigned char *)opened.memory + sizeof(mamba_weights_header);
    *weights = opened;
  }
  return code;
}
