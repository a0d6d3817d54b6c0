/* Token ids from the command line, from files and from standard input. */
#include "run.h"

#include "mamba/mapped_file.h"
#include "text/token_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static MambaStatus parseList(const char *text, const char *label, MambaTokenIds *ids, MambaError *error) {
  int32_t *list;
  size_t count, length;
  const char *wrong;
  if (!mambaTokenListParse(text, &list, &count, &wrong, &length))
    return wrong ? mambaFail(error, MAMBA_INVALID, "%s: token %zu: expected an id, found '%.*s'", label, count,
                             (int)length, wrong)
                 : mambaFail(error, MAMBA_NO_MEMORY, "%s: no memory for its token ids", label);
  *ids = (MambaTokenIds){1, (int64_t)count, list};
  return MAMBA_OK;
}

static MambaStatus parseFile(const char *path, MambaTokenIds *ids, MambaError *error) {
  MambaMappedFile file;
  MambaStatus status = mambaMappedFileOpen(path, &file, error);
  if (status)
    return status;
  char *text =
      file.size && memchr(file.data, 0, file.size) ? NULL : strndup(file.size ? file.data : "", file.size);
  status = text ? parseList(text, path, ids, error)
                : mambaFail(error, MAMBA_INVALID, "%s: expected a text of token ids", path);
  free(text);
  mambaMappedFileClose(&file);
  return status;
}

static MambaStatus readStandardInput(const Model *model, MambaTokenIds *ids, MambaError *error) {
  char *text = NULL;
  size_t used = 0, capacity = 0;
  MambaStatus status = MAMBA_OK;
  do {
    if (used == capacity) {
      char *larger =
          capacity > SIZE_MAX / 2 ? NULL : realloc(text, capacity = capacity ? 2 * capacity : 1 << 16);
      if (!larger) {
        status = mambaFail(error, MAMBA_NO_MEMORY, "standard input: too large for the memory");
        goto cleanup;
      }
      text = larger;
    }
    used += fread(text + used, 1, capacity - used, stdin);
  } while (!feof(stdin) && !ferror(stdin));
  if (ferror(stdin))
    status = mambaFailErrno(error, "standard input");
  else
    status = mambaTokenIdsEncode(text, used, "standard input", modelTokenizer(model), ids, error);
cleanup:
  free(text);
  return status;
}

/* Makes one sequence of all rows, and cuts it. */
static MambaStatus limitIds(const RunOptions *options, const char *label, MambaTokenIds *ids,
                            MambaError *error) {
  const int64_t count = ids->rows * ids->columns;
  *ids = (MambaTokenIds){1, options->limit && options->limit < count ? options->limit : count, ids->ids};
  return ids->columns ? MAMBA_OK
                      : mambaFail(error, MAMBA_INVALID, "%s: expected at least one token, found none", label);
}

MambaStatus readFileIds(const char *path, const RunOptions *options, const Model *model, MambaTokenIds *ids,
                        MambaError *error) {
  MambaTokenIds read = {0};
  MambaStatus status = strcmp(path, "-") ? mambaTokenIdsRead(path, modelTokenizer(model), &read, error)
                                         : readStandardInput(model, &read, error);
  if (!status)
    status = limitIds(options, path, &read, error);
  if (status)
    mambaTokenIdsDestroy(&read);
  else
    *ids = read;
  return status;
}

MambaStatus readInputIds(const RunOptions *options, const Model *model, MambaTokenIds *ids,
                         MambaError *error) {
  MambaTokenIds read = {0};
  MambaStatus status;
  if (options->data)
    return readFileIds(options->data, options, model, ids, error);
  if (options->text)
    status = mambaTokenIdsEncode(options->text, strlen(options->text), "--text", modelTokenizer(model), &read,
                                 error);
  else if (!options->ids[strspn(options->ids, "0123456789, ")])
    status = parseList(options->ids, "--ids", &read, error);
  else
    status = parseFile(options->ids, &read, error);
  if (!status)
    status = limitIds(options, options->text ? "--text" : "--ids", &read, error);
  if (status)
    mambaTokenIdsDestroy(&read);
  else
    *ids = read;
  return status;
}
