/* What a word on a program's command line can become, from the program's tables. The scripts of
 * cmake/completion ask for it when a user presses the tabulator. */
#ifndef MAMBA_TOOLS_CLI_COMPLETE_H
#define MAMBA_TOOLS_CLI_COMPLETE_H

#include "cli.h"

/* The word that is being typed. Its first `fixed` bytes stand; the rest is the beginning of what is sought.
 */
typedef struct MambaCliWord {
  const char *text;
  size_t fixed;
} MambaCliWord;

/* Prints a line "WORD\tHELP" if the candidate with its suffix begins as the word does; the help, whose first
 * line counts, may be NULL. */
void mambaCliOffer(MambaCliWord word, const char *candidate, const char *suffix, const char *help);

/* Print a line ":files\tFIXED" or ":folders\tFIXED": behind these bytes the word is a path. */
void mambaCliOfferFiles(MambaCliWord word);
void mambaCliOfferFolders(MambaCliWord word);

/* Prints what is known of an option's argument. False when nothing is. */
bool mambaCliOfferValues(const MambaCli *cli, const char *option, size_t length, MambaCliWord word);

/* Answers "PROGRAM --complete WORD ...", of which the last word is being typed. False for another argv. */
bool mambaCliComplete(const MambaCli *cli, int argc, char **argv);

#endif
