#include "complete.h"

#include "cli_complete.h"

#include "mamba/passes.h"
#include "mamba/shim.h"
#include "mamba/target.h"

#include <stdlib.h>
#include <string.h>

static const char *const kSelf[] = {"self", NULL}, *const kLayouts[] = {"packed", "rows", NULL},
                         *const kDecodeWays[] = {"graph", "persistent", NULL},
                         *const kWeightScales[] = {"row", "tensor", NULL};

const MambaCliValues kPassValues[] = {
    {"target", &kMambaTargets->name, sizeof *kMambaTargets, false},
    {"head", kMambaHeads, sizeof *kMambaHeads, false},
    {"state", kMambaStates, sizeof *kMambaStates, false},
    {"layout", kLayouts, sizeof *kLayouts, false},
    {"decode", kDecodeWays, sizeof *kDecodeWays, false},
    {"weights", kWeightScales, sizeof *kWeightScales, false},
    {"calibration", kSelf, sizeof *kSelf, true},
    {.option = "statistics", .files = true},
    {.option = "rules", .files = true},
    {.option = "report", .files = true},
    {.option = "output", .files = true},
    {.option = "file", .files = true},
    {.option = "json", .files = true},
    {.option = "text", .files = true},
};
const size_t kPassValueCount = sizeof kPassValues / sizeof kPassValues[0];

static void offerKey(const char *option, void *word) {
  mambaCliOffer(*(const MambaCliWord *)word, option, "=", NULL);
}

/* The word ends in the options of a pass, "a=1 b=": the last of them, of which a name or a value is being
 * typed. */
static void offerPassOptions(const MambaCli *cli, const char *pass, size_t length, MambaCliWord word) {
  const char *text = word.text + word.fixed, *space = strrchr(text, ' ');
  const char *key = space ? space + 1 : text, *equals = strchr(key, '=');
  word.fixed = (size_t)((equals ? equals + 1 : key) - word.text);
  if (equals) {
    mambaCliOfferValues(cli, key, (size_t)(equals - key), word);
    return;
  }
  char *name = strndup(pass, length);
  if (name)
    mambaOptVisitPassOptions(name, offerKey, &word);
  free(name);
}

static void offerPasses(const MambaCli *cli, size_t pass_count, MambaCliWord word) {
  for (size_t i = 0; i < pass_count; i++)
    mambaCliOffer(word, cli->options[i].name, "", cli->options[i].help);
}

/* "builtin.module(a,b{c=1 d=": the last pass's name, or an option in its braces. */
static void offerPipeline(const MambaCli *cli, size_t pass_count, MambaCliWord word) {
  size_t name = word.fixed, options = 0; /* where the last of them begin; 0: not in braces */
  for (size_t i = word.fixed; word.text[i]; i++) {
    if (word.text[i] == '{' && !options)
      options = i + 1;
    else if (word.text[i] == '}')
      options = 0;
    if (strchr("(,{}", word.text[i]) && !options)
      name = i + 1;
  }
  if (options) {
    word.fixed = options;
    offerPassOptions(cli, word.text + name, options - 1 - name, word);
  } else if (name == word.fixed) {
    mambaCliOffer(word, "builtin.module(", "", NULL);
  } else {
    word.fixed = name;
    offerPasses(cli, pass_count, word);
  }
}

bool completePass(const MambaCli *cli, size_t pass_count, int argc, char **argv) {
  const char *text = argv[argc - 1], *equals = strchr(text, '=');
  if (argc < 3 || strcmp(argv[1], "--complete") != 0 || strncmp(text, "--", 2) != 0 || !equals)
    return false;
  const char *name = text + 2;
  const size_t length = (size_t)(equals - name);
  const MambaCliWord word = {text, (size_t)(equals + 1 - text)};
  if (!strncmp(name, "pass-pipeline=", length + 1)) {
    offerPipeline(cli, pass_count, word);
    return true;
  }
  if (!strncmp(name, "mlir-print-ir-after=", length + 1) ||
      !strncmp(name, "mlir-print-ir-before=", length + 1)) {
    offerPasses(cli, pass_count, word);
    return true;
  }
  for (size_t i = 0; i < pass_count; i++)
    if (strlen(cli->options[i].name) == length && !strncmp(cli->options[i].name, name, length)) {
      offerPassOptions(cli, name, length, word);
      return true;
    }
  return false;
}
