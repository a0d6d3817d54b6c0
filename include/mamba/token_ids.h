/* Sequences of token ids from a file: what calibration and measurements run a model over. */
#ifndef MAMBA_TOKEN_IDS_H
#define MAMBA_TOKEN_IDS_H

#include "mamba/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ids [rows, columns]. A text or a list is one row. */
typedef struct MambaTokenIds {
  int64_t rows, columns;
  int32_t *ids;
} MambaTokenIds;

/* Reads, by the end of the file's name,
 *   .safetensors   the tensor `input_ids`, I32 or I64, of rank 1 or 2,
 *   .npy           an array of little-endian int32 or int64, C order, of rank 1 or 2,
 *   anything else  text, encoded whole by the tokenizer.json or .bin at `tokenizer` without marks of its own.
 * `tokenizer` may be NULL: text then is refused. Every id is in [0, 2^31), else MAMBA_INVALID. The caller
 * ends *ids with mambaTokenIdsDestroy. */
MAMBA_MUST_CHECK MambaStatus mambaTokenIdsRead(const char *path, const char *tokenizer, MambaTokenIds *ids,
                                               MambaError *error);

/* Encodes text in memory; `label` names it in messages. */
MAMBA_MUST_CHECK MambaStatus mambaTokenIdsEncode(const char *text, size_t size, const char *label,
                                                 const char *tokenizer, MambaTokenIds *ids,
                                                 MambaError *error);

/* Copies `samples` sequences of `length` ids to *result, [samples, length]. From one row of n ids they are
 * spread evenly: sample j starts at j * floor((n - length) / samples). From several rows they are the
 * beginnings of the first `samples` rows. MAMBA_INVALID, with `label` in the message, when there is not
 * enough; overlapping samples are allowed as long as no two are the same. */
MAMBA_MUST_CHECK MambaStatus mambaTokenIdsSample(const MambaTokenIds *ids, const char *label, int64_t samples,
                                                 int64_t length, MambaTokenIds *result, MambaError *error);

/* Safe on a zeroed struct. */
void mambaTokenIdsDestroy(MambaTokenIds *ids);

#ifdef __cplusplus
}
#endif
#endif
