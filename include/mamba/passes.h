/* The passes, as functions of a module. include/mamba/Passes.td describes each for people and gives the
 * options' defaults; the C++ shim wraps these functions into MLIR passes.
 *
 * Every pass works on the whole module, takes options that must not be NULL, and returns false after it has
 * emitted an MLIR error at the op that is to blame. The module is then valid IR, but may be half changed. */
#ifndef MAMBA_PASSES_H
#define MAMBA_PASSES_H

#include "mamba/ir.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Passes ------------------------------------------------------------------------------------- */

typedef struct MambaCalibrateOptions {
  const char *calibration; /* "self", a text file, or a .safetensors or .npy file of token ids */
  int64_t samples;         /* sequences */
  int64_t length;          /* tokens of each */
  int64_t seed;            /* of the text that the model writes for "self" */
  const char *statistics;  /* the file to write, or to reuse when it exists; "" for none */
  const char *part;        /* "I/N": the I-th of N parts of the samples; "1/1" for all */
} MambaCalibrateOptions;
bool mambaPassCalibrate(MlirOperation module, const MambaCalibrateOptions *options);

typedef struct MambaSearchOptions {
  MambaCalibrateOptions text; /* at most 64 samples; `statistics` is not used */
  double tolerance;           /* share of the best choices' error by which a cheaper choice may exceed it */
  const char *budget;         /* bytes of weights, as "120MiB", or time of a token, as "1.2ms"; "" for int8 everywhere */
  const char *head;           /* "search", or "token", "w8" or "16" where that is decided */
  const char *target;         /* of mamba/target.h: which kernels there are, and what the budget's time is predicted for */
} MambaSearchOptions;
bool mambaPassSearch(MlirOperation module, const MambaSearchOptions *options);

typedef struct MambaRulesOptions {
  const char *file; /* lines "PATTERN site=kind ..." */
} MambaRulesOptions;
bool mambaPassRules(MlirOperation module, const MambaRulesOptions *options);

typedef struct MambaReportOutliersOptions {
  const char *json, *text; /* files to write; "" for none; neither: a table on standard error */
  double sigmas;           /* standard deviations beyond which a channel is an outlier */
} MambaReportOutliersOptions;
bool mambaPassReportOutliers(MlirOperation module, const MambaReportOutliersOptions *options);

bool mambaPassFoldNorm(MlirOperation module);

typedef struct MambaRotateOptions {
  const char *sites; /* a list of "y", "in", "head" and "residual", separated by commas */
} MambaRotateOptions;
bool mambaPassRotate(MlirOperation module, const MambaRotateOptions *options);

bool mambaPassFoldHadamard(MlirOperation module);

typedef struct MambaGptqOptions {
  const char *sites;               /* a list of "in" and "y" */
  const char *group;               /* columns that share a scale, or "row" */
  MambaCalibrateOptions calibrate; /* its samples may be 0: round to nearest */
  double damp;
  int64_t memory; /* MiB */
  const char *output;
} MambaGptqOptions;
bool mambaPassGptq(MlirOperation module, const MambaGptqOptions *options);

typedef struct MambaClampScanOptions {
  double percentile; /* of |u|, in (0, 100]; 0 for what the paper gives for a model of that size */
} MambaClampScanOptions;
bool mambaPassClampScan(MlirOperation module, const MambaClampScanOptions *options);

typedef struct MambaSmoothOptions {
  const char *sites; /* a list of "in" and "y", separated by commas */
  double strength;   /* in [0, 1]: how much of the difficulty goes into the weights */
} MambaSmoothOptions;
bool mambaPassSmooth(MlirOperation module, const MambaSmoothOptions *options);

typedef struct MambaInsertQdqOptions {
  const char *weights; /* "row" or "tensor": what shares a scale */
  const char *sites;   /* a list of site=kind, separated by commas, that changes the defaults */
  const char *state;   /* of a scan: "f32" or "i8" */
} MambaInsertQdqOptions;
bool mambaPassInsertQdq(MlirOperation module, const MambaInsertQdqOptions *options);

bool mambaPassFuseKernels(MlirOperation module);

typedef struct MambaMaterializeOptions {
  const char *output; /* the .safetensors file to write */
} MambaMaterializeOptions;
bool mambaPassMaterialize(MlirOperation module, const MambaMaterializeOptions *options);

typedef struct MambaPlanOptions {
  const char *target; /* of mamba/target.h */
  const char *decode; /* on a GPU: "graph" or "persistent"; "" for the one that is predicted to be faster */
  const char *layout; /* of the weights of linear_i8: "packed" or "rows"; "" for the target's own */
  int64_t tokens;     /* of one chunk: what the buffers hold; -1 for the target's own */
  int64_t threads;    /* the most workers that a program may use: what the scratch memory holds; -1: likewise */
} MambaPlanOptions;
bool mambaPassPlan(MlirOperation module, const MambaPlanOptions *options);

/* ---- Pipelines ---------------------------------------------------------------------------------- */

/* A recipe: a pipeline with a name, from the imported model (level 1) to kernels (level 3). */
typedef struct MambaRecipe {
  const char *name;
  const char *summary;
  const char *passes; /* textual; {search}, {rules}, {calibrate}, {gptq}, {rotate-head}, {head}, {state}: options */
  const char *head;   /* "token", "w8", "16" or "search" where the user does not choose; NULL where there is no choice */
} MambaRecipe;

/* All recipes. The entry after the last has a NULL name. */
extern const MambaRecipe kMambaRecipes[];

/* What the options `head` and `state` of a recipe can be. NULL ends each. */
extern const char *const kMambaHeads[];
extern const char *const kMambaStates[];

typedef struct MambaPipelineOptions {
  MambaCalibrateOptions calibrate;
  double percentile; /* of mamba-clamp-scan; 0 for the recipe's own */
  const char *rules;  /* file of mamba-rules; "" for none */
  const char *budget; /* of mamba-search, for recipes that have it; "" for none */
  const char *target; /* likewise */
  const char *report; /* JSON of mamba-report-outliers, right after calibration; "" for none */
  const char *head;  /* "token": lm_head in int8, its input rotated, a scale per token; "w8": in int8, its input in
                        f32; "16": as it is stored; "" for the recipe's own */
  const char *group; /* of mamba-gptq; "" for its own */
  const char *state; /* of the scans, "f32" or "i8"; "" for f32 */
  const char *output; /* of mamba-materialize; "" to leave that pass out */
  bool is_searched;   /* the module has the choices of mamba-search already: leave that pass out */
} MambaPipelineOptions;

/* Whether a recipe keeps what calibration finds in files: it then needs the option `statistics`. */
bool mambaRecipeNeedsFiles(const MambaRecipe *recipe);

/* What the options are when the user says nothing. */
MambaPipelineOptions mambaPipelineDefaults(void);

/* Writes the passes of a recipe with these options, such as "mamba-rotate{sites=y},cse", for
 * `builtin.module(...)`. MAMBA_INVALID with a list of the recipes for an unknown name, for an option that is
 * out of range or that the recipe does not have, and when `size` bytes do not suffice; MAMBA_UNSUPPORTED for
 * a path that a pipeline cannot spell. */
MAMBA_MUST_CHECK MambaStatus mambaPipelineSpec(const char *recipe, const MambaPipelineOptions *options,
                                               char *buffer, size_t size, MambaError *error);

/* Runs passes given as text, "builtin.module(...)", on a module; the passes are registered (mamba/shim.h). With
 * `keep_ir` the IR after every pass goes into that folder; NULL for none. MAMBA_INVALID for a text that is no
 * pipeline, and, with an empty message, after a pass has failed and emitted its diagnostic. */
MAMBA_MUST_CHECK MambaStatus mambaPipelineRun(MlirOperation module, const char *pipeline, const char *keep_ir,
                                              MambaError *error);

#ifdef __cplusplus
}
#endif
#endif
