/* mamba-calibrate: runs the module over text and notes how large its values get. */
#include "calibration_text.h"
#include "collector.h"
#include "mamba/calibration_run.h"
#include "mamba/checkpoint.h"
#include "mamba/passes.h"
#include "mamba/pool.h"
#include "mamba/token_ids.h"
#include "self_text.h"
#include "statistics_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The symbol of the file with the channels' maxima. */
#define CHANNEL_CHECKPOINT "statistics"

enum {
  MAX_SAMPLES = 1 << 20,
  MAX_LENGTH = 1 << 20,
  MAX_PARTS = 1 << 16,
};

typedef struct Calibration {
  MlirOperation module;
  const MambaCalibrateOptions *options;
  MambaTokenIds data;  /* [samples, length]; none for "self" */
  int64_t first, last; /* samples of this part: [first, last) */
  CalibrationKey key;
  Collector collector;
  Collector *states;      /* the collector where it observes, values and states, else NULL and */
  MambaObserver observer; /* this does, with its context */
  void *observer_context;
  char channel_path[4096];
} Calibration;

static bool isSelf(const MambaCalibrateOptions *options) {
  return !strcmp(options->calibration, "self");
}
static bool hasFile(const MambaCalibrateOptions *options) {
  return options->statistics[0] != 0;
}

/* ---- What to run ------------------------------------------------------------------------------------ */

static MambaStatus checkOptions(Calibration *c, MambaError *error) {
  const MambaCalibrateOptions *o = c->options;
  if (o->samples < 1 || o->samples > MAX_SAMPLES || o->length < 1 || o->length > MAX_LENGTH)
    return mambaFail(error, MAMBA_INVALID,
                     "expected samples from 1 to %d and length from 1 to %d, found %" PRId64 " and %" PRId64,
                     MAX_SAMPLES, MAX_LENGTH, o->samples, o->length);
  const int n = snprintf(c->channel_path, sizeof c->channel_path, "%s.safetensors", o->statistics);
  if (n < 0 || (size_t)n >= sizeof c->channel_path)
    return mambaFail(error, MAMBA_INVALID, "statistics: expected a path of less than %zu bytes",
                     sizeof c->channel_path);
  return MAMBA_OK;
}

/* "2/4": the second of four parts. */
static MambaStatus checkPart(Calibration *c, MambaError *error) {
  const MambaCalibrateOptions *o = c->options;
  int64_t part = 0, parts = 0;
  int used = 0;
  if (sscanf(o->part, "%" SCNd64 "/%" SCNd64 "%n", &part, &parts, &used) != 2 || o->part[used] || part < 1 ||
      part > parts || parts > MAX_PARTS || parts > o->samples)
    return mambaFail(error, MAMBA_INVALID,
                     "part: expected I/N, such as 2/4, with N at most %d and the number of samples, found '%s'",
                     MAX_PARTS, o->part);
  c->first = o->samples * (part - 1) / parts;
  c->last = o->samples * part / parts;
  return MAMBA_OK;
}

/* Names the samples of this part. */
static void describeData(Calibration *c) {
  uint64_t sum = 0;
  for (int64_t i = c->first; i < c->last; i++) {
    const int64_t drawn[] = {c->options->seed, i};
    const int64_t length = c->options->length;
    sum += isSelf(c->options) ? fingerprintSample(drawn, sizeof drawn)
                              : fingerprintSample(c->data.ids + i * length, (size_t)length * sizeof *c->data.ids);
  }
  fingerprintFormat(isSelf(c->options) ? "self" : "xxh3", sum, c->key.data);
}

/* Reads the samples, and describes them and the module for the statistics file. */
static MambaStatus prepare(Calibration *c, MambaError *error) {
  const MambaCalibrateOptions *o = c->options;
  c->key.samples = c->last - c->first;
  c->key.length = o->length;
  MambaStatus status = fingerprintModule(c->module, CHANNEL_CHECKPOINT, c->key.model, error);
  if (status)
    return status;
  if (isSelf(o)) {
    c->key.seed = o->seed;
    describeData(c);
    return MAMBA_OK;
  }
  status = calibrationTextRead(c->module, o, &c->data, error);
  if (!status)
    describeData(c);
  return status;
}

/* ---- Running ---------------------------------------------------------------------------------------- */

/* Runs samples [first, first + batch) of the data. */
static MambaStatus runData(Calibration *c, MambaExecutor *executor, int64_t first,
                           MambaProgress *progress, MambaError *error) {
  const int64_t batch = mambaExecutorBatch(executor), length = c->data.columns;
  MambaStatus status = MAMBA_OK;
  int32_t *piece = malloc((size_t)batch * STATE_STRIDE * sizeof *piece);
  if (!piece)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for %" PRId64 " sequences", batch);
  mambaExecutorReset(executor);
  for (int64_t done = 0; done < length && !status;) {
    const int64_t tokens = collectorNextState(done, length) - done;
    for (int64_t b = 0; b < batch; b++)
      memcpy(piece + b * tokens, c->data.ids + (first + b) * length + done, (size_t)tokens * sizeof *piece);
    status = mambaExecutorRun(executor, piece, tokens, MAMBA_LOGITS_NONE, NULL, error);
    if (status)
      mambaFailContext(error, "%s: samples %" PRId64 " to %" PRId64, c->options->calibration, first,
                       first + batch - 1);
    done += tokens;
    if (c->states)
      collectorObserveStates(c->states, executor, done, length);
    mambaProgressUpdate(progress, (first - c->first) * length + batch * done, NULL);
  }
  free(piece);
  return status;
}

static MambaStatus runBatch(Calibration *c, MambaExecutor *executor, mamba_pool *pool, int64_t first,
                            MambaProgress *progress, MambaError *error) {
  if (c->states)
    mambaExecutorObserveShared(executor, collectorObserve, c->states);
  else
    mambaExecutorObserve(executor, c->observer, c->observer_context);
  if (!isSelf(c->options))
    return runData(c, executor, first, progress, error);
  const SelfText text = {.seed = (uint64_t)c->options->seed,
                         .first_token = calibrationFirstToken(c->module),
                         .first_sequence = first,
                         .length = c->options->length};
  return selfTextRun(&text, executor, c->states, pool, progress, (first - c->first) * c->options->length,
                     error);
}

/* Runs all samples. */
static MambaStatus runAll(Calibration *c, const char *label, mamba_pool *pool, MambaError *error) {
  const int workers = mamba_pool_count(pool);
  MambaExecutor *executor = NULL;
  MambaProgress progress = mambaProgressStart(label, "tokens", (c->last - c->first) * c->options->length);
  MambaStatus status = MAMBA_OK;
  for (int64_t first = c->first; first < c->last && !status; first += MAMBA_CALIBRATION_BATCH) {
    const int64_t left = c->last - first;
    const int64_t batch = left < MAMBA_CALIBRATION_BATCH ? left : MAMBA_CALIBRATION_BATCH;
    if (executor && mambaExecutorBatch(executor) != batch) {
      mambaExecutorDestroy(executor);
      executor = NULL;
    }
    if (!executor)
      status = mambaExecutorCreate(
          c->module, batch,
          (MambaExecutorOptions){.threads = workers, .weight_memory = MAMBA_COMPILER_WEIGHT_MEMORY},
          &executor, error);
    if (!status)
      status = runBatch(c, executor, pool, first, &progress, error);
  }
  mambaProgressEnd(&progress);
  mambaExecutorDestroy(executor);
  return status;
}

static MambaStatus collect(Calibration *c, MambaError *error) {
  mamba_pool *pool = NULL;
  MambaStatus status = mambaPoolCreate(0, &pool, error);
  c->states = &c->collector;
  if (!status)
    status = collectorStart(&c->collector, mamba_pool_count(pool), error);
  if (!status)
    status = runAll(c, "calibrating", pool, error);
  if (!status)
    status = collectorFinish(&c->collector, error);
  mamba_pool_destroy(pool);
  return status;
}

MambaStatus mambaCalibrationRun(MlirOperation module, const MambaCalibrateOptions *options, const char *label,
                                MambaObserver observer, void *context, MambaError *error) {
  Calibration c = {.module = module,
                   .options = options,
                   .last = options->samples,
                   .observer = observer,
                   .observer_context = context};
  mamba_pool *pool = NULL;
  MambaStatus status = checkOptions(&c, error);
  if (!status && !isSelf(options))
    status = calibrationTextRead(module, options, &c.data, error);
  if (!status)
    status = mambaPoolCreate(0, &pool, error);
  if (!status)
    status = runAll(&c, label, pool, error);
  mamba_pool_destroy(pool);
  mambaTokenIdsDestroy(&c.data);
  return status;
}

/* ---- Results ---------------------------------------------------------------------------------------- */

static MlirNamedAttribute number(MlirContext context, const char *name, double value) {
  return mlirNamedAttributeGet(mlirIdentifierGet(context, mambaRef(name)),
                               mlirFloatAttrDoubleGet(context, mlirF64TypeGet(context), value));
}

/* Sets `mamba.stats` on the op that defines the value. */
static MambaStatus annotate(const SiteRecord *record, MambaError *error) {
  const MlirContext context = mlirOperationGetContext(record->op);
  const MambaStatistics *s = record->statistics;
  const int64_t broken = mambaStatisticsGetNonFinite(s);
  if (broken)
    return mambaFail(error, MAMBA_INVALID,
                     "expected finite values of '%.*s' during calibration, found %" PRId64
                     " infinities or NaNs",
                     (int)record->name.length, record->name.data, broken);
  const MlirNamedAttribute summary[] = {
      number(context, "absmax", mambaStatisticsGetAbsmax(s)),
      number(context, "min", mambaStatisticsGetMin(s)),
      number(context, "max", mambaStatisticsGetMax(s)),
      number(context, "mean", mambaStatisticsGetMean(s)),
      number(context, "std", mambaStatisticsGetDeviation(s)),
      number(context, "kurtosis", mambaStatisticsGetKurtosis(s)),
      number(context, "p99", mambaStatisticsGetPercentile(s, 99)),
      number(context, "p99.9", mambaStatisticsGetPercentile(s, 99.9)),
      number(context, "p99.99", mambaStatisticsGetPercentile(s, 99.99)),
      number(context, "p99.999", mambaStatisticsGetPercentile(s, 99.999)),
      number(context, "fitted", mambaStatisticsGetFittedLimit(s)),
  };
  mlirOperationSetDiscardableAttributeByName(
      record->op, mambaRef("mamba.stats"),
      mlirDictionaryAttrGet(context, sizeof summary / sizeof summary[0], summary));
  return MAMBA_OK;
}

/* The module remembers the files: an attribute for the one, a checkpoint for the other. */
static MambaStatus declareFiles(Calibration *c, MambaError *error) {
  const MlirContext context = mlirOperationGetContext(c->module);
  MambaCheckpoint *file = NULL;
  const MambaStatus status = mambaCheckpointOpen(c->channel_path, &file, error);
  if (status)
    return status;
  const MlirOperation old = mambaSymbol(c->module, mambaRef(CHANNEL_CHECKPOINT));
  if (!mlirOperationIsNull(old))
    mlirOperationDestroy(old);
  const MlirBlock body = mlirRegionGetFirstBlock(mlirOperationGetRegion(c->module, 0));
  MambaBuilder builder = {context, body, mlirBlockGetFirstOperation(body)};
  while (mambaOpIs(builder.before, MAMBA_OP_CHECKPOINT))
    builder.before = mlirOperationGetNextInBlock(builder.before);
  MambaOpState state = {.kind = MAMBA_OP_CHECKPOINT, .location = mambaName(context, CHANNEL_CHECKPOINT)};
  mambaSetString(&state, "sym_name", mambaRef(CHANNEL_CHECKPOINT));
  mambaSetString(&state, "path", mambaRef(c->channel_path));
  mambaSetString(&state, "hash", mambaRef(mambaCheckpointGetHash(file)));
  mambaBuild(&builder, &state);
  mlirOperationSetDiscardableAttributeByName(c->module, mambaRef("mamba.statistics"),
                                             mlirStringAttrGet(context, mambaRef(c->options->statistics)));
  mambaCheckpointClose(file);
  return MAMBA_OK;
}

/* Reads the statistics file where it exists, else runs the model. *is_new tells which. */
static MambaStatus obtain(Calibration *c, bool *is_new, MambaError *error) {
  const char *path = c->options->statistics;
  *is_new = !hasFile(c->options) || access(path, F_OK) != 0;
  MambaStatus status = hasFile(c->options) ? statisticsFileCheckNames(&c->collector, error) : MAMBA_OK;
  if (!status)
    status = *is_new ? collect(c, error) : statisticsFileRead(path, &c->key, &c->collector, error);
  for (size_t i = 0; i < c->collector.count && !status; i++)
    status = annotate(&c->collector.records[i], error);
  return status;
}

/* The file with everything comes last: where it exists, the other one does. */
static MambaStatus save(Calibration *c, bool is_new, MambaError *error) {
  MambaStatus status = channelFileWrite(c->channel_path, &c->collector, error);
  if (!status && is_new)
    status = statisticsFileWrite(c->options->statistics, &c->key, &c->collector, error);
  return status ? status : declareFiles(c, error);
}

bool mambaPassCalibrate(MlirOperation module, const MambaCalibrateOptions *options) {
  Calibration c = {.module = module, .options = options};
  MambaError error;
  bool is_new = true;
  MambaStatus status = checkOptions(&c, &error);
  if (!status)
    status = checkPart(&c, &error);
  if (!status)
    status = collectorCreate(&c.collector, module, &error);
  if (!status)
    status = prepare(&c, &error);
  if (!status)
    status = obtain(&c, &is_new, &error);
  if (!status && hasFile(options))
    status = save(&c, is_new, &error);
  if (status)
    mambaEmitFailure(module, "mamba-calibrate", &error);
  collectorDestroy(&c.collector);
  mambaTokenIdsDestroy(&c.data);
  return status == MAMBA_OK;
}
