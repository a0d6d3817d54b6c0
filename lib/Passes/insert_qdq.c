/* Level 1 to 2: quantize and dequantize what the kernels will store in fewer bits. */
#include "mamba/passes.h"

#include <stdio.h>
#include <stdlib.h>

#include "builders.h"
#include "insert_qdq_options.h"
#include "site_statistics.h"

typedef struct Inserter {
  Storage storage;
  SiteStatistics statistics;
  MlirBlock body;
} Inserter;

/* ---- Activations ------------------------------------------------------------------------------------ */

/* One scale from calibration: a clamp has decided the range, or else the absolute maximum does. */
static bool tensorScale(Inserter *in, MambaBuilder *builder, MlirLocation location, MlirValue value,
                        MlirValue *scale) {
  double absmax = 0;
  if (mambaDefiningKind(value) == MAMBA_OP_CLAMP)
    absmax = mambaFloatAttribute(mambaDefiningOp(value), "limit");
  else if (!siteStatisticsPercentile(&in->statistics, value, 100, &absmax))
    return false;
  *scale = mambaBuildScale(builder, location, scaleOf(absmax));
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

/* What the reader of a site gets instead of `value`. `name` is what the new values are named after. */
static bool store(Inserter *in, Site site, StorageKind kind, MlirStringRef name, MlirValue value,
                  MlirValue *stored) {
  MambaBuilder builder = builderAfter(value, in->body);
  const MlirLocation location = suffixed(builder.context, name, ".scale");
  MlirValue scale, read_scale = {NULL};
  switch (kind) {
  case STORE_TENSOR:
    if (!tensorScale(in, &builder, location, value, &scale))
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
  *stored = buildQuantizeDequantize(&builder, name, value, scale, read_scale);
  return true;
}

static bool isQuantized(MlirValue value) {
  const MambaOp kind = mambaDefiningKind(value);
  return kind == MAMBA_OP_DEQUANTIZE || kind == MAMBA_OP_CAST ||
         (kind == MAMBA_OP_HADAMARD && isQuantized(mambaOperand(mambaDefiningOp(value), "input")));
}

/* The scan and x_proj read the same value: one copy serves both where both want it the same way. */
static bool sharesScanInput(const Inserter *in, const SiteGroup *group) {
  return in->storage.sites[SITE_UX] == in->storage.sites[SITE_U] &&
         in->storage.sites[SITE_U] != STORE_CHANNEL &&
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
  const MlirStringRef name = weightName(op, "weight");
  const MlirType scalar = mambaTensorType(builder.context, MAMBA_ELEMENT_F32, 0, NULL);
  const MlirType type = in->storage.row_scales ? perRowType(weight) : scalar;
  const MlirValue scale = buildAbsmaxScale(&builder, name, weight, type);
  mlirOperationSetOperand(op, mambaOperandIndex(op, "weight"),
                          buildQuantizeDequantize(&builder, name, weight, scale, none));
}

/* ---- Blocks ----------------------------------------------------------------------------------------- */

static bool insertGroup(Inserter *in, const SiteGroup *group) {
  const bool shared = !mlirOperationIsNull(group->scan) && sharesScanInput(in, group);
  for (int kind = 0; kind < SITE_COUNT; kind++) {
    if (mlirOperationIsNull(group->sites[kind].reader) || (kind == SITE_UX && shared))
      continue;
    if (!insertAt(in, group, (SiteKind)kind))
      return false;
  }
  /* A matrix is in integers when what it reads is; the convolution's weight likewise. */
  static const SiteKind weighted[] = {SITE_IN, SITE_X, SITE_UX, SITE_DT, SITE_Y, SITE_HEAD};
  for (size_t i = 0; i < sizeof weighted / sizeof *weighted; i++) {
    const MlirOperation reader = group->sites[weighted[i]].reader;
    if (!mlirOperationIsNull(reader) && isIntegers(in->storage.sites[weighted[i]]))
      insertWeight(in, reader);
  }
  return true;
}

bool mambaPassInsertQdq(MlirOperation module, const MambaInsertQdqOptions *options) {
  Inserter in = {.statistics = {.module = module}, .body = mambaForwardBody(module)};
  SiteGroup *groups = NULL;
  intptr_t count = 0;
  bool ok = parseStorage(module, options, &in.storage) && findSites(module, &groups, &count);
  for (intptr_t i = 0; ok && i < count; i++)
    ok = insertGroup(&in, &groups[i]);
  siteStatisticsDestroy(&in.statistics);
  free(groups);
  return ok;
}
