/* mamba-search: for every block the cheapest choice that loses next to nothing, by measurement.
 *
 * The float model runs once over a short text, and what every block reads is kept. Then each block by itself,
 * as a module of its own, runs on that input with one decision after the other quantized and everything else
 * in f32. The error is the energy of the difference of the residual stream behind the block, over the energy
 * of that stream. Errors of different decisions are nearly uncorrelated, so they add. */
#include "mamba/passes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block_module.h"
#include "block_record.h"
#include "budget.h"
#include "decisions.h"
#include "mamba/progress.h"
#include "mamba/safetensors_writer.h"
#include "mamba/suggest.h"
#include "search_head.h"

#define ALL_FLOAT "in=f32,x=f32,z=f32,u=f32,ux=f32,dt=f32,B=f32,C=f32,y=f32"

/* The files of a block in the search's folder. */
static const char *const kFiles[] = {
    "ids.safetensors",        "input.safetensors", "block.safetensors",        "plain.json",
    "plain.json.safetensors", "rotated.json",      "rotated.json.safetensors", "budget.json",
    "budget.json.safetensors"};

typedef struct Search {
  MlirOperation module;
  const MambaSearchOptions *options;
  SiteGroup *groups; /* blocks, then the head's where there is one */
  intptr_t count;    /* of blocks */
  const MambaTarget *target;
  const char *head; /* "search" until it is decided */
  BlockRecord record;
  char folder[256];
  float *input, *expected, *found; /* [samples * length, channels] */
  double *errors;                  /* of each block with its choices */
} Search;

/* One block at work. */
typedef struct Trial {
  MlirOperation plain, rotated; /* calibrated, at level 1 */
  double errors[DECISION_COUNT][MAX_CANDIDATES];
  int chosen[DECISION_COUNT];
} Trial;

static int64_t rowsOf(const Search *s) {
  return s->options->text.samples * s->options->text.length;
}

static bool fail(const Search *s, const MambaError *error) {
  mambaEmitFailure(s->module, "mamba-search", error);
  return false;
}

static void pathOf(const Search *s, const char *name, char path[512]) {
  snprintf(path, 512, "%s/%s", s->folder, name);
}

/* ---- Candidates ------------------------------------------------------------------------------------- */

/* The passes between calibration and level 2, as the choices on the ops say. */
static bool quantize(MlirOperation module) {
  const MambaSmoothOptions smooth = {.sites = "none", .strength = 0};
  const MambaInsertQdqOptions insert = {.weights = "row", .sites = ALL_FLOAT, .state = "f32"};
  return mambaPassSmooth(module, &smooth) && mambaPassInsertQdq(module, &insert);
}

/* The energy of the difference over that of what is expected. */
static double errorOf(const Search *s) {
  const int64_t count = rowsOf(s) * s->record.channels;
  double difference = 0, energy = 0;
  for (int64_t i = 0; i < count; i++) {
    const double d = (double)s->found[i] - (double)s->expected[i];
    difference += d * d;
    energy += (double)s->expected[i] * (double)s->expected[i];
  }
  return energy > 0 ? difference / energy : difference > 0 ? INFINITY : 0;
}

/* The error of a calibrated block with these choices (NULL behind the last). */
static bool measure(const Search *s, MlirOperation calibrated, const char *const choices[], double *error) {
  const MlirOperation module = mlirOperationClone(calibrated);
  SiteGroup *groups = NULL;
  intptr_t count = 0;
  MambaError message;
  bool ok = findSites(module, &groups, &count);
  for (int i = 0; ok && choices[i]; i++)
    setChoices(&groups[0], choices[i]);
  free(groups);
  ok = ok && quantize(module);
  if (ok && blockModuleRun(module, s->options->text.samples, s->options->text.length, s->found, &message) !=
                MAMBA_OK)
    ok = fail(s, &message);
  mlirOperationDestroy(module);
  if (ok)
    *error = errorOf(s);
  return ok;
}

/* ---- A block ---------------------------------------------------------------------------------------- */

static bool calibrate(const Search *s, MlirOperation module, const char *file) {
  char ids[512], statistics[512];
  pathOf(s, "ids.safetensors", ids);
  pathOf(s, file, statistics);
  const MambaCalibrateOptions options = {.calibration = ids,
                                         .samples = s->options->text.samples,
                                         .length = s->options->text.length,
                                         .statistics = statistics,
                                         .part = "1/1"};
  return mambaPassCalibrate(module, &options);
}

/* The block in float with its statistics, as it is and with y rotated, and its exact result. */
static bool prepare(const Search *s, intptr_t block, Trial *trial) {
  const MambaRotateOptions rotate = {.sites = "y"};
  MambaError error;
  if (blockRecordRead(&s->record, block, s->input, &error) != MAMBA_OK)
    return fail(s, &error);
  trial->plain = blockModuleCreate(s->module, block, s->folder, s->input, rowsOf(s), s->record.channels);
  if (mlirOperationIsNull(trial->plain))
    return false;
  if (blockModuleRun(trial->plain, s->options->text.samples, s->options->text.length, s->expected, &error) !=
      MAMBA_OK)
    return fail(s, &error);
  trial->rotated = mlirOperationClone(trial->plain);
  return calibrate(s, trial->plain, "plain.json") && mambaPassRotate(trial->rotated, &rotate) &&
         mambaPassFoldHadamard(trial->rotated) && calibrate(s, trial->rotated, "rotated.json");
}

static bool measureAll(const Search *s, Trial *trial, MambaProgress *progress, int64_t *runs) {
  for (int d = 0; d < DECISION_COUNT; d++)
    for (int c = 0; kDecisions[d].candidates[c].choices; c++) {
      const Candidate *candidate = &kDecisions[d].candidates[c];
      const char *const choices[] = {candidate->choices, NULL};
      if (!measure(s, candidate->rotated ? trial->rotated : trial->plain, choices, &trial->errors[d][c]))
        return false;
      mambaProgressUpdate(progress, ++*runs, kDecisions[d].name);
    }
  return true;
}

/* Every decision may lose its share of what the best choices lose together. */
static void choose(const Search *s, Trial *trial) {
  double sum = 0;
  for (int d = 0; d < DECISION_COUNT; d++) {
    double least = INFINITY;
    for (int c = 0; kDecisions[d].candidates[c].choices; c++)
      least = fmin(least, trial->errors[d][c]);
    sum += least;
  }
  for (int d = 0; d < DECISION_COUNT; d++)
    trial->chosen[d] = decisionChoose(&kDecisions[d], trial->errors[d], s->options->tolerance * sum);
}

static bool searchBlock(Search *s, intptr_t block, MambaProgress *progress, int64_t *runs) {
  Trial trial = {.plain = {NULL}};
  const char *choices[DECISION_COUNT + 1] = {NULL};
  bool rotated = false;
  bool ok = prepare(s, block, &trial) && measureAll(s, &trial, progress, runs);
  if (ok) {
    choose(s, &trial);
    for (int d = 0; d < DECISION_COUNT; d++) {
      decisionRecord(&kDecisions[d], trial.errors[d], trial.chosen[d], &s->groups[block]);
      choices[d] = kDecisions[d].candidates[trial.chosen[d]].choices;
      rotated |= kDecisions[d].candidates[trial.chosen[d]].rotated;
    }
    ok = measure(s, rotated ? trial.rotated : trial.plain, choices, &s->errors[block]);
  }
  if (!mlirOperationIsNull(trial.plain))
    mlirOperationDestroy(trial.plain);
  if (!mlirOperationIsNull(trial.rotated))
    mlirOperationDestroy(trial.rotated);
  return ok;
}

/* ---- The model -------------------------------------------------------------------------------------- */

static void removeFiles(const Search *s, size_t first) {
  for (size_t i = first; i < sizeof kFiles / sizeof *kFiles; i++) {
    char path[512];
    pathOf(s, kFiles[i], path);
    unlink(path);
  }
}

/* The numbers of the rows of an input, as a text to calibrate on. */
static MambaStatus writeIds(const Search *s, MambaError *error) {
  const int64_t shape[] = {s->options->text.samples, s->options->text.length};
  char path[512];
  MambaSafetensorsWriter *writer = NULL;
  pathOf(s, kFiles[0], path);
  MambaStatus status = mambaSafetensorsWriterCreate(path, &writer, error);
  if (!status)
    status = mambaSafetensorsWriterDeclare(writer, "input_ids", MAMBA_DTYPE_I32, 2, shape, error);
  for (int32_t i = 0; i < rowsOf(s) && !status; i++)
    status = mambaSafetensorsWriterAppend(writer, "input_ids", &i, sizeof i, error);
  if (!status)
    status = mambaSafetensorsWriterFinish(writer, error);
  mambaSafetensorsWriterDestroy(writer);
  return status;
}

static bool decidesHead(const Search *s) {
  return !strcmp(s->head, "search") && !mlirOperationIsNull(s->groups[s->count].sites[SITE_HEAD].reader);
}

static MambaStatus recordInputs(Search *s, MambaError *error) {
  MlirValue *inputs = calloc((size_t)s->count + 1, sizeof *inputs);
  MambaStatus status =
      inputs ? MAMBA_OK : mambaFail(error, MAMBA_NO_MEMORY, "no memory for %td blocks", s->count);
  for (intptr_t i = 0; i < s->count && !status; i++) {
    inputs[i] = blockInput(s->groups[i].sites[SITE_IN].reader);
    if (mlirValueIsNull(inputs[i]))
      status = mambaFail(error, MAMBA_INVALID, "block %td is not one that was imported", i);
  }
  if (!status && decidesHead(s))
    inputs[s->count] = siteOperand(s->groups[s->count].sites[SITE_HEAD]);
  if (!status)
    status =
        blockRecordCreate(s->module, &s->options->text, inputs, s->count + decidesHead(s), &s->record, error);
  free(inputs);
  s->record.inputs = NULL;
  return status;
}

static MambaStatus allocate(Search *s, MambaError *error) {
  const size_t values = (size_t)(rowsOf(s) * s->record.channels);
  s->input = malloc(values * sizeof *s->input);
  s->expected = malloc(values * sizeof *s->expected);
  s->found = malloc(values * sizeof *s->found);
  s->errors = calloc((size_t)s->count, sizeof *s->errors);
  if (s->input && s->expected && s->found && s->errors)
    return MAMBA_OK;
  return mambaFail(error, MAMBA_NO_MEMORY, "no memory for three times %zu values", values);
}

static MambaStatus makeFolder(Search *s, MambaError *error) {
  const char *parent = getenv("TMPDIR");
  snprintf(s->folder, sizeof s->folder, "%s/mamba-search.XXXXXX", parent && *parent ? parent : "/tmp");
  if (mkdtemp(s->folder))
    return MAMBA_OK;
  const MambaStatus status = mambaFailErrno(error, "%s", s->folder);
  *s->folder = 0;
  return status;
}

/* The head as one more block; what it may lose is its share of what the blocks lose. */
static bool decideHead(Search *s) {
  double loss = 0;
  for (intptr_t i = 0; i < s->count; i++)
    loss += s->errors[i];
  removeFiles(s, 1);
  const HeadSearch head = {.module = s->module,
                           .group = &s->groups[s->count],
                           .record = &s->record,
                           .block = s->count,
                           .folder = s->folder,
                           .input = s->input,
                           .slack = s->options->tolerance * loss,
                           .target = s->target};
  return searchHead(&head, &s->head);
}

static bool searchAll(Search *s) {
  int64_t runs = 0, per_block = 0;
  for (int d = 0; d < DECISION_COUNT; d++)
    for (int c = 0; kDecisions[d].candidates[c].choices; c++)
      per_block++;
  MambaProgress progress = mambaProgressStart("searching", "runs", per_block * s->count);
  bool ok = true;
  for (intptr_t i = 0; i < s->count && ok; i++) {
    removeFiles(s, 1);
    ok = searchBlock(s, i, &progress, &runs);
  }
  mambaProgressEnd(&progress);
  return ok;
}

/* ---- Budgets ---------------------------------------------------------------------------------------- */

typedef struct Spending {
  const Search *search;
  const Budget *budget;
  intptr_t *order; /* blocks, that of the largest error first */
  bool *is_float;
} Spending;

/* Leaves the worst blocks of a module in 16 bits. */
static void leave(const Spending *spending, const SiteGroup *groups, intptr_t blocks) {
  for (intptr_t i = 0; i < blocks; i++)
    setChoices(&groups[spending->order[i]], kUnquantized);
}

static MambaStatus costOf(void *context, intptr_t blocks, double *cost, MambaError *error) {
  Spending *spending = context;
  const Search *s = spending->search;
  char statistics[512];
  for (intptr_t i = 0; i < s->count; i++)
    spending->is_float[spending->order[i]] = i < blocks;
  if (!spending->budget->is_time) {
    *cost = budgetBytes(s->module, s->groups, s->count, spending->is_float, s->head);
    return MAMBA_OK;
  }
  const MlirOperation module = mlirOperationClone(s->module);
  SiteGroup *groups = NULL;
  intptr_t count = 0;
  MambaStatus status = MAMBA_OK;
  pathOf(s, "budget.json", statistics);
  if (findSites(module, &groups, &count)) {
    leave(spending, groups, blocks);
    status = budgetSeconds(module, s->target, s->options->head, statistics, cost, error);
  } else {
    status = mambaFail(error, MAMBA_INVALID, "budget: expected the blocks of the model in a copy of it");
  }
  free(groups);
  mlirOperationDestroy(module);
  return status;
}

/* Whole blocks in 16 bits, the worst first, as many as the budget allows. */
static bool spendBudget(const Search *s, const Budget *budget) {
  Spending spending = {.search = s,
                       .budget = budget,
                       .order = calloc((size_t)s->count, sizeof *spending.order),
                       .is_float = calloc((size_t)s->count, sizeof *spending.is_float)};
  MambaError error;
  intptr_t blocks = 0;
  MambaStatus status = spending.order && spending.is_float
                           ? MAMBA_OK
                           : mambaFail(&error, MAMBA_NO_MEMORY, "no memory for %td blocks", s->count);
  for (intptr_t i = 0; i < s->count && !status; i++) { /* sorted by insertion */
    intptr_t at = i;
    for (; at > 0 && s->errors[i] > s->errors[spending.order[at - 1]]; at--)
      spending.order[at] = spending.order[at - 1];
    spending.order[at] = i;
  }
  if (!status)
    status = budgetSpend(budget, costOf, &spending, s->count, &blocks, &error);
  if (!status)
    leave(&spending, s->groups, blocks);
  free(spending.order);
  free(spending.is_float);
  return !status || fail(s, &error);
}

static void annotate(const Search *s) {
  const MlirContext context = mlirOperationGetContext(s->module);
  for (intptr_t i = 0; i < s->count; i++)
    mlirOperationSetDiscardableAttributeByName(
        s->groups[i].sites[SITE_Y].reader, mambaRef("mamba.error"),
        mlirFloatAttrDoubleGet(context, mlirF64TypeGet(context), s->errors[i]));
}

static MambaStatus readTarget(Search *s, MambaError *error) {
  char expected[512];
  s->target = mambaTargetFind(s->options->target);
  if (s->target)
    return MAMBA_OK;
  mambaTargetDescribeUnknown(s->options->target, expected, sizeof expected);
  return mambaFail(error, MAMBA_INVALID, "target: %s", expected);
}

static MambaStatus checkHead(const char *head, MambaError *error) {
  static const char *const kinds[] = {"search", "token", "w8", "16", NULL};
  char expected[256];
  return mambaSuggestKnows(kinds, sizeof *kinds, head, expected, sizeof expected)
             ? MAMBA_OK
             : mambaFail(error, MAMBA_INVALID, "head: %s", expected);
}

bool mambaPassSearch(MlirOperation module, const MambaSearchOptions *options) {
  Search s = {.module = module, .options = options, .head = options->head};
  Budget budget = {.text = options->budget};
  MambaError error;
  MambaStatus status = MAMBA_OK;
  bool ok = findSites(module, &s.groups, &s.count);
  while (ok && s.count && mlirOperationIsNull(s.groups[s.count - 1].scan))
    s.count--;
  if (ok && !(options->tolerance >= 0))
    status = mambaFail(&error, MAMBA_INVALID, "tolerance: expected at least 0, found %g", options->tolerance);
  if (ok && !status)
    status = readTarget(&s, &error);
  if (ok && !status)
    status = checkHead(options->head, &error);
  if (ok && !status && *options->budget)
    status = budgetParse(options->budget, s.target, &budget, &error);
  if (ok && !status && s.count) {
    status = makeFolder(&s, &error);
    if (!status)
      status = writeIds(&s, &error);
    if (!status)
      status = recordInputs(&s, &error);
    if (!status)
      status = allocate(&s, &error);
    ok = !status && searchAll(&s);
    ok = ok && (!decidesHead(&s) || decideHead(&s));
    if (ok)
      annotate(&s);
    ok = ok && (!*options->budget || spendBudget(&s, &budget));
  }
  if (status)
    ok = fail(&s, &error);
  if (*s.folder) {
    removeFiles(&s, 0);
    rmdir(s.folder);
  }
  blockRecordDestroy(&s.record);
  free(s.input);
  free(s.expected);
  free(s.found);
  free(s.errors);
  free(s.groups);
  return ok;
}
