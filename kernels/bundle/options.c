#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool mamba_option_applies(const mamba_option *option, const char *command) {
  const size_t length = strlen(command);
  for (const char *at = option->commands; at; at = strchr(at, ' ')) {
    at += *at == ' ';
    if (!strncmp(at, command, length) && (at[length] == ' ' || !at[length]))
      return true;
  }
  return !option->commands;
}

static mamba_option *find(const char *command, const char *name, size_t length, mamba_option *options,
                          int count) {
  for (int i = 0; i < count; ++i)
    if (strlen(options[i].name) == length && !strncmp(options[i].name, name, length) &&
        mamba_option_applies(&options[i], command))
      return &options[i];
  return NULL;
}

static bool set(mamba_option *option, const char *text) {
  char *end = NULL;
  bool valid = true;
  errno = 0;
  switch (option->kind) {
  case MAMBA_OPTION_TEXT:
    option->value.text = text;
    return true;
  case MAMBA_OPTION_FLAG:
    fprintf(stderr, "run: --%s takes no value, found '%s'\n", option->name, text);
    return false;
  case MAMBA_OPTION_INTEGER: {
    const long long integer = strtoll(text, &end, 10);
    valid = !errno && (double)integer >= option->minimum && (double)integer <= option->maximum;
    option->value.integer = integer;
    break;
  }
  case MAMBA_OPTION_NUMBER:
    option->value.number = strtod(text, &end);
    valid = option->value.number >= option->minimum && option->value.number <= option->maximum;
    break;
  }
  if (valid && end != text && !*end)
    return true;
  fprintf(stderr, "run: --%s takes %s from %.15g to %.15g, found '%s'\n", option->name,
          option->kind == MAMBA_OPTION_INTEGER ? "an integer" : "a number", option->minimum, option->maximum,
          text);
  return false;
}

int mamba_options_parse(const char *command, char **arguments, int count, mamba_option *options,
                        int option_count) {
  int operands = 0;
  for (int i = 0; i < count; ++i) {
    const char *argument = arguments[i];
    if (!strcmp(argument, "--")) {
      while (++i < count)
        arguments[operands++] = arguments[i];
      break;
    }
    if (strncmp(argument, "--", 2) != 0) {
      arguments[operands++] = arguments[i];
      continue;
    }
    const char *name = argument + 2;
    const size_t length = strcspn(name, "=");
    mamba_option *option = find(command, name, length, options, option_count);
    if (!option) {
      fprintf(stderr, "run: %s has no option --%.*s; 'run --help' lists them\n", command, (int)length, name);
      return -1;
    }
    if (option->kind == MAMBA_OPTION_FLAG && !name[length]) {
      option->value.integer = 1;
      continue;
    }
    if (!name[length] && i + 1 == count) {
      fprintf(stderr, "run: --%s needs %s\n", option->name, option->argument);
      return -1;
    }
    if (!set(option, name[length] ? name + length + 1 : arguments[++i]))
      return -1;
  }
  return operands;
}
