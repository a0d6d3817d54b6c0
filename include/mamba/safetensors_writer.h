/* Streaming writer of safetensors files (see mamba/safetensors.h), one tensor in memory at a time.
 *
 *   create, any number of SetMetadata and Declare, Append the data in the order of declaration,
 *   Finish, Destroy
 *
 * The same calls give the same bytes. The header is padded so that the data begins at a multiple of
 * 64 bytes; the format forbids holes, so a tensor is aligned as far as the sizes of those before it
 * allow: declare in descending order of the alignment that you need. The file appears at Finish. */
#ifndef MAMBA_SAFETENSORS_WRITER_H
#define MAMBA_SAFETENSORS_WRITER_H

#include "mamba/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct MambaSafetensorsWriter MambaSafetensorsWriter;

MAMBA_MUST_CHECK MambaStatus mambaSafetensorsWriterCreate(const char *path, MambaSafetensorsWriter **writer,
                                                          MambaError *error);
/* Metadata keep the order of the calls; a key may be set once. */
MAMBA_MUST_CHECK MambaStatus mambaSafetensorsWriterSetMetadata(MambaSafetensorsWriter *writer,
                                                               const char *key, const char *value,
                                                               MambaError *error);
/* Every tensor is declared before the first Append. */
MAMBA_MUST_CHECK MambaStatus mambaSafetensorsWriterDeclare(MambaSafetensorsWriter *writer, const char *name,
                                                           MambaDtype dtype, int rank, const int64_t *shape,
                                                           MambaError *error);
/* Appends little-endian, row-major bytes to `name`: the first declared tensor that still lacks some.
 * A tensor may come in any number of pieces. */
MAMBA_MUST_CHECK MambaStatus mambaSafetensorsWriterAppend(MambaSafetensorsWriter *writer, const char *name,
                                                          const void *data, size_t bytes, MambaError *error);
/* MAMBA_INVALID when a declared tensor lacks data. */
MAMBA_MUST_CHECK MambaStatus mambaSafetensorsWriterFinish(MambaSafetensorsWriter *writer, MambaError *error);
/* Frees; nothing is left on disk unless Finish succeeded. NULL is allowed. */
void mambaSafetensorsWriterDestroy(MambaSafetensorsWriter *writer);

#ifdef __cplusplus
}
#endif
#endif
