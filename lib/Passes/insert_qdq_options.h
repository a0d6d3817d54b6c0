/* What mamba-insert-qdq was asked to do. */
#ifndef MAMBA_PASSES_INSERT_QDQ_OPTIONS_H
#define MAMBA_PASSES_INSERT_QDQ_OPTIONS_H

#include "mamba/passes.h"
#include "sites.h"

/* How a site is stored. */
typedef enum StorageKind {
  STORE_TENSOR,
  STORE_TOKEN,
  STORE_CHANNEL,
  STORE_F16,
  STORE_F32,
  STORE_COUNT
} StorageKind;

typedef struct Storage {
  StorageKind sites[SITE_COUNT];
  bool row_scales; /* of weights: one per row, else one for the tensor */
} Storage;

/* Reads the options. False after a diagnostic at the module that lists what is possible. */
bool parseStorage(MlirOperation module, const MambaInsertQdqOptions *options, Storage *storage);

static inline bool isIntegers(StorageKind kind) {
  return kind <= STORE_CHANNEL;
}

#endif
