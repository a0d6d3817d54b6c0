#define _XOPEN_SOURCE 700 /* nftw */
#include "bundle_folder.h"

#include "mamba/codegen.h"
#include "mamba/json.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *join(const char *folder, const char *separator, const char *name) {
  const size_t size = strlen(folder) + strlen(separator) + strlen(name) + 1;
  char *path = malloc(size);
  if (path)
    snprintf(path, size, "%s%s%s", folder, separator, name);
  return path;
}

static MambaStatus noMemory(MambaError *error) {
  return mambaFail(error, MAMBA_NO_MEMORY, "no memory for a path");
}

/* ---- What stands in the place ------------------------------------------------------------------- */

static bool isEmptyFolder(const char *path) {
  DIR *folder = opendir(path);
  int entries = 0;
  if (!folder)
    return false;
  while (entries < 3 && readdir(folder)) /* "." and ".." */
    entries++;
  closedir(folder);
  return entries < 3;
}

static bool isBundle(const char *path) {
  char *manifest = join(path, "/", "manifest.json");
  json_t *root = NULL;
  MambaError ignored;
  bool ours = false;
  if (manifest && mambaJsonReadObject(manifest, &root, &ignored) == MAMBA_OK) {
    const char *generator = json_string_value(json_object_get(root, "generator"));
    ours = generator && !strcmp(generator, "mamba-opt");
  }
  json_decref(root);
  free(manifest);
  return ours;
}

/* A new folder needs one above it. */
static MambaStatus checkParent(const char *path, MambaError *error) {
  struct stat info;
  MambaStatus status = MAMBA_OK;
  size_t length = strlen(path);
  while (length > 1 && path[length - 1] == '/')
    length--;
  while (length > 0 && path[length - 1] != '/')
    length--;
  char *parent = length ? strndup(path, length) : strdup(".");
  if (!parent)
    status = noMemory(error);
  else if (stat(parent, &info) || !S_ISDIR(info.st_mode))
    status = mambaFail(error, MAMBA_IO, "%s: expected the folder %s to exist", path, parent);
  free(parent);
  return status;
}

MambaStatus mambaBundleCheckOutput(const char *output, MambaError *error) {
  struct stat info;
  if (!*output)
    return mambaFail(error, MAMBA_INVALID, "expected the name of a folder to write, found an empty one");
  if (lstat(output, &info))
    return errno == ENOENT ? checkParent(output, error) : mambaFailErrno(error, "%s", output);
  if (!S_ISDIR(info.st_mode))
    return mambaFail(error, MAMBA_INVALID,
                     "%s: expected a folder or nothing in the place of the bundle, found a file", output);
  if (!isEmptyFolder(output) && !isBundle(output))
    return mambaFail(
        error, MAMBA_INVALID,
        "%s: expected an empty folder or a bundle, which would be replaced; found another folder", output);
  return MAMBA_OK;
}

/* ---- Removal ------------------------------------------------------------------------------------ */

static int removeEntry(const char *path, const struct stat *info, int type, struct FTW *walk) {
  (void)info;
  (void)type;
  (void)walk;
  return remove(path);
}

static int removeTree(const char *path) {
  return nftw(path, removeEntry, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- The folder --------------------------------------------------------------------------------- */

MambaStatus mambaBundleFolderCreate(const char *path, MambaBundleFolder *folder, MambaError *error) {
  MambaBundleFolder created = {.path = strdup(path)};
  MambaStatus status = mambaBundleCheckOutput(path, error);
  if (!status && !created.path)
    status = noMemory(error);
  if (!status) {
    size_t length = strlen(created.path);
    while (length > 1 && created.path[length - 1] == '/')
      created.path[--length] = 0;
    char suffix[48];
    snprintf(suffix, sizeof suffix, ".%ld.tmp", (long)getpid());
    created.temporary = join(created.path, suffix, "");
    if (!created.temporary)
      status = noMemory(error);
    else if (mkdir(created.temporary, 0777))
      status = mambaFailErrno(error, "%s: cannot create", created.temporary);
  }
  if (status) {
    free(created.temporary);
    free(created.path);
  } else {
    *folder = created;
  }
  return status;
}

char *mambaBundleFolderJoin(const MambaBundleFolder *folder, const char *name) {
  return join(folder->temporary, "/", name);
}

MambaStatus mambaBundleFolderOpen(const MambaBundleFolder *folder, const char *name, FILE **file,
                                  MambaError *error) {
  MambaStatus status = MAMBA_OK;
  char *path = mambaBundleFolderJoin(folder, name);
  if (!path)
    return noMemory(error);
  for (char *slash = strchr(path + strlen(folder->temporary) + 1, '/'); slash && !status;
       slash = strchr(slash + 1, '/')) {
    *slash = 0;
    if (mkdir(path, 0777) && errno != EEXIST)
      status = mambaFailErrno(error, "%s: cannot create", path);
    *slash = '/';
  }
  FILE *opened = status ? NULL : fopen(path, "wb");
  if (!status && !opened)
    status = mambaFailErrno(error, "%s: cannot create", path);
  if (!status)
    *file = opened;
  free(path);
  return status;
}

MambaStatus mambaBundleFolderClose(const char *name, FILE *file, MambaError *error) {
  const bool failed = ferror(file);
  return fclose(file) || failed ? mambaFailErrno(error, "%s: cannot write", name) : MAMBA_OK;
}

MambaStatus mambaBundleFolderWrite(const MambaBundleFolder *folder, const char *name, const void *data,
                                   size_t size, MambaError *error) {
  FILE *file;
  const MambaStatus status = mambaBundleFolderOpen(folder, name, &file, error);
  if (status)
    return status;
  fwrite(data, 1, size, file); /* a failure stays in the stream */
  return mambaBundleFolderClose(name, file, error);
}

MambaStatus mambaBundleFolderCommit(MambaBundleFolder *folder, MambaError *error) {
  MambaStatus status = mambaBundleCheckOutput(folder->path, error);
  if (status)
    return status;
  char *old = join(folder->temporary, ".old", "");
  if (!old)
    return noMemory(error);
  const bool replaced = rename(folder->path, old) == 0;
  if (!replaced && errno != ENOENT) {
    status = mambaFailErrno(error, "%s: cannot replace", folder->path);
  } else if (rename(folder->temporary, folder->path)) {
    status = mambaFailErrno(error, "%s: cannot put in place", folder->path);
    if (replaced && rename(old, folder->path))
      status = mambaFailContext(error, "the older bundle is left in %s", old);
  } else {
    free(folder->temporary);
    folder->temporary = NULL;
    if (replaced && removeTree(old))
      status = mambaFailErrno(error, "%s: the older bundle cannot be removed", old);
  }
  free(old);
  return status;
}

void mambaBundleFolderDestroy(MambaBundleFolder *folder) {
  if (folder->temporary)
    removeTree(folder->temporary);
  free(folder->temporary);
  free(folder->path);
  *folder = (MambaBundleFolder){0};
}
