/* What every block of a model reads on some text, kept in a file: a model of many layers needs more memory
 * for it than for anything else. */
#ifndef MAMBA_SEARCH_BLOCK_RECORD_H
#define MAMBA_SEARCH_BLOCK_RECORD_H

#include <stdio.h>

#include "mamba/executor.h"
#include "mamba/passes.h"

typedef struct BlockRecord {
  FILE *file;              /* has no name; [blocks, samples, length, channels] f32 */
  const MlirValue *inputs; /* borrowed: the value that each block reads */
  intptr_t count;
  int64_t samples, length, channels;
  int64_t *seen; /* tokens of each sequence that were recorded of each value */
  intptr_t next; /* values come in program order: the one that is expected */
  MambaStatus status;
  MambaError *error;
} BlockRecord;

/* Runs the model over the text once and records `count` values of equal channels. `text` is what
 * mamba-calibrate is given, of at most 64 samples; its statistics file is not used. The caller destroys the
 * record. */
MAMBA_MUST_CHECK MambaStatus blockRecordCreate(MlirOperation module, const MambaCalibrateOptions *text,
                                               const MlirValue *inputs, intptr_t count, BlockRecord *record,
                                               MambaError *error);
/* Rows of one block, [samples * length, channels], into the caller's memory. */
MAMBA_MUST_CHECK MambaStatus blockRecordRead(const BlockRecord *record, intptr_t block, float *rows,
                                             MambaError *error);
/* Safe on a zeroed record. */
void blockRecordDestroy(BlockRecord *record);

#endif
