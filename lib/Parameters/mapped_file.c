#include "mamba/mapped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static MambaStatus map(int descriptor, const char *path, MambaMappedFile *file, MambaError *error) {
  void *data = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (data == MAP_FAILED)
    return mambaFailErrno(error, "%s: cannot map %zu bytes", path, file->size);
  file->data = data;
  return MAMBA_OK;
}

/* Maps what a descriptor is open on, which it closes; -1 says that opening failed, with errno. */
static MambaStatus mapFile(int descriptor, const char *path, MambaMappedFile *file, MambaError *error) {
  MambaStatus status = MAMBA_OK;
  MambaMappedFile result = {NULL, 0};
  struct stat info;
  if (descriptor < 0 || fstat(descriptor, &info) != 0) {
    status = mambaFailErrno(error, "%s: cannot open", path);
    goto cleanup;
  }
  if (!S_ISREG(info.st_mode)) {
    status = mambaFail(error, MAMBA_INVALID, "%s: expected a regular file, found %s", path,
                       S_ISDIR(info.st_mode) ? "a folder" : "a special file");
    goto cleanup;
  }
  if ((uintmax_t)info.st_size > SIZE_MAX) {
    status = mambaFail(error, MAMBA_UNSUPPORTED, "%s: too large for this machine's address space", path);
    goto cleanup;
  }
  result.size = (size_t)info.st_size;
  if (result.size > 0) { /* an empty mapping is an error to mmap */
    status = map(descriptor, path, &result, error);
    if (status != MAMBA_OK)
      goto cleanup;
  }
  *file = result;

cleanup:
  if (descriptor >= 0)
    close(descriptor);
  return status;
}

MambaStatus mambaMappedFileOpen(const char *path, MambaMappedFile *file, MambaError *error) {
  /* Without O_NONBLOCK, opening a named pipe would wait for a writer. */
  return mapFile(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), path, file, error);
}

MambaStatus mambaMappedFileOpenBeneath(const char *folder, const char *path, MambaMappedFile *file,
                                       MambaError *error) {
  MambaStatus status = MAMBA_OK;
  char part[256];
  int at = open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
  if (at < 0)
    return mambaFailErrno(error, "%s: cannot open", folder);
  for (const char *rest = path; status == MAMBA_OK;) {
    const size_t size = strcspn(rest, "/");
    const bool last = rest[size] == '\0';
    if (size == 0 || size >= sizeof part || strspn(rest, ".") == size) {
      status =
          mambaFail(error, MAMBA_INVALID, "'%s': expected the path of a file beneath '%s'", path, folder);
      break;
    }
    memcpy(part, rest, size);
    part[size] = '\0';
    const int next = openat(at, part, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | (last ? O_NONBLOCK : O_DIRECTORY));
    if (next < 0 && (errno == ELOOP || errno == ENOTDIR))
      status = mambaFail(error, MAMBA_INVALID, "'%s': expected no links on the way from '%s'", path, folder);
    else if (next < 0)
      status = mambaFailErrno(error, "'%s' beneath '%s': cannot open", path, folder);
    close(at);
    at = next;
    rest += size + 1;
    if (last && status == MAMBA_OK)
      return mapFile(at, path, file, error);
  }
  if (at >= 0)
    close(at);
  return status;
}

bool mambaFileLooksLike(const char *path, const char *magic, const char *suffix) {
  const size_t length = strlen(path), tail = strlen(suffix), size = magic ? strlen(magic) : 0;
  char begin[8];
  /* Nothing is waited for: a named pipe is no model. */
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    return false;
  const bool named = length > tail && strcmp(path + length - tail, suffix) == 0;
  const bool begins = magic && size <= sizeof begin && pread(descriptor, begin, size, 0) == (ssize_t)size &&
                      memcmp(begin, magic, size) == 0;
  close(descriptor);
  return named || begins;
}

static MambaStatus writeAll(int descriptor, const char *data, size_t bytes, const char *path,
                            MambaError *error) {
  while (bytes > 0) {
    const ssize_t written = write(descriptor, data, bytes);
    if (written < 0 && errno != EINTR)
      return mambaFailErrno(error, "%s: cannot write %zu bytes", path, bytes);
    data += written < 0 ? 0 : written;
    bytes -= written < 0 ? 0 : (size_t)written;
  }
  return MAMBA_OK;
}

MambaStatus mambaMappedFileCreateTemporary(const void *data, size_t bytes, MambaMappedFile *file,
                                           MambaError *error) {
  const char *named = getenv("TMPDIR"), *folder = named && *named ? named : "/var/tmp";
  char path[4096];
  MambaMappedFile result = {NULL, bytes};
  const int length = snprintf(path, sizeof path, "%s/mamba-XXXXXX", folder);
  if (length < 0 || (size_t)length >= sizeof path)
    return mambaFail(error, MAMBA_INVALID, "TMPDIR: expected a path of less than %zu bytes", sizeof path);
  const int descriptor = mkstemp(path);
  if (descriptor < 0)
    return mambaFailErrno(error, "%s: cannot create a temporary file", path);
  unlink(path);
  MambaStatus status = writeAll(descriptor, data, bytes, path, error);
  if (status == MAMBA_OK)
    status = map(descriptor, path, &result, error);
  close(descriptor);
  if (status == MAMBA_OK)
    *file = result;
  return status;
}

void mambaMappedFileRelease(const void *data, size_t bytes) {
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), address = (uintptr_t)data;
  const uintptr_t begin = (address + page - 1) / page * page, end = (address + bytes) / page * page;
  if (begin < end)
    madvise((void *)begin, end - begin, MADV_DONTNEED); /* advice: a refusal costs memory only */
}

void mambaMappedFileClose(MambaMappedFile *file) {
  if (file->data)
    munmap((void *)(uintptr_t)file->data, file->size);
  *file = (MambaMappedFile){NULL, 0};
}
