#include "mamba/token_ids.h"

#include "mamba/mapped_file.h"
#include "mamba/safetensors.h"
#include "mamba/tokenizer.h"
#include "npy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void mambaTokenIdsDestroy(MambaTokenIds *ids) {
  free(ids->ids);
  ids->ids = NULL;
}

static bool endsIn(const char *text, const char *suffix) {
  const size_t n = strlen(text), m = strlen(suffix);
  return n >= m && !strcmp(text + n - m, suffix);
}

static MambaStatus allocate(int64_t rows, int64_t columns, const char *label, MambaTokenIds *ids,
                            MambaError *error) {
  const int64_t shape[] = {rows, columns};
  size_t bytes;
  int32_t *data = mambaShapeGetBytes(MAMBA_DTYPE_I32, 2, shape, &bytes) ? malloc(bytes ? bytes : 1) : NULL;
  if (!data)
    return mambaFail(error, MAMBA_NO_MEMORY, "%s: no memory for %" PRId64 " x %" PRId64 " token ids", label,
                     rows, columns);
  *ids = (MambaTokenIds){rows, columns, data};
  return MAMBA_OK;
}

/* ---- Arrays ----------------------------------------------------------------------------------------- */

static int64_t element(const MambaTensorView *view, size_t index) {
  int32_t narrow;
  int64_t wide;
  if (view->dtype == MAMBA_DTYPE_I32) {
    memcpy(&narrow, (const char *)view->data + index * sizeof narrow, sizeof narrow);
    return narrow;
  }
  memcpy(&wide, (const char *)view->data + index * sizeof wide, sizeof wide);
  return wide;
}

static MambaStatus fromTensor(const MambaTensorView *view, const char *label, MambaTokenIds *ids,
                              MambaError *error) {
  if ((view->dtype != MAMBA_DTYPE_I32 && view->dtype != MAMBA_DTYPE_I64) || view->rank < 1 ||
      view->rank > 2) {
    char shape[MAMBA_SHAPE_TEXT];
    return mambaFail(error, MAMBA_INVALID, "%s: expected I32 or I64 token ids of rank 1 or 2, found %s %s",
                     label, mambaDtypeGetName(view->dtype), mambaShapeFormat(view->rank, view->shape, shape));
  }
  MambaTokenIds result;
  MambaStatus status =
      allocate(view->rank == 2 ? view->shape[0] : 1, view->shape[view->rank - 1], label, &result, error);
  if (status)
    return status;
  const size_t count = mambaTensorGetCount(view);
  for (size_t i = 0; i < count && !status; i++) {
    const int64_t id = element(view, i);
    if (id < 0 || id > INT32_MAX)
      status = mambaFail(error, MAMBA_INVALID,
                         "%s: expected token ids from 0 to %d, found %" PRId64 " at index %zu", label,
                         INT32_MAX, id, i);
    else
      result.ids[i] = (int32_t)id;
  }
  if (status)
    mambaTokenIdsDestroy(&result);
  else
    *ids = result;
  return status;
}

static MambaStatus fromSafetensors(const char *path, MambaTokenIds *ids, MambaError *error) {
  MambaSafetensors *file = NULL;
  MambaStatus status = mambaSafetensorsOpen(path, &file, error);
  if (status)
    return status;
  const MambaTensorView *view = mambaSafetensorsFind(file, "input_ids");
  status = view ? fromTensor(view, path, ids, error)
                : mambaFail(error, MAMBA_INVALID,
                            "%s: expected a tensor 'input_ids' of token ids, found none", path);
  mambaSafetensorsClose(file);
  return status;
}

/* ---- Text ------------------------------------------------------------------------------------------- */

MambaStatus mambaTokenIdsEncode(const char *text, size_t size, const char *label, const char *tokenizer_path,
                                MambaTokenIds *ids, MambaError *error) {
  MambaTokenizer *tokenizer = NULL;
  size_t count = 0;
  int32_t *encoded = NULL;
  if (!tokenizer_path)
    return mambaFail(error, MAMBA_INVALID,
                     "%s: expected a file of token ids (.safetensors or .npy): text needs a tokenizer, "
                     "and the model came without one",
                     label);
  MambaStatus status = mambaTokenizerOpen(tokenizer_path, &tokenizer, error);
  if (status)
    return status;
  const MambaTokenizerResult result = mambaTokenizerEncode(tokenizer, text, size, &encoded, &count);
  if (result != MAMBA_TOKENIZER_OK)
    status = mambaFail(error, result == MAMBA_TOKENIZER_NO_MEMORY ? MAMBA_NO_MEMORY : MAMBA_INVALID, "%s: %s",
                       label, mambaTokenizerResultMessage(result));
  else
    *ids = (MambaTokenIds){1, (int64_t)count, encoded};
  mambaTokenizerDestroy(tokenizer);
  return status;
}

MambaStatus mambaTokenIdsRead(const char *path, const char *tokenizer, MambaTokenIds *ids,
                              MambaError *error) {
  MambaMappedFile file;
  MambaTensorView view;
  if (endsIn(path, ".safetensors"))
    return fromSafetensors(path, ids, error);
  MambaStatus status = mambaMappedFileOpen(path, &file, error);
  if (status)
    return status;
  if (!endsIn(path, ".npy"))
    status = mambaTokenIdsEncode(file.data ? file.data : "", file.size, path, tokenizer, ids, error);
  else if (!(status = npyParse(file.data ? file.data : "", file.size, path, &view, error)))
    status = fromTensor(&view, path, ids, error);
  mambaMappedFileClose(&file);
  return status;
}

/* ---- Samples ---------------------------------------------------------------------------------------- */

MambaStatus mambaTokenIdsSample(const MambaTokenIds *ids, const char *label, int64_t samples, int64_t length,
                                MambaTokenIds *result, MambaError *error) {
  int64_t stride = ids->columns;
  if (ids->rows == 1 && samples > 1) {
    stride = ids->columns < length ? 0 : (ids->columns - length) / samples;
    if (stride < 1)
      return mambaFail(error, MAMBA_INVALID,
                       "%s: expected at least %" PRId64 " tokens for %" PRId64 " samples of %" PRId64
                       ", found %" PRId64,
                       label, length + samples, samples, length, ids->columns);
  } else if (ids->rows < samples || ids->columns < length) {
    return mambaFail(error, MAMBA_INVALID,
                     "%s: expected at least %" PRId64 " sequences of %" PRId64 " tokens, found %" PRId64
                     " of %" PRId64,
                     label, samples, length, ids->rows, ids->columns);
  }
  MambaTokenIds copy;
  const MambaStatus status = allocate(samples, length, label, &copy, error);
  if (status)
    return status;
  for (int64_t j = 0; j < samples; j++)
    memcpy(copy.ids + j * length, ids->ids + j * stride, (size_t)length * sizeof *copy.ids);
  *result = copy;
  return MAMBA_OK;
}
