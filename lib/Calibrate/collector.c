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
  return (SiteRecord){.op = op, .value = value, .name = mambaValueName(value), .channels = mambaChannels(value)};
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

/* Fewer values than this are not worth waking the other workers for. */
enum { SMALL = 1 << 14 };

/* Worker 0 adds to the record itself, the others to records that live until they have been merged with it. */
static void addShare(void *context, mamba_worker worker) {
  const Collector *c = context;
  CollectorShare *share = &c->shares[worker.index];
  const int64_t begin = c->rows * worker.index / worker.count,
                end = c->rows * (worker.index + 1) / worker.count;
  share->status = MAMBA_OK;
  if (worker.index == 0)
    share->statistics = c->records[c->next].statistics;
  else
    share->status = mambaStatisticsCreate(c->channels, &share->statistics, &share->error);
  if (!share->status)
    share->status =
        mambaStatisticsAdd(share->statistics, c->data + begin * c->channels, end - begin, &share->error);
}

/* Merges what the workers have seen into the record, and keeps the first failure. */
static void mergeShares(Collector *c, int count) {
  for (int w = 0; w < count; w++) {
    CollectorShare *share = &c->shares[w];
    if (w && !share->status && !c->status)
      share->status = mambaStatisticsMerge(c->records[c->next].statistics, share->statistics, &share->error);
    if (share->status && !c->status) {
      c->status = share->status;
      c->error = share->error;
    }
    if (w)
      mambaStatisticsDestroy(share->statistics);
    share->statistics = NULL;
  }
}

static bool isOf(const SiteRecord *record, const MambaObservation *o) {
  if (!mlirValueIsNull(o->value))
    return mlirValueEqual(record->value, o->value);
  return mlirValueIsNull(record->value) && mlirStringRefEqual(record->name, o->name);
}

/* Values come in program order, so the search ends at once. */
static bool find(Collector *c, const MambaObservation *o) {
  for (size_t i = 0; i < c->count; i++, c->next = (c->next + 1) % c->count)
    if (isOf(&c->records[c->next], o))
      return true;
  return false;
}

void collectorObserve(void *context, const MambaObservation *observation) {
  Collector *c = context;
  if (c->status || !find(c, observation))
    return;
  c->data = observation->data;
  c->rows = observation->rows;
  c->channels = observation->channels;
  const bool is_shared = c->rows * c->channels >= SMALL;
  if (is_shared)
    mamba_pool_run(c->pool, addShare, c);
  else
    addShare(c, (mamba_worker){.index = 0, .count = 1});
  mergeShares(c, is_shared ? mamba_pool_count(c->pool) : 1);
}

int64_t collectorNextState(int64_t done, int64_t length) {
  const int64_t next =
      done < STATE_FIRST ? STATE_FIRST : done + STATE_STRIDE - (done - STATE_FIRST) % STATE_STRIDE;
  return next < length ? next : length;
}

void collectorObserveStates(Collector *collector, const MambaExecutor *executor, int64_t done, int64_t length) {
  if (done % STATE_STRIDE == STATE_FIRST || (done == length && length < STATE_FIRST))
    mambaExecutorShowStates(executor, collectorObserve, collector);
}

MambaStatus collectorStart(Collector *collector, mamba_pool *pool, MambaError *error) {
  const size_t workers = (size_t)mamba_pool_count(pool);
  MambaStatus status = MAMBA_OK;
  collector->pool = pool;
  collector->shares = calloc(workers, sizeof *collector->shares);
  if (!collector->shares)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for the records of %zu workers", workers);
  for (size_t i = 0; i < collector->count && !status; i++) {
    SiteRecord *record = &collector->records[i];
    status = mambaStatisticsCreate(record->channels, &record->statistics, error);
  }
  return status;
}

MambaStatus collectorFinish(const Collector *collector, MambaError *error) {
  if (collector->status)
    *error = collector->error;
  return collector->status;
}

void collectorDestroy(Collector *collector) {
  for (size_t i = 0; i < collector->count; i++)
    mambaStatisticsDestroy(collector->records[i].statistics);
  free(collector->shares);
  free(collector->records);
}
