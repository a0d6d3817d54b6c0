#include "cli.h"

#include "mamba/suggest.h"
#include "mamba/version.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OPTIONS = 48, KEY_HELP = 'h', KEY_VERSION = 0x10000, HELP_COLUMN = 30 };

/* getopt_long's two descriptions of the options. */
static void describe(const MambaCli *cli, struct option *options, char *letters) {
  size_t n = 0;
  *letters++ = ':'; /* tell a missing argument from an unknown option, and print nothing */
  for (size_t i = 0; i < cli->option_count && i + 3 < MAX_OPTIONS; i++) {
    const MambaCliOption *option = &cli->options[i];
    options[n++] =
        (struct option){option->name, option->argument ? required_argument : no_argument, NULL, option->key};
    if (option->key < 256) {
      *letters++ = (char)option->key;
      if (option->argument)
        *letters++ = ':';
    }
  }
  options[n++] = (struct option){"help", no_argument, NULL, KEY_HELP};
  options[n++] = (struct option){"version", no_argument, NULL, KEY_VERSION};
  options[n] = (struct option){0};
  *letters++ = KEY_HELP;
  *letters = 0;
}

/* Why getopt_long refused "--name" or "--name=value". */
static void refuseLongOption(const MambaCli *cli, const struct option *options, const char *given) {
  const char *name = given + 2;
  const size_t length = strcspn(name, "=");
  MambaSuggestion suggestion = mambaSuggestFor(name, length);
  char guess[128] = "";
  int beginning = 0; /* options that begin like this */
  for (const struct option *option = options; option->name; option++) {
    const size_t size = strlen(option->name);
    beginning += size >= length && !strncmp(option->name, name, length);
    mambaSuggestConsider(&suggestion, option->name, size);
  }
  if (suggestion.nearest && suggestion.distance == 0)
    mambaCliUsageError(cli, "option --%s takes no argument, found '%s'", suggestion.nearest, given);
  else if (beginning > 1)
    mambaCliUsageError(cli, "option %.*s is short for %d options", (int)length + 2, given, beginning);
  else {
    if (suggestion.nearest)
      snprintf(guess, sizeof guess, " (did you mean --%s?)", suggestion.nearest);
    mambaCliUsageError(cli, "unknown option %.*s%s", (int)length + 2, given, guess);
  }
}

int mambaCliNext(const MambaCli *cli, int argc, char **argv, const char **value) {
  struct option options[MAX_OPTIONS];
  char letters[2 * MAX_OPTIONS + 3];
  describe(cli, options, letters);
  opterr = 0;
  const int key = getopt_long(argc, argv, letters, options, NULL);
  *value = optarg;
  switch (key) {
  case -1:
    return MAMBA_CLI_END;
  case KEY_HELP:
    mambaCliHelp(cli, stdout);
    return MAMBA_CLI_DONE;
  case KEY_VERSION:
    printf("%s " MAMBA_VERSION "\n", cli->program);
    return MAMBA_CLI_DONE;
  case ':':
    mambaCliUsageError(cli, "option %s needs an argument", argv[optind - 1]);
    return MAMBA_CLI_ERROR;
  case '?':
    if (optopt > 0 && optopt < 256 && strncmp(argv[optind - 1], "--", 2))
      mambaCliUsageError(cli, "unknown option -%c", optopt);
    else
      refuseLongOption(cli, options, argv[optind - 1]);
    return MAMBA_CLI_ERROR;
  default:
    return key;
  }
}

/* "  -o, --output=DIR", then each line of the help in its column. */
static void helpOption(const MambaCliOption *option, FILE *file) {
  int width = option->key < 256 ? fprintf(file, "  -%c, --%s", option->key, option->name)
                                : fprintf(file, "      --%s", option->name);
  if (option->argument)
    width += fprintf(file, "=%s", option->argument);
  if (width > HELP_COLUMN - 2) {
    fputc('\n', file);
    width = 0;
  }
  for (const char *line = option->help; line;) {
    const size_t length = strcspn(line, "\n");
    fprintf(file, "%*s%.*s\n", HELP_COLUMN - width, "", (int)length, line);
    line = line[length] ? line + length + 1 : NULL;
    width = 0;
  }
}

void mambaCliHelp(const MambaCli *cli, FILE *file) {
  static const MambaCliOption common[] = {
      {KEY_HELP, "help", NULL, "print this text"},
      {KEY_VERSION, "version", NULL, "print the version"},
  };
  const char *lead = "usage:";
  for (const char *line = cli->usage; line;) {
    const size_t length = strcspn(line, "\n");
    fprintf(file, "%-6s %s %.*s\n", lead, cli->program, (int)length, line);
    line = line[length] ? line + length + 1 : NULL;
    lead = "";
  }
  fprintf(file, "\n%s\noptions:\n", cli->summary);
  for (size_t i = 0; i < cli->option_count; i++)
    helpOption(&cli->options[i], file);
  for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
    helpOption(&common[i], file);
  if (cli->footer)
    fprintf(file, "\n%s", cli->footer);
}

int mambaCliInputError(const MambaCli *cli, const MambaError *error) {
  if (*error->message) /* else MLIR's diagnostics have told */
    fprintf(stderr, "%s: error: %s\n", cli->program, error->message);
  return MAMBA_EXIT_INPUT;
}

int mambaCliUsageError(const MambaCli *cli, const char *format, ...) {
  va_list args;
  fprintf(stderr, "%s: error: ", cli->program);
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fprintf(stderr, "\nTry '%s --help'.\n", cli->program);
  return MAMBA_EXIT_USAGE;
}

bool mambaCliInteger(const MambaCli *cli, const char *name, const char *text, int64_t minimum,
                     int64_t maximum, int64_t *value) {
  char *end;
  errno = 0;
  const intmax_t number = strtoimax(text, &end, 10);
  if (end == text || *end || errno || number < minimum || number > maximum) {
    mambaCliUsageError(cli, "--%s takes an integer from %" PRId64 " to %" PRId64 ", found '%s'", name,
                       minimum, maximum, text);
    return false;
  }
  *value = number;
  return true;
}

bool mambaCliName(const MambaCli *cli, const char *name, const char *text, const char *const *names,
                  size_t stride) {
  char expected[512];
  const bool known = mambaSuggestKnows(names, stride, text, expected, sizeof expected);
  if (!known)
    mambaCliUsageError(cli, "--%s: %s", name, expected);
  return known;
}

bool mambaCliNumber(const MambaCli *cli, const char *name, const char *text, double minimum, double maximum,
                    double *value) {
  char *end;
  const double number = strtod(text, &end);
  if (end == text || *end || !(number >= minimum && number <= maximum)) {
    mambaCliUsageError(cli, "--%s takes a number from %g to %g, found '%s'", name, minimum, maximum, text);
    return false;
  }
  *value = number;
  return true;
}
