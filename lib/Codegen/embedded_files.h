/* The files of kernels/ that a bundle carries, as bytes. Generated at build time. */
#ifndef MAMBA_CODEGEN_EMBEDDED_FILES_H
#define MAMBA_CODEGEN_EMBEDDED_FILES_H

#include <stddef.h>

typedef struct MambaEmbeddedFile {
  const char *path; /* below kernels/ */
  const unsigned char *data;
  size_t size;
} MambaEmbeddedFile;

extern const MambaEmbeddedFile kMambaEmbeddedFiles[];
extern const size_t kMambaEmbeddedFileCount;

#endif
