#include "mamba/codegen.h"

#include "bundle_folder.h"
#include "embedded_files.h"
#include "emit.h"
#include "mamba/tokenizer.h"
#include "weights_file.h"

#include <stdlib.h>
#include <string.h>

static bool isBelow(const char *path, const char *folder) {
  return !strncmp(path, folder, strlen(folder));
}

/* Which bundles carry a file of kernels/. */
static bool isCarried(const char *path, const MambaTarget *target) {
  const bool cuda = mambaTargetIsCuda(target);
  if (isBelow(path, "cuda/") || isBelow(path, "bundle/cuda/"))
    return cuda;
  if (isBelow(path, "text/") || isBelow(path, "bundle/"))
    return !cuda || !isBelow(path, "bundle/cpu/");
  static const char *const shared[] = {"mamba_kernels.h", "mamba_math.h", "draw.h", "half.h", "contract.h",
                                       "hadamard_matrices.h"};
  for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++)
    if (!strcmp(path, shared[i]))
      return true;
  return !cuda; /* the kernels of the CPU */
}

/* kernels/text and kernels/bundle lie flat in a bundle, so that one "*.c" names every file to compile. */
static const char *bundlePath(const char *path) {
  static const char *const flattened[] = {"text/", "bundle/cpu/", "bundle/cuda/", "bundle/"};
  for (size_t i = 0; i < sizeof flattened / sizeof flattened[0]; i++)
    if (isBelow(path, flattened[i]))
      return path + strlen(flattened[i]);
  return path;
}

static MambaStatus writeSources(const MambaTarget *target, const MambaBundleFolder *folder,
                                MambaError *error) {
  MambaStatus status = MAMBA_OK;
  for (size_t i = 0; i < kMambaEmbeddedFileCount && !status; i++) {
    const MambaEmbeddedFile *file = &kMambaEmbeddedFiles[i];
    if (isCarried(file->path, target))
      status = mambaBundleFolderWrite(folder, bundlePath(file->path), file->data, file->size, error);
  }
  return status;
}

static MambaStatus writeWeights(MambaPlan *plan, const MambaBundleFolder *folder, MambaError *error) {
  char *path = mambaBundleFolderJoin(folder, "weights.bin");
  if (!path)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for a path");
  const MambaStatus status = mambaWriteWeights(plan, path, error);
  free(path);
  return status;
}

/* tokenizer.bin, where the module names a tokenizer; *size is 0 otherwise. */
static MambaStatus writeTokenizer(MlirOperation module, const MambaBundleFolder *folder, size_t *size,
                                  MambaError *error) {
  *size = 0;
  if (!mambaHasAttribute(module, "mamba.tokenizer"))
    return MAMBA_OK;
  const MlirStringRef name = mambaStringAttribute(module, "mamba.tokenizer");
  unsigned char *image = NULL;
  char *path = strndup(name.data, name.length);
  if (!path)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for a path");
  MambaStatus status = mambaTokenizerMakeImage(path, &image, size, error);
  if (!status)
    status = mambaBundleFolderWrite(folder, "tokenizer.bin", image, *size, error);
  free(image);
  free(path);
  return status;
}

static void printText(MlirStringRef text, void *file) {
  fwrite(text.data, 1, text.length, file);
}

static void emitModule(MlirOperation module, FILE *file) {
  const MlirOpPrintingFlags flags = mlirOpPrintingFlagsCreate();
  mlirOpPrintingFlagsEnableDebugInfo(flags, true, false);
  mlirOpPrintingFlagsUseLocalScope(flags);
  mlirOpPrintingFlagsPrintNameLocAsPrefix(flags);
  mlirOperationPrintWithFlags(module, flags, printText, file);
  mlirOpPrintingFlagsDestroy(flags);
  fputc('\n', file);
}

/* The generated texts. */
typedef enum GeneratedFile {
  FILE_PROGRAM,
  FILE_MODEL,
  FILE_GOLDEN,
  FILE_MODULE,
  FILE_MANIFEST,
  FILE_README
} GeneratedFile;

static const char *nameOfFile(GeneratedFile which, const MambaTarget *target) {
  static const char *const names[] = {
      [FILE_PROGRAM] = "program.c", [FILE_MODEL] = "model.c",          [FILE_GOLDEN] = "golden.c",
      [FILE_MODULE] = "model.mlir", [FILE_MANIFEST] = "manifest.json", [FILE_README] = "README.md",
  };
  return which == FILE_MODEL && mambaTargetIsCuda(target) ? "model.cu" : names[which];
}

static MambaStatus writeGenerated(GeneratedFile which, const MambaPlan *plan,
                                  const MambaBundleOptions *options, const MambaBundleSummary *summary,
                                  const MambaBundleFolder *folder, MambaError *error) {
  const char *name = nameOfFile(which, plan->target);
  FILE *file;
  MambaStatus status = mambaBundleFolderOpen(folder, name, &file, error);
  if (status)
    return status;
  switch (which) {
  case FILE_PROGRAM:
    mambaEmitProgram(plan, file);
    break;
  case FILE_MODEL:
    status = mambaEmitModel(plan, file, error);
    break;
  case FILE_GOLDEN:
    status = mambaEmitGolden(plan, options, file, error);
    break;
  case FILE_MODULE:
    emitModule(plan->module, file);
    break;
  case FILE_MANIFEST:
    status = mambaEmitManifest(plan, options, summary, file, error);
    break;
  case FILE_README:
    mambaEmitReadme(plan, options, summary, file);
    break;
  }
  if (status)
    fclose(file);
  else
    status = mambaBundleFolderClose(name, file, error);
  return status;
}

MambaStatus mambaCodegen(MlirOperation module, const MambaBundleOptions *options, MambaBundleSummary *summary,
                         MambaError *error) {
  MambaPlan *plan = NULL;
  MambaBundleFolder folder = {0};
  MambaBundleSummary sizes = {0};
  MambaStatus status = mambaPlanCreate(module, options->threads, &plan, error);
  if (status)
    goto cleanup;
  status = mambaBundleFolderCreate(options->output, &folder, error);
  if (status)
    goto cleanup;
  status = writeSources(plan->target, &folder, error);
  if (!status)
    status = writeTokenizer(module, &folder, &sizes.tokenizer, error);
  if (!status)
    status = writeWeights(plan, &folder, error);
  sizes.target = plan->target;
  sizes.weights = plan->weights_bytes;
  sizes.arena = plan->arena_bytes;
  sizes.state = plan->state_bytes;
  sizes.device = mambaPlanDeviceBytes(plan, 1);
  if (mambaHasAttribute(plan->forward, "mamba.decode_ns"))
    sizes.decode_seconds = 1e-9 * (double)mambaIntAttribute(plan->forward, "mamba.decode_ns");
  for (GeneratedFile file = FILE_PROGRAM; file <= FILE_README && !status; file++)
    status = writeGenerated(file, plan, options, &sizes, &folder, error);
  if (!status)
    status = mambaBundleFolderCommit(&folder, error);
  if (!status && summary)
    *summary = sizes;
cleanup:
  mambaBundleFolderDestroy(&folder);
  mambaPlanDestroy(plan);
  return status;
}
