/* What the command line programs share: options from a table, help, errors, exit codes. */
#ifndef MAMBA_TOOLS_CLI_H
#define MAMBA_TOOLS_CLI_H

#include "mamba/status.h"

#include <stdio.h>

enum { MAMBA_EXIT_OK = 0, MAMBA_EXIT_INPUT = 1, MAMBA_EXIT_USAGE = 2 };

/* One option. `key` is its letter, or a number from 256 on for an option without one. */
typedef struct MambaCliOption {
  int key;
  const char *name;     /* "threads", for --threads */
  const char *argument; /* what the help calls its argument, such as "N"; NULL for a flag */
  const char *help;     /* one or more lines separated by \n */
} MambaCliOption;

/* Words that an option's argument can be. An option may have several such lists. */
typedef struct MambaCliValues {
  const char *option;       /* "target", of --target; of mamba-opt, also an option of passes */
  const char *const *names; /* `stride` bytes apart, as in an array of structs that begin with a name; NULL ends them */
  size_t stride;
  bool files; /* it can be a file too */
} MambaCliValues;

/* A program. Every program also has --help (-h) and --version. */
typedef struct MambaCli {
  const char *program;
  const char *usage;   /* "MODEL -o DIR [options]": without the program's name, one form a line */
  const char *summary; /* what the program is for; whole lines */
  const char *footer;  /* examples; may be NULL */
  const MambaCliOption *options;
  size_t option_count;
  const MambaCliValues *values; /* for completion; may be NULL */
  size_t value_count;
  bool (*takes)(const char *command, size_t option); /* whether a command has an option; NULL: each has all */
} MambaCli;

/* What mambaCliNext gives besides keys. */
enum {
  MAMBA_CLI_END = -1,  /* no more options; optind is the first operand */
  MAMBA_CLI_DONE = -2, /* --help or --version was answered: exit with MAMBA_EXIT_OK */
  MAMBA_CLI_ERROR = -3 /* the mistake was named on stderr: exit with MAMBA_EXIT_USAGE */
};

/* The key of the next option of argv; *value is its argument. Uses getopt_long's state, so one scan at a
 * time. */
int mambaCliNext(const MambaCli *cli, int argc, char **argv, const char **value);

void mambaCliHelp(const MambaCli *cli, FILE *file);

/* Print "program: error: ..." on stderr, or nothing where a diagnostic has told and the message is empty; the second adds where help is. They return the exit code. */
int mambaCliInputError(const MambaCli *cli, const MambaError *error);
int mambaCliUsageError(const MambaCli *cli, const char *format, ...) MAMBA_PRINTF(2, 3);

/* Read or check the argument of option --name. False after a usage error was printed. The names are those of
 * MambaCliValues. */
bool mambaCliInteger(const MambaCli *cli, const char *name, const char *text, int64_t minimum,
                     int64_t maximum, int64_t *value);
bool mambaCliName(const MambaCli *cli, const char *name, const char *text, const char *const *names, size_t stride);
bool mambaCliNumber(const MambaCli *cli, const char *name, const char *text, double minimum, double maximum,
                    double *value);

#endif
