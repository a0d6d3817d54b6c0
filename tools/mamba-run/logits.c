/* mamba-run logits: the model's raw output. */
#include "run.h"

#include "mamba/output_file.h"

#include <inttypes.h>
#include <stdlib.h>

enum { PIECE = 64 }; /* tokens whose logits are in memory */

/* Writes f32 [ids, vocabulary], as a bundle's program does. */
static MambaStatus writeLogits(MambaExecutor *executor, const MambaTokenIds *ids, int64_t split,
                               MambaOutputFile *file, MambaError *error) {
  const int64_t vocabulary = mambaExecutorVocabulary(executor), count = ids->columns;
  const int64_t piece = split && split < count ? split : count < PIECE ? count : PIECE;
  MambaStatus status = MAMBA_OK;
  float *logits =
      piece <= INT64_MAX / 4 / vocabulary ? malloc((size_t)(piece * vocabulary) * sizeof *logits) : NULL;
  if (!logits)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for the logits of %" PRId64 " tokens", piece);
  for (int64_t done = 0; done < count && !status;) {
    const int64_t tokens = count - done < piece ? count - done : piece;
    status = mambaExecutorRun(executor, ids->ids + done, tokens, MAMBA_LOGITS_ALL, logits, error);
    if (!status)
      status = mambaOutputFileWrite(file, logits, (size_t)(tokens * vocabulary) * sizeof *logits, error);
    done += tokens;
  }
  free(logits);
  return status;
}

MambaStatus runLogits(const RunOptions *options, const Model *model, MambaError *error) {
  MambaTokenIds ids = {0};
  MambaExecutor *executor = NULL;
  MambaOutputFile *file = NULL;
  MambaStatus status = readInputIds(options, model, &ids, error);
  if (!status)
    status = modelExecutor(model, 1, options->threads, &executor, error);
  if (!status)
    status = mambaOutputFileCreate(options->out, &file, error);
  if (!status)
    status = writeLogits(executor, &ids, options->split, file, error);
  if (!status)
    status = mambaOutputFileCommit(file, error);
  mambaOutputFileDestroy(file);
  mambaExecutorDestroy(executor);
  mambaTokenIdsDestroy(&ids);
  return status;
}
