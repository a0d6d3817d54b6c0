/* mamba-run compare: how far two modules are apart, value by value. */
#include "run.h"

#include "mamba/comparison.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static void reportText(const MambaComparison *c, int64_t tokens) {
  printf("%10s %12s %7s %7s %12s  %s\n", "SNR (dB)", "max error", "token", "channel", "max value", "value");
  for (size_t i = 0; i < c->count; i++) {
    const MambaComparedValue *v = &c->values[i];
    if (v->noise == 0)
      printf("%10s %12s %7s %7s %12.5g  %s\n", "equal", "0", "", "", v->max_value, v->name);
    else
      printf("%10.2f %12.5g %7" PRId64 " %7" PRId64 " %12.5g  %s\n", mambaComparedDecibels(v), v->max_error,
             v->token, v->channel, v->max_value, v->name);
  }
  printf("%zu values of both modules over %" PRId64 " tokens", c->count, tokens);
  if (c->left_out)
    printf("; integers with a scale for each token were left out");
  putchar('\n');
  if (c->first < c->count)
    printf("the first to depart: %s\n", c->values[c->first].name);
}

/* Names come from IR, where any byte may stand. */
static void printJsonString(const char *text) {
  putchar('"');
  for (; *text; text++)
    if (*text == '"' || *text == '\\')
      printf("\\%c", *text);
    else if ((unsigned char)*text < 0x20)
      printf("\\u%04x", (unsigned char)*text);
    else
      putchar(*text);
  putchar('"');
}

static void reportJson(const MambaComparison *c, int64_t tokens) {
  printf("{\"tokens\": %" PRId64 ", \"first_to_depart\": ", tokens);
  if (c->first < c->count)
    printJsonString(c->values[c->first].name);
  else
    printf("null");
  printf(", \"values\": [");
  for (size_t i = 0; i < c->count; i++) {
    const MambaComparedValue *v = &c->values[i];
    printf("%s\n  {\"name\": ", i ? "," : "");
    printJsonString(v->name);
    printf(", \"snr_db\": ");
    if (isfinite(mambaComparedDecibels(v)))
      printf("%.4f", mambaComparedDecibels(v));
    else
      printf("null");
    printf(", \"equal\": %s, \"max_error\": %.9g, \"token\": %" PRId64 ", \"channel\": %" PRId64
           ", \"max_value\": %.9g}",
           v->noise == 0 ? "true" : "false", v->max_error, v->token, v->channel, v->max_value);
  }
  puts("\n]}");
}

MambaStatus runCompare(const RunOptions *options, const Model *model, const Model *other, MambaError *error) {
  MambaExecutor *first = NULL, *second = NULL;
  MambaComparison comparison = {0};
  MambaTokenIds ids = {0};
  MambaStatus status = readInputIds(options, model, &ids, error);
  if (!status)
    status = modelExecutor(model, 1, options->threads, &first, error);
  if (!status)
    status = modelExecutor(other, 1, options->threads, &second, error);
  if (status)
    goto cleanup;
  status = mambaCompare(mambaComparableExecutor(first), mambaComparableExecutor(second), ids.ids, ids.columns,
                        &comparison, error);
  if (status)
    mambaFailContext(error, "%s and %s", model->path, other->path);
  else
    (options->json ? reportJson : reportText)(&comparison, ids.columns);
cleanup:
  mambaComparisonDestroy(&comparison);
  mambaExecutorDestroy(first);
  mambaExecutorDestroy(second);
  mambaTokenIdsDestroy(&ids);
  return status;
}
