/* The sums of x x^T over the rows x of a value, for GPTQ. */
#ifndef MAMBA_PASSES_PRODUCTS_H
#define MAMBA_PASSES_PRODUCTS_H

#include "mamba/executor.h"
#include "threads.h"

/* One value's. Rows wait, transposed, until PRODUCT_ROWS of them are multiplied at once by the kernel of
 * float products, whose sums have a fixed shape: the result has the same bytes on every machine. */
typedef struct Products {
  MlirValue value;
  int64_t channels;
  double *sum;    /* [channels, channels] */
  float *waiting; /* [channels, PRODUCT_ROWS] */
  int64_t rows;   /* that wait */
} Products;

enum { PRODUCT_ROWS = 512 };

/* Bytes that the products of a value of so many channels take. */
size_t productsBytes(int64_t channels);

MAMBA_MUST_CHECK MambaStatus productsCreate(MlirValue value, Products *products, MambaError *error);
void productsDestroy(Products *products); /* safe on a zeroed struct */

typedef struct ProductsCollector {
  Products *items;
  size_t count;
  mamba_pool *pool;
  float *product; /* memory for one product, of the largest number of channels */
} ProductsCollector;

/* A MambaObserver; `context` is a ProductsCollector. */
void productsObserve(void *context, const MambaObservation *observation);
/* Adds the rows that still wait. */
void productsFinish(ProductsCollector *collector);

#endif
