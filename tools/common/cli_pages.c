#include "cli_pages.h"

#include "mamba/version.h"

#include <string.h>

/* Calls for the words that a program's command can be: what its usage lines begin with in small letters.
 * Gives the rest of the usage behind the line, or NULL at the end. */
static const char *nextCommand(const char *usage, const char **command, size_t *length) {
  const size_t line = strcspn(usage, "\n");
  *command = usage;
  *length = strcspn(usage, " \n");
  if (*usage < 'a' || *usage > 'z')
    *length = 0;
  return usage[line] ? usage + line + 1 : NULL;
}

/* ---- The manual page -------------------------------------------------------------------------------- */

/* Text for troff: no backslash and no line's first "." or "'" is a request, "-" is not a hyphen. */
static void troff(const char *text, FILE *file) {
  bool first = true; /* of a line */
  for (; *text; text++) {
    if (first && (*text == '.' || *text == '\''))
      fputs("\\&", file);
    if (*text == '\\')
      fputs("\\e", file);
    else if (*text == '-')
      fputs("\\-", file);
    else
      fputc(*text, file);
    first = *text == '\n';
  }
}

static void manOption(const MambaCliOption *option, FILE *file) {
  fputs(".TP\n", file);
  if (option->key > 0 && option->key < 256)
    fprintf(file, ".BR \\-%c \", \" \\-\\-", option->key);
  else
    fputs(".B \\-\\-", file);
  troff(option->name, file);
  if (option->argument) {
    fputs("=\\fI", file);
    troff(option->argument, file);
    fputs("\\fR", file);
  }
  fputc('\n', file);
  troff(option->help, file);
  fputc('\n', file);
}

void mambaCliManPage(const MambaCli *cli, FILE *file) {
  fprintf(file, ".TH \"%s\" 1 \"\" \"mamba-opt " MAMBA_VERSION "\" \"User Commands\"\n.SH NAME\n",
          cli->program);
  troff(cli->program, file);
  fputs(" \\- ", file);
  fprintf(file, "%.*s\n.SH SYNOPSIS\n.nf\n", (int)strcspn(cli->summary, ".\n"), cli->summary);
  for (const char *line = cli->usage; line;) {
    const size_t length = strcspn(line, "\n");
    fprintf(file, "\\fB%s\\fR %.*s\n", cli->program, (int)length, line);
    line = line[length] ? line + length + 1 : NULL;
  }
  fputs(".fi\n.SH DESCRIPTION\n.nf\n", file);
  troff(cli->summary, file);
  fputs(".fi\n", file);
  if (cli->option_count)
    fputs(".SH OPTIONS\n", file);
  for (size_t i = 0; i < cli->option_count; i++)
    manOption(&cli->options[i], file);
  if (cli->footer) {
    fputs(".SH EXAMPLES\n.nf\n", file);
    troff(cli->footer, file);
    fputs(".fi\n", file);
  }
}

/* ---- Completions ------------------------------------------------------------------------------------ */

/* The help's first line, in single quotes of a shell; `extra` characters get a backslash too. */
static void quoted(const char *help, const char *extra, FILE *file) {
  fputc('\'', file);
  for (; *help && *help != '\n'; help++)
    if (*help == '\'')
      fputs("'\\''", file);
    else
      fprintf(file, strchr(extra, *help) ? "\\%c" : "%c", *help);
  fputc('\'', file);
}

static void writeCommands(const MambaCli *cli, const char *format, FILE *file) {
  const char *command;
  size_t length;
  for (const char *rest = cli->usage; rest;) {
    rest = nextCommand(rest, &command, &length);
    if (length)
      fprintf(file, "%s%.*s", format, (int)length, command);
  }
}

static void completeBash(const MambaCli *cli, FILE *file) {
  fprintf(file, "# bash completion for %s\n_%s() {\n  local word=\"${COMP_WORDS[COMP_CWORD]}\"\n",
          cli->program, cli->program);
  fputs("  if [[ $word == -* ]]; then\n    COMPREPLY=($(compgen -W \"", file);
  for (size_t i = 0; i < cli->option_count; i++)
    fprintf(file, "--%s%s ", cli->options[i].name, cli->options[i].argument ? "=" : "");
  fputs("--help --version\" -- \"$word\"))\n"
        "    if [[ ${COMPREPLY[0]-} == *= ]]; then compopt -o nospace; fi\n",
        file);
  fputs("  elif ((COMP_CWORD == 1)); then\n    COMPREPLY=($(compgen -W \"", file);
  writeCommands(cli, " ", file);
  fputs("\" -- \"$word\") $(compgen -f -- \"$word\"))\n  else\n    COMPREPLY=($(compgen -f -- \"$word\"))\n  "
        "fi\n}\n",
        file);
  fprintf(file, "complete -o filenames -F _%s %s\n", cli->program, cli->program);
}

static void completeZsh(const MambaCli *cli, FILE *file) {
  fprintf(file, "#compdef %s\n_arguments -s \\\n", cli->program);
  for (size_t i = 0; i < cli->option_count; i++) {
    const MambaCliOption *option = &cli->options[i];
    fprintf(file, "  '--%s%s['", option->name, option->argument ? "=" : "");
    quoted(option->help, "[]:\\", file);
    fprintf(file, "']%s' \\\n", option->argument ? ":value:_files" : "");
  }
  fputs("  '(-h --help)'{-h,--help}'[print the options]' '--version[print the version]' \\\n", file);
  fputs("  '1:input:{_alternative \"commands:command:(", file);
  writeCommands(cli, " ", file);
  fputs(")\" \"files:file:_files\"}' '*:file:_files'\n", file);
}

static void completeFish(const MambaCli *cli, FILE *file) {
  fprintf(file, "# fish completion for %s\n", cli->program);
  for (size_t i = 0; i < cli->option_count; i++) {
    const MambaCliOption *option = &cli->options[i];
    fprintf(file, "complete -c %s -l %s", cli->program, option->name);
    if (option->key > 0 && option->key < 256)
      fprintf(file, " -s %c", option->key);
    fprintf(file, "%s -d ", option->argument ? " -r" : "");
    quoted(option->help, "\\", file);
    fputc('\n', file);
  }
  fprintf(file, "complete -c %s -n __fish_use_subcommand -a '", cli->program);
  writeCommands(cli, " ", file);
  fputs("'\n", file);
}

bool mambaCliCompletion(const MambaCli *cli, const char *shell, FILE *file) {
  static const struct {
    const char *shell;
    void (*write)(const MambaCli *, FILE *);
  } shells[] = {{"bash", completeBash}, {"zsh", completeZsh}, {"fish", completeFish}};
  for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++)
    if (!strcmp(shell, shells[i].shell)) {
      shells[i].write(cli, file);
      return true;
    }
  return false;
}

bool mambaCliPages(const MambaCli *cli, int argc, char **argv) {
  static const char completion[] = "--completion=";
  if (argc == 2 && !strcmp(argv[1], "--man")) {
    mambaCliManPage(cli, stdout);
    return true;
  }
  return argc == 2 && !strncmp(argv[1], completion, strlen(completion)) &&
         mambaCliCompletion(cli, argv[1] + strlen(completion), stdout);
}
