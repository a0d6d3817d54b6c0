#define _XOPEN_SOURCE 700 /* nftw */
#include "tempdir.h"

#include <dirent.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

void tempDirCreate(TempDir *dir) {
  const char *base = getenv("TMPDIR");
  snprintf(dir->path, sizeof dir->path, "%s/mamba-test-XXXXXX", base ? base : "/tmp");
  assert_non_null(mkdtemp(dir->path));
}

static int removeEntry(const char *path, const struct stat *info, int type, struct FTW *walk) {
  (void)info;
  (void)type;
  (void)walk;
  return remove(path);
}

void tempDirRemove(TempDir *dir) {
  assert_int_equal(nftw(dir->path, removeEntry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

const char *tempDirPath(const TempDir *dir, const char *name) {
  static char buffers[4][512];
  static unsigned next;
  char *buffer = buffers[next++ % 4];
  assert_true(snprintf(buffer, sizeof buffers[0], "%s/%s", dir->path, name) < (int)sizeof buffers[0]);
  return buffer;
}

void tempDirWrite(const TempDir *dir, const char *name, const void *data, size_t size) {
  FILE *file = fopen(tempDirPath(dir, name), "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(data, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
}

void tempDirWriteText(const TempDir *dir, const char *name, const char *text) {
  tempDirWrite(dir, name, text, strlen(text));
}

bool tempDirHas(const TempDir *dir, const char *name) {
  return access(tempDirPath(dir, name), F_OK) == 0;
}

size_t tempDirCountFiles(const TempDir *dir) {
  size_t count = 0;
  DIR *stream = opendir(dir->path);
  assert_non_null(stream);
  for (const struct dirent *entry; (entry = readdir(stream));)
    count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
  closedir(stream);
  return count;
}

char *readWholeFile(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  assert_int_equal(fseek(file, 0, SEEK_END), 0);
  const long length = ftell(file);
  assert_true(length >= 0);
  rewind(file);
  char *data = malloc((size_t)length + 1);
  assert_non_null(data);
  assert_int_equal(fread(data, 1, (size_t)length, file), (size_t)length);
  data[length] = '\0';
  fclose(file);
  *size = (size_t)length;
  return data;
}
