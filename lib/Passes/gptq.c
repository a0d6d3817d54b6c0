/* mamba-gptq: matrices of level 1 become 4-bit integers with scales, in a file of their own. */
#include "mamba/passes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builders.h"
#include "mamba/calibration_run.h"
#include "mamba/gptq.h"
#include "mamba/parameters.h"
#include "mamba/pool.h"
#include "mamba/safetensors_writer.h"
#include "pack_i4.h"
#include "products.h"
#include "sites.h"
#include "weight_file.h"

enum { TOGETHER = 8 /* rows that read a factor together */ };

/* A matrix to quantize. */
typedef struct Matrix {
  MlirOperation op; /* the linear layer */
  MlirValue weight;
  int64_t rows, columns, group;
  char key[256]; /* of the weight in the file: its own name */
} Matrix;

typedef struct Gptq {
  MlirOperation module;
  const MambaGptqOptions *options;
  Matrix *matrices;
  size_t count;
  mamba_pool *pool;
  MambaParameters *parameters;
  MambaSafetensorsWriter *writer;
} Gptq;

static const char kGroupScale[] = ".group_scale", kScale[] = ".scale";

/* ---- What to quantize ------------------------------------------------------------------------------- */

/* "row", or columns. */
static bool groupOf(const Gptq *g, MlirOperation op, int64_t rows, int64_t columns, int64_t *group) {
  char *end;
  const char *text = g->options->group;
  const bool is_row = !strcmp(text, "row");
  *group = is_row ? columns : strtoll(text, &end, 10);
  if (!is_row && (*end || *group < 1)) {
    mambaEmitError(g->module, "mamba-gptq: group: expected row or a number of columns, found '%s'", text);
    return false;
  }
  if (!mamba_pack_i4_is_possible(rows, columns, *group)) {
    mambaEmitError(op,
                   "mamba-gptq: group: expected a multiple of %d columns that divides the weight's %" PRId64
                   ", found '%s'",
                   MAMBA_I4_GROUP, columns, text);
    return false;
  }
  return true;
}

static bool addMatrix(Gptq *g, MlirOperation op) {
  const MlirValue weight = mambaOperand(op, "weight");
  const MlirStringRef name = weightName(op, "weight");
  Matrix matrix = {.op = op, .weight = weight, .rows = mambaDim(weight, 0), .columns = mambaDim(weight, 1)};
  if (mambaDefiningKind(weight) == MAMBA_OP_DEQUANTIZE) {
    mambaEmitError(op, "mamba-gptq: the weight is quantized already");
    return false;
  }
  if (!groupOf(g, op, matrix.rows, matrix.columns, &matrix.group))
    return false;
  snprintf(matrix.key, sizeof matrix.key, "%.*s", (int)name.length, name.data);
  for (size_t i = 0; i < g->count; i++)
    if (!strcmp(g->matrices[i].key, matrix.key)) {
      mambaEmitError(op, "mamba-gptq: expected a name of its own for each weight, found '%s' twice",
                     matrix.key);
      return false;
    }
  g->matrices[g->count++] = matrix;
  return true;
}

static bool findMatrices(Gptq *g) {
  SiteGroup *groups = NULL;
  intptr_t count = 0;
  bool wanted[SITE_COUNT] = {false}, ok = true;
  const char *rest = g->options->sites;
  MlirStringRef entry;
  while (nextEntry(&rest, &entry)) {
    const SiteKind kind = siteNamed(entry);
    if (kind != SITE_IN && kind != SITE_Y) {
      mambaEmitError(g->module, "mamba-gptq: sites: expected in or y, found '%.*s'", (int)entry.length,
                     entry.data);
      return false;
    }
    wanted[kind] = true;
  }
  if (!findSites(g->module, &groups, &count))
    return false;
  g->matrices = calloc((size_t)count * 2 + 1, sizeof *g->matrices);
  if (!g->matrices) {
    mambaEmitError(g->module, "mamba-gptq: no memory for %td blocks", (ptrdiff_t)count);
    ok = false;
  }
  for (intptr_t i = 0; ok && i < count; i++)
    for (int kind = 0; ok && kind < SITE_COUNT; kind++)
      if (wanted[kind] && !mlirOperationIsNull(groups[i].sites[kind].reader))
        ok = addMatrix(g, groups[i].sites[kind].reader);
  free(groups);
  return ok;
}

/* ---- Calibration ------------------------------------------------------------------------------------ */

/* As many of the matrices from `first` on as have room for their products, at least one. */
static size_t batchFrom(const Gptq *g, size_t first) {
  size_t bytes = 0, end = first;
  while (end < g->count) {
    bytes += productsBytes(g->matrices[end].columns);
    if (end > first && bytes > (size_t)g->options->memory << 20)
      break;
    end++;
  }
  return end;
}

typedef struct Factoring {
  const Gptq *gptq;
  Products *products;
  size_t count;
  MambaStatus status[MAMBA_POOL_MOST];
  MambaError errors[MAMBA_POOL_MOST];
} Factoring;

static void factorShare(void *context, mamba_worker worker) {
  Factoring *f = context;
  MambaStatus *status = &f->status[worker.index];
  for (size_t i = (size_t)worker.index; i < f->count && !*status; i += (size_t)worker.count)
    *status = mambaGptqFactor(f->products[i].sum, f->products[i].channels, f->gptq->options->damp,
                              &f->errors[worker.index]);
}

static MambaStatus factorAll(const Gptq *g, Products *products, size_t count, MambaError *error) {
  Factoring factoring = {.gptq = g, .products = products, .count = count};
  mamba_pool_run(g->pool, factorShare, &factoring);
  for (int i = 0; i < MAMBA_POOL_MOST; i++)
    if (factoring.status[i]) {
      *error = factoring.errors[i];
      return factoring.status[i];
    }
  return MAMBA_OK;
}

/* products[i].sum becomes the factor for matrix first + i. */
static MambaStatus calibrate(const Gptq *g, size_t first, size_t end, Products *products, MambaError *error) {
  ProductsCollector collector = {.items = products, .count = end - first, .pool = g->pool};
  int64_t most = 0;
  MambaStatus status = MAMBA_OK;
  for (size_t i = first; i < end && !status; i++) {
    status = productsCreate(mambaOperand(g->matrices[i].op, "input"), &products[i - first], error);
    most = g->matrices[i].columns > most ? g->matrices[i].columns : most;
  }
  if (!status && !(collector.product = malloc((size_t)(most * most) * sizeof *collector.product)))
    status = mambaFail(error, MAMBA_NO_MEMORY, "no memory for products of %" PRId64 " channels", most);
  if (!status)
    status = mambaCalibrationRun(g->module, &g->options->calibrate, "products of activations",
                                 productsObserve, &collector, error);
  if (!status) {
    productsFinish(&collector);
    status = factorAll(g, products, collector.count, error);
  }
  free(collector.product);
  return status;
}

/* ---- Quantization ----------------------------------------------------------------------------------- */

typedef struct Quantization {
  const Matrix *matrix;
  const double *factor;
  const double *weight; /* in f64 */
  double *rows;         /* [workers, TOGETHER, columns] */
  int8_t *q, *group_scales;
  float *scales;
} Quantization;

static void quantizeShare(void *context, mamba_worker worker) {
  const Quantization *z = context;
  const int64_t columns = z->matrix->columns, groups = columns / z->matrix->group;
  double *rows = z->rows + worker.index * TOGETHER * columns;
  const int64_t end = z->matrix->rows * (worker.index + 1) / worker.count;
  for (int64_t row = z->matrix->rows * worker.index / worker.count, count; row < end; row += count) {
    count = end - row < TOGETHER ? end - row : TOGETHER;
    memcpy(rows, z->weight + row * columns, (size_t)(count * columns) * sizeof *rows);
    mambaGptqQuantize(z->factor, rows, count, columns, z->matrix->group, z->q + row * columns,
                      z->group_scales + row * groups, z->scales + row);
  }
}

static MambaStatus appendSuffixed(Gptq *g, const Matrix *matrix, const char *suffix, const void *data,
                                  size_t bytes, MambaError *error) {
  char key[sizeof matrix->key + 16];
  snprintf(key, sizeof key, "%s%s", matrix->key, suffix);
  return mambaSafetensorsWriterAppend(g->writer, key, data, bytes, error);
}

static MambaStatus quantize(Gptq *g, const Matrix *matrix, const double *factor, MambaError *error) {
  MambaConstant weight = {.data = NULL};
  const size_t rows = (size_t)matrix->rows, columns = (size_t)matrix->columns;
  const size_t groups = columns / (size_t)matrix->group;
  Quantization z = {.matrix = matrix, .factor = factor};
  MambaStatus status = mambaParametersEvaluate(g->parameters, matrix->weight, true, &weight, error);
  if (status)
    goto cleanup;
  z.weight = weight.data;
  z.rows = malloc((size_t)mamba_pool_count(g->pool) * TOGETHER * columns * sizeof *z.rows);
  z.q = malloc(rows * columns);
  z.group_scales = malloc(rows * groups);
  z.scales = malloc(rows * sizeof *z.scales);
  if (!z.rows || !z.q || !z.group_scales || !z.scales) {
    status = mambaFail(error, MAMBA_NO_MEMORY, "no memory for %zu weights", rows * columns);
    goto cleanup;
  }
  mamba_pool_run(g->pool, quantizeShare, &z);
  status = appendSuffixed(g, matrix, "", z.q, rows * columns, error);
  if (!status)
    status = appendSuffixed(g, matrix, kGroupScale, z.group_scales, rows * groups, error);
  if (!status)
    status = appendSuffixed(g, matrix, kScale, z.scales, rows * sizeof *z.scales, error);

cleanup:
  free(z.rows);
  free(z.q);
  free(z.group_scales);
  free(z.scales);
  mambaConstantDestroy(&weight);
  return status;
}

/* ---- The file --------------------------------------------------------------------------------------- */

static MambaStatus declareSuffixed(Gptq *g, const Matrix *matrix, const char *suffix, MambaDtype dtype,
                                   int64_t columns, MambaError *error) {
  char key[sizeof matrix->key + 16];
  const int64_t shape[] = {matrix->rows, columns};
  snprintf(key, sizeof key, "%s%s", matrix->key, suffix);
  return mambaSafetensorsWriterDeclare(g->writer, key, dtype, 2, shape, error);
}

static MambaStatus declareAll(Gptq *g, MambaError *error) {
  MambaStatus status = mambaSafetensorsWriterCreate(g->options->output, &g->writer, error);
  for (size_t i = 0; i < g->count && !status; i++) {
    const Matrix *matrix = &g->matrices[i];
    status = declareSuffixed(g, matrix, "", MAMBA_DTYPE_I8, matrix->columns, error);
    if (!status)
      status =
          declareSuffixed(g, matrix, kGroupScale, MAMBA_DTYPE_I8, matrix->columns / matrix->group, error);
    if (!status)
      status = declareSuffixed(g, matrix, kScale, MAMBA_DTYPE_F32, 1, error);
  }
  return status;
}

/* The matrices from `first` to `end`, whose products are in memory together. */
static MambaStatus quantizeBatch(Gptq *g, size_t first, size_t end, MambaError *error) {
  const bool calibrated = g->options->calibrate.samples > 0;
  Products *products = calloc(end - first, sizeof *products);
  MambaStatus status =
      products ? MAMBA_OK : mambaFail(error, MAMBA_NO_MEMORY, "no memory for %zu matrices", end - first);
  if (!status && calibrated)
    status = calibrate(g, first, end, products, error);
  for (size_t i = first; i < end && !status; i++) {
    status = quantize(g, &g->matrices[i], products[i - first].sum, error);
    if (status)
      mambaFailContext(error, "%s", g->matrices[i].key);
  }
  for (size_t i = 0; products && i < end - first; i++)
    productsDestroy(&products[i]);
  free(products);
  return status;
}

/* ---- The module ------------------------------------------------------------------------------------- */

static MlirValue buildStored(MambaBuilder *builder, MlirStringRef file, const Matrix *matrix,
                             const char *suffix, MambaElement element, int64_t columns) {
  char key[sizeof matrix->key + 16];
  const int64_t shape[] = {matrix->rows, columns};
  snprintf(key, sizeof key, "%s%s", matrix->key, suffix);
  return mambaBuildWeight(builder, file, mambaRef(key), mambaTensorType(builder->context, element, 2, shape));
}

/* The layer reads dequantize(scale_groups(integers, their scales), scales of rows). */
static void replaceWeight(const Matrix *matrix, MlirStringRef file) {
  MambaBuilder builder = mambaBuilderBefore(matrix->op);
  const MlirStringRef name = mambaRef(matrix->key);
  const MlirValue q = buildStored(&builder, file, matrix, "", MAMBA_ELEMENT_I4, matrix->columns);
  const MlirValue group_scales =
      buildStored(&builder, file, matrix, kGroupScale, MAMBA_ELEMENT_I8, matrix->columns / matrix->group);
  const MlirValue scales = buildStored(&builder, file, matrix, kScale, MAMBA_ELEMENT_F32, 1);
  const MlirValue integers =
      buildScaleGroups(&builder, suffixed(builder.context, name, ".q"), q, group_scales);
  mlirOperationSetOperand(
      matrix->op, mambaOperandIndex(matrix->op, "weight"),
      mambaBuildSimple(&builder, MAMBA_OP_DEQUANTIZE, suffixed(builder.context, name, ".dq"),
                       mambaWithElement(mlirValueGetType(q), MAMBA_ELEMENT_F32), integers, scales));
}

static MambaStatus run(Gptq *g, MambaError *error) {
  MlirStringRef file;
  MambaStatus status = mambaPoolCreate(0, &g->pool, error);
  if (!status)
    status = mambaParametersCreate(g->module, 0, &g->parameters, error);
  if (!status)
    status = declareAll(g, error);
  for (size_t first = 0, end; first < g->count && !status; first = end) {
    end = batchFrom(g, first);
    status = quantizeBatch(g, first, end, error);
  }
  if (!status)
    status = mambaSafetensorsWriterFinish(g->writer, error);
  if (!status)
    status = addWeightFile(g->module, "int4", g->options->output, &file, error);
  for (size_t i = 0; i < g->count && !status; i++)
    replaceWeight(&g->matrices[i], file);
  return status ? status : mambaEraseUnused(mambaForwardBody(g->module), error);
}

bool mambaPassGptq(MlirOperation module, const MambaGptqOptions *options) {
  Gptq g = {.module = module, .options = options};
  MambaError error;
  bool ok = false;
  if (!*options->output) {
    mambaEmitError(module, "mamba-gptq: output: expected the path of a file to write");
  } else if (!(options->damp >= 0 && options->damp <= 1) || options->memory < 1 ||
             options->calibrate.samples < 0) {
    mambaEmitError(
        module,
        "mamba-gptq: expected damp from 0 to 1, memory of at least 1 MiB and samples of at least 0, found "
        "%g, %" PRId64 " and %" PRId64,
        options->damp, options->memory, options->calibrate.samples);
  } else if (findMatrices(&g)) {
    ok = run(&g, &error) == MAMBA_OK;
    if (!ok)
      mambaEmitError(module, "mamba-gptq: %s", error.message);
  }
  mambaSafetensorsWriterDestroy(g.writer);
  mambaParametersDestroy(g.parameters);
  mamba_pool_destroy(g.pool);
  free(g.matrices);
  return ok;
}
