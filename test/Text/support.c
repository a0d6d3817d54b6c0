#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *optionalData(const char *name) {
  static char path[1024];
  const char *folder = getenv("MAMBA_TEST_DATA");
  if (folder)
    snprintf(path, sizeof path, "%s/%s", folder, name);
  if (!folder || access(path, R_OK) != 0) {
    print_message("skipped: %s is not in the folder MAMBA_TEST_DATA (%s)\n", name, folder ? folder : "unset");
    skip();
  }
  return path;
}

MambaTokenizer *openTokenizer(const char *path) {
  MambaError error = {0};
  MambaTokenizer *tokenizer = NULL;
  if (mambaTokenizerOpen(path, &tokenizer, &error) != MAMBA_OK)
    fail_msg("%s", error.message);
  return tokenizer;
}

void assertRoundTrip(const MambaTokenizer *tokenizer, const void *text, size_t size) {
  int32_t *ids = NULL;
  char *decoded = NULL;
  size_t count = 0, length = 0;
  assert_int_equal(mambaTokenizerEncode(tokenizer, text, size, &ids, &count), MAMBA_TOKENIZER_OK);
  assert_int_equal(mambaTokenizerDecode(tokenizer, ids, count, false, &decoded, &length), MAMBA_TOKENIZER_OK);
  assert_int_equal(length, size);
  assert_memory_equal(decoded, text, size);
  free(ids);
  free(decoded);
}

uint32_t randomBelow(uint64_t *state, uint32_t limit) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return (uint32_t)((*state * UINT64_C(0x2545F4914F6CDD1D)) >> 32) % limit;
}
