/* What the commands of mamba-run share. */
#ifndef MAMBA_RUN_H
#define MAMBA_RUN_H

#include "mamba/executor.h"
#include "mamba/token_ids.h"
#include "threads.h"

typedef struct RunOptions {
  const char *tokenizer;         /* NULL for the model's own */
  const char *ids, *text, *data; /* what to run over: a list, a text, a file; NULL when not given */
  const char *out;
  const char *against, *lambada; /* evaluate; NULL when not given */
  int64_t stride;                /* evaluate: 0 for the window */
  int64_t limit_examples;        /* evaluate: 0 for all */
  int64_t threads;             /* 0 for one per processor */
  int64_t tokens, top_k, seed; /* generate */
  double temperature, top_p;
  int64_t window, limit; /* perplexity, evaluate, compare; limit 0 for all tokens */
  int64_t split;         /* logits; 0 for all at once */
  bool json;
} RunOptions;

/* A model that the executor can run; or a bundle, which runs itself. */
typedef struct Model {
  const char *path;
  MlirContext context; /* its own, so that what is told of it names its file; null for a bundle, as is the module */
  MlirModule module;
  char tokenizer_path[4096]; /* empty when there is none */
} Model;

/* A bundle is refused except by modelOpen. */
MAMBA_MUST_CHECK MambaStatus modelOpen(const char *path, const RunOptions *options, Model *model, MambaError *error);
static inline bool modelIsBundle(const Model *model) {
  return mlirModuleIsNull(model->module);
}
MAMBA_MUST_CHECK MambaStatus modelLoad(const char *path, const RunOptions *options, Model *model, MambaError *error);
/* Safe on a zeroed model. */
void modelDestroy(Model *model);
/* The id that ends a text, or -1. */
int32_t modelEndOfText(const Model *model);
/* NULL when there is none. */
static inline const char *modelTokenizer(const Model *model) {
  return *model->tokenizer_path ? model->tokenizer_path : NULL;
}
MAMBA_MUST_CHECK MambaStatus modelExecutor(const Model *model, int64_t batch, int64_t threads,
                                           MambaExecutor **executor, MambaError *error);

/* Sequences that run together when a text is evaluated. */
enum { EVALUATION_BATCH = 8 };

/* The ids of --ids, --text or --data as one sequence, at most --limit-tokens of them and at least one. */
MAMBA_MUST_CHECK MambaStatus readInputIds(const RunOptions *options, const Model *model, MambaTokenIds *ids,
                                          MambaError *error);
/* The ids of a file (see mamba/token_ids.h; "-" is text on standard input), as one sequence. */
MAMBA_MUST_CHECK MambaStatus readFileIds(const char *path, const RunOptions *options, const Model *model,
                                         MambaTokenIds *ids, MambaError *error);

/* The commands. What they print goes to standard output. */
MAMBA_MUST_CHECK MambaStatus runGenerate(const RunOptions *options, const Model *model, const char *prompt,
                                         MambaError *error);
MAMBA_MUST_CHECK MambaStatus runPerplexity(const RunOptions *options, const Model *model, const char *file,
                                           MambaError *error);
/* `against` may be NULL. */
MAMBA_MUST_CHECK MambaStatus runEvaluate(const RunOptions *options, const Model *model, const Model *against,
                                         MambaError *error);
MAMBA_MUST_CHECK MambaStatus runLogits(const RunOptions *options, const Model *model, MambaError *error);
MAMBA_MUST_CHECK MambaStatus runSelftest(const Model *model, MambaError *error);
/* Writes the page to options->out. */
MAMBA_MUST_CHECK MambaStatus runView(const RunOptions *options, const Model *model, MambaError *error);
/* `other` is compared with `model`. */
MAMBA_MUST_CHECK MambaStatus runCompare(const RunOptions *options, const Model *model, const Model *other,
                                        MambaError *error);

/* True for a folder that mamba-compile wrote. */
bool isBundle(const char *path);
/* The path of the bundle's program; MAMBA_INVALID when it is not built. */
MAMBA_MUST_CHECK MambaStatus bundleProgram(const char *path, char *program, size_t size, MambaError *error);
/* Runs the bundle's own program with `arguments` (NULL at the end; the first is replaced). Returns only when
 * that cannot be done. */
MAMBA_MUST_CHECK MambaStatus runBundle(const char *path, char **arguments, MambaError *error);

#endif
