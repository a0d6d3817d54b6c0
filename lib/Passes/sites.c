#include "sites.h"

#include <stdlib.h>
#include <string.h>

#include "builders.h"
#include "kernel_ops.h"

const char *const kSiteNames[SITE_COUNT] = {"in", "x", "z", "u", "ux", "dt", "B", "C", "y", "head"};

/* ---- Walking ---------------------------------------------------------------------------------------- */

/* Ops that change how a value is stored, spread or scaled, not what it stands for. */
static bool isTransparent(MlirOperation op) {
  switch (mambaOpKind(op)) {
  case MAMBA_OP_CLAMP:
  case MAMBA_OP_HADAMARD:
  case MAMBA_OP_QUANTIZE:
  case MAMBA_OP_DEQUANTIZE:
  case MAMBA_OP_CAST:
    return true;
  default:
    return mambaOpIs(op, MAMBA_OP_MUL) && !mlirValueIsNull(smoothedBy(mlirOperationGetResult(op, 0)));
  }
}

static MlirValue source(MlirValue value) {
  while (isTransparent(mambaDefiningOp(value)))
    value = mlirOperationGetOperand(mambaDefiningOp(value), 0);
  return value;
}

/* The op of that kind that defines a value, or null. */
static MlirOperation definedBy(MlirValue value, MambaOp kind) {
  const MlirOperation none = {NULL};
  const MlirOperation op = mambaDefiningOp(source(value));
  return mambaOpIs(op, kind) ? op : none;
}

/* The first op of that kind that reads a value, or null. *operand is where. */
static MlirOperation readBy(MlirValue value, MambaOp kind, intptr_t *operand) {
  MlirOperation found = {NULL};
  MlirOpOperand use = mlirValueGetFirstUse(value);
  for (; !mlirOpOperandIsNull(use) && mlirOperationIsNull(found); use = mlirOpOperandGetNextUse(use)) {
    const MlirOperation user = mlirOpOperandGetOwner(use);
    const unsigned at = mlirOpOperandGetOperandNumber(use);
    if (mambaOpIs(user, kind)) {
      found = user;
      *operand = (intptr_t)at;
    } else if (isTransparent(user) && at == 0) {
      found = readBy(mlirOperationGetResult(user, 0), kind, operand);
    }
  }
  return found;
}

static Site named(MlirOperation op, const char *operand) {
  const Site site = {op, mambaOperandIndex(op, operand)};
  return site;
}

/* ---- Matching a block ------------------------------------------------------------------------------- */

/* The op of `kind` behind `op`'s operand; a diagnostic when something else is there. */
static MlirOperation expect(MlirOperation op, const char *operand, MambaOp kind) {
  const MlirValue value = mambaOperand(op, operand);
  const MlirOperation found = definedBy(value, kind);
  if (mlirOperationIsNull(found))
    mambaEmitError(op, "not a Mamba block: expected `%s` to come from a `%s`, found `%s`", operand,
                   mambaOpMnemonic(kind), mambaOpMnemonic(mambaDefiningKind(source(value))));
  return found;
}

/* The linear layer whose slice `op` reads, maybe through a norm (FalconMamba). */
static MlirOperation expectSlicedLinear(MlirOperation op, const char *operand) {
  const MlirOperation norm = definedBy(mambaOperand(op, operand), MAMBA_OP_RMS_NORM);
  const MlirOperation slice =
      mlirOperationIsNull(norm) ? expect(op, operand, MAMBA_OP_SLICE) : expect(norm, "input", MAMBA_OP_SLICE);
  return mlirOperationIsNull(slice) ? slice : expect(slice, "input", MAMBA_OP_LINEAR);
}

static bool matchInputs(MlirOperation scan, SiteGroup *group) {
  const MlirOperation silu = expect(scan, "u", MAMBA_OP_SILU);
  if (mlirOperationIsNull(silu))
    return false;
  group->conv = expect(silu, "input", MAMBA_OP_CAUSAL_CONV1D);
  const MlirOperation in_proj =
      mlirOperationIsNull(group->conv) ? group->conv : expectSlicedLinear(group->conv, "input");
  if (mlirOperationIsNull(in_proj))
    return false;
  group->sites[SITE_IN] = named(in_proj, "input");
  group->sites[SITE_X] = named(group->conv, "input");
  group->sites[SITE_U] = named(scan, "u");
  return true;
}

static bool matchParameters(MlirOperation scan, SiteGroup *group) {
  const MlirOperation softplus = expect(scan, "dt", MAMBA_OP_SOFTPLUS);
  const MlirOperation dt_proj =
      mlirOperationIsNull(softplus) ? softplus : expect(softplus, "input", MAMBA_OP_LINEAR);
  const MlirOperation x_proj = mlirOperationIsNull(dt_proj) ? dt_proj : expectSlicedLinear(dt_proj, "input");
  if (mlirOperationIsNull(x_proj))
    return false;
  group->sites[SITE_DT] = named(dt_proj, "input");
  group->sites[SITE_UX] = named(x_proj, "input");
  group->sites[SITE_B] = named(scan, "b");
  group->sites[SITE_C] = named(scan, "c");
  return true;
}

static bool matchGate(MlirOperation scan, SiteGroup *group) {
  intptr_t at = 0;
  const MlirOperation mul = readBy(mlirOperationGetResult(scan, 0), MAMBA_OP_MUL, &at);
  if (mlirOperationIsNull(mul)) {
    mambaEmitError(scan, "not a Mamba block: expected a `mul` with the gate to read the scan");
    return false;
  }
  const MlirOperation gate = expect(mul, at == 0 ? "rhs" : "lhs", MAMBA_OP_SILU);
  if (mlirOperationIsNull(gate))
    return false;
  group->sites[SITE_Z] = named(gate, "input");
  const MlirOperation out_proj = readBy(mlirOperationGetResult(mul, 0), MAMBA_OP_LINEAR, &at);
  if (mlirOperationIsNull(out_proj)) {
    mambaEmitError(mul, "not a Mamba block: expected a `linear` to read the gated scan");
    return false;
  }
  group->sites[SITE_Y] = named(out_proj, "input");
  return true;
}

static bool match(MlirOperation op, SiteGroup *group) {
  memset(group, 0, sizeof *group);
  if (mambaOpIs(op, MAMBA_OP_LINEAR)) {
    group->sites[SITE_HEAD] = named(op, "input");
    return true;
  }
  group->scan = op;
  return matchInputs(op, group) && matchParameters(op, group) && matchGate(op, group);
}

bool findSites(MlirOperation module, SiteGroup **groups, intptr_t *count) {
  const MlirBlock body = mambaForwardBody(module);
  if (mlirBlockIsNull(body)) {
    mambaEmitError(module, "expected a function @forward with one block");
    return false;
  }
  intptr_t capacity = 0;
  for (MlirOperation op = mlirBlockGetFirstOperation(body); !mlirOperationIsNull(op);
       op = mlirOperationGetNextInBlock(op))
    capacity += mambaOpIs(op, MAMBA_OP_SELECTIVE_SCAN) || mambaOpIs(op, MAMBA_OP_LINEAR);
  SiteGroup *list = calloc((size_t)capacity + 1, sizeof *list);
  bool ok = list != NULL;
  intptr_t n = 0;
  if (!ok)
    mambaEmitError(module, "out of memory");
  for (MlirOperation op = mlirBlockGetFirstOperation(body); ok && !mlirOperationIsNull(op);
       op = mlirOperationGetNextInBlock(op))
    if (mambaOpIs(op, MAMBA_OP_SELECTIVE_SCAN) ||
        (mambaOpIs(op, MAMBA_OP_LINEAR) && valueIsReturned(mlirOperationGetResult(op, 0))))
      ok = match(op, &list[n++]);
  if (ok && !n) {
    mambaEmitError(module, "expected a model at level 1 or 2: @forward has neither a `selective_scan` nor a "
                           "`linear` that it returns");
    ok = false;
  }
  if (!ok) {
    free(list);
    return false;
  }
  *groups = list;
  *count = n;
  return true;
}

/* ---- Sites ------------------------------------------------------------------------------------------ */

Site siteTarget(Site site) {
  const MlirOperation restore = mambaDefiningOp(siteOperand(site));
  if (mambaOpIs(restore, MAMBA_OP_HADAMARD) &&
      mambaDefiningKind(mlirOperationGetOperand(restore, 0)) == MAMBA_OP_HADAMARD) {
    const Site rotated = {restore, 0};
    return rotated;
  }
  return site;
}

/* ---- Lists in options ------------------------------------------------------------------------------- */

bool nextEntry(const char **rest, MlirStringRef *entry) {
  const char *text = *rest + strspn(*rest, " ,");
  const size_t length = strcspn(text, " ,");
  *rest = text + length;
  *entry = mlirStringRefCreate(text, length);
  return length > 0;
}

SiteKind siteNamed(MlirStringRef name) {
  for (int kind = 0; kind < SITE_COUNT; kind++)
    if (mambaRefIs(name, kSiteNames[kind]))
      return (SiteKind)kind;
  return SITE_COUNT;
}
