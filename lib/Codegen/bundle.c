#include "mamba/codegen.h"

#include "bundle_folder.h"
#include "embedded_files.h"
#include "emit.h"
#include "mamba/tokenizer.h"
#include "weights_file.h"

#include <stdlib.h>
#include <string.h>

/* kernels/text and kernels/bundle lie flat in a bundle, so that one "*.c" names every file to compile. */
static const char *bundlePath(const char *path) {
  static const char *const flattened[] = {"text/", "bundle/"};
  for (size_t i = 0; i < sizeof flattened / sizeof flattened[0]; i++)
    if (!strncmp(path, flattened[i], strlen(flattened[i])))
      return path + strlen(flattened[i]);
  return path;
}

static MambaStatus writeSources(const MambaBundleFolder *folder, MambaError *error) {
  MambaStatus status = MAMBA_OK;
  for (size_t i = 0; i < kMambaEmbeddedFileCount && !status; i++) {
    const MambaEmbeddedFile *file = &kMambaEmbeddedFiles[i];
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
  MambaStatus status = mambaTokenizerImageFromJson(path, &image, size, error);
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
typedef enum GeneratedFile { FILE_MODEL, FILE_GOLDEN, FILE_MODULE, FILE_MANIFEST, FILE_README } GeneratedFile;

static MambaStatus writeGenerated(GeneratedFile which, const MambaPlan *plan,
                                  const MambaBundleOptions *options, const MambaBundleSummary *summary,
                                  const MambaBundleFolder *folder, MambaError *error) {
  static const char *const names[] = {
      [FILE_MODEL] = "model.c",          [FILE_GOLDEN] = "golden.c",  [FILE_MODULE] = "model.mlir",
      [FILE_MANIFEST] = "manifest.json", [FILE_README] = "README.md",
  };
  const int64_t end_of_text =
      mambaHasAttribute(plan->module, "mamba.eos") ? mambaIntAttribute(plan->module, "mamba.eos") : -1;
  FILE *file;
  MambaStatus status = mambaBundleFolderOpen(folder, names[which], &file, error);
  if (status)
    return status;
  switch (which) {
  case FILE_MODEL:
    status = mambaEmitProgram(plan, end_of_text, file, error);
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
    mambaEmitReadme(options, summary, file);
    break;
  }
  if (status)
    fclose(file);
  else
    status = mambaBundleFolderClose(names[which], file, error);
  return status;
}

MambaStatus mambaCodegenCpu(MlirOperation module, const MambaBundleOptions *options,
                            MambaBundleSummary *summary, MambaError *error) {
  MambaPlan *plan = NULL;
  MambaBundleFolder folder = {0};
  MambaBundleSummary sizes = {0};
  MambaStatus status = mambaPlanCreate(module, &plan, error);
  if (status)
    goto cleanup;
  status = mambaBundleFolderCreate(options->output, &folder, error);
  if (status)
    goto cleanup;
  status = writeSources(&folder, error);
  if (!status)
    status = writeTokenizer(module, &folder, &sizes.tokenizer, error);
  if (!status)
    status = writeWeights(plan, &folder, error);
  sizes.weights = plan->weights_bytes;
  sizes.arena = plan->arena_bytes;
  sizes.state = plan->state_bytes;
  for (GeneratedFile file = FILE_MODEL; file <= FILE_README && !status; file++)
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
