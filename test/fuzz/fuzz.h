/* What the fuzz targets share. */
#ifndef MAMBA_TEST_FUZZ_FUZZ_H
#define MAMBA_TEST_FUZZ_FUZZ_H

#include "mamba/tensor.h"

/* What a target is: reads a file of its format, and what is in it. */
void fuzzRead(const uint8_t *data, size_t size);

/* Reads every byte that a view shows, so that AddressSanitizer sees one that is not there. */
void fuzzTouch(const MambaTensorView *tensor);

typedef struct FuzzEntry {
  const char *name;
  const uint8_t *data;
  size_t size;
} FuzzEntry;

/* A ZIP archive of these entries as they are, so that a fuzzer may change an entry's size and still have one.
 * The caller frees it; NULL when out of memory. */
uint8_t *fuzzMakeArchive(const FuzzEntry *entries, size_t count, size_t *size);

#endif
