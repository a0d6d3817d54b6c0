/* Damaged images: every truncation and every byte. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

static unsigned char *makeImage(const char *path, size_t *size) {
  MambaError error = {0};
  unsigned char *image = NULL;
  if (mambaTokenizerMakeImage(path, &image, size, &error) != MAMBA_OK)
    fail_msg("%s", error.message);
  return image;
}

static void seal(unsigned char *image, size_t size) {
  const uint64_t checksum = mambaTextHash(image + MAMBA_IMAGE_HEADER_AT, size - MAMBA_IMAGE_HEADER_AT);
  for (int i = 0; i < 8; i++)
    image[MAMBA_IMAGE_CHECKSUM_AT + i] = (unsigned char)(checksum >> 8 * i);
}

static MambaTokenizerResult create(const void *image, size_t size, const char **reason) {
  MambaTokenizer *tokenizer = NULL;
  const MambaTokenizerResult result = mambaTokenizerCreate(image, size, &tokenizer, reason);
  if (result != MAMBA_TOKENIZER_OK)
    assert_null(tokenizer);
  mambaTokenizerDestroy(tokenizer);
  return result;
}

static void truncations(void **state) {
  (void)state;
  size_t size;
  unsigned char *image = makeImage(ADDED_JSON, &size);
  for (size_t n = 0; n < size; n++) {
    unsigned char *copy = malloc(n ? n : 1); /* so that the sanitizer sees a read past the end */
    assert_non_null(copy);
    memcpy(copy, image, n);
    assert_int_equal(create(copy, n, NULL), MAMBA_TOKENIZER_CORRUPT);
    free(copy);
  }
  assert_int_equal(create(image, size, NULL), MAMBA_TOKENIZER_OK);
  free(image);
}

static void everyByteIsChecked(void **state) {
  (void)state;
  size_t size;
  unsigned char *image = makeImage(PREFIX_JSON, &size);
  for (size_t i = 0; i < size; i++) {
    const unsigned char bit = (unsigned char)(1u << i % 8);
    image[i] ^= bit;
    assert_int_equal(create(image, size, NULL), MAMBA_TOKENIZER_CORRUPT);
    image[i] ^= bit;
  }
  free(image);
}

/* Images with a right checksum and wrong contents are refused or work, without touching foreign memory. */
static void sealedDamage(const char *path, size_t step) {
  static const char text[] =
      "the <both> cat \u00c5b A\u030ab q\u0307\u0323 \u1112\u1161\u11ab hello  world's\n"
      "\u0344\u0f73 aaaaaaaaaaaa \xFF\u0301 12 <|end|>x\u212b";
  size_t size, refused = 0;
  unsigned char *image = makeImage(path, &size);
  const size_t careful = MAMBA_IMAGE_SECTIONS_AT; /* every byte of the header, some of the rest */
  for (size_t i = MAMBA_IMAGE_HEADER_AT; i < size; i += i < careful ? 1 : step) {
    static const unsigned char masks[] = {0x01, 0x80, 0xFF};
    const unsigned char mask = masks[i / step % 3];
    MambaTokenizer *tokenizer = NULL;
    const char *reason = NULL;
    image[i] ^= mask;
    seal(image, size);
    if (mambaTokenizerCreate(image, size, &tokenizer, &reason) == MAMBA_TOKENIZER_OK) {
      int32_t *ids = NULL;
      char *decoded = NULL;
      size_t count, length;
      assert_int_equal(mambaTokenizerEncode(tokenizer, text, sizeof text - 1, &ids, &count),
                       MAMBA_TOKENIZER_OK);
      assert_int_equal(mambaTokenizerDecode(tokenizer, ids, count, false, &decoded, &length),
                       MAMBA_TOKENIZER_OK);
      free(ids);
      free(decoded);
      mambaTokenizerDestroy(tokenizer);
    } else {
      assert_non_null(reason);
      refused++;
    }
    image[i] ^= mask;
  }
  assert_true(refused > 50);
  free(image);
}

static void sealedDamageAdded(void **state) {
  (void)state;
  sealedDamage(ADDED_JSON, 7);
}

static void sealedDamagePrefix(void **state) {
  (void)state;
  sealedDamage(PREFIX_JSON, 5);
}

/* Wrong values at known places, each with its reason. */
static void reasons(void **state) {
  (void)state;
  enum { BYTE_TOKENS = MAMBA_IMAGE_SECTIONS_AT, TOKEN_ENDS = BYTE_TOKENS + 4 * 256 };
  static const struct {
    size_t at;
    unsigned char value;
    bool sealed;
    const char *reason;
  } cases[] = {
      {0, 'm', true, "it does not begin with MAMBATOK"},
      {MAMBA_IMAGE_HEADER_AT + 4 * MAMBA_IMAGE_WORD_VERSION, 2, true, "its version is not 1"},
      {MAMBA_IMAGE_HEADER_AT + 4 * MAMBA_IMAGE_WORD_FLAGS, 16, true, "it has unknown flags"},
      {MAMBA_IMAGE_HEADER_AT + 4 * MAMBA_IMAGE_WORD_TOKENS + 3, 255, true,
       "its size does not agree with its header"},
      {MAMBA_IMAGE_CHECKSUM_AT, 0, false, "its checksum is wrong"},
      {BYTE_TOKENS + 3, 1, true, "the token of a byte is out of range"},
      {TOKEN_ENDS + 3, 1, true, "its tokens have wrong offsets"},
  };
  size_t size;
  unsigned char *image = makeImage(ADDED_JSON, &size);
  unsigned char *damaged = malloc(size);
  assert_non_null(damaged);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *reason = "";
    memcpy(damaged, image, size);
    damaged[cases[i].at] = cases[i].sealed ? cases[i].value : (unsigned char)~image[cases[i].at];
    if (cases[i].sealed)
      seal(damaged, size);
    assert_int_equal(create(damaged, size, &reason), MAMBA_TOKENIZER_CORRUPT);
    assert_string_equal(reason, cases[i].reason);
  }
  free(damaged);
  free(image);
}

/* The same file gives the same bytes, and a written image opens like the JSON it came from. */
static void sameAgain(void **state) {
  (void)state;
  size_t size, again;
  TempDir dir;
  unsigned char *image = makeImage(TINY_JSON, &size), *second = makeImage(TINY_JSON, &again);
  assert_int_equal(size, again);
  assert_memory_equal(image, second, size);
  tempDirCreate(&dir);
  tempDirWrite(&dir, "tokenizer.bin", image, size);
  MambaTokenizer *tokenizer = openTokenizer(tempDirPath(&dir, "tokenizer.bin"));
  assert_int_equal(mambaTokenizerGetSize(tokenizer), 4096);
  assertRoundTrip(tokenizer, "Once upon a time", 16);
  mambaTokenizerDestroy(tokenizer);

  MambaError error = {0};
  image[size - 1] ^= 1;
  tempDirWrite(&dir, "damaged.bin", image, size);
  assert_int_equal(mambaTokenizerOpen(tempDirPath(&dir, "damaged.bin"), &tokenizer, &error), MAMBA_INVALID);
  assert_non_null(strstr(error.message, "damaged.bin: not a usable tokenizer image: its checksum is wrong"));
  tempDirRemove(&dir);
  free(image);
  free(second);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(truncations),       cmocka_unit_test(everyByteIsChecked),
      cmocka_unit_test(sealedDamageAdded), cmocka_unit_test(sealedDamagePrefix),
      cmocka_unit_test(reasons),           cmocka_unit_test(sameAgain),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
