/* Level 1 to 2: quantize and dequantize what the kernels will store in fewer bits. */
#include "mamba/passes.h"

#include <stdio.h>
#include <stdlib.h>

#include "builders.h"
#include "insert_qdq_options.h"
#include "mamba_kernels.h"
#include "site_statistics.h"

typedef struct Inserter {
  Storage options;
  Storage storage; /* of the block at hand */
  SiteStatistics statistics;
  MlirBlock body;
} Inserter;

/* ---- Activations ------------------------------------------------------------------------------------ */

/* One scale from calibration: a clamp has decided the range, or else the storage says what does. */
static bool tensorScale(Inserter *in, MambaBuilder *builder, MlirLocation location, MlirValue value,
                        SiteStorage storage, MlirValue *scale) {
  const MlirOperation clamp = mambaDefiningOp(value);
  double limit = 0;
  if (mambaOpIs(clamp, MAMBA_OP_CLAMP) && storage.kind == STORE_TENSOR) {
    limit = mambaFloatAttribute(clamp, "limit");
  } else if (mambaOpIs(clamp, MAMBA_OP_CLAMP)) {
    mambaEmitError(clamp, "a clamped value has its limit: expected kind tensor for it, found %s",
                   storage.kind == STORE_FITTED ? "fitted" : "a percentile");
    return false;
  } else if (storage.kind == STORE_FITTED
                 ? !siteStatisticsFitted(&in->statistics, value, &limit)
                 : !siteStatisticsPercentile(&in->statistics, value,
                                             storage.kind == STORE_PERCENTILE ? storage.percentile : 100,
                                             &limit)) {
    return false;
  }
  *scale = mambaBuildScale(builder, location, scaleOf(limit));
  return true;
}

/* One scale per channel: the absolute maxima of the statistics file, divided by 127. */
static bool channelScale(Inserter *in, MambaBuilder *builder, MlirLocation location, MlirValue value,
                         MlirValue *scale) {
  MlirValue absmax;
  if (mambaDefiningKind(value) == MAMBA_OP_CLAMP) {
    mambaEmitError(mambaDefiningOp(value),
                   "a clamped value has one limit: expected kind tensor, f16 or f32 for it, "
                   "found channel");
    return false;
  }
  if (!siteStatisticsBuildChannelAbsmax(&in->statistics, builder, value, &absmax))
    return false;
  const MlirValue unit = mambaBuildScale(builder, location, scaleOf(1));
  *scale = buildMul(builder, location, mlirValueGetType(absmax), absmax, unit);
  return true;
}

static MlirValue buildHalf(MambaBuilder *builder, MlirStringRef name, MlirValue value) {
  const MlirType type = mlirValueGetType(value);
  const MlirValue none = {NULL};
  const MlirValue half = mambaBuildSimple(builder, MAMBA_OP_CAST, suffixed(builder->context, name, ".f16"),
                                          mambaWithElement(type, MAMBA_ELEMENT_F16), value, none);
  return mambaBuildSimple(builder, MAMBA_OP_CAST, suffixed(builder->context, name, ".dq"), type, half, none);
}

/* x_proj's columns take the channel scales of what it reads; the integers then count as they are. */
static MlirValue foldChannelScale(MambaBuilder *after_value, MlirOperation linear, MlirValue scale) {
  MambaBuilder builder = mambaBuilderBefore(linear);
  const MlirValue weight = mambaOperand(linear, "weight");
  const MlirType type = mambaWithElement(mlirValueGetType(weight), MAMBA_ELEMENT_F32);
  const MlirLocation location = mambaNameFrom(builder.context, weightName(linear, "weight"));
  mlirOperationSetOperand(linear, mambaOperandIndex(linear, "weight"),
                          buildMul(&builder, location, type, weight, scale));
  return mambaBuildScale(after_value, mlirOperationGetLocation(mambaDefiningOp(scale)), 1.0f);
}

/* (y * r) / scale is y / (scale / r): the kernel that makes y quantizes it by channel, and r needs no kernel.
 */
static MlirValue quantizeSmoothed(MambaBuilder *builder, MlirStringRef name, MlirValue value,
                                  MlirValue scale) {
  const MlirValue source = mambaOperand(mambaDefiningOp(value), "lhs");
  const MlirValue factors = mambaOperand(mambaDefiningOp(smoothedBy(value)), "input"); /* of the reciprocal */
  const MlirValue by_channel = buildMul(builder, suffixed(builder->context, name, ".channel_scale"),
                                        mlirValueGetType(factors), factors, scale);
  return buildQuantizeDequantize(builder, name, source, by_channel, scale);
}

/* What the reader of a site gets instead of `value`. `name` is what the new values are named after. */
static bool store(Inserter *in, Site site, SiteStorage storage, MlirStringRef name, MlirValue value,
                  MlirValue *stored) {
  MambaBuilder builder = builderAfter(value, in->body);
  const MlirLocation location = suffixed(builder.context, name, ".scale");
  const MlirValue smoothing = smoothedBy(value);
  MlirValue scale, read_scale = {NULL};
  if (!mlirValueIsNull(smoothing) && !isOneScale(storage)) {
    mambaEmitError(site.reader,
                   "'%.*s' is smoothed, which is free with one static scale only: expected kind tensor",
                   (int)name.length, name.data);
    return false;
  }
  switch (storage.kind) {
  case STORE_TENSOR:
  case STORE_FITTED:
  case STORE_PERCENTILE:
    if (!tensorScale(in, &builder, location, value, storage, &scale))
      return false;
    break;
  case STORE_TOKEN:
    scale = buildAbsmaxScale(&builder, name, value, perTokenType(value));
    break;
  case STORE_CHANNEL:
    if (!channelScale(in, &builder, location, value, &scale))
      return false;
    if (mambaOpIs(site.reader, MAMBA_OP_LINEAR))
      read_scale = foldChannelScale(&builder, site.reader, scale);
    break;
  case STORE_F16:
    *stored = buildHalf(&builder, name, value);
    return true;
  default:
    *stored = value;
    return true;
  }
  if (mlirValueIsNull(smoothing))
    *stored = buildQuantizeDequantize(&builder, name, value, scale, read_scale);
  else
    *stored = quantizeSmoothed(&builder, name, value, scale);
  return true;
}

static bool isQuantized(MlirValue value) {
  const MambaOp kind = mambaDefiningKind(value);
  return kind == MAMBA_OP_DEQUANTIZE || kind == MAMBA_OP_CAST ||
         (kind == MAMBA_OP_HADAMARD && isQuantized(mambaOperand(mambaDefiningOp(value), "input")));
}

/* The scan and x_proj read the same value: one copy serves both where both want it the same way. */
static bool sharesScanInput(const Inserter *in, const SiteGroup *group) {
  const SiteStorage u = in->storage.sites[SITE_U], ux = in->storage.sites[SITE_UX];
  return u.kind == ux.kind && u.percentile == ux.percentile && u.kind != STORE_CHANNEL &&
         mlirValueEqual(siteOperand(group->sites[SITE_U]), siteOperand(group->sites[SITE_UX]));
}

static bool insertAt(Inserter *in, const SiteGroup *group, SiteKind kind) {
  const Site site = siteTarget(group->sites[kind]);
  const MlirValue value = siteOperand(site);
  const MlirStringRef name = mambaValueName(value);
  if (isQuantized(siteOperand(group->sites[kind]))) {
    mambaEmitError(site.reader, "the input '%.*s' is quantized already", (int)name.length, name.data);
    return false;
  }
  const bool shared = kind == SITE_U && sharesScanInput(in, group);
  char label[256];
  snprintf(label, sizeof label, "%.*s%s", (int)name.length, name.data, kind == SITE_UX ? ".x_proj" : "");
  MlirValue stored;
  if (!store(in, site, in->storage.sites[kind], mambaRef(label), value, &stored))
    return false;
  siteReplace(site, stored);
  if (shared)
    siteReplace(group->sites[SITE_UX], stored);
  return true;
}

/* ---- Weights ---------------------------------------------------------------------------------------- */

static void insertWeight(const Inserter *in, MlirOperation op) {
  MambaBuilder builder = mambaBuilderBefore(op);
  const MlirValue weight = mambaOperand(op, "weight"), none = {NULL};
  if (mambaDefiningKind(weight) == MAMBA_OP_DEQUANTIZE) /* by mamba-gptq */
    return;
  const MlirStringRef name = weightName(op, "weight");
  const MlirType scalar = mambaTensorType(builder.context, MAMBA_ELEMENT_F32, 0, NULL);
  const MlirType type = in->storage.row_scales ? perRowType(weight) : scalar;
  const MlirValue scale = buildAbsmaxScale(&builder, name, weight, type);
  mlirOperationSetOperand(op, mambaOperandIndex(op, "weight"),
                          buildQuantizeDequantize(&builder, name, weight, scale, none));
}

/* ---- States ----------------------------------------------------------------------------------------- */

static void narrowState(MlirOperation module, MlirOperation scan) {
  const MlirOperation state = mambaSymbol(module, mambaStringAttribute(scan, "state"));
  const int64_t shape[] = {mambaChannels(mambaOperand(scan, "b")) + MAMBA_STATE_SCALE_ROWS,
                           mambaChannels(mambaOperand(scan, "u"))};
  const MlirType type = mambaTensorType(mlirOperationGetContext(scan), MAMBA_ELEMENT_I8, 2, shape);
  mlirOperationSetInherentAttributeByName(state, mambaRef("type"), mlirTypeAttrGet(type));
}

/* ---- Blocks ----------------------------------------------------------------------------------------- */

static bool insertGroup(Inserter *in, const SiteGroup *group) {
  if (!storageOfGroup(&in->options, group, &in->storage))
    return false;
  const bool shared = !mlirOperationIsNull(group->scan) && sharesScanInput(in, group);
  for (int kind = 0; kind < SITE_COUNT; kind++) {
    if (mlirOperationIsNull(group->sites[kind].reader) || (kind == SITE_UX && shared))
      continue;
    if (!insertAt(in, group, (SiteKind)kind))
      return false;
  }
  /* A matrix is in integers when what it reads is, or where that was chosen; the convolution's weight
   * likewise. */
  static const SiteKind weighted[] = {SITE_IN, SITE_X, SITE_UX, SITE_DT, SITE_Y, SITE_HEAD};
  for (size_t i = 0; i < sizeof weighted / sizeof *weighted; i++) {
    const MlirOperation reader = group->sites[weighted[i]].reader;
    if (!mlirOperationIsNull(reader) && hasIntegerWeights(in->storage.sites[weighted[i]]))
      insertWeight(in, reader);
  }
  return true;
}

/* ---- What stays in floating point -------------------------------------------------------------------- */

/* The element type of the weight that an expression was made of. */
static MambaElement storedElement(MlirValue value) {
  MlirOperation op = mambaDefiningOp(value);
  while (mlirOperationGetNumOperands(op) > 0)
    op = mambaDefiningOp(mlirOperationGetOperand(op, 0));
  return mambaElementOf(mlirOperationGetResult(op, 0));
}

/* A table or matrix that other passes have transformed is an f32 expression: it takes 16 bits again where the
 * checkpoint's takes 16. */
static void narrow(MlirOperation op, const char *operand) {
  const MlirValue weight = mambaOperand(op, operand), none = {NULL};
  if (mambaElementOf(weight) != MAMBA_ELEMENT_F32 || !mambaIsConstant(weight) ||
      mambaDefiningKind(weight) == MAMBA_OP_DEQUANTIZE ||
      mambaElementSize(storedElement(weight)) != mambaElementSize(MAMBA_ELEMENT_F16))
    return;
  MambaBuilder builder = mambaBuilderBefore(op);
  const MlirValue half =
      mambaBuildSimple(&builder, MAMBA_OP_CAST, mambaNameFrom(builder.context, mambaValueName(weight)),
                       mambaWithElement(mlirValueGetType(weight), MAMBA_ELEMENT_F16), weight, none);
  mlirOperationSetOperand(op, mambaOperandIndex(op, operand), half);
}

static void narrowFloats(MlirBlock body) {
  for (MlirOperation op = mlirBlockGetFirstOperation(body); !mlirOperationIsNull(op);
       op = mlirOperationGetNextInBlock(op)) {
    if (mambaOpIs(op, MAMBA_OP_EMBEDDING))
      narrow(op, "table");
    else if (mambaOpIs(op, MAMBA_OP_LINEAR))
      narrow(op, "weight");
  }
}

bool mambaPassInsertQdq(MlirOperation module, const MambaInsertQdqOptions *options) {
  Inserter in = {.statistics = {.module = module}, .body = mambaForwardBody(module)};
  SiteGroup *groups = NULL;
  intptr_t count = 0;
  bool ok = parseStorage(module, options, &in.options) && findSites(module, &groups, &count);
  for (intptr_t i = 0; ok && i < count; i++)
    ok = insertGroup(&in, &groups[i]);
  for (intptr_t i = 0; ok && in.options.state_i8 && i < count; i++)
    if (!mlirOperationIsNull(groups[i].scan))
      narrowState(module, groups[i].scan);
  if (ok)
    narrowFloats(in.body);
  siteStatisticsDestroy(&in.statistics);
  free(groups);
  return ok;
}
