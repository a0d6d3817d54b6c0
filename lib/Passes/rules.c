/* mamba-rules: what a user chooses for single layers, from a text file to `mamba.choices` on the ops. */
#include "mamba/passes.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "choices.h"
#include "mamba/mapped_file.h"

enum { LINE_SIZE = 1024 };

/* The sites of the module, with the names of the ops that read them. */
typedef struct Sites {
  SiteGroup *groups;
  intptr_t count;
} Sites;

/* Sets one choice on every op that matches and reads the site. False when there is none. */
static bool apply(const Sites *sites, const char *pattern, const Choice *choice, MlirStringRef entry) {
  bool found = false;
  for (intptr_t i = 0; i < sites->count; i++) {
    const MlirOperation reader = sites->groups[i].sites[choice->site].reader;
    char name[512];
    if (mlirOperationIsNull(reader))
      continue;
    const MlirStringRef ref = mambaOpName(reader);
    snprintf(name, sizeof name, "%.*s", (int)ref.length, ref.data);
    if (fnmatch(pattern, name, 0) == 0) {
      choiceSet(reader, entry);
      found = true;
    }
  }
  return found;
}

/* "layers.0.*  y=f32  y.rotate=no  # why" */
static MambaStatus applyLine(const Sites *sites, char *line, MambaError *error) {
  char *rest = line, *pattern, *word;
  line[strcspn(line, "#")] = 0;
  pattern = strtok_r(line, " \t\r", &rest);
  if (!pattern)
    return MAMBA_OK;
  word = strtok_r(NULL, " \t\r", &rest);
  if (!word)
    return mambaFail(error, MAMBA_INVALID, "expected site=kind behind the pattern '%s', found nothing",
                     pattern);
  for (; word; word = strtok_r(NULL, " \t\r", &rest)) {
    Choice choice;
    const MambaStatus status = choiceParse(mambaRef(word), &choice, error);
    if (status)
      return status;
    if (!apply(sites, pattern, &choice, mambaRef(word)))
      return mambaFail(
          error, MAMBA_INVALID,
          "'%s' for '%s': expected a pattern that matches the name of an op that reads %s, such as "
          "'layers.3.*'; it matches none",
          word, pattern, kSiteNames[choice.site]);
  }
  return MAMBA_OK;
}

static MambaStatus applyFile(const Sites *sites, const char *path, const MambaMappedFile *file,
                             MambaError *error) {
  const char *text = file->data ? file->data : "", *end = text + file->size;
  MambaStatus status = MAMBA_OK;
  for (long number = 1; text < end && !status; number++) {
    const char *stop = memchr(text, '\n', (size_t)(end - text));
    const size_t length = (size_t)((stop ? stop : end) - text);
    char line[LINE_SIZE];
    if (length >= sizeof line) {
      status = mambaFail(error, MAMBA_INVALID, "expected a line of less than %d characters", LINE_SIZE);
    } else {
      memcpy(line, text, length);
      line[length] = 0;
      status = applyLine(sites, line, error);
    }
    if (status)
      mambaFailContext(error, "%s:%ld", path, number);
    text += length + 1;
  }
  return status;
}

bool mambaPassRules(MlirOperation module, const MambaRulesOptions *options) {
  MambaMappedFile file = {NULL, 0};
  Sites sites = {NULL, 0};
  MambaError error;
  if (!findSites(module, &sites.groups, &sites.count))
    return false;
  MambaStatus status = mambaMappedFileOpen(options->file, &file, &error);
  if (!status)
    status = applyFile(&sites, options->file, &file, &error);
  if (status)
    mambaEmitError(module, "mamba-rules: %s", error.message);
  mambaMappedFileClose(&file);
  free(sites.groups);
  return status == MAMBA_OK;
}
