#include "cli_pages.h"

#include "cli_complete.h"

#include "mamba/version.h"

#include <string.h>

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

bool mambaCliPages(const MambaCli *cli, int argc, char **argv) {
  const bool man = argc == 2 && !strcmp(argv[1], "--man");
  if (man)
    mambaCliManPage(cli, stdout);
  return man || mambaCliComplete(cli, argc, argv);
}
