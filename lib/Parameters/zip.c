#include "zip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Signatures, and sizes of what has a fixed one. */
enum {
  END_SIGNATURE = 0x06054b50,
  END_SIZE = 22,
  END64_SIGNATURE = 0x06064b50,
  END64_SIZE = 56,
  LOCATOR_SIGNATURE = 0x07064b50,
  LOCATOR_SIZE = 20,
  CENTRAL_SIGNATURE = 0x02014b50,
  CENTRAL_SIZE = 46,
  LOCAL_SIGNATURE = 0x04034b50,
  LOCAL_SIZE = 30,
  MAX_COMMENT = 65535,
  ENCRYPTED = 1, /* a flag of an entry */
  EXTRA64 = 1,   /* the extra field with 64-bit numbers */
};

typedef struct Archive {
  const unsigned char *bytes;
  size_t size;
  const char *label;
  MambaError *error;
} Archive;

/* Where the central directory is. */
typedef struct Directory {
  uint64_t count, size, offset;
} Directory;

static uint64_t number(const unsigned char *bytes, int size) {
  uint64_t value = 0;
  for (int i = 0; i < size; i++)
    value |= (uint64_t)bytes[i] << (8 * i);
  return value;
}

static bool inside(const Archive *archive, uint64_t offset, uint64_t size) {
  return offset <= archive->size && size <= archive->size - offset;
}

static MambaStatus invalid(const Archive *archive, const char *what) {
  return mambaFail(archive->error, MAMBA_INVALID, "%s: not a whole ZIP archive: %s", archive->label, what);
}

/* The 64-bit end record, where the other has a number that does not fit. */
static MambaStatus readEnd64(const Archive *archive, size_t end, Directory *directory) {
  if (end < LOCATOR_SIZE || number(archive->bytes + end - LOCATOR_SIZE, 4) != LOCATOR_SIGNATURE)
    return invalid(archive, "the 64-bit end record is missing");
  const uint64_t offset = number(archive->bytes + end - LOCATOR_SIZE + 8, 8);
  if (!inside(archive, offset, END64_SIZE) || number(archive->bytes + offset, 4) != END64_SIGNATURE)
    return invalid(archive, "the 64-bit end record is not where it should be");
  const unsigned char *record = archive->bytes + offset;
  *directory = (Directory){number(record + 32, 8), number(record + 40, 8), number(record + 48, 8)};
  return MAMBA_OK;
}

static MambaStatus findDirectory(const Archive *archive, Directory *directory) {
  const size_t last = archive->size >= END_SIZE ? archive->size - END_SIZE : 0;
  size_t end = last;
  while (archive->size >= END_SIZE && number(archive->bytes + end, 4) != END_SIGNATURE && end &&
         last - end < MAX_COMMENT)
    end--;
  if (archive->size < END_SIZE || number(archive->bytes + end, 4) != END_SIGNATURE ||
      number(archive->bytes + end + 20, 2) != last - end)
    return invalid(archive, "no end of the central directory");
  const unsigned char *record = archive->bytes + end;
  if (number(record + 4, 2) || number(record + 6, 2))
    return mambaFail(archive->error, MAMBA_UNSUPPORTED, "%s: archives in several parts are not supported",
                     archive->label);
  *directory = (Directory){number(record + 10, 2), number(record + 12, 4), number(record + 16, 4)};
  if (directory->count == UINT16_MAX || directory->size == UINT32_MAX || directory->offset == UINT32_MAX)
    return readEnd64(archive, end, directory);
  return MAMBA_OK;
}

/* Replaces what is all ones in a directory entry by the numbers of its 64-bit field, which are there in this
 * order. */
static MambaStatus widen(const Archive *archive, const unsigned char *extra, size_t size,
                         uint64_t *numbers[3]) {
  for (size_t at = 0; at + 4 <= size;) {
    const uint64_t kind = number(extra + at, 2), length = number(extra + at + 2, 2);
    if (length > size - at - 4)
      return invalid(archive, "an extra field ends outside of its entry");
    size_t used = 0;
    for (int i = 0; i < 3 && kind == EXTRA64; i++) {
      if (*numbers[i] != UINT32_MAX)
        continue;
      if (used + 8 > length)
        return invalid(archive, "a 64-bit field is too short");
      *numbers[i] = number(extra + at + 4 + used, 8);
      used += 8;
    }
    at += 4 + (size_t)length;
  }
  return MAMBA_OK;
}

/* Reads the directory's entry at *at and steps over it. */
static MambaStatus readEntry(const Archive *archive, uint64_t *at, uint64_t end, MambaZipEntry *entry) {
  const unsigned char *record = archive->bytes + *at;
  if (end - *at < CENTRAL_SIZE || number(record, 4) != CENTRAL_SIGNATURE)
    return invalid(archive, "an entry of the central directory is damaged");
  const uint64_t flags = number(record + 8, 2), method = number(record + 10, 2);
  const uint64_t nameSize = number(record + 28, 2), extra = number(record + 30, 2);
  const uint64_t whole = CENTRAL_SIZE + nameSize + extra + number(record + 32, 2);
  uint64_t packed = number(record + 20, 4), size = number(record + 24, 4), offset = number(record + 42, 4);
  if (whole > end - *at)
    return invalid(archive, "an entry ends outside of the central directory");
  entry->name = (const char *)record + CENTRAL_SIZE;
  entry->nameSize = (size_t)nameSize;
  MambaStatus status = widen(archive, record + CENTRAL_SIZE + nameSize, (size_t)extra,
                             (uint64_t *[]){&size, &packed, &offset});
  if (status != MAMBA_OK)
    return status;
  if (method != 0 || (flags & ENCRYPTED) || packed != size)
    return mambaFail(archive->error, MAMBA_UNSUPPORTED,
                     "%s: entry '%.*s': expected it stored, found it compressed or encrypted", archive->label,
                     (int)nameSize, entry->name);
  if (!inside(archive, offset, LOCAL_SIZE) || number(archive->bytes + offset, 4) != LOCAL_SIGNATURE)
    return invalid(archive, "an entry is not where the directory says");
  const unsigned char *local = archive->bytes + offset;
  const uint64_t begin = offset + LOCAL_SIZE + number(local + 26, 2) + number(local + 28, 2);
  if (!inside(archive, begin, size))
    return mambaFail(archive->error, MAMBA_INVALID,
                     "%s: entry '%.*s': expected %" PRIu64 " bytes at offset %" PRIu64
                     ", found a file of %zu",
                     archive->label, (int)nameSize, entry->name, size, begin, archive->size);
  if (number(local + 26, 2) != nameSize || memcmp(local + LOCAL_SIZE, entry->name, entry->nameSize) != 0)
    return invalid(archive, "an entry and the directory disagree about its name");
  entry->data = archive->bytes + begin;
  entry->size = (size_t)size;
  *at += whole;
  return MAMBA_OK;
}

static int compareEntries(const void *left, const void *right) {
  const MambaZipEntry *a = left, *b = right;
  const int order = memcmp(a->name, b->name, a->nameSize < b->nameSize ? a->nameSize : b->nameSize);
  return order ? order : (a->nameSize > b->nameSize) - (a->nameSize < b->nameSize);
}

static int comparePlaces(const void *left, const void *right) {
  const MambaZipEntry *a = left, *b = right;
  return ((uintptr_t)a->data > (uintptr_t)b->data) - ((uintptr_t)a->data < (uintptr_t)b->data);
}

/* No writer lets entries share bytes. Puts them in the order of their data. */
static MambaStatus checkPlacesDiffer(const Archive *archive, MambaZip *zip) {
  qsort(zip->entries, zip->count, sizeof *zip->entries, comparePlaces);
  for (size_t i = 1; i < zip->count; i++)
    if ((size_t)(zip->entries[i].data - zip->entries[i - 1].data) < zip->entries[i - 1].size)
      return mambaFail(archive->error, MAMBA_INVALID,
                       "%s: entry '%.*s': expected data of its own, found an overlap", archive->label,
                       (int)zip->entries[i].nameSize, zip->entries[i].name);
  return MAMBA_OK;
}

static MambaStatus readDirectory(const Archive *archive, const Directory *directory, MambaZip *zip) {
  uint64_t at = directory->offset;
  if (!inside(archive, directory->offset, directory->size) ||
      directory->count > directory->size / CENTRAL_SIZE)
    return invalid(archive, "the central directory does not fit the file");
  zip->entries = calloc((size_t)directory->count + 1, sizeof *zip->entries);
  if (!zip->entries)
    return mambaFail(archive->error, MAMBA_NO_MEMORY, "%s: out of memory", archive->label);
  for (; zip->count < directory->count; zip->count++) {
    const MambaStatus status =
        readEntry(archive, &at, directory->offset + directory->size, &zip->entries[zip->count]);
    if (status != MAMBA_OK)
      return status;
  }
  if (at != directory->offset + directory->size)
    return invalid(archive, "the central directory has more than its entries");
  const MambaStatus status = checkPlacesDiffer(archive, zip);
  if (status != MAMBA_OK)
    return status;
  qsort(zip->entries, zip->count, sizeof *zip->entries, compareEntries);
  for (size_t i = 1; i < zip->count; i++)
    if (compareEntries(&zip->entries[i - 1], &zip->entries[i]) == 0)
      return mambaFail(archive->error, MAMBA_INVALID, "%s: entry '%.*s' is there twice", archive->label,
                       (int)zip->entries[i].nameSize, zip->entries[i].name);
  return MAMBA_OK;
}

MambaStatus mambaZipParse(const void *buffer, size_t size, const char *label, MambaZip *zip,
                          MambaError *error) {
  const Archive archive = {buffer, size, label, error};
  Directory directory = {0, 0, 0};
  MambaZip result = {NULL, 0};
  MambaStatus status = findDirectory(&archive, &directory);
  if (status == MAMBA_OK)
    status = readDirectory(&archive, &directory, &result);
  if (status == MAMBA_OK)
    *zip = result;
  else
    mambaZipClear(&result);
  return status;
}

void mambaZipClear(MambaZip *zip) {
  free(zip->entries);
  *zip = (MambaZip){NULL, 0};
}

const MambaZipEntry *mambaZipFind(const MambaZip *zip, const char *name, size_t nameSize) {
  const MambaZipEntry wanted = {.name = name, .nameSize = nameSize};
  return zip->count ? bsearch(&wanted, zip->entries, zip->count, sizeof wanted, compareEntries) : NULL;
}
