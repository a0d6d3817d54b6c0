#include "fuse_stores.h"

#include "builders.h"

static MlirOperation userOf(MlirOpOperand use) {
  return mlirOpOperandGetOwner(use);
}

/* One scale per token of `value`, found at run time. */
static bool isPerToken(MlirValue scale, MlirValue value) {
  const MlirOperation op = mambaDefiningOp(scale);
  return mambaOpIs(op, MAMBA_OP_ABSMAX_SCALE) && mlirValueEqual(mambaOperand(op, "input"), value) &&
         mlirTypeEqual(mlirValueGetType(scale), perTokenType(value));
}

/* True when an absmax_scale serves only to quantize its own input: it is found with the `quantize`. */
static bool onlyScales(MlirOperation absmax_scale) {
  MlirOpOperand use = mlirValueGetFirstUse(mlirOperationGetResult(absmax_scale, 0));
  for (; !mlirOpOperandIsNull(use); use = mlirOpOperandGetNextUse(use)) {
    const MlirOperation user = userOf(use);
    const bool reads = mambaOpIs(user, MAMBA_OP_DEQUANTIZE);
    const MlirOperation quantize = reads ? mambaDefiningOp(mambaOperand(user, "input")) : user;
    if (!mambaOpIs(quantize, MAMBA_OP_QUANTIZE) ||
        !mlirValueEqual(mambaOperand(quantize, "input"), mambaOperand(absmax_scale, "input")))
      return false;
  }
  return true;
}

static MlirValue reciprocal(MlirOperation before, MlirStringRef name, MlirValue scale) {
  hoist(scale, before);
  MambaBuilder builder = mambaBuilderBefore(before);
  const MlirValue none = {NULL};
  return mambaBuildSimple(&builder, MAMBA_OP_RECIPROCAL, suffixed(builder.context, name, ".inv_scale"),
                          mlirValueGetType(scale), scale, none);
}

static MlirStringRef baseName(MlirValue value) {
  return withoutSuffix(withoutSuffix(mambaValueName(value), ".q"), ".f16");
}

/* True when quantize(clamp(x)) is quantize(x): the limit is where the integers end. */
static bool saturatesAt(MlirOperation quantize, double limit) {
  const MlirOperation scale = mambaDefiningOp(mambaOperand(quantize, "scale"));
  return mambaOpIs(scale, MAMBA_OP_SCALE) && (float)mambaFloatAttribute(scale, "value") == scaleOf(limit);
}

typedef struct Search {
  MlirOperation op;
  MlirValue value;
  bool row_scales;
  Store *stores;
  int limit, count;
  bool direct; /* something reads the value itself */
} Search;

static bool add(Search *search, Store store) {
  if (search->count == search->limit) {
    const MlirStringRef name = mambaValueName(search->value);
    mambaEmitError(search->op, "expected '%.*s' to be stored in at most %d form%s, found more",
                   (int)name.length, name.data, search->limit, search->limit == 1 ? "" : "s");
    return false;
  }
  search->stores[search->count++] = store;
  return true;
}

static bool addQuantize(Search *search, MlirOperation quantize) {
  const MlirValue result = mlirOperationGetResult(quantize, 0), scale = mambaOperand(quantize, "scale");
  Store store = {.value = result, .name = baseName(result), .type = mlirValueGetType(result)};
  if (mambaIsConstant(scale)) {
    store.scale = scale;
    return add(search, store);
  }
  if (search->row_scales && isPerToken(scale, mambaOperand(quantize, "input"))) {
    store.row_scale = scale;
    return add(search, store);
  }
  search->direct = true;
  return true;
}

static bool addClamp(Search *search, MlirOperation clamp) {
  const double limit = mambaFloatAttribute(clamp, "limit");
  MlirOpOperand use = mlirValueGetFirstUse(mlirOperationGetResult(clamp, 0));
  for (; !mlirOpOperandIsNull(use); use = mlirOpOperandGetNextUse(use)) {
    const MlirOperation user = userOf(use);
    if (!mambaOpIs(user, MAMBA_OP_QUANTIZE) || !saturatesAt(user, limit)) {
      mambaEmitError(clamp,
                     "expected every reader of the clamp to quantize with the scale limit / 127, which makes "
                     "it unnecessary; found `%s`",
                     mambaOpMnemonic(mambaOpKind(user)));
      return false;
    }
    if (!addQuantize(search, user))
      return false;
  }
  return true;
}

static bool addUse(Search *search, MlirOpOperand use) {
  const MlirOperation user = userOf(use);
  switch (mambaOpKind(user)) {
  case MAMBA_OP_QUANTIZE:
    return addQuantize(search, user);
  case MAMBA_OP_CLAMP:
    return addClamp(search, user);
  case MAMBA_OP_ABSMAX_SCALE:
    search->direct |= !onlyScales(user);
    return true;
  case MAMBA_OP_CAST: {
    const MlirValue half = mlirOperationGetResult(user, 0);
    const Store store = {.value = half, .name = baseName(half), .type = mlirValueGetType(half)};
    if (mambaElementOf(half) == MAMBA_ELEMENT_F16)
      return add(search, store);
    break;
  }
  default:
    break;
  }
  search->direct = true;
  return true;
}

/* Uses come in no order that a printed and parsed module would keep; results should. */
static void sortByPosition(Store *stores, int count) {
  for (int i = 1; i < count; i++)
    for (int j = i; j > 0 && mlirOperationIsBeforeInBlock(mambaDefiningOp(stores[j].value),
                                                          mambaDefiningOp(stores[j - 1].value));
         j--) {
      const Store store = stores[j];
      stores[j] = stores[j - 1];
      stores[j - 1] = store;
    }
}

bool findStores(MlirOperation op, MlirValue value, bool row_scales, Store *stores, int limit, int *count) {
  Search search = {.op = op, .value = value, .row_scales = row_scales, .stores = stores, .limit = limit};
  MlirOpOperand use = mlirValueGetFirstUse(value);
  for (; !mlirOpOperandIsNull(use); use = mlirOpOperandGetNextUse(use))
    if (!addUse(&search, use))
      return false;
  const Store itself = {.value = value, .name = mambaValueName(value), .type = mlirValueGetType(value)};
  if ((search.direct || !search.count) && !add(&search, itself))
    return false;
  sortByPosition(stores, search.count);
  for (int i = 0; i < search.count; i++)
    if (!mlirValueIsNull(stores[i].scale))
      stores[i].inv_scale = reciprocal(op, stores[i].name, stores[i].scale);
  *count = search.count;
  return true;
}

void addResult(Kernel *kernel, MlirType type, MlirStringRef name) {
  kernel->names[kernel->state.result_count] = name;
  kernel->state.results[kernel->state.result_count++] = type;
}

void addStore(Kernel *kernel, const Store *store) {
  addResult(kernel, store->type, store->name);
  if (!mlirValueIsNull(store->row_scale))
    addResult(kernel, mlirValueGetType(store->row_scale), mambaValueName(store->row_scale));
  if (!mlirValueIsNull(store->inv_scale))
    kernel->inv_scales[kernel->state.variadic_count++] = store->inv_scale;
}

MlirOperation buildKernel(Kernel *kernel, MlirOperation before) {
  MambaBuilder builder = mambaBuilderBefore(before);
  MambaOpState state = kernel->state;
  state.location = mambaNames(builder.context, kernel->names, state.result_count);
  state.variadic = kernel->inv_scales;
  return mambaBuild(&builder, &state);
}

void takeStore(const Store *store, MlirOperation kernel, int result) {
  mlirValueReplaceAllUsesOfWith(store->value, mlirOperationGetResult(kernel, result));
  if (!mlirValueIsNull(store->row_scale))
    mlirValueReplaceAllUsesOfWith(store->row_scale, mlirOperationGetResult(kernel, result + 1));
}

void eraseReplaced(MlirOperation op) {
  for (intptr_t i = 0, n = mlirOperationGetNumResults(op); i < n; i++)
    while (mambaHasUses(mlirOperationGetResult(op, i)))
      eraseReplaced(mlirOpOperandGetOwner(mlirValueGetFirstUse(mlirOperationGetResult(op, i))));
  mlirOperationDestroy(op);
}

Load loadOf(MlirValue value) {
  const MlirOperation op = mambaDefiningOp(value);
  Load load = {.value = value};
  if (mambaOpIs(op, MAMBA_OP_DEQUANTIZE)) {
    load.value = mambaOperand(op, "input");
    load.scale = mambaOperand(op, "scale");
  } else if (mambaOpIs(op, MAMBA_OP_CAST) && mambaElementOf(mambaOperand(op, "input")) == MAMBA_ELEMENT_F16) {
    load.value = mambaOperand(op, "input");
  }
  return load;
}
