/* replay FOLDER...: has the target read every file of these folders, without libFuzzer. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From memory of exactly the size, so that a sanitizer sees a read beyond. False, with a message, on failure.
 */
static bool replay(const char *path) {
  bool done = false;
  uint8_t *data = NULL;
  FILE *file = fopen(path, "rb");
  long size = -1;
  if (file && fseek(file, 0, SEEK_END) == 0)
    size = ftell(file);
  if (size < 0)
    goto cleanup;
  rewind(file);
  data = malloc((size_t)size);
  if ((!data && size) || fread(data, 1, (size_t)size, file) != (size_t)size)
    goto cleanup;
  fuzzRead(data, (size_t)size);
  done = true;

cleanup:
  if (!done)
    perror(path);
  if (file)
    fclose(file);
  free(data);
  return done;
}

/* The number of files, or -1. */
static int replayFolder(const char *folder) {
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
    count = replay(path) ? count + 1 : -1;
  }
  closedir(list);
  return count;
}

int main(int argc, char **argv) {
  int total = 0;
  for (int i = 1; i < argc; i++) {
    const int count = replayFolder(argv[i]);
    if (count < 0)
      return EXIT_FAILURE;
    total += count;
  }
  printf("%d files read\n", total);
  return total ? EXIT_SUCCESS : EXIT_FAILURE;
}
