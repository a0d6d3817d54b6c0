#include "block_record.h"

#include <stdlib.h>
#include <unistd.h>

#include "mamba/calibration_run.h"

static size_t rowBytes(const BlockRecord *record) {
  return (size_t)record->channels * sizeof(float);
}

static off_t offsetOf(const BlockRecord *record, intptr_t block, int64_t sequence, int64_t token) {
  const int64_t row = ((int64_t)block * record->samples + sequence) * record->length + token;
  return (off_t)row * (off_t)rowBytes(record);
}

/* All of the bytes, or false. */
static bool writeAt(int file, const void *data, size_t bytes, off_t offset) {
  const char *from = data;
  while (bytes) {
    const ssize_t written = pwrite(file, from, bytes, offset);
    if (written <= 0)
      return false;
    from += written;
    offset += written;
    bytes -= (size_t)written;
  }
  return true;
}

static void observe(void *context, const MambaObservation *observation) {
  BlockRecord *record = context;
  if (record->status || !mlirValueEqual(observation->value, record->inputs[record->next]))
    return;
  const intptr_t block = record->next;
  const int64_t tokens = observation->rows / record->samples;
  for (int64_t s = 0; s < record->samples && !record->status; s++)
    if (!writeAt(fileno(record->file), (const float *)observation->data + s * tokens * record->channels,
                 (size_t)tokens * rowBytes(record), offsetOf(record, block, s, record->seen[block])))
      record->status = mambaFailErrno(record->error, "a temporary file for what the blocks read");
  record->seen[block] += tokens;
  record->next = (block + 1) % record->count;
}

MambaStatus blockRecordCreate(MlirOperation module, const MambaCalibrateOptions *text,
                              const MlirValue *inputs, intptr_t count, BlockRecord *record,
                              MambaError *error) {
  *record = (BlockRecord){.inputs = inputs,
                          .count = count,
                          .samples = text->samples,
                          .length = text->length,
                          .channels = mambaChannels(inputs[0]),
                          .error = error};
  if (text->samples > MAMBA_CALIBRATION_BATCH)
    return mambaFail(error, MAMBA_INVALID, "expected at most %d samples, found %lld", MAMBA_CALIBRATION_BATCH,
                     (long long)text->samples);
  record->file = tmpfile();
  if (!record->file)
    return mambaFailErrno(error, "a temporary file for what the blocks read");
  record->seen = calloc((size_t)count, sizeof *record->seen);
  if (!record->seen)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for %td blocks", count);
  const MambaStatus status = mambaCalibrationRun(module, text, "what blocks read", observe, record, error);
  return status ? status : record->status;
}

MambaStatus blockRecordRead(const BlockRecord *record, intptr_t block, float *rows, MambaError *error) {
  size_t bytes = (size_t)(record->samples * record->length) * rowBytes(record);
  char *to = (char *)rows;
  off_t offset = offsetOf(record, block, 0, 0);
  while (bytes) {
    const ssize_t got = pread(fileno(record->file), to, bytes, offset);
    if (got <= 0)
      return mambaFailErrno(error, "the temporary file of what the blocks read");
    to += got;
    offset += got;
    bytes -= (size_t)got;
  }
  return MAMBA_OK;
}

void blockRecordDestroy(BlockRecord *record) {
  if (record->file)
    fclose(record->file);
  free(record->seen);
  *record = (BlockRecord){.file = NULL};
}
