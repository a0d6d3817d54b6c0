/* What a module computes, as a hash: the same for the same ops over the same weights. */
#ifndef MAMBA_CALIBRATE_FINGERPRINT_H
#define MAMBA_CALIBRATE_FINGERPRINT_H

#include "mamba/ir.h"

enum { FINGERPRINT_TEXT = 24 };

/* Writes "xxh3:" and 16 hexadecimal digits: XXH3-64 over the ops of the module as MLIR prints them, named by
 * their name locations. Where checkpoints lie, and what calibration left (`mamba.stats`, the checkpoint
 * `exclude`), does not count. */
MAMBA_MUST_CHECK MambaStatus fingerprintModule(MlirOperation module, const char *exclude,
                                               char text[FINGERPRINT_TEXT], MambaError *error);

/* The samples that a calibration runs over, whichever way they are shared out: the sum of XXH3-64 of each. */
uint64_t fingerprintSample(const void *data, size_t size);
/* "kind:" and 16 hexadecimal digits; kind has at most 6 letters. */
void fingerprintFormat(const char *kind, uint64_t hash, char text[FINGERPRINT_TEXT]);
/* The hash of such a text; false when it has another form. */
bool fingerprintParse(const char *text, uint64_t *hash);

#endif
