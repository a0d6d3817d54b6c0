#include "constants.h"

#include "elementwise.h"
#include "mamba/hadamard.h"
#include "pack.h"

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

/* Steps an index over the shape with the last dimension left out. */
static void stepRow(const MambaConstant *result, int64_t index[MAMBA_MAX_RANK]) {
  for (int i = result->rank - 2; i >= 0; i--) {
    if (++index[i] < result->shape[i])
      return;
    index[i] = 0;
  }
}

static void applyElementwise(MambaOp kind, float limit, const MambaConstant *a, const MambaConstant *b,
                             MambaConstant *result) {
  const int rank = result->rank;
  const int64_t columns = columnsOf(result);
  const int64_t rows = columns ? (int64_t)result->count / columns : 0;
  int64_t a_strides[MAMBA_MAX_RANK], b_strides[MAMBA_MAX_RANK], index[MAMBA_MAX_RANK] = {0};
  MambaElementwise what = {
      .kind = kind, .wide = result->wide, .limit = limit, .out = result->element, .a = a->element};
  findStrides(a, rank, a_strides);
  what.a_repeats = rank && a_strides[rank - 1] == 0;
  if (b) {
    findStrides(b, rank, b_strides);
    what.b = b->element;
    what.b_repeats = rank && b_strides[rank - 1] == 0;
  }
  for (int64_t row = 0; row < rows; row++) {
    char *out = (char *)result->data + (size_t)(row * columns) * storedSize(result);
    mambaElementwise(&what, out, operandAt(a, a_strides, index, rank),
                     b ? operandAt(b, b_strides, index, rank) : NULL, columns);
    stepRow(result, index);
  }
}

MambaStatus mambaConstantCast(const MambaConstant *input, MambaElement element, MambaConstant *result,
                              MambaError *error) {
  const MambaStatus status =
      mambaConstantCreate(element, input->wide, input->rank, input->shape, result, error);
  if (status == MAMBA_OK)
    applyElementwise(MAMBA_OP_CAST, 0, input, NULL, result);
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

/* Every row of the input goes into the maximum of the element of the result that stands for it. */
static MambaStatus absmaxScale(const MambaConstant *input, MambaConstant *result, MambaError *error) {
  double *maxima = calloc(result->count ? result->count : 1, sizeof *maxima);
  if (!maxima)
    return mambaFail(error, MAMBA_NO_MEMORY, "out of memory for %zu scales", result->count);
  const int rank = input->rank;
  const size_t size = storedSize(input);
  const int64_t columns = columnsOf(input);
  int64_t strides[MAMBA_MAX_RANK], index[MAMBA_MAX_RANK] = {0};
  findStrides(result, rank, strides);
  const bool per_column = rank && strides[rank - 1] != 0;
  const int64_t run = per_column ? 1 : columns;
  for (size_t at = 0; at < input->count; at += (size_t)run) {
    int64_t to = 0;
    for (int i = 0; i < rank; i++)
      to += strides[i] * index[i];
    const double amax = mambaAbsmax(input->element, input->wide, (const char *)input->data + at * size, run);
    maxima[to] = amax > maxima[to] ? amax : maxima[to];
    if (!per_column || ++index[rank - 1] == columns) {
      if (per_column)
        index[rank - 1] = 0;
      stepRow(input, index);
    }
  }
  for (size_t i = 0; i < result->count; i++)
    mambaStoreScale(maxima[i], result->wide, (char *)result->data + i * storedSize(result));
  free(maxima);
  return MAMBA_OK;
}

/* In f64 whatever the storage, rounded once; one slice at a time, such as a row of a weight's last axis. */
static MambaStatus hadamard(const MambaConstant *input, int axis, bool transposed, MambaConstant *result,
                            MambaError *error) {
  const MambaElementwise to_f32 = {.kind = MAMBA_OP_CAST, .out = MAMBA_ELEMENT_F32, .a = input->element};
  int64_t slice = 1; /* elements */
  for (int i = axis; i < input->rank; i++)
    slice *= input->shape[i];
  const size_t size = storedSize(input);
  double *values = malloc((size_t)slice * sizeof *values + 1);
  MambaStatus status =
      values ? MAMBA_OK
             : mambaFail(error, MAMBA_NO_MEMORY, "out of memory for %lld values", (long long)slice);
  for (size_t at = 0; at < input->count && status == MAMBA_OK; at += (size_t)slice) {
    const char *from = (const char *)input->data + at * size;
    float *to = (float *)result->data + at; /* unless wide */
    if (input->wide) {
      memcpy(values, from, (size_t)slice * sizeof *values);
    } else {
      mambaElementwise(&to_f32, to, from, NULL, slice);
      for (int64_t i = 0; i < slice; i++)
        values[i] = to[i];
    }
    status =
        mambaHadamardTransform(values, 1, input->shape[axis], slice / input->shape[axis], transposed, error);
    if (result->wide)
      memcpy((double *)result->data + at, values, (size_t)slice * sizeof *values);
    else
      for (int64_t i = 0; i < slice; i++)
        to[i] = (float)values[i];
  }
  free(values);
  return status;
}

MambaStatus mambaConstantApply(MlirOperation op, const MambaConstant *operands, MambaConstant *result,
                               MambaError *error) {
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
  case MAMBA_OP_ABSMAX_SCALE:
    return absmaxScale(&operands[0], result, error);
  case MAMBA_OP_HADAMARD:
    return hadamard(&operands[0], (int)mambaIntAttribute(op, "axis"), mambaHasAttribute(op, "transpose"),
                    result, error);
  default:
    if (!mambaIsElementwise(kind))
      return mambaFail(error, MAMBA_UNSUPPORTED, "%s cannot be evaluated as a constant",
                       mambaOpMnemonic(kind));
    applyElementwise(kind, kind == MAMBA_OP_CLAMP ? (float)mambaFloatAttribute(op, "limit") : 0, &operands[0],
                     mlirOperationGetNumOperands(op) > 1 ? &operands[1] : NULL, result);
    return MAMBA_OK;
  }
}
