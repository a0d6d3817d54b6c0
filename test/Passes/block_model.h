/* A model of one Mamba block with random weights, for tests of passes that keep its numbers. */
#ifndef MAMBA_TEST_BLOCK_MODEL_H
#define MAMBA_TEST_BLOCK_MODEL_H

#include "mamba/ir.h"
#include "tempdir.h"

enum { BLOCK_VOCABULARY = 24, BLOCK_TOKENS = 20 };

typedef struct BlockModel {
  TempDir dir;
  MlirContext context;
  int64_t d;        /* channels; twice as many inside */
  const char *text; /* the module at level 1 */
} BlockModel;

/* Writes the weights, F32 and reproducible, and the module's text. Statistics are those of values up to 4. */
void blockModelCreate(BlockModel *model, int64_t d);
void blockModelDestroy(BlockModel *model);

/* A context with the dialects that modules need. */
MlirContext blockContext(void);

/* Writes `count` named tensors of `shapes` ([rank 1 or 2 or 3], ended by 0) with values that `value` gives.
 */
typedef struct BlockTensor {
  const char *name;
  int64_t shape[4];
} BlockTensor;
void blockWriteWeights(const TempDir *dir, const BlockTensor *tensors, size_t count,
                       float (*value)(const char *tensor));

/* Uniform in [-1, 1), for an absolute maximum in [2, 4); the same sequence in every process. */
float blockRandom(const char *tensor);

/* Parses text; the module is valid. The caller destroys it. */
MlirModule blockParse(MlirContext context, const char *text);
/* Prints with locations; the caller frees the text. */
char *blockPrint(MlirModule module);

/* Runs BLOCK_TOKENS tokens and returns the logits, [BLOCK_TOKENS, BLOCK_VOCABULARY], which the caller frees:
 * in f64 throughout with `wide`, else f32 as level 1, 2 or 3 says. */
double *blockRun(MlirModule module, bool wide);

#endif
