/* mamba-run evaluate: perplexity, last words, and how far a model is from another one. */
#include "predictor.h"

#include "mamba/comparison.h"
#include "mamba/pool.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What was measured; what was not is zero. */
typedef struct Evaluation {
  MambaTokenIds ids;
  MambaCompletions examples;
  MambaTextEvaluation text;
  MambaCompletionEvaluation lambada, reference_lambada;
  MambaComparison comparison;
  int64_t compared; /* tokens */
} Evaluation;

/* ---- Measuring -------------------------------------------------------------------------------------- */

static MambaStatus readInputs(const RunOptions *options, const Model *model, Evaluation *e,
                              MambaError *error) {
  MambaTokenizer *tokenizer = NULL;
  MambaStatus status = options->data ? readFileIds(options->data, options, model, &e->ids, error) : MAMBA_OK;
  if (status || !options->lambada)
    return status;
  if (!modelTokenizer(model))
    return mambaFail(error, MAMBA_INVALID, "%s: expected a tokenizer for --lambada, found none", model->path);
  status = mambaTokenizerOpen(modelTokenizer(model), &tokenizer, error);
  if (!status)
    status = mambaCompletionsRead(options->lambada, tokenizer, options->limit_examples, &e->examples, error);
  mambaTokenizerDestroy(tokenizer);
  return status;
}

/* Logits, of both models side by side. */
static MambaStatus predict(const RunOptions *options, const Model *model, const Model *against, Evaluation *e,
                           MambaError *error) {
  Predictor first = {0}, second = {0};
  mamba_pool *pool = NULL;
  const int64_t batch = modelIsBundle(model) || (against && modelIsBundle(against)) ? 1 : EVALUATION_BATCH;
  MambaStatus status = mambaPoolCreate(options->threads, &pool, error);
  if (!status)
    status = predictorCreate(model, batch, options->threads, &first, error);
  if (!status && against)
    status = predictorCreate(against, batch, options->threads, &second, error);
  if (!status && e->ids.columns) {
    status = mambaEvaluateText(&first.predictor, against ? &second.predictor : NULL, e->ids.ids,
                               e->ids.columns, options->window,
                               options->stride ? options->stride : options->window, pool, &e->text, error);
    if (status)
      mambaFailContext(error, "%s", options->data);
  }
  if (!status && e->examples.count)
    status = mambaEvaluateCompletions(&first.predictor, &e->examples, pool, &e->lambada, error);
  if (!status && e->examples.count && against)
    status = mambaEvaluateCompletions(&second.predictor, &e->examples, pool, &e->reference_lambada, error);
  predictorDestroy(&first);
  predictorDestroy(&second);
  mamba_pool_destroy(pool);
  return status;
}

/* Values inside; of a bundle those behind layers, on a GPU none. */
static MambaStatus compareValues(const RunOptions *options, const Model *model, const Model *against,
                                 Evaluation *e, MambaError *error) {
  enum { TOKENS = 1024 };
  Predictor first = {0}, second = {0};
  e->compared = e->ids.columns < TOKENS ? e->ids.columns : TOKENS;
  MambaStatus status = predictorCreate(against, 1, options->threads, &first, error);
  if (!status)
    status = predictorCreate(model, 1, options->threads, &second, error);
  if (!status)
    status = mambaCompare(predictorComparable(&first), predictorComparable(&second), e->ids.ids, e->compared,
                          &e->comparison, error);
  predictorDestroy(&first);
  predictorDestroy(&second);
  if (status == MAMBA_UNSUPPORTED) {
    fprintf(stderr, "mamba-run: no signal-to-noise ratios: %s\n", error->message);
    status = MAMBA_OK;
  }
  return status;
}

static int byLayer(const void *left, const void *right) {
  const long a = mambaComparedLayer(left), b = mambaComparedLayer(right);
  return a < b ? -1 : a > b;
}

/* Moves the residual stream behind each layer to the end, in order; how many those are. */
static size_t sortLayers(MambaComparison *comparison) {
  size_t layers = 0;
  qsort(comparison->values, comparison->count, sizeof *comparison->values, byLayer);
  for (size_t i = 0; i < comparison->count; i++)
    layers += mambaComparedLayer(&comparison->values[i]) >= 0;
  return layers;
}

/* ---- Table ------------------------------------------------------------------------------------------ */

static void printText(const Evaluation *e, const Model *against) {
  const MambaTextEvaluation *t = &e->text;
  printf("%-22s %.4f  (nll %.6f, standard error %.6f)\n", "perplexity", exp(t->nll), t->nll,
         t->standard_error);
  if (against) {
    printf("%-22s %.4f  (nll %.6f, standard error %.6f)\n", "  of the other model", exp(t->reference_nll),
           t->reference_nll, t->reference_error);
    printf("%-22s %+.6f  (standard error %.6f, on the same windows)\n", "  increase of nll", t->increase,
           t->increase_error);
    printf("%-22s %.6f\n", "KL divergence", t->divergence);
    printf("%-22s %.2f %%\n", "top-1 agreement", 100 * t->agreement);
  }
  printf("%-22s %" PRId64 ", of %" PRId64 " predictions\n", "windows", t->windows, t->predictions);
}

static void printCompletion(const char *label, const MambaCompletionEvaluation *c) {
  printf("%-22s %.2f %%  (%" PRId64 " of %" PRId64 "), perplexity %.4f\n", label,
         100 * (double)c->correct / (double)c->examples, c->correct, c->examples, exp(c->nll));
}

static void printLayers(const Evaluation *e, size_t values) {
  for (size_t i = 0; i < values; i++) {
    const MambaComparedValue *v = &e->comparison.values[e->comparison.count - values + i];
    char label[64];
    snprintf(label, sizeof label, "SNR of %s", v->name);
    if (v->noise == 0)
      printf("%-22s equal\n", label);
    else
      printf("%-22s %.2f dB\n", label, mambaComparedDecibels(v));
  }
}

static void printTable(Evaluation *e, const Model *model, const Model *against) {
  printf("%s%s%s\n", model->path, against ? " against " : "", against ? against->path : "");
  if (e->ids.columns)
    printText(e, against);
  if (e->examples.count) {
    printCompletion("LAMBADA", &e->lambada);
    if (against)
      printCompletion("  of the other model", &e->reference_lambada);
  }
  if (e->comparison.count)
    printLayers(e, sortLayers(&e->comparison));
}

/* ---- JSON ------------------------------------------------------------------------------------------- */

static json_t *textObject(const Evaluation *e, const RunOptions *options, bool against) {
  const MambaTextEvaluation *t = &e->text;
  json_t *object = json_pack("{s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "tokens", (json_int_t)e->ids.columns,
                             "window", (json_int_t)options->window, "stride",
                             (json_int_t)(options->stride ? options->stride : options->window), "windows",
                             (json_int_t)t->windows, "predictions", (json_int_t)t->predictions, "nll", t->nll,
                             "standard_error", t->standard_error, "perplexity", exp(t->nll));
  json_t *other =
      against ? json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "against_nll", t->reference_nll,
                          "against_standard_error", t->reference_error, "against_perplexity",
                          exp(t->reference_nll), "increase", t->increase, "increase_standard_error",
                          t->increase_error, "kl_divergence", t->divergence, "top1_agreement", t->agreement)
              : NULL;
  if (object && other)
    json_object_update(object, other);
  json_decref(other);
  return object;
}

static json_t *completionObject(const MambaCompletionEvaluation *c) {
  return json_pack("{s:I, s:I, s:f, s:f}", "examples", (json_int_t)c->examples, "correct",
                   (json_int_t)c->correct, "accuracy", (double)c->correct / (double)c->examples, "perplexity",
                   exp(c->nll));
}

/* Worst first, as mambaCompare leaves them; infinite ratios are null. */
static json_t *comparisonObject(const Evaluation *e) {
  json_t *values = json_array();
  for (size_t i = 0; i < e->comparison.count; i++) {
    const MambaComparedValue *v = &e->comparison.values[i];
    json_array_append_new(values,
                          json_pack("{s:s, s:o}", "name", v->name, "snr_db",
                                    v->noise == 0 ? json_null() : json_real(mambaComparedDecibels(v))));
  }
  return json_pack("{s:I, s:o}", "tokens", (json_int_t)e->compared, "values", values);
}

static MambaStatus printJson(const Evaluation *e, const RunOptions *options, const Model *model,
                             const Model *against, MambaError *error) {
  json_t *root = json_pack("{s:s, s:s?}", "model", model->path, "against", against ? against->path : NULL);
  if (root && e->ids.columns)
    json_object_set_new(root, "text", textObject(e, options, against));
  if (root && e->examples.count)
    json_object_set_new(root, "lambada", completionObject(&e->lambada));
  if (root && e->examples.count && against)
    json_object_set_new(root, "against_lambada", completionObject(&e->reference_lambada));
  if (root && e->comparison.count)
    json_object_set_new(root, "signal_to_noise", comparisonObject(e));
  char *text = root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) : NULL;
  json_decref(root);
  if (!text)
    return mambaFail(error, MAMBA_INVALID, "%s: expected a path in UTF-8 for --json, or there is no memory",
                     model->path);
  puts(text);
  free(text);
  return MAMBA_OK;
}

MambaStatus runEvaluate(const RunOptions *options, const Model *model, const Model *against,
                        MambaError *error) {
  Evaluation e = {0};
  MambaStatus status = readInputs(options, model, &e, error);
  if (!status)
    status = predict(options, model, against, &e, error);
  if (!status && against && e.ids.columns)
    status = compareValues(options, model, against, &e, error);
  if (!status && options->json)
    status = printJson(&e, options, model, against, error);
  else if (!status)
    printTable(&e, model, against);
  mambaComparisonDestroy(&e.comparison);
  mambaCompletionsDestroy(&e.examples);
  mambaTokenIdsDestroy(&e.ids);
  return status;
}
