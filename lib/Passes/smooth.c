/* SmoothQuant: what a matrix reads is divided by a factor for each channel, its columns are multiplied by it.
 *
 *   in   the division goes into the norm's gamma: nothing is left of it at run time.
 *   y    y is multiplied by the reciprocals; mamba-insert-qdq makes them part of the scale that the scan
 * quantizes y with, channel by channel, as that kernel can anyway: nothing is left of it either.
 *
 * The channels' maxima are those of the statistics file. The new maximum of a smoothed value is computed here
 * and takes the place of its `mamba.stats`. */
#include "mamba/passes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "builders.h"
#include "choices.h"
#include "mamba/parameters.h"
#include "site_statistics.h"

/* A smoothed value whose statistics are still to be replaced. */
typedef struct Smoothed {
  MlirOperation op;
  MlirValue absmax; /* of each channel, an expression that serves for nothing else */
} Smoothed;

typedef struct Smoother {
  MlirOperation module;
  SiteStatistics statistics;
  Smoothed *smoothed;
  intptr_t count;
} Smoother;

/* max|x_c|^strength / max|W_c|^(1 - strength) of Xiao et al., equation 4, in front of `before`. */
static MlirValue buildFactors(MlirOperation before, MlirStringRef name, MlirValue weight,
                              MlirStringRef weight_name, MlirValue absmax, double strength) {
  MambaBuilder builder = mambaBuilderBefore(before);
  const int64_t columns[] = {1, mambaChannels(weight)};
  const MlirType type = mambaTensorType(builder.context, MAMBA_ELEMENT_F32, 2, columns);
  hoist(weight, before);
  const MlirValue none = {NULL};
  const MlirValue weight_absmax =
      mambaBuildSimple(&builder, MAMBA_OP_ABSMAX_SCALE, suffixed(builder.context, weight_name, ".columns"),
                       type, weight, none);
  MambaOpState state = {.kind = MAMBA_OP_SMOOTHING,
                        .location = suffixed(builder.context, name, ".smoothing"),
                        .operands = {absmax, weight_absmax},
                        .results = {mlirValueGetType(absmax)},
                        .result_count = 1};
  mambaSetFloat(&state, "strength", strength);
  return mlirOperationGetResult(mambaBuild(&builder, &state), 0);
}

static void divideGamma(MlirOperation norm, MlirStringRef name, MlirValue reciprocal) {
  MambaBuilder builder = mambaBuilderBefore(norm);
  const MlirValue gamma = mambaOperand(norm, "gamma");
  MlirValue operands[] = {mambaOperand(norm, "input"), reciprocal};
  if (!mlirValueIsNull(gamma)) {
    hoist(gamma, norm);
    operands[1] = buildMul(&builder, mambaNameFrom(builder.context, mambaValueName(gamma)),
                           mlirValueGetType(reciprocal), gamma, reciprocal);
  }
  mlirOperationSetOperands(norm, 2, operands);
  mlirOperationSetLocation(norm, suffixed(builder.context, name, "_smoothed"));
}

/* A norm, or the gated scan, which nothing has changed yet. */
static bool canSmooth(Site site, SiteKind kind) {
  const MlirValue value = siteOperand(site);
  const MlirStringRef name = mambaValueName(value);
  const MambaOp expected = kind == SITE_IN ? MAMBA_OP_RMS_NORM : MAMBA_OP_MUL;
  if (mambaDefiningKind(value) == expected && mambaHasOneUse(value) && mlirValueIsNull(smoothedBy(value)))
    return true;
  mambaEmitError(
      site.reader,
      "expected to smooth a `%s` that nothing else reads, before other passes change it; found '%.*s', "
      "from a `%s`",
      mambaOpMnemonic(expected), (int)name.length, name.data, mambaOpMnemonic(mambaDefiningKind(value)));
  return false;
}

static bool smooth(Smoother *s, Site site, SiteKind kind, double strength) {
  if (!canSmooth(site, kind))
    return false;
  const MlirValue value = siteOperand(site), weight = mambaOperand(site.reader, "weight"), none = {NULL};
  const MlirOperation producer = mambaDefiningOp(value);
  const MlirStringRef name = mambaValueName(value), weight_name = weightName(site.reader, "weight");
  MambaBuilder builder = mambaBuilderBefore(producer), reader = mambaBuilderBefore(site.reader);
  MlirValue absmax;
  if (!siteStatisticsBuildChannelAbsmax(&s->statistics, &builder, value, &absmax))
    return false;
  const MlirValue factors = buildFactors(producer, name, weight, weight_name, absmax, strength);
  const MlirType type = mlirValueGetType(factors);
  const MlirValue reciprocal = mambaBuildSimple(
      &builder, MAMBA_OP_RECIPROCAL, suffixed(builder.context, name, ".inv_smoothing"), type, factors, none);
  Smoothed *smoothed = &s->smoothed[s->count++];
  smoothed->op = producer;
  smoothed->absmax = buildMul(&builder, mlirOperationGetLocation(producer), type, absmax, reciprocal);
  if (kind == SITE_IN) {
    divideGamma(producer, name, reciprocal);
  } else {
    const MlirValue scaled = buildMul(&reader, suffixed(builder.context, name, "_smoothed"),
                                      mlirValueGetType(value), value, reciprocal);
    siteReplace(site, scaled);
    smoothed->op = mambaDefiningOp(scaled);
  }
  mlirOperationSetOperand(site.reader, mambaOperandIndex(site.reader, "weight"),
                          buildMul(&reader, mambaNameFrom(builder.context, weight_name),
                                   mambaWithElement(mlirValueGetType(weight), MAMBA_ELEMENT_F32), weight,
                                   factors));
  return true;
}

/* ---- The statistics of what was smoothed -------------------------------------------------------------- */

static MambaStatus annotate(MambaParameters *parameters, const Smoothed *smoothed, MambaError *error) {
  MambaConstant constant;
  const MambaStatus status = mambaParametersEvaluate(parameters, smoothed->absmax, false, &constant, error);
  if (status)
    return status;
  const MlirContext context = mlirOperationGetContext(smoothed->op);
  float absmax = 0;
  for (size_t c = 0; c < constant.count; c++)
    absmax = fmaxf(absmax, ((const float *)constant.data)[c]);
  mambaConstantDestroy(&constant);
  const MlirNamedAttribute summary =
      mlirNamedAttributeGet(mlirIdentifierGet(context, mambaRef("absmax")),
                            mlirFloatAttrDoubleGet(context, mlirF64TypeGet(context), absmax));
  mlirOperationSetDiscardableAttributeByName(smoothed->op, mambaRef("mamba.stats"),
                                             mlirDictionaryAttrGet(context, 1, &summary));
  return MAMBA_OK;
}

static bool annotateAll(const Smoother *s) {
  MambaParameters *parameters = NULL;
  MambaError error;
  MambaStatus status = mambaParametersCreate(s->module, 0, &parameters, &error);
  for (intptr_t i = 0; i < s->count && !status; i++)
    status = annotate(parameters, &s->smoothed[i], &error);
  mambaParametersDestroy(parameters);
  for (intptr_t i = 0; i < s->count; i++)
    mlirOperationDestroy(mambaDefiningOp(s->smoothed[i].absmax));
  if (status)
    mambaEmitError(s->module, "mamba-smooth: %s", error.message);
  return status == MAMBA_OK;
}

/* ---- The pass ----------------------------------------------------------------------------------------- */

static bool parseSites(MlirOperation module, const char *list, bool wanted[SITE_COUNT]) {
  MlirStringRef entry;
  while (strcmp(list, "none") && nextEntry(&list, &entry)) {
    const SiteKind kind = siteNamed(entry);
    if (kind != SITE_IN && kind != SITE_Y) {
      mambaEmitError(module, "mamba-smooth: sites: expected in or y, found '%.*s'", (int)entry.length,
                     entry.data);
      return false;
    }
    wanted[kind] = true;
  }
  return true;
}

static bool smoothIfWanted(Smoother *s, Site site, SiteKind kind, bool wanted, double strength) {
  Choice choice;
  bool given;
  if (!choiceGet(site, kind, CHOICE_SMOOTH, &choice, &given))
    return false;
  if (given ? !choice.enabled : !wanted)
    return true;
  return smooth(s, site, kind, given ? choice.number : strength);
}

bool mambaPassSmooth(MlirOperation module, const MambaSmoothOptions *options) {
  static const SiteKind kinds[] = {SITE_IN, SITE_Y};
  Smoother s = {.module = module, .statistics = {.module = module}};
  bool wanted[SITE_COUNT] = {false};
  SiteGroup *groups = NULL;
  intptr_t count = 0;
  if (!(options->strength >= 0 && options->strength <= 1)) {
    mambaEmitError(module, "mamba-smooth: strength: expected a number from 0 to 1, found %g",
                   options->strength);
    return false;
  }
  bool ok = parseSites(module, options->sites, wanted) && findSites(module, &groups, &count);
  s.smoothed = ok ? calloc(2 * (size_t)count, sizeof *s.smoothed) : NULL;
  if (ok && !s.smoothed) {
    mambaEmitError(module, "out of memory");
    ok = false;
  }
  for (intptr_t i = 0; ok && i < count; i++)
    for (int k = 0; ok && k < 2; k++)
      if (!mlirOperationIsNull(groups[i].sites[kinds[k]].reader))
        ok = smoothIfWanted(&s, groups[i].sites[kinds[k]], kinds[k], wanted[kinds[k]], options->strength);
  ok = ok && (!s.count || annotateAll(&s));
  siteStatisticsDestroy(&s.statistics);
  free(s.smoothed);
  free(groups);
  return ok;
}
