/* The recipes: what each pipeline is made of. */
#include "mamba/passes.h"
#include "mamba/suggest.h"

#include <stdio.h>
#include <string.h>

const char *const kMambaHeads[] = {"token", "w8", "16", NULL};
const char *const kMambaStates[] = {"f32", "i8", NULL};

const MambaRecipe kMambaRecipes[] = {
    {"static", "everything in int8 with one scale per tensor: naive, to compare with",
     "{rules}"
     "mamba-calibrate{calibrate},"
     "{rotate-head}"
     "mamba-insert-qdq{weights=tensor sites={head}{state}},"
     "cse,"
     "mamba-fuse-kernels,"
     "canonicalize,cse",
     "16"},
    {"quamba-paper",
     "arXiv 2410.13229 to the letter: one static scale for each tensor, the scan's input clamped at a "
     "percentile, out_proj's input rotated",
     "{rules}"
     "mamba-rotate{sites=y},"
     "mamba-fold-hadamard,"
     "mamba-calibrate{calibrate},"
     "mamba-clamp-scan{percentile=0},"
     "{rotate-head}"
     "mamba-insert-qdq{weights=tensor sites={head}{state}},"
     "cse,"
     "mamba-fuse-kernels,"
     "canonicalize,cse",
     "16"},
    {"quamba", "the same with a scale for each row of a weight",
     "{rules}"
     "mamba-rotate{sites=y},"
     "mamba-fold-hadamard,"
     "mamba-calibrate{calibrate},"
     "mamba-clamp-scan{percentile=99.999},"
     "{rotate-head}"
     "mamba-insert-qdq{weights=row sites={head}{state}},"
     "cse,"
     "mamba-fuse-kernels,"
     "canonicalize,cse",
     "16"},
    {"per-token", "int8 only where a matrix reads, a scale per token where one helps; needs statistics=FILE",
     "{rules}"
     "mamba-rotate{sites=y},"
     "mamba-fold-hadamard,"
     "mamba-calibrate{calibrate},"
     "{rotate-head}"
     "mamba-insert-qdq{weights=row sites=in=token,y=token,ux=channel,x=f16,z=f16,u=f16,B=f32,C=f32,{head}{state}},"
     "cse,"
     "mamba-fuse-kernels,"
     "canonicalize,cse",
     "token"},
    {"dynamic",
     "int8 only where a matrix reads, a scale per token for each such input: no rotation, no calibration",
     "{rules}"
     "mamba-insert-qdq{weights=row sites=in=token,ux=token,dt=token,y=token,x=f16,z=f16,u=f16,B=f32,C=f32,{head}{state}},"
     "cse,"
     "mamba-fuse-kernels,"
     "canonicalize,cse",
     "token"},
    {"smoothquant",
     "arXiv 2211.10438: in_proj's and out_proj's inputs smoothed into the weights, static scales, nothing "
     "rotated",
     "{rules}"
     "mamba-calibrate{calibrate},"
     "mamba-smooth{sites=in,y strength=0.5},"
     "{rotate-head}"
     "mamba-insert-qdq{weights=row sites=ux=channel,x=f16,z=f16,u=f16,B=f32,C=f32,{head}{state}},"
     "cse,"
     "mamba-fuse-kernels,"
     "canonicalize,cse",
     "token"},
    {"rotate-all",
     "the residual stream and out_proj's input in Hadamard space, static scales of least squared error",
     "{rules}"
     "mamba-fold-norm,"
     "mamba-rotate{sites=residual,y},"
     "mamba-fold-hadamard,"
     "mamba-calibrate{calibrate},"
     "mamba-insert-qdq{weights=row sites=in=fitted,y=fitted,ux=channel,x=f16,z=f16,u=f16,B=f32,C=f32,{head}{state}},"
     "cse,"
     "mamba-fuse-kernels,"
     "canonicalize,cse",
     "token"},
    {"w8", "weights only: every matrix in int8 with a scale for each row, activations in f32",
     "{rules}"
     "mamba-insert-qdq{weights=row sites=in=w8,ux=w8,dt=w8,y=w8,x=f32,z=f32,u=f32,B=f32,C=f32,{head}{state}},"
     "cse,"
     "mamba-fuse-kernels,"
     "canonicalize,cse",
     "w8"},
    {"w4a16", "in_proj and out_proj in 4 bits by GPTQ, in Hadamard space, the others in int8; activations in f32",
     "{rules}"
     "mamba-fold-norm,"
     "mamba-rotate{sites=residual,y},"
     "mamba-fold-hadamard,"
     "mamba-gptq{gptq},"
     "mamba-insert-qdq{weights=row sites=in=f32,ux=w8,dt=w8,y=f32,x=f32,z=f32,u=f32,B=f32,C=f32,{head}{state}},"
     "cse,"
     "mamba-fuse-kernels,"
     "canonicalize,cse",
     "w8"},
    {"w4a8", "the same with what a matrix reads in int8, as in per-token",
     "{rules}"
     "mamba-fold-norm,"
     "mamba-rotate{sites=residual,y},"
     "mamba-fold-hadamard,"
     "mamba-calibrate{calibrate},"
     "mamba-gptq{gptq},"
     "mamba-insert-qdq{weights=row sites=in=token,y=token,ux=channel,x=f16,z=f16,u=f16,B=f32,C=f32,{head}{state}},"
     "cse,"
     "mamba-fuse-kernels,"
     "canonicalize,cse",
     "token"},
    {"best",
     "for every block, by measurement, what costs least and loses next to nothing; needs statistics=FILE",
     "{search}"
     "{rules}"
     "mamba-rotate{sites=none},"
     "mamba-fold-hadamard,"
     "mamba-calibrate{calibrate},"
     "mamba-smooth{sites=none},"
     "{rotate-head}"
     "mamba-insert-qdq{weights=row sites=in=token,y=token,ux=channel,x=f16,z=f16,u=f16,B=f32,C=f32,{head}{state}},"
     "cse,"
     "mamba-fuse-kernels,"
     "canonicalize,cse",
     "search"},
    {"float", "nothing quantized, weights as they are stored: what the others are compared with",
     "mamba-fuse-kernels,"
     "canonicalize,cse",
     NULL},
    {NULL, NULL, NULL, NULL},
};

MambaPipelineOptions mambaPipelineDefaults(void) {
  const MambaPipelineOptions options = {
      .calibrate = {.calibration = "self", .samples = 128, .length = 512, .seed = 0, .statistics = "", .part = "1/1"},
      .percentile = 0,
      .rules = "",
      .budget = "",
      .target = "cpu",
      .report = "",
      .head = "",
      .group = "",
      .state = "",
      .output = ""};
  return options;
}

static MambaStatus checkNumbers(const MambaPipelineOptions *options, MambaError *error) {
  const MambaCalibrateOptions *c = &options->calibrate;
  if (c->samples < 1 || c->length < 1)
    return mambaFail(error, MAMBA_INVALID, "samples and length: expected at least 1, found %lld and %lld",
                     (long long)c->samples, (long long)c->length);
  if (!(options->percentile >= 0 && options->percentile <= 100))
    return mambaFail(error, MAMBA_INVALID,
                     "percentile: expected a number in (0, 100], or 0 for the recipe's own, "
                     "found %g",
                     options->percentile);
  return MAMBA_OK;
}

static MambaStatus checkRules(const MambaRecipe *recipe, const MambaPipelineOptions *options,
                              MambaError *error) {
  if (*options->rules && !strstr(recipe->passes, "{rules}"))
    return mambaFail(error, MAMBA_INVALID, "recipe %s quantizes nothing: expected no rules, found '%s'",
                     recipe->name, options->rules);
  return MAMBA_OK;
}

static MambaStatus checkBudget(const MambaRecipe *recipe, const MambaPipelineOptions *options,
                               MambaError *error) {
  if (*options->budget && !strstr(recipe->passes, "{search}"))
    return mambaFail(error, MAMBA_INVALID, "recipe %s does not search: expected no budget, found '%s'",
                     recipe->name, options->budget);
  return MAMBA_OK;
}

static MambaStatus checkState(const MambaRecipe *recipe, const MambaPipelineOptions *options, MambaError *error) {
  const char *state = options->state;
  if (*state && !strstr(recipe->passes, "{state}"))
    return mambaFail(error, MAMBA_INVALID, "recipe %s quantizes nothing: expected no state, found '%s'",
                     recipe->name, state);
  char expected[256];
  if (*state && !mambaSuggestKnows(kMambaStates, sizeof *kMambaStates, state, expected, sizeof expected))
    return mambaFail(error, MAMBA_INVALID, "state: %s", expected);
  return MAMBA_OK;
}

static MambaStatus checkHead(const MambaRecipe *recipe, const MambaPipelineOptions *options,
                             MambaError *error) {
  const char *head = options->head;
  if (*head && !recipe->head)
    return mambaFail(error, MAMBA_INVALID, "recipe %s quantizes nothing: expected no head, found '%s'",
                     recipe->name, head);
  char expected[256];
  if (*head && !mambaSuggestKnows(kMambaHeads, sizeof *kMambaHeads, head, expected, sizeof expected))
    return mambaFail(error, MAMBA_INVALID, "head: %s", expected);
  return MAMBA_OK;
}

/* Text grows here; `used` beyond the size says that it did not fit. */
typedef struct Text {
  char *buffer;
  size_t size, used;
} Text;

static void append(Text *text, const char *piece, size_t length) {
  if (text->used + length < text->size) {
    memcpy(text->buffer + text->used, piece, length);
    text->buffer[text->used + length] = 0;
  }
  text->used += length;
}

static void appendString(Text *text, const char *piece) {
  append(text, piece, strlen(piece));
}

/* " name='path'". A pipeline cannot spell a quote inside of quotes. */
static MambaStatus appendPath(Text *text, const char *name, const char *path, MambaError *error) {
  if (strpbrk(path, "'\n"))
    return mambaFail(error, MAMBA_UNSUPPORTED,
                     "%s: '%s' has a quote or a line break, which a pipeline cannot spell", name, path);
  if (*path) {
    appendString(text, " ");
    appendString(text, name);
    appendString(text, "='");
    appendString(text, path);
    appendString(text, "'");
  }
  return MAMBA_OK;
}

/* "{samples=... calibration='...'", to be closed. */
static MambaStatus appendSamples(Text *text, const MambaCalibrateOptions *options, MambaError *error) {
  char numbers[128];
  snprintf(numbers, sizeof numbers, "{samples=%lld length=%lld seed=%lld", (long long)options->samples,
           (long long)options->length, (long long)options->seed);
  appendString(text, numbers);
  return appendPath(text, "calibration", options->calibration, error);
}

static MambaStatus appendCalibrate(Text *text, const MambaCalibrateOptions *options, MambaError *error) {
  MambaStatus status = appendSamples(text, options, error);
  if (status == MAMBA_OK)
    status = appendPath(text, "statistics", options->statistics, error);
  appendString(text, "}");
  return status;
}

static MambaStatus appendReport(Text *text, const char *path, MambaError *error) {
  if (!*path)
    return MAMBA_OK;
  appendString(text, ",mamba-report-outliers{");
  const MambaStatus status = appendPath(text, "json", path, error);
  appendString(text, "}");
  return status;
}

/* The 4-bit weights lie beside the statistics. */
static MambaStatus appendGptq(Text *text, const MambaPipelineOptions *options, MambaError *error) {
  char output[4096];
  const char *statistics = options->calibrate.statistics;
  const int length = snprintf(output, sizeof output, "%s.int4.safetensors", statistics);
  MambaStatus status = appendSamples(text, &options->calibrate, error);
  if (status == MAMBA_OK && (size_t)length >= sizeof output)
    status = mambaFail(error, MAMBA_INVALID, "statistics: expected a path of less than %zu bytes", sizeof output);
  if (status == MAMBA_OK)
    status = appendPath(text, "group", options->group, error);
  if (status == MAMBA_OK)
    status = appendPath(text, "output", output, error);
  appendString(text, "}");
  return status;
}

static MambaStatus appendRules(Text *text, const char *path, MambaError *error) {
  if (!*path)
    return MAMBA_OK;
  appendString(text, "mamba-rules{");
  const MambaStatus status = appendPath(text, "file", path, error);
  appendString(text, "},");
  return status;
}

/* A short part of what is calibrated on. */
static MambaStatus appendSearch(Text *text, const MambaPipelineOptions *options, const char *head,
                                MambaError *error) {
  enum { SAMPLES = 8, LENGTH = 256 };
  const MambaCalibrateOptions *c = &options->calibrate;
  char numbers[128];
  snprintf(numbers, sizeof numbers, "mamba-search{samples=%lld length=%lld seed=%lld head=%s",
           (long long)(c->samples < SAMPLES ? c->samples : SAMPLES),
           (long long)(c->length < LENGTH ? c->length : LENGTH), (long long)c->seed, head);
  appendString(text, numbers);
  MambaStatus status = appendPath(text, "calibration", c->calibration, error);
  if (!status)
    status = appendPath(text, "budget", options->budget, error);
  if (!status)
    status = appendPath(text, "target", options->target, error);
  appendString(text, "},");
  return status;
}

/* Takes `word` off the beginning of *rest, where it is there. */
static bool take(const char **rest, const char *word) {
  const size_t length = strlen(word);
  if (strncmp(*rest, word, length))
    return false;
  *rest += length;
  return true;
}

/* The recipe's passes with the options in their places. Calibration comes before anything that depends on
 * `head`, so that one statistics file serves both. */
static MambaStatus expand(Text *text, const MambaRecipe *recipe, const MambaPipelineOptions *options,
                          MambaError *error) {
  const char *passes = recipe->passes, *head = *options->head ? options->head : recipe->head;
  const bool int8_head = head && !strcmp(head, "token");
  MambaStatus status = MAMBA_OK;
  while (*passes && status == MAMBA_OK) {
    if (take(&passes, "{search}")) {
      status = options->is_searched ? MAMBA_OK : appendSearch(text, options, head, error);
    } else if (take(&passes, "{calibrate}")) {
      status = appendCalibrate(text, &options->calibrate, error);
      if (status == MAMBA_OK)
        status = appendReport(text, options->report, error);
    } else if (take(&passes, "{rules}")) {
      status = appendRules(text, options->rules, error);
    } else if (take(&passes, "{gptq}")) {
      status = appendGptq(text, options, error);
    } else if (take(&passes, "{rotate-head}")) {
      appendString(text, int8_head ? "mamba-rotate{sites=head},mamba-fold-hadamard," : "");
    } else if (take(&passes, "{head}")) {
      appendString(text, int8_head ? "head=token" : head && !strcmp(head, "w8") ? "head=w8" : "head=f32");
    } else if (take(&passes, "{state}")) {
      appendString(text, *options->state ? " state=" : "");
      appendString(text, options->state);
    } else if (options->percentile > 0 && take(&passes, "{percentile=")) {
      char number[64];
      snprintf(number, sizeof number, "{percentile=%.17g}", options->percentile);
      appendString(text, number);
      passes += strcspn(passes, "}") + 1;
    } else {
      append(text, passes++, 1);
    }
  }
  return status;
}

bool mambaRecipeNeedsFiles(const MambaRecipe *recipe) {
  return strstr(recipe->passes, "=channel") || strstr(recipe->passes, "{gptq}");
}

MambaStatus mambaPipelineSpec(const char *name, const MambaPipelineOptions *options, char *buffer,
                              size_t size, MambaError *error) {
  char expected[512];
  if (!mambaSuggestKnows(&kMambaRecipes->name, sizeof *kMambaRecipes, name, expected, sizeof expected))
    return mambaFail(error, MAMBA_INVALID, "recipe: %s", expected);
  const MambaRecipe *recipe = kMambaRecipes;
  while (strcmp(recipe->name, name))
    recipe++;
  MambaStatus status = checkNumbers(options, error);
  if (status != MAMBA_OK)
    return status;
  status = checkHead(recipe, options, error);
  if (status == MAMBA_OK)
    status = checkRules(recipe, options, error);
  if (status == MAMBA_OK)
    status = checkBudget(recipe, options, error);
  if (status == MAMBA_OK)
    status = checkState(recipe, options, error);
  if (status != MAMBA_OK)
    return status;
  if (mambaRecipeNeedsFiles(recipe) && !*options->calibrate.statistics)
    return mambaFail(error, MAMBA_INVALID,
                     "recipe %s keeps what it finds in calibration in files: expected statistics=FILE", name);
  if (*options->group && !strstr(recipe->passes, "{gptq}"))
    return mambaFail(error, MAMBA_INVALID, "recipe %s has no 4-bit weights: expected no group, found '%s'", name,
                     options->group);
  Text text = {.buffer = buffer, .size = size};
  status = expand(&text, recipe, options, error);
  if (status == MAMBA_OK && *options->output) {
    appendString(&text, ",mamba-materialize{");
    status = appendPath(&text, "output", options->output, error);
    appendString(&text, "}");
  }
  if (status == MAMBA_OK && text.used >= size)
    status = mambaFail(error, MAMBA_INVALID, "the pipeline of recipe %s takes %zu characters: more than %zu",
                       name, text.used, size - 1);
  return status;
}
