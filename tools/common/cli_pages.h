/* The manual page and the shells' completions of a program, made from its table of options. */
#ifndef MAMBA_TOOLS_CLI_PAGES_H
#define MAMBA_TOOLS_CLI_PAGES_H

#include "cli.h"

/* A manual page for section 1. */
void mambaCliManPage(const MambaCli *cli, FILE *file);

/* A completion script for "bash", "zsh" or "fish". False for another shell; nothing is written then. */
bool mambaCliCompletion(const MambaCli *cli, const char *shell, FILE *file);

/* Answers argv where it is exactly "PROGRAM --man" or "PROGRAM --completion=SHELL", which the build runs.
 * False for anything else. */
bool mambaCliPages(const MambaCli *cli, int argc, char **argv);

#endif
