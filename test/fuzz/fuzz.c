#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

/* ---- Tensors ---------------------------------------------------------------------------------------- */

void fuzzTouch(const MambaTensorView *tensor) {
  const volatile unsigned char *bytes = tensor->data;
  for (size_t i = 0; i < tensor->bytes; i++)
    (void)bytes[i];
}

/* ---- Archives --------------------------------------------------------------------------------------- */

enum { LOCAL_SIZE = 30, CENTRAL_SIZE = 46, END_SIZE = 22 };

static uint8_t *put(uint8_t *at, uint64_t value, int size) {
  for (int i = 0; i < size; i++)
    *at++ = i < 8 ? (uint8_t)(value >> (8 * i)) : 0;
  return at;
}

static uint8_t *putBytes(uint8_t *at, const void *bytes, size_t size) {
  memcpy(at, bytes, size);
  return at + size;
}

/* What the two headers of an entry have in common: version to name's size, and no extra field. */
static uint8_t *putHeader(uint8_t *at, const FuzzEntry *entry) {
  at = put(at, 20, 2);
  at = put(at, 0, 12); /* flags, method, time, date, checksum */
  at = put(at, entry->size, 4);
  at = put(at, entry->size, 4);
  at = put(at, strlen(entry->name), 2);
  return put(at, 0, 2);
}

uint8_t *fuzzMakeArchive(const FuzzEntry *entries, size_t count, size_t *size) {
  size_t whole = END_SIZE;
  for (size_t i = 0; i < count; i++)
    whole += LOCAL_SIZE + CENTRAL_SIZE + 2 * strlen(entries[i].name) + entries[i].size;
  uint8_t *archive = malloc(whole), *at = archive;
  if (!archive)
    return NULL;
  for (size_t i = 0; i < count; i++) {
    at = putHeader(put(at, 0x04034b50, 4), &entries[i]);
    at = putBytes(at, entries[i].name, strlen(entries[i].name));
    at = putBytes(at, entries[i].data, entries[i].size);
  }
  const uint8_t *directory = at;
  uint64_t offset = 0;
  for (size_t i = 0; i < count; i++) {
    at = putHeader(put(put(at, 0x02014b50, 4), 20, 2), &entries[i]);
    at = put(at, 0, 10); /* comment, disk, attributes */
    at = put(at, offset, 4);
    at = putBytes(at, entries[i].name, strlen(entries[i].name));
    offset += LOCAL_SIZE + strlen(entries[i].name) + entries[i].size;
  }
  const uint64_t length = (uint64_t)(at - directory);
  at = put(put(at, 0x06054b50, 4), 0, 4);
  at = put(put(at, count, 2), count, 2);
  at = put(put(at, length, 4), offset, 4);
  at = put(at, 0, 2);
  *size = (size_t)(at - archive);
  return archive;
}
