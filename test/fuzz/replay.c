/* replay [--damage] FOLDER...: has the target read every file of these folders, without libFuzzer. With
 * --damage it also reads every beginning of each, and each with a bit changed in every byte; of files above 4
 * KiB some. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A copy of exactly the size, so that a sanitizer sees a read beyond. */
static bool readCopy(const uint8_t *data, size_t size) {
  uint8_t *copy = malloc(size ? size : 1);
  if (!copy)
    return false;
  memcpy(copy, data, size);
  fuzzRead(copy, size);
  free(copy);
  return true;
}

static bool readDamaged(uint8_t *data, size_t size) {
  const size_t step = size < 4096 ? 1 : size / 1024;
  bool done = true;
  for (size_t at = 0; at < size && done; at += step) {
    data[at] ^= (uint8_t)(1 << at % 8);
    done = readCopy(data, size);
    data[at] ^= (uint8_t)(1 << at % 8);
    done = done && readCopy(data, at);
  }
  return done;
}

/* False, with a message, on failure. */
static bool replay(const char *path, bool damage) {
  bool done = false;
  uint8_t *data = NULL;
  FILE *file = fopen(path, "rb");
  long size = -1;
  if (file && fseek(file, 0, SEEK_END) == 0)
    size = ftell(file);
  if (size < 0)
    goto cleanup;
  rewind(file);
  data = malloc((size_t)size + 1);
  done = data && fread(data, 1, (size_t)size, file) == (size_t)size && readCopy(data, (size_t)size) &&
         (!damage || readDamaged(data, (size_t)size));

cleanup:
  if (!done)
    perror(path);
  if (file)
    fclose(file);
  free(data);
  return done;
}

/* The number of files, or -1. */
static int replayFolder(const char *folder, bool damage) {
  DIR *list = opendir(folder);
  int count = 0;
  char path[4096];
  if (!list) {
    perror(folder);
    return -1;
  }
  for (const struct dirent *entry; count >= 0 && (entry = readdir(list));) {
    if (entry->d_name[0] == '.')
      continue;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    count = replay(path, damage) ? count + 1 : -1;
  }
  closedir(list);
  return count;
}

int main(int argc, char **argv) {
  const bool damage = argc > 1 && strcmp(argv[1], "--damage") == 0;
  int total = 0;
  for (int i = damage ? 2 : 1; i < argc; i++) {
    const int count = replayFolder(argv[i], damage);
    if (count < 0)
      return EXIT_FAILURE;
    total += count;
  }
  printf("%d files read\n", total);
  return total ? EXIT_SUCCESS : EXIT_FAILURE;
}
