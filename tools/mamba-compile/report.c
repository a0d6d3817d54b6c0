#include "report.h"

#include "bundle/sampling.h"
#include "mamba/executor.h"
#include "mamba/json.h"
#include "mamba/output_file.h"
#include "mamba/report.h"
#include "mamba/token_ids.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TOKENS = 256, SELF_TOKENS = 128 };

/* ---- What to compare on ------------------------------------------------------------------------------ */

/* Text that the float model writes. */
static MambaStatus writeIds(MambaExecutor *executor, MlirOperation module, MambaTokenIds *ids,
                            MambaError *error) {
  const int64_t vocabulary = mambaExecutorVocabulary(executor);
  mamba_sampler sampler = mamba_sampler_start((mamba_sampling){.temperature = 1, .top_p = 1});
  float *logits = malloc((size_t)vocabulary * sizeof *logits);
  int32_t *list = calloc(SELF_TOKENS, sizeof *list);
  MambaStatus status = logits && list ? MAMBA_OK : mambaFail(error, MAMBA_NO_MEMORY, "out of memory");
  if (!status && mambaHasAttribute(module, "mamba.eos"))
    list[0] = (int32_t)mambaIntAttribute(module, "mamba.eos");
  for (int64_t i = 0; i + 1 < SELF_TOKENS && !status; i++) {
    status = mambaExecutorRun(executor, &list[i], 1, MAMBA_LOGITS_LAST, logits, error);
    const mamba_draw draw = mamba_sampler_draw(&sampler);
    if (!status)
      list[i + 1] = mamba_draw_token(&draw, logits, (int32_t)vocabulary);
  }
  mambaExecutorReset(executor);
  free(logits);
  if (status)
    free(list);
  else
    *ids = (MambaTokenIds){1, SELF_TOKENS, list};
  return status;
}

static MambaStatus getIds(const CompileReport *report, MambaExecutor *executor, MlirOperation module,
                          MambaTokenIds *ids, MambaError *error) {
  char tokenizer[4096] = "";
  if (!strcmp(report->calibration, "self"))
    return writeIds(executor, module, ids, error);
  if (mambaHasAttribute(module, "mamba.tokenizer")) {
    const MlirStringRef path = mambaStringAttribute(module, "mamba.tokenizer");
    snprintf(tokenizer, sizeof tokenizer, "%.*s", (int)path.length, path.data);
  }
  return mambaTokenIdsRead(report->calibration, *tokenizer ? tokenizer : NULL, ids, error);
}

static MambaStatus compare(const CompileReport *report, MlirOperation imported, MlirOperation planned,
                           MambaReportPage *page, MambaComparison *comparison, MambaError *error) {
  const MambaExecutorOptions options = {.threads = report->threads,
                                        .weight_memory = MAMBA_COMPILER_WEIGHT_MEMORY};
  MambaExecutor *first = NULL, *second = NULL;
  MambaTokenIds ids = {0};
  MambaStatus status = mambaExecutorCreate(imported, 1, options, &first, error);
  if (!status)
    status = getIds(report, first, imported, &ids, error);
  if (!status)
    status = mambaExecutorCreate(planned, 1, options, &second, error);
  page->compared_tokens = ids.columns < TOKENS ? ids.columns : TOKENS;
  if (!status)
    status = mambaCompare(mambaComparableExecutor(first), mambaComparableExecutor(second), ids.ids,
                          page->compared_tokens, comparison, error);
  mambaTokenIdsDestroy(&ids);
  mambaExecutorDestroy(first);
  mambaExecutorDestroy(second);
  return status;
}

/* ---- What the module says ---------------------------------------------------------------------------- */

/* The length of a name without the suffix that it ends in, or 0. */
static size_t cut(MlirStringRef name, size_t length, const char *suffix) {
  const size_t size = strlen(suffix);
  return length > size && !memcmp(name.data + length - size, suffix, size) ? length - size : 0;
}

/* The static scales of the module, by the name of the value that has them; a clamped one stands for its
 * value. */
static json_t *collectScales(MlirOperation module) {
  json_t *scales = json_object();
  MlirOperation op = mlirBlockGetFirstOperation(mambaForwardBody(module));
  for (; !mlirOperationIsNull(op); op = mlirOperationGetNextInBlock(op)) {
    char name[512];
    const MlirStringRef ref = mambaOpIs(op, MAMBA_OP_SCALE) ? mambaOpName(op) : mambaRef("");
    const size_t scaled = cut(ref, ref.length, ".scale"), length = cut(ref, scaled, "_clamped");
    snprintf(name, sizeof name, "%.*s", (int)(length ? length : scaled), ref.data);
    if (scaled && scaled < sizeof name)
      json_object_set_new(scales, name, json_real(mambaFloatAttribute(op, "value")));
  }
  return scales;
}

/* Bytes of the weights that a token reads: all but the embedding's table, of which it reads a row, unless the
 * head reads that table too. */
static size_t tokenBytes(MlirOperation module, size_t weights) {
  MlirOperation op = mlirBlockGetFirstOperation(mambaForwardBody(module));
  for (; !mlirOperationIsNull(op); op = mlirOperationGetNextInBlock(op)) {
    const MlirValue table = mambaOpIs(op, MAMBA_OP_EMBEDDING) ? mambaOperand(op, "table") : (MlirValue){NULL};
    if (mlirValueIsNull(table) || !mambaHasOneUse(table))
      continue;
    const size_t bytes = (size_t)mambaElementCount(table) * mambaElementSize(mambaElementOf(table));
    return bytes < weights ? weights - bytes : weights;
  }
  return weights;
}

MambaStatus compileReportWrite(const CompileReport *report, MlirOperation imported, MlirOperation planned,
                               MambaError *error) {
  const MambaBundleSummary *s = report->summary;
  MambaComparison comparison = {0};
  MambaHtml html = {0};
  json_t *outliers = NULL, *scales = collectScales(planned);
  MambaReportPage page = {.name = report->name,
                          .recipe = report->recipe,
                          .target = s->target->name,
                          .scales = scales,
                          .comparison = &comparison,
                          .weights = s->weights,
                          .token_bytes = tokenBytes(planned, s->weights),
                          .buffers = s->arena,
                          .state = s->state,
                          .seconds = s->decode_seconds};
  MambaStatus status = compare(report, imported, planned, &page, &comparison, error);
  if (!status && !access(report->outliers, F_OK))
    status = mambaJsonReadObject(report->outliers, &outliers, error);
  page.outliers = outliers;
  if (!status) {
    mambaReportWrite(&page, &html);
    status = mambaHtmlFinish(&html, error);
  }
  if (!status)
    status = mambaOutputFileSave(report->path, html.text, html.size, error);
  mambaHtmlDestroy(&html);
  mambaComparisonDestroy(&comparison);
  json_decref(outliers);
  json_decref(scales);
  return status;
}
