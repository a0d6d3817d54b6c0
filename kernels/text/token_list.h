/* Token ids written as text, such as "1, 2, 3". */
#ifndef MAMBA_TEXT_TOKEN_LIST_H
#define MAMBA_TEXT_TOKEN_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parses a terminated text of ids from 0 to INT32_MAX, separated by commas and white space. On success *ids
 * is malloc'ed (never NULL) and is the caller's to free(). On failure *count ids were fine and *wrong, of
 * *wrong_length bytes in `text`, is none; *wrong is NULL where memory was short. */
bool mambaTokenListParse(const char *text, int32_t **ids, size_t *count, const char **wrong,
                         size_t *wrong_length);

#endif
