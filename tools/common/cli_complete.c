#include "cli_complete.h"

#include <string.h>

void mambaCliOffer(MambaCliWord word, const char *candidate, const char *suffix, const char *help) {
  const char *typed = word.text + word.fixed;
  const size_t length = strlen(typed), own = strlen(candidate);
  if (strncmp(candidate, typed, length < own ? length : own) != 0 ||
      (length > own && strncmp(suffix, typed + own, length - own) != 0))
    return;
  printf("%.*s%s%s", (int)word.fixed, word.text, candidate, suffix);
  if (help && *help)
    printf("\t%.*s", (int)strcspn(help, "\n"), help);
  putchar('\n');
}

void mambaCliOfferFiles(MambaCliWord word) {
  printf(":files\t%.*s\n", (int)word.fixed, word.text);
}

void mambaCliOfferFolders(MambaCliWord word) {
  printf(":folders\t%.*s\n", (int)word.fixed, word.text);
}

static bool isNamed(const char *name, const char *text, size_t length) {
  return strlen(name) == length && !memcmp(name, text, length);
}

bool mambaCliOfferValues(const MambaCli *cli, const char *option, size_t length, MambaCliWord word) {
  bool known = false;
  for (size_t i = 0; i < cli->value_count; i++) {
    const MambaCliValues *values = &cli->values[i];
    if (!isNamed(values->option, option, length))
      continue;
    const char *name;
    for (size_t n = 0;
         values->names && (name = *(const char *const *)((const char *)values->names + n * values->stride));
         n++)
      mambaCliOffer(word, name, "", NULL);
    if (values->files)
      mambaCliOfferFiles(word);
    known = true;
  }
  return known;
}

/* An option's argument: its values, or by what the help calls it; "value" is one of which nothing is known.
 */
static void offerArgument(const MambaCli *cli, const MambaCliOption *option, MambaCliWord word) {
  static const char *const kFiles[] = {"FILE", "INPUT", "value"};
  if (mambaCliOfferValues(cli, option->name, strlen(option->name), word))
    return;
  if (!strcmp(option->argument, "DIR"))
    mambaCliOfferFolders(word);
  for (size_t i = 0; i < sizeof kFiles / sizeof kFiles[0]; i++)
    if (!strcmp(option->argument, kFiles[i]))
      mambaCliOfferFiles(word);
}

static const MambaCliOption *findOption(const MambaCli *cli, const char *name, size_t length) {
  for (size_t i = 0; i < cli->option_count; i++)
    if (isNamed(cli->options[i].name, name, length))
      return &cli->options[i];
  return NULL;
}

/* The option that a whole word leaves waiting for its argument in the next word, or NULL. */
static const MambaCliOption *waiting(const MambaCli *cli, const char *word) {
  const MambaCliOption *option = NULL;
  if (!strncmp(word, "--", 2))
    option = findOption(cli, word + 2, strlen(word + 2));
  else
    for (size_t i = 0; i < cli->option_count && !option; i++)
      if (cli->options[i].key == word[1] && word[1] && !word[2])
        option = &cli->options[i];
  return option && option->argument ? option : NULL;
}

static void offerOptions(const MambaCli *cli, const char *command, MambaCliWord word) {
  char dashed[128];
  for (size_t i = 0; i < cli->option_count; i++) {
    const MambaCliOption *option = &cli->options[i];
    if (command && cli->takes && !cli->takes(command, i))
      continue;
    snprintf(dashed, sizeof dashed, "--%s", option->name);
    mambaCliOffer(word, dashed, option->argument ? "=" : "", option->help);
  }
  mambaCliOffer(word, "--help", "", "print the options");
  mambaCliOffer(word, "--version", "", "print the version");
}

/* The words that a program's command can be: what its usage lines begin with in small letters. False if there
 * are none. */
static bool offerCommands(const MambaCli *cli, MambaCliWord word) {
  char command[64];
  bool any = false;
  for (const char *line = cli->usage; line;) {
    const size_t length = strcspn(line, "\n");
    if (*line >= 'a' && *line <= 'z') {
      snprintf(command, sizeof command, "%.*s", (int)strcspn(line, " \n"), line);
      mambaCliOffer(word, command, "", NULL);
      any = true;
    }
    line = line[length] ? line + length + 1 : NULL;
  }
  return any;
}

bool mambaCliComplete(const MambaCli *cli, int argc, char **argv) {
  if (argc < 3 || strcmp(argv[1], "--complete") != 0)
    return false;
  MambaCliWord word = {argv[argc - 1], 0};
  const char *command = NULL;          /* the first operand */
  const MambaCliOption *option = NULL; /* of which the word is the argument */
  for (int i = 2; i < argc - 1; i++) {
    if (option)
      option = NULL;
    else if (*argv[i] == '-')
      option = waiting(cli, argv[i]);
    else if (!command)
      command = argv[i];
  }
  const char *equals = strchr(word.text, '=');
  if (option) {
    offerArgument(cli, option, word);
  } else if (!strncmp(word.text, "--", 2) && equals) {
    word.fixed = (size_t)(equals + 1 - word.text);
    option = findOption(cli, word.text + 2, (size_t)(equals - word.text) - 2);
    if (option && option->argument)
      offerArgument(cli, option, word);
  } else if (*word.text == '-') {
    offerOptions(cli, command, word);
  } else if (command || !offerCommands(cli, word)) {
    mambaCliOfferFiles(word);
  }
  return true;
}
