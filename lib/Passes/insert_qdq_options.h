/* What mamba-insert-qdq was asked to do. */
#ifndef MAMBA_PASSES_INSERT_QDQ_OPTIONS_H
#define MAMBA_PASSES_INSERT_QDQ_OPTIONS_H

#include "mamba/passes.h"
#include "storage.h"

typedef struct Storage {
  SiteStorage sites[SITE_COUNT];
  bool given[SITE_COUNT]; /* by the user, not a default */
  bool row_scales;        /* of weights: one per row, else one for the tensor */
  bool state_i8;          /* of scans, else f32 */
} Storage;

/* Reads the options. False after a diagnostic at the module that lists what is possible. */
bool parseStorage(MlirOperation module, const MambaInsertQdqOptions *options, Storage *storage);

/* The storage of one block: the options, and what choices on its ops (choices.h) say instead. x_proj reads
 * what the scan reads unless it is told otherwise. False after a diagnostic. */
bool storageOfGroup(const Storage *options, const SiteGroup *group, Storage *storage);

#endif
