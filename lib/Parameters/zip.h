/* Reader of ZIP archives whose entries are stored, not compressed: as PyTorch writes them
 * (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, with the 64-bit extensions). */
#ifndef MAMBA_LIB_PARAMETERS_ZIP_H
#define MAMBA_LIB_PARAMETERS_ZIP_H

#include "mamba/status.h"

typedef struct MambaZipEntry {
  const char *name; /* nameSize bytes without a terminator */
  size_t nameSize;
  const unsigned char *data;
  size_t size;
} MambaZipEntry;

typedef struct MambaZip {
  MambaZipEntry *entries; /* by name */
  size_t count;
} MambaZip;

/* Checks an archive in memory, which the caller keeps; `label` stands for its path in messages. Every entry's
 * range lies in it, and none in another's. Checksums are not compared: torch.save can be told to leave them
 * out. On success the caller clears *zip. */
MAMBA_MUST_CHECK MambaStatus mambaZipParse(const void *buffer, size_t size, const char *label, MambaZip *zip,
                                           MambaError *error);
void mambaZipClear(MambaZip *zip);

/* NULL when there is none of that name. */
const MambaZipEntry *mambaZipFind(const MambaZip *zip, const char *name, size_t nameSize);

#endif
