/* What the fuzz targets share. */
#ifndef MAMBA_TEST_FUZZ_FUZZ_H
#define MAMBA_TEST_FUZZ_FUZZ_H

#include "mamba/tensor.h"

/* libFuzzer's entry, and what each target defines it by. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads every byte that a view shows, so that AddressSanitizer sees one that is not there. */
static inline unsigned touch(const MambaTensorView *tensor) {
  unsigned sum = 0;
  for (size_t i = 0; i < tensor->bytes; i++)
    sum += ((const unsigned char *)tensor->data)[i];
  return sum;
}

#endif
