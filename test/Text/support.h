/* What the tests of the tokenizer share; every failure here fails the running test. */
#ifndef MAMBA_TEST_TEXT_SUPPORT_H
#define MAMBA_TEST_TEXT_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "../support/tempdir.h"
#include "mamba/tokenizer.h"
#include "text/tokenizer_internal.h"

#include <cmocka.h>

/* Paths from test/, where tests run. */
#define TINY_JSON "../models/tiny/tokenizer.json"
#define ADDED_JSON "Text/added.json"   /* NFC and every kind of added token */
#define PREFIX_JSON "Text/prefix.json" /* no pattern, a space first, merges ignored for whole words */

/* The path of an optional large input, or a skipped test when it is not there. */
const char *optionalData(const char *name);

MambaTokenizer *openTokenizer(const char *path);

/* Fails unless decode(encode(text)) is `text`. */
void assertRoundTrip(const MambaTokenizer *tokenizer, const void *text, size_t size);

/* xorshift64*, so that random tests are the same everywhere. */
uint32_t randomBelow(uint64_t *state, uint32_t limit);

#endif
