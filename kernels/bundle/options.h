/* Command line options of `run`: --name value, --name=value or a flag's --name, anywhere between the
 * operands. */
#ifndef MAMBA_OPTIONS_H
#define MAMBA_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum mamba_option_kind {
  MAMBA_OPTION_TEXT,
  MAMBA_OPTION_INTEGER,
  MAMBA_OPTION_NUMBER,
  MAMBA_OPTION_FLAG /* takes no value; its integer is 1 when given */
} mamba_option_kind;

typedef struct mamba_option {
  const char *name; /* without dashes */
  mamba_option_kind kind;
  const char *commands; /* those that take it, separated by spaces; NULL for all */
  double minimum, maximum;
  const char *argument, *help;
  union {
    const char *text;
    int64_t integer;
    double number;
  } value; /* the default, then what the user gave */
} mamba_option;

/* True when `command` is one of the option's commands. */
bool mamba_option_applies(const mamba_option *option, const char *command);

/* Sets the values of options and moves the operands to the front of arguments; returns their number, or
 * -1 after the mistake was printed on stderr. "--" ends the options. */
int mamba_options_parse(const char *command, char **arguments, int count, mamba_option *options,
                        int option_count);

#endif
