#include "products.h"

#include <stdlib.h>
#include <string.h>

size_t productsBytes(int64_t channels) {
  return (size_t)channels * ((size_t)channels * sizeof(double) + PRODUCT_ROWS * sizeof(float));
}

MambaStatus productsCreate(MlirValue value, Products *products, MambaError *error) {
  const int64_t channels = mambaChannels(value);
  *products = (Products){.value = value, .channels = channels};
  products->sum = calloc((size_t)(channels * channels), sizeof *products->sum);
  products->waiting = calloc((size_t)(channels * PRODUCT_ROWS), sizeof *products->waiting);
  return products->sum && products->waiting
             ? MAMBA_OK
             : mambaFail(error, MAMBA_NO_MEMORY, "no memory for products of %lld channels",
                         (long long)channels);
}

void productsDestroy(Products *products) {
  free(products->sum);
  free(products->waiting);
  *products = (Products){.rows = 0};
}

typedef struct Task {
  const ProductsCollector *collector;
  Products *products;
} Task;

/* Rows of the sum that a worker adds are those that it has computed. */
static void addShare(void *context, mamba_worker worker) {
  const Task *task = context;
  Products *p = task->products;
  float *product = task->collector->product;
  const int32_t n = (int32_t)p->channels;
  const int32_t begin = (int32_t)(p->channels * worker.index / worker.count),
                end = (int32_t)(p->channels * (worker.index + 1) / worker.count);
  mamba_linear_float(p->waiting + (int64_t)begin * PRODUCT_ROWS, p->waiting, MAMBA_F32, NULL, end - begin,
                     PRODUCT_ROWS, n, product + (int64_t)begin * n, (mamba_worker){0, 1});
  for (int64_t i = (int64_t)begin * n; i < (int64_t)end * n; i++)
    p->sum[i] += product[i];
}

/* Rows that are not there are zeros. */
static void addWaiting(const ProductsCollector *collector, Products *products) {
  Task task = {collector, products};
  if (products->rows)
    mamba_pool_run(collector->pool, addShare, &task);
  memset(products->waiting, 0, (size_t)(products->channels * PRODUCT_ROWS) * sizeof(float));
  products->rows = 0;
}

void productsObserve(void *context, const MambaObservation *observation) {
  ProductsCollector *collector = context;
  Products *p = collector->items, *const end = p + collector->count;
  while (p < end && !mlirValueEqual(p->value, observation->value))
    p++;
  if (p == end)
    return;
  const float *data = observation->data;
  for (int64_t row = 0; row < observation->rows; row++, data += p->channels) {
    for (int64_t c = 0; c < p->channels; c++)
      p->waiting[c * PRODUCT_ROWS + p->rows] = data[c];
    if (++p->rows == PRODUCT_ROWS)
      addWaiting(collector, p);
  }
}

void productsFinish(ProductsCollector *collector) {
  for (size_t i = 0; i < collector->count; i++)
    addWaiting(collector, &collector->items[i]);
}
