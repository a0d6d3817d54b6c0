#include "collector.h"

#include <stdlib.h>

/* ---- Which values ----------------------------------------------------------------------------------- */

static bool isRead(MlirValue value) {
  MlirOpOperand use = mlirValueGetFirstUse(value);
  for (; !mlirOpOperandIsNull(use); use = mlirOpOperandGetNextUse(use)) {
    switch (mambaOpKind(mlirOpOperandGetOwner(use))) {
    case MAMBA_OP_LINEAR:
    case MAMBA_OP_CAUSAL_CONV1D:
    case MAMBA_OP_SELECTIVE_SCAN:
    case MAMBA_OP_HADAMARD:
    case MAMBA_OP_CLAMP:
    case MAMBA_OP_QUANTIZE:
      return true;
    default:
      break;
    }
  }
  return false;
}

static bool isRecorded(MlirOperation op) {
  if (mambaOpKind(op) == MAMBA_OP_NONE || mlirOperationGetNumResults(op) != 1)
    return false;
  const MlirValue value = mlirOperationGetResult(op, 0);
  return mambaElementOf(value) == MAMBA_ELEMENT_F32 && !mambaIsConstant(value) &&
         (mambaOpIs(op, MAMBA_OP_SLICE) || isRead(value));
}

static SiteRecord recordOf(MlirOperation op) {
  const MlirValue value = mlirOperationGetResult(op, 0);
  return (SiteRecord){
      .op = op, .value = value, .name = mambaValueName(value), .channels = mambaChannels(value)};
}

/* The record of the state that a scan carries. */
static SiteRecord stateRecordOf(MlirOperation module, MlirOperation scan) {
  const MlirOperation op = mambaSymbol(module, mambaStringAttribute(scan, "state"));
  const MlirType type = mlirTypeAttrGetValue(mlirOperationGetAttributeByName(op, mambaRef("type")));
  return (SiteRecord){.op = op,
                      .name = mambaStringAttribute(op, "sym_name"),
                      .channels = mlirShapedTypeGetDimSize(type, 0) * mlirShapedTypeGetDimSize(type, 1)};
}

MambaStatus collectorCreate(Collector *collector, MlirOperation module, MambaError *error) {
  const MlirBlock body = mambaForwardBody(module);
  if (mlirBlockIsNull(body))
    return mambaFail(error, MAMBA_INVALID, "expected a function @forward with one block");
  MlirOperation *ops = NULL;
  intptr_t op_count = 0;
  const MambaStatus status = mambaBlockOperations(body, &ops, &op_count, error);
  if (status)
    return status;
  SiteRecord *records = calloc(2 * (size_t)op_count + 1, sizeof *records);
  size_t count = 0;
  for (intptr_t i = 0; records && i < op_count; i++)
    if (isRecorded(ops[i]))
      records[count++] = recordOf(ops[i]);
  for (intptr_t i = 0, values = (intptr_t)count; records && values && i < op_count; i++)
    if (mambaOpIs(ops[i], MAMBA_OP_SELECTIVE_SCAN) && mambaStateElement(ops[i]) == MAMBA_ELEMENT_F32)
      records[count++] = stateRecordOf(module, ops[i]);
  free(ops);
  if (!records)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for the records of %zu values", count);
  if (!count) {
    free(records);
    return mambaFail(error, MAMBA_INVALID,
                     "expected a model at level 1 or 2: @forward has no float value to calibrate");
  }
  *collector = (Collector){.records = records, .count = count};
  return MAMBA_OK;
}

/* ---- Collecting ------------------------------------------------------------------------------------- */

static bool isOf(const SiteRecord *record, const MambaObservation *o) {
  if (!mlirValueIsNull(o->value))
    return mlirValueEqual(record->value, o->value);
  return mlirValueIsNull(record->value) && mlirStringRefEqual(record->name, o->name);
}

/* The statistics of what is observed, or NULL. Values come in program order, so the search ends at once. */
static MambaStatistics *find(const Collector *c, CollectorShare *share, const MambaObservation *o) {
  for (size_t i = 0; i < c->count; i++, share->next = (share->next + 1) % c->count)
    if (isOf(&c->records[share->next], o))
      return c->records[share->next].statistics;
  return NULL;
}

/* Counts a share of the rows, and of the channels' extremes; then takes a part of what all have counted.
 * Whether that is done must not depend on the worker, as all of them wait in the middle. */
void collectorObserve(void *context, const MambaObservation *o, mamba_pool *pool, mamba_worker worker) {
  const Collector *c = context;
  CollectorShare *share = &c->shares[worker.index];
  MambaStatistics *statistics = find(c, share, o);
  const int64_t index = worker.index, next = index + 1, count = worker.count;
  MambaError error;
  if (!statistics)
    return;
  MambaStatus status = mambaStatisticsCheckRoom(statistics, o->rows * o->channels, &error);
  if (!status) {
    const float *data = o->data;
    const int64_t row = o->rows * index / count, rows = o->rows * next / count - row;
    mambaTallyAdd(share->tally, data + row * o->channels, rows * o->channels);
    mambaStatisticsWiden(statistics, data, o->rows, o->channels * index / count, o->channels * next / count);
    mamba_pool_barrier(pool, worker);
    status = mambaStatisticsTake(statistics, c->tallies, c->workers, worker.index, worker.count, &error);
  }
  if (status && !share->status) {
    share->status = status;
    share->error = error;
  }
}

int64_t collectorNextState(int64_t done, int64_t length) {
  const int64_t next =
      done < STATE_FIRST ? STATE_FIRST : done + STATE_STRIDE - (done - STATE_FIRST) % STATE_STRIDE;
  return next < length ? next : length;
}

void collectorObserveStates(Collector *collector, const MambaExecutor *executor, int64_t done,
                            int64_t length) {
  if (done % STATE_STRIDE == STATE_FIRST || (done == length && length < STATE_FIRST))
    mambaExecutorShowStates(executor, collectorObserve, collector);
}

MambaStatus collectorStart(Collector *collector, int workers, MambaError *error) {
  MambaStatus status = MAMBA_OK;
  collector->shares = calloc((size_t)workers, sizeof *collector->shares);
  collector->tallies = calloc((size_t)workers, sizeof(MambaTally *));
  if (!collector->shares || !collector->tallies)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for the records of %d workers", workers);
  collector->workers = workers;
  for (int w = 0; w < workers && !status; w++) {
    status = mambaTallyCreate(&collector->tallies[w], error);
    collector->shares[w].tally = collector->tallies[w];
  }
  for (size_t i = 0; i < collector->count && !status; i++) {
    SiteRecord *record = &collector->records[i];
    status = mambaStatisticsCreate(record->channels, &record->statistics, error);
  }
  return status;
}

MambaStatus collectorFinish(const Collector *collector, MambaError *error) {
  for (int w = 0; w < collector->workers; w++)
    if (collector->shares[w].status) {
      *error = collector->shares[w].error;
      return collector->shares[w].status;
    }
  return MAMBA_OK;
}

void collectorDestroy(Collector *collector) {
  for (size_t i = 0; i < collector->count; i++)
    mambaStatisticsDestroy(collector->records[i].statistics);
  for (int w = 0; w < collector->workers; w++)
    mambaTallyDestroy(collector->tallies[w]);
  free(collector->tallies);
  free(collector->shares);
  free(collector->records);
}
