/* The manual page of a program, made from its table of options. */
#ifndef MAMBA_TOOLS_CLI_PAGES_H
#define MAMBA_TOOLS_CLI_PAGES_H

#include "cli.h"

/* A manual page for section 1. */
void mambaCliManPage(const MambaCli *cli, FILE *file);

/* Answers argv where it is exactly "PROGRAM --man", which the build runs, or "PROGRAM --complete WORD ...",
 * which the shells' completions run (cli_complete.h). False for anything else. */
bool mambaCliPages(const MambaCli *cli, int argc, char **argv);

#endif
