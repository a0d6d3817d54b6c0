/* How a value is stored between kernels: the kinds that options, rules and searches choose from. */
#ifndef MAMBA_PASSES_STORAGE_H
#define MAMBA_PASSES_STORAGE_H

#include "sites.h"

typedef enum StorageKind {
  STORE_TENSOR,
  STORE_FITTED,
  STORE_PERCENTILE,
  STORE_TOKEN,
  STORE_CHANNEL,
  STORE_W8, /* f32, and the matrix that reads it in integers */
  STORE_F16,
  STORE_F32,
  STORE_COUNT
} StorageKind;

typedef struct SiteStorage {
  StorageKind kind;
  double percentile; /* of STORE_PERCENTILE, in (0, 100] */
} SiteStorage;

/* Reads "tensor", "fitted", "p99.99", "token", "channel", "w8", "f16" or "f32" as a kind that is possible at
 * a site. MAMBA_INVALID with a list of those that are. */
MAMBA_MUST_CHECK MambaStatus storageParse(SiteKind site, MlirStringRef text, SiteStorage *storage,
                                          MambaError *error);

static inline bool isIntegers(SiteStorage storage) {
  return storage.kind <= STORE_CHANNEL;
}

/* Whether the matrix that reads the site is in integers. */
static inline bool hasIntegerWeights(SiteStorage storage) {
  return storage.kind <= STORE_W8;
}

/* One scale for the whole tensor, known when compiling. */
static inline bool isOneScale(SiteStorage storage) {
  return storage.kind <= STORE_PERCENTILE;
}

#endif
