#include "plan_decode.h"

#include "attributes.h"
#include "cuda/limits.h"

/* The only op that reads a value; null when there are several or none. */
static MlirOperation onlyUser(MlirValue value) {
  const MlirOpOperand use = mlirValueGetFirstUse(value);
  if (mlirOpOperandIsNull(use) || !mlirOpOperandIsNull(mlirOpOperandGetNextUse(use)))
    return (MlirOperation){NULL};
  return mlirOpOperandGetOwner(use);
}

static bool is(MlirOperation op, MambaOp kind, intptr_t results) {
  return !mlirOperationIsNull(op) && mambaOpIs(op, kind) &&
         (results < 0 || mlirOperationGetNumResults(op) == results);
}

static bool isI8(MlirValue value) {
  return mambaElementOf(value) == MAMBA_ELEMENT_I8;
}

static bool isF32(MlirValue value) {
  return mambaElementOf(value) == MAMBA_ELEMENT_F32;
}

static bool has(MlirOperation op, const char *operand) {
  return !mlirValueIsNull(mambaOperand(op, operand));
}

/* The result of a norm that in_proj reads: behind the sum, if there is one. */
static MlirValue normalised(MlirOperation norm) {
  return mlirOperationGetResult(norm, mambaOpIs(norm, MAMBA_OP_ADD_RMS_NORM_QUANT));
}

/* Follows the values from op to op. */
static bool findOps(MlirOperation norm, DecodeLayer *layer) {
  if (!mambaOpIs(norm, MAMBA_OP_RMS_NORM_QUANT) && !mambaOpIs(norm, MAMBA_OP_ADD_RMS_NORM_QUANT))
    return false;
  *layer = (DecodeLayer){.norm = norm, .in_proj = onlyUser(normalised(norm))};
  if (!is(layer->in_proj, MAMBA_OP_LINEAR_I8, 2))
    return false;
  layer->conv = onlyUser(mlirOperationGetResult(layer->in_proj, 0));
  layer->scan = onlyUser(mlirOperationGetResult(layer->in_proj, 1));
  if (!is(layer->conv, MAMBA_OP_CONV1D_SILU_QUANT, -1) || !is(layer->scan, MAMBA_OP_SELECTIVE_SCAN_QUANT, 1))
    return false;
  layer->dt_proj = mambaDefiningOp(mambaOperand(layer->scan, "dt"));
  if (!is(layer->dt_proj, MAMBA_OP_LINEAR_I8, 1))
    return false;
  layer->x_proj = mambaDefiningOp(mambaOperand(layer->dt_proj, "input"));
  MlirOperation user = onlyUser(mlirOperationGetResult(layer->scan, 0));
  if (!mlirOperationIsNull(user) && mambaOpIs(user, MAMBA_OP_HADAMARD_QUANT)) {
    layer->hadamard = user;
    user = onlyUser(mlirOperationGetResult(user, 0));
  }
  layer->out_proj = user;
  if (!is(layer->x_proj, MAMBA_OP_LINEAR_I8, 3) || !is(layer->out_proj, MAMBA_OP_LINEAR_I8, 1))
    return false;
  layer->next = onlyUser(mlirOperationGetResult(layer->out_proj, 0));
  return is(layer->next, MAMBA_OP_ADD_RMS_NORM_QUANT, -1);
}

/* Every value goes where the kernels expect it. */
static bool areConnected(const DecodeLayer *l) {
  const bool add = mambaOpIs(l->norm, MAMBA_OP_ADD_RMS_NORM_QUANT);
  const MlirValue residual = add ? mlirOperationGetResult(l->norm, 0) : mambaOperand(l->norm, "input");
  return mlirValueEqual(mambaOperand(l->conv, "input"), mlirOperationGetResult(l->in_proj, 0)) &&
         mlirValueEqual(mambaOperand(l->scan, "z"), mlirOperationGetResult(l->in_proj, 1)) &&
         mlirOperationEqual(mambaDefiningOp(mambaOperand(l->scan, "u")), l->conv) &&
         mlirOperationEqual(mambaDefiningOp(mambaOperand(l->x_proj, "input")), l->conv) &&
         mlirValueEqual(mambaOperand(l->dt_proj, "input"), mlirOperationGetResult(l->x_proj, 0)) &&
         mlirValueEqual(mambaOperand(l->scan, "b"), mlirOperationGetResult(l->x_proj, 1)) &&
         mlirValueEqual(mambaOperand(l->scan, "c"), mlirOperationGetResult(l->x_proj, 2)) &&
         mlirValueEqual(mambaOperand(l->scan, "dt"), mlirOperationGetResult(l->dt_proj, 0)) &&
         mlirValueEqual(mambaOperand(l->next, "delta"), mlirOperationGetResult(l->out_proj, 0)) &&
         mlirValueEqual(mambaOperand(l->next, "input"), residual);
}

static bool areTypesTaken(const DecodeLayer *l) {
  const MlirValue conv_weight = mambaOperand(l->conv, "weight"), x = mambaOperand(l->conv, "input");
  const MambaElement element = mambaElementOf(x);
  return mambaElementOf(mambaOperand(l->scan, "z")) == element &&
         mambaElementOf(mambaOperand(l->scan, "u")) == element && isI8(mambaOperand(l->in_proj, "input")) &&
         isI8(mambaOperand(l->x_proj, "input")) && isI8(mambaOperand(l->dt_proj, "input")) &&
         isI8(mambaOperand(l->out_proj, "input")) && isF32(mlirOperationGetResult(l->dt_proj, 0)) &&
         isF32(mlirOperationGetResult(l->out_proj, 0)) &&
         (isI8(conv_weight) ? isI8(x) : isF32(conv_weight) && !isI8(x)) && !has(l->x_proj, "row_scale") &&
         !has(l->dt_proj, "row_scale") && (!l->hadamard.ptr || isF32(mambaOperand(l->hadamard, "input"))) &&
         (l->hadamard.ptr || !has(l->out_proj, "row_scale"));
}

static bool areSizesTaken(const DecodeLayer *l) {
  const int64_t d = mambaChannels(mambaOperand(l->norm, "input"));
  const int64_t inner = mambaChannels(mambaOperand(l->scan, "u"));
  const int64_t rank = mambaChannels(mambaOperand(l->dt_proj, "input"));
  return mambaCudaTakesWidth(d) && mambaCudaTakesInner(inner) && mambaCudaTakesRank(rank) &&
         mambaChannels(mlirOperationGetResult(l->in_proj, 0)) == inner &&
         mambaChannels(mambaOperand(l->scan, "z")) == inner &&
         mambaChannels(mambaOperand(l->scan, "b")) == MAMBA_CUDA_LAYER_STATES &&
         mambaDim(mambaOperand(l->conv, "weight"), 0) == MAMBA_CUDA_LAYER_WIDTH &&
         mambaChannels(mlirOperationGetResult(l->out_proj, 0)) == d &&
         (!l->hadamard.ptr || mambaCudaTakesTransform(inner));
}

bool decodeLayerMatch(MlirOperation norm, DecodeLayer *layer) {
  return findOps(norm, layer) && areConnected(layer) && areTypesTaken(layer) && areSizesTaken(layer);
}

int64_t decodeLayerSums(const DecodeLayer *layer, int64_t rows) {
  return mambaCudaSums(rows, mambaChannels(mambaOperand(layer->norm, "input"))) +
         rows * mambaElementCount(mambaOperand(layer->x_proj, "multiplier")) * (int64_t)sizeof(int32_t);
}

int64_t decodeLayerExchange(const DecodeLayer *layer) {
  return mambaCudaExchangeBytes(mambaChannels(mambaOperand(layer->norm, "input")),
                                mambaChannels(mambaOperand(layer->scan, "u")),
                                mambaChannels(mambaOperand(layer->dt_proj, "input")));
}

bool decodeLayerPersists(const DecodeLayer *layer) {
  const MlirOperation hadamard = layer->hadamard;
  const int64_t inner = mambaChannels(mambaOperand(layer->scan, "u"));
  return !isF32(mambaOperand(layer->conv, "input")) &&
         (!hadamard.ptr ||
          mambaCudaPersists(mambaHadamardOrder((int32_t)inner), mambaHasAttribute(hadamard, "transpose")));
}

static bool haveOneShape(MlirValue a, MlirValue b) {
  return mambaChannels(a) == mambaChannels(b) && mambaElementOf(a) == mambaElementOf(b);
}

bool decodeLayersAreAlike(const DecodeLayer *a, const DecodeLayer *b) {
  return haveOneShape(mambaOperand(a->norm, "input"), mambaOperand(b->norm, "input")) &&
         haveOneShape(mambaOperand(a->conv, "input"), mambaOperand(b->conv, "input")) &&
         haveOneShape(mambaOperand(a->dt_proj, "input"), mambaOperand(b->dt_proj, "input")) &&
         !a->hadamard.ptr == !b->hadamard.ptr &&
         (!a->hadamard.ptr ||
          mambaHasAttribute(a->hadamard, "transpose") == mambaHasAttribute(b->hadamard, "transpose"));
}

static void mark(MlirOperation op, int64_t number, const char *kernel) {
  setIntAttribute(op, "mamba.decode_group", number);
  setStringAttribute(op, "mamba.decode_kernel", kernel);
}

void decodeLayerMark(const DecodeLayer *layer, int64_t number) {
  mark(layer->norm, number, "mamba_cuda_layer_in");
  mark(layer->in_proj, number, "mamba_cuda_layer_in");
  mark(layer->conv, number, "mamba_cuda_layer_in");
  mark(layer->x_proj, number, "mamba_cuda_layer_scan"); /* the first kernel has summed its integers */
  mark(layer->dt_proj, number, "mamba_cuda_layer_scan");
  mark(layer->scan, number, "mamba_cuda_layer_scan");
  if (layer->hadamard.ptr)
    mark(layer->hadamard, number, "mamba_cuda_layer_out");
  mark(layer->out_proj, number, "mamba_cuda_layer_out");
}

void decodeUnmark(MlirOperation op) {
  removeAttribute(op, "mamba.decode_group");
  removeAttribute(op, "mamba.decode_kernel");
  removeAttribute(op, "mamba.decode_ns");
}
