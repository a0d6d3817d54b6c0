/* mamba-compile: from a trained checkpoint to a folder of C, in one command. */
#include "cli.h"
#include "cli_pages.h"
#include "report.h"
#include "load.h"
#include "synthetic.h"

#include "mamba/codegen.h"
#include "mamba/import.h"
#include "mamba/passes.h"
#include "mamba/shim.h"
#include "mamba/suggest.h"
#include "mamba/synthetic.h"
#include "mamba/target.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  KEY_TARGET = 256,
  KEY_RECIPE,
  KEY_CALIBRATION,
  KEY_SAMPLES,
  KEY_LENGTH,
  KEY_SEED,
  KEY_STATISTICS,
  KEY_PERCENTILE,
  KEY_RULES,
  KEY_BUDGET,
  KEY_HEAD,
  KEY_GROUP,
  KEY_STATE,
  KEY_CHUNK,
  KEY_MAX_THREADS,
  KEY_DECODE,
  KEY_THREADS,
  KEY_KEEP_IR,
  KEY_REPORT,
  KEY_SYNTHETIC,
  KEY_LAYERS,
  KEY_CHECKPOINT,
};

static const MambaCliOption kOptions[] = {
    {'o', "output", "DIR", "folder to write; an older bundle there is replaced"},
    {KEY_TARGET, "target", "NAME",
     "what the program will run on: cpu (the default), orin, orin-nano,\n"
     "orin-nano-super, orin-agx, cuda-sm80, -sm86, -sm89, -sm90 or h200"},
    {KEY_RECIPE, "recipe", "NAME",
     "how to quantize: per-token (the default), best, w4a8, w4a16, w8, dynamic,\nsmoothquant, rotate-all, quamba, "
     "quamba-paper, static, or float for not at\nall; none for IR that is at level 3 already"},
    {KEY_CALIBRATION, "calibration", "FILE",
     "text, or .safetensors or .npy of token ids, to measure values\non; self (the default): the model "
     "writes its own"},
    {KEY_SAMPLES, "samples", "N", "sequences to calibrate on"},
    {KEY_LENGTH, "length", "N", "tokens of each"},
    {KEY_SEED, "seed", "N", "of the text that the model writes for --calibration=self"},
    {KEY_STATISTICS, "statistics", "FILE", "keep the calibration there, or reuse it"},
    {KEY_PERCENTILE, "percentile", "P", "where the scan's input is clamped, instead of the recipe's own"},
    {KEY_RULES, "rules", "FILE", "choices for single layers: lines \"layers.0.* y=f32\" (docs/passes.md, mamba-rules)"},
    {KEY_BUDGET, "budget", "AMOUNT",
     "of bytes of weights, such as 120MiB, or of the predicted time of a token\non a GPU, such as 1.2ms, for "
     "--recipe=best: what is left of it after int8\ngoes to the layers that need it most"},
    {KEY_HEAD, "head", "KIND",
     "lm_head: token (int8, its input rotated, a scale per token), w8\n(int8, its input in f32) or 16 (bits, as "
     "stored), instead of the\nrecipe's own"},
    {KEY_GROUP, "group", "N", "columns that share a scale of 4-bit weights: a multiple of 32, or row (128)"},
    {KEY_STATE, "state", "KIND", "of the scans, from token to token: f32 (the default) or i8"},
    {KEY_CHUNK, "chunk", "N", "tokens that the program processes at a time (64, or 512 on a GPU)"},
    {KEY_MAX_THREADS, "max-threads", "N", "most threads that the program may use (16)"},
    {KEY_DECODE, "decode", "KIND",
     "how a GPU runs the layers of a token: graph (three kernels each) or\npersistent (one for all), instead of "
     "the one predicted to be faster"},
    {KEY_THREADS, "threads", "N", "threads of this compiler; 0 (the default): one per processor"},
    {KEY_KEEP_IR, "keep-ir", "DIR", "write the IR after every pass into this folder"},
    {KEY_REPORT, "report", "FILE",
     "write a page (HTML) about outliers, error by layer, size and speed, and its\nfigures as FILE.json"},
    {KEY_SYNTHETIC, "synthetic", "SHAPE",
     "instead of MODEL, random weights in the shape of 130m, 370m, 790m,\n1.4b or 2.8b, to measure speed; "
     "calibrated on 16 tokens"},
    {KEY_LAYERS, "layers", "N", "of the synthetic model, instead of its shape's own"},
    {KEY_CHECKPOINT, "checkpoint", NULL,
     "write the synthetic model to DIR as a checkpoint, and do not\ncompile it"},
    {'q', "quiet", NULL, "print nothing but errors"},
};

static const char *const kNone[] = {"none", NULL}, *const kSelf[] = {"self", NULL},
                         *const kDecodeWays[] = {"graph", "persistent", NULL};

static const MambaCliValues kValues[] = {
    {"target", &kMambaTargets->name, sizeof *kMambaTargets, false},
    {"recipe", &kMambaRecipes->name, sizeof *kMambaRecipes, false},
    {"recipe", kNone, sizeof *kNone, false},
    {"calibration", kSelf, sizeof *kSelf, true},
    {"head", kMambaHeads, sizeof *kMambaHeads, false},
    {"state", kMambaStates, sizeof *kMambaStates, false},
    {"decode", kDecodeWays, sizeof *kDecodeWays, false},
    {"synthetic", &kMambaSyntheticShapes->name, sizeof *kMambaSyntheticShapes, false},
};

static const MambaCli kCli = {
    .program = "mamba-compile",
    .usage = "MODEL -o DIR [OPTION ...]\n"
             "--synthetic=SHAPE -o DIR [OPTION ...]",
    .summary =
        "Compiles a Mamba language model to a folder of C that builds with one command.\n"
        "MODEL is a Hugging Face folder, or IR at any level (.mlir or bytecode; - for standard input).\n",
    .footer = "  mamba-compile models/tiny -o build/tiny\n"
              "  mamba-compile models/tiny -o build/tiny --calibration=calib.txt --percentile=99.99\n",
    .options = kOptions,
    .option_count = sizeof kOptions / sizeof kOptions[0],
    .values = kValues,
    .value_count = sizeof kValues / sizeof kValues[0],
};

typedef struct Options {
  const MambaTarget *target;           /* NULL when not given */
  const char *model, *output, *recipe; /* recipe: NULL when not given */
  const char *keep_ir;
  const char *decode; /* NULL when not given */
  const char *report; /* a page, or NULL */
  const char *synthetic;   /* a shape, or NULL */
  int64_t layers;          /* of the synthetic model; 0 for its own */
  int64_t samples, length; /* of the calibration; 0 when not given */
  MambaPipelineOptions pipeline;
  int64_t chunk, max_threads, threads;
  bool checkpoint; /* of the synthetic model, instead of a bundle */
  bool quiet;
} Options;

/* Reads the command line; gives an exit code, or -1 to go on. */
static int readOptions(int argc, char **argv, Options *options) {
  const char *value;
  int64_t number;
  double fraction;
  for (int key; (key = mambaCliNext(&kCli, argc, argv, &value)) != MAMBA_CLI_END;) {
    bool valid = true;
    switch (key) {
    case 'o':
      options->output = value;
      break;
    case 'q':
      options->quiet = true;
      break;
    case KEY_TARGET:
      valid = mambaCliName(&kCli, "target", value, &kMambaTargets->name, sizeof *kMambaTargets);
      options->target = mambaTargetFind(value);
      options->pipeline.target = value;
      break;
    case KEY_RECIPE:
      options->recipe = value;
      break;
    case KEY_CALIBRATION:
      options->pipeline.calibrate.calibration = value;
      break;
    case KEY_SAMPLES:
      valid = mambaCliInteger(&kCli, "samples", value, 1, 1 << 20, &options->samples);
      break;
    case KEY_LENGTH:
      valid = mambaCliInteger(&kCli, "length", value, 1, 1 << 20, &options->length);
      break;
    case KEY_SEED:
      valid = mambaCliInteger(&kCli, "seed", value, 0, INT64_MAX, &number);
      options->pipeline.calibrate.seed = number;
      break;
    case KEY_STATISTICS:
      options->pipeline.calibrate.statistics = value;
      break;
    case KEY_PERCENTILE:
      valid = mambaCliNumber(&kCli, "percentile", value, 50, 100, &fraction);
      options->pipeline.percentile = fraction;
      break;
    case KEY_RULES:
      options->pipeline.rules = value;
      break;
    case KEY_BUDGET:
      options->pipeline.budget = value;
      break;
    case KEY_HEAD:
      valid = mambaCliName(&kCli, "head", value, kMambaHeads, sizeof *kMambaHeads);
      options->pipeline.head = value;
      break;
    case KEY_GROUP:
      options->pipeline.group = value;
      break;
    case KEY_STATE:
      valid = mambaCliName(&kCli, "state", value, kMambaStates, sizeof *kMambaStates);
      options->pipeline.state = value;
      break;
    case KEY_CHUNK:
      valid = mambaCliInteger(&kCli, "chunk", value, 1, 1 << 16, &options->chunk);
      break;
    case KEY_MAX_THREADS:
      valid = mambaCliInteger(&kCli, "max-threads", value, 1, 1024, &options->max_threads);
      break;
    case KEY_DECODE:
      valid = mambaCliName(&kCli, "decode", value, kDecodeWays, sizeof *kDecodeWays);
      options->decode = value;
      break;
    case KEY_THREADS:
      valid = mambaCliInteger(&kCli, "threads", value, 0, 1024, &options->threads);
      break;
    case KEY_KEEP_IR:
      options->keep_ir = value;
      break;
    case KEY_REPORT:
      options->report = value;
      break;
    case KEY_SYNTHETIC:
      options->synthetic = value;
      break;
    case KEY_LAYERS:
      valid = mambaCliInteger(&kCli, "layers", value, 1, 1024, &options->layers);
      break;
    case KEY_CHECKPOINT:
      options->checkpoint = true;
      break;
    case MAMBA_CLI_DONE:
      return MAMBA_EXIT_OK;
    default:
      return MAMBA_EXIT_USAGE;
    }
    if (!valid)
      return MAMBA_EXIT_USAGE;
  }
  const int models = argc - optind;
  if (options->synthetic && models)
    return mambaCliUsageError(&kCli, "expected --synthetic or a MODEL, found both");
  if (!options->synthetic && models != 1)
    return mambaCliUsageError(&kCli, "expected one MODEL, found %d", models);
  if (!options->synthetic && (options->layers || options->checkpoint))
    return mambaCliUsageError(&kCli, "%s is for --synthetic", options->layers ? "--layers" : "--checkpoint");
  if (!options->output)
    return mambaCliUsageError(&kCli, "expected -o DIR, the folder to write");
  options->model = argv[optind]; /* NULL behind the last argument */
  /* Random activations need no more to be covered, and a large model would take long. */
  if (options->samples || options->synthetic)
    options->pipeline.calibrate.samples = options->samples ? options->samples : 1;
  if (options->length || options->synthetic)
    options->pipeline.calibrate.length = options->length ? options->length : 16;
  return -1;
}

/* One line for a person who waits. */
MAMBA_PRINTF(2, 3) static void progress(const Options *options, const char *format, ...) {
  if (options->quiet || !isatty(STDERR_FILENO))
    return;
  va_list args;
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fputc('\n', stderr);
}

/* "tiny" of "models/tiny/" or "tiny.int8.mlir" of "work/tiny.int8.mlir"; the caller frees it. */
static char *nameOfModel(const char *path) {
  size_t end = strlen(path);
  while (end > 1 && path[end - 1] == '/')
    end--;
  size_t begin = end;
  while (begin > 0 && path[begin - 1] != '/')
    begin--;
  return strndup(path + begin, end - begin);
}

/* ---- The stages --------------------------------------------------------------------------------- */

static bool isPlanned(MlirModule module) {
  const MlirOperation forward = mambaForward(mlirModuleGetOperation(module));
  return !mlirOperationIsNull(forward) && mambaHasAttribute(forward, "mamba.arena");
}

/* A plan is for one target; a user who names another expects a new plan. */
static MambaStatus checkPlan(MlirModule module, const Options *options, MambaError *error) {
  const MlirOperation forward = mambaForward(mlirModuleGetOperation(module));
  if (!options->target || !isPlanned(module) || !mambaHasAttribute(forward, "mamba.target"))
    return MAMBA_OK;
  const MlirStringRef planned = mambaStringAttribute(forward, "mamba.target");
  if (mambaRefIs(planned, options->target->name))
    return MAMBA_OK;
  return mambaFail(error, MAMBA_INVALID,
                   "%s: planned for %.*s: expected that --target, or IR before mamba-plan; found %s",
                   options->model, (int)planned.length, planned.data, options->target->name);
}

/* The passes that are left to do, as text; empty for a planned module. */
static MambaStatus spellPipeline(const Options *options, const char *recipe, bool planned, char *text,
                                 size_t size, MambaError *error) {
  char passes[4096] = "", plan[128] = "";
  MambaStatus status = MAMBA_OK;
  if (strcmp(recipe, "none"))
    status = mambaPipelineSpec(recipe, &options->pipeline, passes, sizeof passes, error);
  if (!planned)
    snprintf(plan, sizeof plan, "mamba-plan{target=%s tokens=%" PRId64 " threads=%" PRId64 "%s%s}",
             options->target ? options->target->name : "cpu", options->chunk, options->max_threads,
             options->decode ? " decode=" : "", options->decode ? options->decode : "");
  const int length =
      snprintf(text, size, "builtin.module(%s%s%s)", passes, *passes && *plan ? "," : "", plan);
  if (!status && (size_t)length >= size)
    status = mambaFail(error, MAMBA_INVALID, "the pipeline is longer than %zu characters", size);
  return status;
}

/* The path beside a folder that has the folder's name and a suffix; the caller frees it. */
static char *withSuffix(const char *folder, const char *suffix) {
  size_t length = strlen(folder);
  while (length > 1 && folder[length - 1] == '/')
    length--;
  char *path = malloc(length + strlen(suffix) + 1);
  if (path) {
    memcpy(path, folder, length);
    strcpy(path + length, suffix);
  }
  return path;
}

/* A recipe with scales per channel or 4-bit weights reads them from files, and so does the report: those beside the
 * bundle, made anew, when the user names none. The caller frees it; NULL when none is needed or there is no
 * memory. */
static char *defaultStatistics(const Options *options, const char *recipe) {
  const MambaRecipe *entry = kMambaRecipes;
  while (entry->name && strcmp(entry->name, recipe))
    entry++;
  const bool reads = entry->name && (mambaRecipeNeedsFiles(entry) ||
                                     (options->report && strstr(entry->passes, "{calibrate}")));
  if (!reads || *options->pipeline.calibrate.statistics)
    return NULL;
  char *path = withSuffix(options->output, ".statistics.json");
  char *companion = withSuffix(options->output, ".statistics.json.safetensors");
  if (path && companion) {
    unlink(companion);
    unlink(path);
  }
  free(companion);
  return path;
}

static void printSummary(const Options *options, const MambaBundleSummary *summary) {
  char command[256];
  mambaTargetBuildCommand(summary->target, command, sizeof command);
  printf("%s: %.1f MB of weights, %.1f KB of buffers, %.1f KB of state\n", options->output,
         (double)summary->weights / 1e6, (double)summary->arena / 1e3, (double)summary->state / 1e3);
  if (summary->device)
    printf("on the GPU: %zu bytes for one sequence, of which each further one takes %zu\n"
           "predicted for %s: %.3f ms a token, batch 1\n",
           summary->device, summary->state, summary->target->name, 1e3 * summary->decode_seconds);
  printf("build it: cd %s && %s\n", options->output, command);
}

static MambaStatus compile(MlirContext context, const Options *given, MambaError *error) {
  Options complete = *given;
  const Options *options = &complete;
  MlirModule module = {NULL};
  MlirOperation imported = {NULL}; /* as it was before the passes, for the report */
  char *outliers = NULL;           /* what the report knows of activations */
  char pipeline[4608];
  MambaBundleSummary summary;
  bool is_synthetic = false; /* the random model is there, to be removed */
  char *folder = NULL;
  char *name = options->synthetic ? strdup(options->synthetic) : nameOfModel(options->model);
  const char *recipe = options->recipe                                            ? options->recipe
                       : options->synthetic || mambaImportIsModel(options->model) ? "per-token"
                                                                                  : "none";
  char *statistics = defaultStatistics(options, recipe);
  if (statistics)
    complete.pipeline.calibrate.statistics = statistics;
  MambaStatus status = name ? MAMBA_OK : mambaFail(error, MAMBA_NO_MEMORY, "no memory for a name");
  if (!status)
    status = mambaBundleCheckOutput(options->output, error);
  if (!status && options->report) {
    outliers = withSuffix(options->report, ".json");
    status = outliers ? MAMBA_OK : mambaFail(error, MAMBA_NO_MEMORY, "no memory for a path");
    complete.pipeline.report = outliers ? outliers : "";
  }
  if (status)
    goto cleanup;
  if (options->synthetic) {
    progress(options, "making a random model of shape %s", options->synthetic);
    folder = withSuffix(options->output, ".checkpoint");
    status = folder ? syntheticCreate(options->synthetic, options->layers, folder, error)
                    : mambaFail(error, MAMBA_NO_MEMORY, "no memory for a path");
    if (status)
      goto cleanup;
    is_synthetic = true;
    complete.model = folder;
  }
  progress(options, "reading %s", options->model);
  status = mambaLoadModule(context, options->model, &module, error);
  if (!status && options->report)
    imported = mlirOperationClone(mlirModuleGetOperation(module));
  if (!status)
    status = checkPlan(module, options, error);
  if (!status)
    status = spellPipeline(options, recipe, isPlanned(module), pipeline, sizeof pipeline, error);
  if (status)
    goto cleanup;
  progress(options, "recipe %s: %s", recipe, pipeline);
  status = mambaPipelineRun(mlirModuleGetOperation(module), pipeline, options->keep_ir, error);
  if (status)
    goto cleanup;
  progress(options, "writing %s", options->output);
  const MambaBundleOptions bundle = {
      .output = options->output,
      .name = name,
      .recipe = recipe,
      .threads = (int)options->threads,
  };
  status = mambaCodegen(mlirModuleGetOperation(module), &bundle, &summary, error);
  if (!status && options->report) {
    progress(options, "writing %s", options->report);
    const CompileReport report = {.path = options->report,
                                  .outliers = outliers,
                                  .name = name,
                                  .recipe = recipe,
                                  .calibration = options->pipeline.calibrate.calibration,
                                  .threads = (int)options->threads,
                                  .summary = &summary};
    status = compileReportWrite(&report, imported, mlirModuleGetOperation(module), error);
  }
  if (!status && !options->quiet)
    printSummary(options, &summary);
cleanup:
  if (!mlirOperationIsNull(imported))
    mlirOperationDestroy(imported);
  free(outliers);
  if (!mlirModuleIsNull(module))
    mlirModuleDestroy(module);
  if (is_synthetic)
    syntheticRemove(folder);
  free(folder);
  free(statistics);
  free(name);
  return status;
}

/* An exit code for a name that is neither a recipe nor none, or -1. */
static int checkRecipe(const char *name) {
  enum { MOST = 64 };
  const char *names[MOST] = {"none"};
  size_t count = 1;
  char expected[512];
  bool found = !strcmp(name, names[0]);
  for (const MambaRecipe *recipe = kMambaRecipes; recipe->name && count < MOST; recipe++) {
    names[count++] = recipe->name;
    found |= !strcmp(name, recipe->name);
  }
  mambaSuggestDescribe(name, strlen(name), names, count, sizeof *names, expected, sizeof expected);
  return found ? -1 : mambaCliUsageError(&kCli, "--recipe: %s", expected);
}

int main(int argc, char **argv) {
  Options options = {.pipeline = mambaPipelineDefaults(), .chunk = -1, .max_threads = -1};
  MambaError error = {.status = MAMBA_OK};
  if (mambaCliPages(&kCli, argc, argv))
    return MAMBA_EXIT_OK;
  const int early = readOptions(argc, argv, &options);
  if (early >= 0)
    return early;
  const int refused = options.recipe ? checkRecipe(options.recipe) : -1;
  if (refused >= 0)
    return refused;
  if (options.checkpoint) {
    const MambaStatus status = syntheticCreate(options.synthetic, options.layers, options.output, &error);
    return status ? mambaCliInputError(&kCli, &error) : MAMBA_EXIT_OK;
  }
  options.pipeline.output = ""; /* codegen evaluates the constants itself */
  const MlirContext context = mlirContextCreateWithThreading(false);
  mambaRegisterAll(context);
  const MambaStatus status = compile(context, &options, &error);
  mlirContextDestroy(context);
  return status ? mambaCliInputError(&kCli, &error) : MAMBA_EXIT_OK;
}
