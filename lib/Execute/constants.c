#include "constants.h"

#include "elementwise.h"
#include "mamba/hadamard.h"
#include "pack_i4.h"
#include "steps.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 }; /* what kernels want of packed weights */

static size_t storedSize(const MambaConstant *constant) {
  return mambaStoredSize(constant->element, constant->wide);
}

MambaStatus mambaConstantCreate(MambaElement element, bool wide, int rank, const int64_t *shape,
                                MambaConstant *constant, MambaError *error) {
  MambaConstant made = {.element = element, .wide = wide, .rank = rank, .count = 1};
  const size_t size = mambaStoredSize(element, wide);
  char text[MAMBA_SHAPE_TEXT];
  if (size == 0)
    return mambaFail(error, MAMBA_UNSUPPORTED,
                     "expected elements of type i8, f16, bf16 or f32, found another type");
  for (int i = 0; i < rank; i++) {
    made.shape[i] = shape[i];
    if (shape[i] < 0 || (shape[i] && made.count > SIZE_MAX / 2 / size / (size_t)shape[i]))
      return mambaFail(error, MAMBA_INVALID, "expected a size that fits in memory, found shape %s",
                       mambaShapeFormat(rank, shape, text));
    made.count *= (size_t)shape[i];
  }
  const size_t bytes = (made.count * size / ALIGNMENT + 1) * ALIGNMENT;
  made.data = aligned_alloc(ALIGNMENT, bytes);
  if (!made.data)
    return mambaFail(error, MAMBA_NO_MEMORY, "out of memory for a constant of shape %s",
                     mambaShapeFormat(rank, shape, text));
  memset(made.data, 0, bytes);
  *constant = made;
  return MAMBA_OK;
}

void mambaConstantDestroy(MambaConstant *constant) {
  free(constant->data);
  constant->data = NULL;
}

/* The last dimension; 1 for rank 0. */
static int64_t columnsOf(const MambaConstant *constant) {
  return constant->rank ? constant->shape[constant->rank - 1] : 1;
}

/* ---- Element by element ------------------------------------------------------------------------ */

/* How an operand follows the result: the distance in elements between neighbours along each of the
 * result's dimensions, 0 where one element is repeated. Shapes are aligned at the last dimension. */
static void findStrides(const MambaConstant *operand, int rank, int64_t strides[MAMBA_MAX_RANK]) {
  int64_t stride = 1;
  memset(strides, 0, MAMBA_MAX_RANK * sizeof *strides);
  for (int i = 1; i <= operand->rank; i++) {
    const int64_t size = operand->shape[operand->rank - i];
    strides[rank - i] = size == 1 ? 0 : stride;
    stride *= size;
  }
}

static const void *operandAt(const MambaConstant *operand, const int64_t *strides, const int64_t *index,
                             int rank) {
  int64_t offset = 0;
  for (int i = 0; i < rank; i++)
    offset += strides[i] * index[i];
  return (const char *)operand->data + (size_t)offset * storedSize(operand);
}

/* The index of a row, the last dimension left out. */
static void findRow(const MambaConstant *constant, int64_t row, int64_t index[MAMBA_MAX_RANK]) {
  memset(index, 0, MAMBA_MAX_RANK * sizeof *index);
  for (int i = constant->rank - 2; i >= 0; i--) {
    index[i] = row % constant->shape[i];
    row /= constant->shape[i];
  }
}

/* Runs a function on every worker of a pool; on one where there is no pool, or so few elements that they are
 * not worth waking the others for. */
static void runAll(mamba_pool *pool, size_t elements, void (*function)(void *context, mamba_worker worker),
                   void *context) {
  enum { SMALL = 1 << 15 };
  if (pool && elements >= SMALL)
    mamba_pool_run(pool, function, context);
  else
    function(context, (mamba_worker){.index = 0, .count = 1});
}

typedef struct Elementwise {
  MambaElementwise what;
  const MambaConstant *a, *b; /* b: NULL for an op with one operand */
  MambaConstant *result;
  int64_t rows, columns, a_strides[MAMBA_MAX_RANK], b_strides[MAMBA_MAX_RANK];
} Elementwise;

static void elementwiseShare(void *context, mamba_worker worker) {
  const Elementwise *e = context;
  const int rank = e->result->rank;
  const size_t row_bytes = (size_t)e->columns * storedSize(e->result);
  int64_t index[MAMBA_MAX_RANK], begin, end;
  mambaShare(e->rows, worker, &begin, &end);
  for (int64_t row = begin; row < end; row++) {
    findRow(e->result, row, index);
    mambaElementwise(&e->what, (char *)e->result->data + (size_t)row * row_bytes,
                     operandAt(e->a, e->a_strides, index, rank),
                     e->b ? operandAt(e->b, e->b_strides, index, rank) : NULL, e->columns);
  }
}

static void applyElementwise(MambaOp kind, float limit, const MambaConstant *a, const MambaConstant *b,
                             mamba_pool *pool, MambaConstant *result) {
  const int rank = result->rank;
  Elementwise e = {
      .what = {.kind = kind, .wide = result->wide, .limit = limit, .out = result->element, .a = a->element},
      .a = a,
      .b = b,
      .result = result,
      .columns = columnsOf(result)};
  e.rows = e.columns ? (int64_t)result->count / e.columns : 0;
  findStrides(a, rank, e.a_strides);
  e.what.a_repeats = rank && e.a_strides[rank - 1] == 0;
  if (b) {
    findStrides(b, rank, e.b_strides);
    e.what.b = b->element;
    e.what.b_repeats = rank && e.b_strides[rank - 1] == 0;
  }
  runAll(pool, result->count, elementwiseShare, &e);
}

MambaStatus mambaConstantCast(const MambaConstant *input, MambaElement element, MambaConstant *result,
                              MambaError *error) {
  const MambaStatus status =
      mambaConstantCreate(element, input->wide, input->rank, input->shape, result, error);
  if (status == MAMBA_OK)
    applyElementwise(MAMBA_OP_CAST, 0, input, NULL, NULL, result);
  return status;
}

/* ---- The others -------------------------------------------------------------------------------- */

static void transpose(const MambaConstant *input, MambaConstant *result) {
  const size_t size = storedSize(input);
  const int64_t channels = input->shape[0], width = columnsOf(input);
  for (int64_t k = 0; k < width; k++)
    for (int64_t c = 0; c < channels; c++)
      memcpy((char *)result->data + (size_t)(k * channels + c) * size,
             (const char *)input->data + (size_t)(c * width + k) * size, size);
}

MambaStatus mambaConstantChannelsLast(const MambaConstant *input, MambaConstant *result, MambaError *error) {
  const int64_t shape[] = {columnsOf(input), input->shape[0]};
  const MambaStatus status = mambaConstantCreate(input->element, input->wide, 2, shape, result, error);
  if (status == MAMBA_OK)
    transpose(input, result);
  return status;
}

static void sliceColumns(const MambaConstant *input, int64_t offset, MambaConstant *result) {
  const size_t size = storedSize(input);
  const size_t from = (size_t)columnsOf(input) * size;
  const size_t to = (size_t)columnsOf(result) * size;
  for (size_t row = 0; to && row < result->count * size / to; row++)
    memcpy((char *)result->data + row * to, (const char *)input->data + row * from + (size_t)offset * size,
           to);
}

static void sliceRows(const MambaConstant *input, int64_t offset, MambaConstant *result) {
  const size_t row = input->shape[0] ? input->count / (size_t)input->shape[0] * storedSize(input) : 0;
  memcpy(result->data, (const char *)input->data + (size_t)offset * row, result->count * storedSize(result));
}

/* The verifier has checked that the sizes fit into int32. */
static void pack(const MambaConstant *input, MambaConstant *result) {
  mamba_pack_i8(input->data, (int32_t)input->shape[0], (int32_t)input->shape[1], result->data);
}

/* A byte for each weight, in [low, high]: what comes out of a file may be anything. */
static MambaStatus checkRange(const char *what, const MambaConstant *constant, int low, int high,
                              MambaError *error) {
  const int8_t *values = constant->data;
  for (size_t i = 0; i < constant->count; i++)
    if (values[i] < low || values[i] > high)
      return mambaFail(error, MAMBA_INVALID, "%s: expected integers from %d to %d, found %d", what, low, high,
                       values[i]);
  return MAMBA_OK;
}

static MambaStatus checkGrouped(const MambaConstant *weights, const MambaConstant *scales,
                                MambaError *error) {
  const MambaStatus status = checkRange("4-bit weights", weights, -8, 7, error);
  return status ? status : checkRange("scales of groups", scales, 0, MAMBA_I4_MAX_SCALE, error);
}

static MambaStatus scaleGroups(const MambaConstant *weights, const MambaConstant *scales,
                               MambaConstant *result, MambaError *error) {
  const MambaStatus status = checkGrouped(weights, scales, error);
  const int8_t *q = weights->data, *scale = scales->data;
  const size_t group = scales->count ? weights->count / scales->count : 1;
  for (size_t i = 0; !status && i < weights->count; i++)
    ((int8_t *)result->data)[i] = (int8_t)(q[i] * scale[i / group]);
  return status;
}

/* The verifier has checked that the sizes can be packed. */
static MambaStatus packI4(MlirOperation op, const MambaConstant *weights, const MambaConstant *scales,
                          MambaConstant *result, MambaError *error) {
  const bool blocks = mambaRefIs(mambaStringAttribute(op, "layout"), "blocks");
  const int32_t n = (int32_t)weights->shape[0], k = (int32_t)weights->shape[1];
  const MambaStatus status = checkGrouped(weights, scales, error);
  if (!status)
    (blocks ? mamba_pack_i4_blocks : mamba_pack_i4_rows)(weights->data, scales->data, n, k,
                                                         k / (int32_t)scales->shape[1], result->data);
  return status;
}

typedef struct Absmax {
  const MambaConstant *input;
  int64_t rows, columns, strides[MAMBA_MAX_RANK]; /* of the result along the input */
  size_t count;                                   /* of scales */
  double *maxima;                                 /* [workers, count] */
} Absmax;

/* Every row of the input goes into the maximum of the element of the result that stands for it. */
static void absmaxShare(void *context, mamba_worker worker) {
  const Absmax *a = context;
  const MambaConstant *input = a->input;
  const int rank = input->rank;
  const size_t size = storedSize(input);
  const int64_t step = rank ? a->strides[rank - 1] : 0, run = step ? 1 : a->columns;
  double *maxima = a->maxima + (size_t)worker.index * a->count;
  int64_t index[MAMBA_MAX_RANK], begin, end;
  mambaShare(a->rows, worker, &begin, &end);
  for (int64_t row = begin; row < end; row++) {
    int64_t to = 0;
    findRow(input, row, index);
    for (int i = 0; i < rank; i++)
      to += a->strides[i] * index[i];
    for (int64_t column = 0; column < a->columns; column += run) {
      const char *from = (const char *)input->data + (size_t)(row * a->columns + column) * size;
      const double amax = mambaAbsmax(input->element, input->wide, from, run);
      double *maximum = &maxima[to + step * column];
      *maximum = amax > *maximum ? amax : *maximum;
    }
  }
}

static MambaStatus absmaxScale(const MambaConstant *input, mamba_pool *pool, MambaConstant *result,
                               MambaError *error) {
  const size_t workers = pool ? (size_t)mamba_pool_count(pool) : 1;
  Absmax a = {.input = input, .columns = columnsOf(input), .count = result->count};
  a.maxima = calloc(a.count ? a.count : 1, workers * sizeof *a.maxima);
  if (!a.maxima)
    return mambaFail(error, MAMBA_NO_MEMORY, "out of memory for %zu scales", result->count);
  a.rows = a.columns ? (int64_t)input->count / a.columns : 0;
  findStrides(result, input->rank, a.strides);
  runAll(pool, input->count, absmaxShare, &a);
  for (size_t i = 0; i < a.count; i++) {
    double amax = 0;
    for (size_t w = 0; w < workers; w++)
      amax = a.maxima[w * a.count + i] > amax ? a.maxima[w * a.count + i] : amax;
    mambaStoreScale(amax, result->wide, (char *)result->data + i * storedSize(result));
  }
  free(a.maxima);
  return MAMBA_OK;
}

typedef struct Hadamard {
  const MambaConstant *input;
  MambaConstant *result;
  int64_t size, slice; /* elements of the axis, and from one of its beginnings to the next */
  bool transposed;
  double *values; /* [workers, slice] */
} Hadamard;

/* In f64 whatever the storage, rounded once; one slice at a time, such as a row of a weight's last axis. */
static void hadamardShare(void *context, mamba_worker worker) {
  const Hadamard *h = context;
  const MambaConstant *input = h->input;
  const MambaElementwise to_f32 = {.kind = MAMBA_OP_CAST, .out = MAMBA_ELEMENT_F32, .a = input->element};
  const size_t slice = (size_t)h->slice, bytes = slice * sizeof(double);
  double *values = h->values + (size_t)worker.index * slice;
  MambaError error;
  int64_t begin, end;
  mambaShare((int64_t)(input->count / slice), worker, &begin, &end);
  for (size_t at = (size_t)begin * slice; at < (size_t)end * slice; at += slice) {
    const char *from = (const char *)input->data + at * storedSize(input);
    float *to = (float *)h->result->data + at; /* unless wide */
    if (input->wide) {
      memcpy(values, from, bytes);
    } else {
      mambaElementwise(&to_f32, to, from, NULL, h->slice);
      for (size_t i = 0; i < slice; i++)
        values[i] = to[i];
    }
    if (mambaHadamardTransform(values, 1, h->size, h->slice / h->size, h->transposed, &error) != MAMBA_OK)
      return; /* not for a size that was asked for before */
    if (h->result->wide)
      memcpy((double *)h->result->data + at, values, bytes);
    else
      for (size_t i = 0; i < slice; i++)
        to[i] = (float)values[i];
  }
}

static MambaStatus hadamard(const MambaConstant *input, int axis, bool transposed, mamba_pool *pool,
                            MambaConstant *result, MambaError *error) {
  const size_t workers = pool ? (size_t)mamba_pool_count(pool) : 1;
  Hadamard h = {
      .input = input, .result = result, .size = input->shape[axis], .slice = 1, .transposed = transposed};
  for (int i = axis; i < input->rank; i++)
    h.slice *= input->shape[i];
  if (input->count == 0)
    return MAMBA_OK;
  const MambaStatus status =
      mambaHadamardTransform(NULL, 0, h.size, 1, transposed, error); /* is there one? */
  if (status != MAMBA_OK)
    return status;
  h.values = (size_t)h.slice > SIZE_MAX / sizeof *h.values / workers
                 ? NULL
                 : malloc((size_t)h.slice * workers * sizeof *h.values);
  if (!h.values)
    return mambaFail(error, MAMBA_NO_MEMORY, "out of memory for %lld values", (long long)h.slice);
  runAll(pool, input->count, hadamardShare, &h);
  free(h.values);
  return MAMBA_OK;
}

static double valueAt(const MambaConstant *constant, size_t i) {
  return constant->wide ? ((const double *)constant->data)[i] : (double)((const float *)constant->data)[i];
}

/* Both maxima and the result have one f32 for each channel. */
static void smoothing(const MambaConstant *absmax, const MambaConstant *weight_absmax, double strength,
                      MambaConstant *result) {
  enum { LEAST_INVERSE = 100000 };
  for (size_t i = 0; i < result->count; i++) {
    const double x = valueAt(absmax, i), w = valueAt(weight_absmax, i);
    double factor = x > 0 && w > 0 ? pow(x, strength) / pow(w, 1 - strength) : 1;
    factor = factor > 1.0 / LEAST_INVERSE ? factor : 1.0 / LEAST_INVERSE;
    if (result->wide)
      ((double *)result->data)[i] = factor;
    else
      ((float *)result->data)[i] = (float)factor;
  }
}

MambaStatus mambaConstantApply(MlirOperation op, const MambaConstant *operands, mamba_pool *pool,
                               MambaConstant *result, MambaError *error) {
  const MambaOp kind = mambaOpKind(op);
  switch (kind) {
  case MAMBA_OP_SCALE:
    if (result->wide)
      *(double *)result->data = mambaFloatAttribute(op, "value");
    else
      *(float *)result->data = (float)mambaFloatAttribute(op, "value");
    return MAMBA_OK;
  case MAMBA_OP_CHANNELS_LAST:
    transpose(&operands[0], result);
    return MAMBA_OK;
  case MAMBA_OP_SLICE:
    sliceColumns(&operands[0], mambaIntAttribute(op, "offset"), result);
    return MAMBA_OK;
  case MAMBA_OP_SLICE_ROWS:
    sliceRows(&operands[0], mambaIntAttribute(op, "offset"), result);
    return MAMBA_OK;
  case MAMBA_OP_PACK:
    pack(&operands[0], result);
    return MAMBA_OK;
  case MAMBA_OP_SCALE_GROUPS:
    return scaleGroups(&operands[0], &operands[1], result, error);
  case MAMBA_OP_PACK_I4:
    return packI4(op, &operands[0], &operands[1], result, error);
  case MAMBA_OP_ABSMAX_SCALE:
    return absmaxScale(&operands[0], pool, result, error);
  case MAMBA_OP_SMOOTHING:
    smoothing(&operands[0], &operands[1], mambaFloatAttribute(op, "strength"), result);
    return MAMBA_OK;
  case MAMBA_OP_HADAMARD:
    return hadamard(&operands[0], (int)mambaIntAttribute(op, "axis"), mambaHasAttribute(op, "transpose"),
                    pool, result, error);
  default:
    if (!mambaIsElementwise(kind))
      return mambaFail(error, MAMBA_UNSUPPORTED, "%s cannot be evaluated as a constant",
                       mambaOpMnemonic(kind));
    applyElementwise(kind, kind == MAMBA_OP_CLAMP ? (float)mambaFloatAttribute(op, "limit") : 0, &operands[0],
                     mlirOperationGetNumOperands(op) > 1 ? &operands[1] : NULL, pool, result);
    return MAMBA_OK;
  }
}
