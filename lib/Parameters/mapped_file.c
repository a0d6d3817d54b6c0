#include "mamba/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

MambaStatus mambaMappedFileOpen(const char *path, MambaMappedFile *file, MambaError *error) {
  MambaStatus status = MAMBA_OK;
  MambaMappedFile result = {NULL, 0};
  struct stat info;
  /* Without O_NONBLOCK, opening a named pipe would wait for a writer. */
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
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
    void *data = mmap(NULL, result.size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (data == MAP_FAILED) {
      status = mambaFailErrno(error, "%s: cannot map %zu bytes", path, result.size);
      goto cleanup;
    }
    result.data = data;
  }
  *file = result;

cleanup:
  if (descriptor >= 0)
    close(descriptor);
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
