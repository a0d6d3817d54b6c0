/* mamba-run view: a module as a page. Layers unfold into a diagram and a list of ops; an op into its text,
 * its scales, what calibration saw of its values, and its weights' distributions. */
#include "view.h"

#include "run.h"

#include "mamba/output_file.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char kStyle[] =
    ":root{--matrix:#2f6fd6;--scan:#8a4fd0;--conv:#0c8f7f;--norm:#5f6b7c;--quantize:#c2620c;--other:#98a2b3}"
    "\n"
    "@media(prefers-color-scheme:dark){:root{--matrix:#6ea6ff;--scan:#bf93f5;--conv:#4cc9b5;--norm:#9aa7b8;"
    "--quantize:#f0a45a;--other:#6b7686}}\n"
    ".matrix{--k:var(--matrix)}.scan{--k:var(--scan)}.conv{--k:var(--conv)}.norm{--k:var(--norm)}"
    ".quantize{--k:var(--quantize)}.other{--k:var(--other)}\n"
    ".facts{display:flex;flex-wrap:wrap;gap:.4rem 2rem;margin:1rem 0}.facts "
    "b{display:block;font-size:1.25rem}\n"
    ".legend span::before,.dot{content:'';display:inline-block;width:.68em;height:.68em;border-radius:3px;"
    "background:var(--k);margin:0 .3em 0 0}.legend span{display:inline-block;margin-right:1rem}.dot{margin:0 2px 0 0}\n"
    ".layer{padding:0;margin:0 0 "
    "1.1rem;position:relative}.layer>summary{display:flex;flex-wrap:wrap;gap:.2rem 1rem;"
    "align-items:center;padding:.7rem 1.1rem}.layer>summary b{min-width:7rem}.layer>div{padding:0 1.1rem "
    "1rem}\n"
    ".layer+.layer::before{content:'';position:absolute;left:2.2rem;top:-1.15rem;height:1.15rem;"
    "border-left:2px solid var(--line)}\n"
    ".layer>summary .muted{margin-left:auto}\n"
    ".op{border-top:1px solid var(--line)}.op>summary{display:flex;flex-wrap:wrap;gap:.1rem "
    ".9rem;padding:.3rem 0}"
    ".op>summary code:first-of-type{min-width:13rem;color:var(--k);font-weight:600}.op>div{padding:0 0 .8rem "
    "1rem}\n"
    ".op pre{white-space:pre-wrap;overflow-wrap:anywhere}.constant{opacity:.75}.bad{color:var(--bad)}\n"
    ".diagram rect{fill:var(--card);stroke:var(--k);stroke-width:1.6}.diagram "
    ".op{fill:var(--k);font-weight:600;"
    "font-size:12px}.edge{fill:none;stroke:var(--muted);stroke-width:1.2}\n";

/* ---- Ops -------------------------------------------------------------------------------------------- */

ViewKind viewKindOf(MlirOperation op) {
  switch (mambaOpKind(op)) {
  case MAMBA_OP_LINEAR:
  case MAMBA_OP_LINEAR_I8:
  case MAMBA_OP_LINEAR_W8:
  case MAMBA_OP_EMBEDDING:
    return VIEW_MATRIX;
  case MAMBA_OP_SELECTIVE_SCAN:
  case MAMBA_OP_SELECTIVE_SCAN_QUANT:
    return VIEW_SCAN;
  case MAMBA_OP_CAUSAL_CONV1D:
  case MAMBA_OP_CONV1D_SILU_QUANT:
    return VIEW_CONV;
  case MAMBA_OP_RMS_NORM:
  case MAMBA_OP_RMS_NORM_QUANT:
  case MAMBA_OP_ADD_RMS_NORM_QUANT:
    return VIEW_NORM;
  case MAMBA_OP_QUANTIZE:
  case MAMBA_OP_DEQUANTIZE:
  case MAMBA_OP_QUANTIZE_ROWS:
  case MAMBA_OP_HADAMARD:
  case MAMBA_OP_HADAMARD_QUANT:
    return VIEW_QUANTIZE;
  default:
    return VIEW_OTHER;
  }
}

const char *viewKindName(ViewKind kind) {
  static const char *const names[] = {"matrix", "scan", "conv", "norm", "quantize", "other"};
  return names[kind];
}

bool viewIsActivation(MlirOperation op) {
  return mlirOperationGetNumResults(op) > 0 && !mambaIsConstant(mlirOperationGetResult(op, 0));
}

/* The number behind "layers." at the name's beginning or behind "backbone."; -1 for none. *rest: what follows
 * it. */
static int64_t layerOf(MlirStringRef name, size_t *rest) {
  static const char backbone[] = "backbone.", layers[] = "layers.";
  size_t at = 0;
  int64_t layer = 0;
  *rest = 0;
  if (name.length >= strlen(backbone) && !strncmp(name.data, backbone, strlen(backbone)))
    at = strlen(backbone);
  if (name.length <= at + strlen(layers) || strncmp(name.data + at, layers, strlen(layers)))
    return -1;
  at += strlen(layers);
  const size_t digits = at;
  for (; at < name.length && isdigit((unsigned char)name.data[at]) && layer < 1 << 20; at++)
    layer = 10 * layer + name.data[at] - '0';
  *rest = at;
  return at > digits ? layer : -1;
}

MlirStringRef viewShortName(MlirStringRef name) {
  static const char mixer[] = ".mixer.";
  size_t rest;
  if (layerOf(name, &rest) < 0 || rest >= name.length)
    return name;
  const size_t left = name.length - rest;
  rest += left > strlen(mixer) && !strncmp(name.data + rest, mixer, strlen(mixer)) ? strlen(mixer) : 1;
  return mlirStringRefCreate(name.data + rest, name.length - rest);
}

/* The layer that an op belongs to: one that ends a layer and begins the next, that of its last result. */
static int64_t layerOfOp(MlirOperation op) {
  size_t rest;
  const intptr_t results = mlirOperationGetNumResults(op);
  return results ? layerOf(mambaValueName(mlirOperationGetResult(op, results - 1)), &rest) : -1;
}

/* An op without a layer in its name belongs to where the ops before it are, but nothing that is computed
 * outside of layers does. The list of groups, which the caller frees, has one more entry than ops at most. */
static intptr_t findGroups(const MlirOperation *ops, intptr_t count, ViewGroup *groups) {
  intptr_t n = 0;
  for (intptr_t i = 0; i < count; i++) {
    const int64_t layer = layerOfOp(ops[i]);
    const bool follows = n && layer < 0 && !viewIsActivation(ops[i]) && i + 1 < count &&
                         layerOfOp(ops[i + 1]) == groups[n - 1].layer;
    if (!n || (layer != groups[n - 1].layer && !follows))
      groups[n++] = (ViewGroup){.layer = layer, .begin = i, .end = i};
    groups[n - 1].end = i + 1;
  }
  return n;
}

/* ---- Pieces of the page ----------------------------------------------------------------------------- */

static void append(MlirStringRef text, void *page) {
  mambaHtmlText(page, text.data, text.length);
}

static void writeType(MambaHtml *page, MlirValue value) {
  mambaHtmlMarkup(page, "<code>");
  mlirTypePrint(mlirValueGetType(value), append, page);
  mambaHtmlMarkup(page, "</code>");
}

/* The scale that an operand is, or is the reciprocal of. */
static bool scaleOf(MlirValue value, double *scale) {
  if (mambaDefiningKind(value) == MAMBA_OP_RECIPROCAL)
    value = mlirOperationGetOperand(mambaDefiningOp(value), 0);
  if (mambaDefiningKind(value) != MAMBA_OP_SCALE)
    return false;
  *scale = mambaFloatAttribute(mambaDefiningOp(value), "value");
  return true;
}

static void writeOperands(MambaHtml *page, MlirOperation op) {
  char number[MAMBA_HTML_NUMBER];
  double scale;
  mambaHtmlMarkup(
      page,
      "<div class=\"scroll\"><table><tr><th>reads</th><th>type</th><th class=\"num\">scale</th></tr>\n");
  for (intptr_t i = 0; i < mlirOperationGetNumOperands(op); i++) {
    const MlirValue operand = mlirOperationGetOperand(op, i);
    const MlirStringRef name = mambaValueName(operand);
    mambaHtmlMarkup(page, "<tr>");
    mambaHtmlElement(page, "td", "%.*s", (int)name.length, name.data);
    mambaHtmlMarkup(page, "<td>");
    writeType(page, operand);
    mambaHtmlMarkup(page, "</td><td class=\"num\">%s</td></tr>\n",
                    scaleOf(operand, &scale) ? mambaHtmlNumber(scale, number) : "");
  }
  mambaHtmlMarkup(page, "</table></div>\n");
}

static void writeStatistics(MambaHtml *page, MlirOperation op) {
  const MlirAttribute stats = mlirOperationGetAttributeByName(op, mambaRef("mamba.stats"));
  if (mlirAttributeIsNull(stats) || !mlirAttributeIsADictionary(stats))
    return;
  char number[MAMBA_HTML_NUMBER];
  mambaHtmlMarkup(page, "<h3>Calibration saw</h3><div class=\"scroll\"><table><tr>");
  for (intptr_t i = 0; i < mlirDictionaryAttrGetNumElements(stats); i++) {
    const MlirStringRef key = mlirIdentifierStr(mlirDictionaryAttrGetElement(stats, i).name);
    mambaHtmlElement(page, "th class='num'", "%.*s", (int)key.length, key.data);
  }
  mambaHtmlMarkup(page, "</tr><tr>");
  for (intptr_t i = 0; i < mlirDictionaryAttrGetNumElements(stats); i++) {
    const MlirAttribute value = mlirDictionaryAttrGetElement(stats, i).attribute;
    mambaHtmlMarkup(page, "<td class=\"num\">");
    if (mlirAttributeIsAFloat(value))
      mambaHtmlMarkup(page, "%s", mambaHtmlNumber(mlirFloatAttrGetValueDouble(value), number));
    else
      mlirAttributePrint(value, append, page);
    mambaHtmlMarkup(page, "</td>");
  }
  mambaHtmlMarkup(page, "</tr></table></div>\n");
}

/* ---- The page --------------------------------------------------------------------------------------- */

typedef struct View {
  MambaHtml page;
  MlirOperation module;
  MlirOperation *ops; /* of @forward */
  intptr_t count;
  ViewGroup *groups;
  intptr_t group_count;
  MlirAsmState names; /* SSA names, found once */
  MambaParameters *parameters;
} View;

static MambaStatus writeOp(View *view, MlirOperation op, MambaError *error) {
  MambaHtml *page = &view->page;
  const MlirStringRef name = mambaOpName(op), mnemonic = mlirIdentifierStr(mlirOperationGetName(op));
  const bool constant = !viewIsActivation(op);
  MambaStatus status = MAMBA_OK;
  mambaHtmlMarkup(page, "<details class=\"op %s%s\"><summary>", viewKindName(viewKindOf(op)),
                  constant ? " constant" : "");
  mambaHtmlElement(page, "code", "%.*s", (int)mnemonic.length, mnemonic.data);
  mambaHtmlElement(page, "span", "%.*s", (int)viewShortName(name).length, viewShortName(name).data);
  for (intptr_t i = 0; i < mlirOperationGetNumResults(op); i++)
    writeType(page, mlirOperationGetResult(op, i));
  mambaHtmlMarkup(page, "</summary><div>\n<pre>");
  mlirOperationPrintWithState(op, view->names, append, page);
  mambaHtmlMarkup(page, "</pre>\n");
  if (mlirOperationGetNumOperands(op))
    writeOperands(page, op);
  writeStatistics(page, op);
  if (mambaOpIs(op, MAMBA_OP_WEIGHT))
    status = viewWeight(page, view->parameters, mlirOperationGetResult(op, 0), error);
  mambaHtmlMarkup(page, "</div></details>\n");
  return status;
}

static double weightValues(const View *view, const ViewGroup *group) {
  double values = 0;
  for (intptr_t i = group->begin; i < group->end; i++)
    if (mambaOpIs(view->ops[i], MAMBA_OP_WEIGHT))
      values += (double)mambaElementCount(mlirOperationGetResult(view->ops[i], 0));
  return values;
}

static MambaStatus writeGroup(View *view, intptr_t index, MambaError *error) {
  MambaHtml *page = &view->page;
  const ViewGroup *group = &view->groups[index];
  char number[MAMBA_HTML_NUMBER];
  mambaHtmlMarkup(page, "<details class=\"card layer\"><summary>");
  if (group->layer >= 0)
    mambaHtmlElement(page, "b", "Layer %" PRId64, group->layer);
  else
    mambaHtmlElement(page, "b", "%s", index ? "Head" : "Embedding");
  mambaHtmlMarkup(page, "<span>");
  for (intptr_t i = group->begin; i < group->end; i++)
    if (viewIsActivation(view->ops[i]))
      mambaHtmlMarkup(page, "<i class=\"dot %s\"></i>", viewKindName(viewKindOf(view->ops[i])));
  mambaHtmlMarkup(page, "</span>");
  mambaHtmlElement(page, "span class='muted'", "%" PRIdPTR " ops · %s weights", group->end - group->begin,
                   mambaHtmlCount(weightValues(view, group), number));
  mambaHtmlMarkup(page, "</summary><div>\n");
  MambaStatus status = viewDiagram(page, view->ops + group->begin, group->end - group->begin, error);
  for (intptr_t i = group->begin; i < group->end && !status; i++)
    status = writeOp(view, view->ops[i], error);
  mambaHtmlMarkup(page, "</div></details>\n");
  return status;
}

/* Which of docs/architecture.md's levels the ops are at. */
static const char *levelOf(const View *view) {
  bool quantized = false, kernels = false;
  if (mambaHasAttribute(mambaForward(view->module), "mamba.arena"))
    return "4, planned";
  for (intptr_t i = 0; i < view->count; i++) {
    const MambaOp kind = mambaOpKind(view->ops[i]);
    quantized |= viewIsActivation(view->ops[i]) && (kind == MAMBA_OP_QUANTIZE || kind == MAMBA_OP_DEQUANTIZE);
    kernels |= kind >= MAMBA_OP_QUANTIZE_ROWS;
  }
  return kernels ? "3, kernels" : quantized ? "2, quantized" : "1, model";
}

static void writeFact(MambaHtml *page, const char *label, const char *value) {
  mambaHtmlMarkup(page, "<div>");
  mambaHtmlElement(page, "b", "%s", value);
  mambaHtmlElement(page, "span class='muted'", "%s", label);
  mambaHtmlMarkup(page, "</div>\n");
}

static void writeHead(View *view) {
  MambaHtml *page = &view->page;
  char number[MAMBA_HTML_NUMBER];
  double weights = 0;
  intptr_t layers = 0;
  for (intptr_t i = 0; i < view->group_count; i++) {
    weights += weightValues(view, &view->groups[i]);
    layers += view->groups[i].layer >= 0;
  }
  mambaHtmlMarkup(page, "<div class=\"facts\">\n");
  writeFact(page, "level of the IR", levelOf(view));
  writeFact(page, "layers", mambaHtmlCount((double)layers, number));
  writeFact(page, "ops", mambaHtmlCount((double)view->count, number));
  writeFact(page, "weights", mambaHtmlCount(weights, number));
  mambaHtmlMarkup(page, "</div>\n<p class=\"legend\">");
  for (int kind = VIEW_MATRIX; kind <= VIEW_OTHER; kind++)
    mambaHtmlMarkup(page, "<span class=\"%s\">%s</span>", viewKindName((ViewKind)kind),
                    viewKindName((ViewKind)kind));
  mambaHtmlMarkup(page, "</p>\n<details class=\"card\"><summary>Module</summary><pre>");
  const MlirBlock body = mlirModuleGetBody(mlirModuleFromOperation(view->module));
  for (MlirOperation op = mlirBlockGetFirstOperation(body); !mlirOperationIsNull(op);
       op = mlirOperationGetNextInBlock(op)) {
    if (!mambaOpIs(op, MAMBA_OP_CHECKPOINT) && !mambaOpIs(op, MAMBA_OP_STATE))
      continue;
    mlirOperationPrintWithState(op, view->names, append, page);
    mambaHtmlMarkup(page, "\n");
  }
  mambaHtmlMarkup(page, "</pre></details>\n<h2>@forward</h2>\n");
}

MambaStatus runView(const RunOptions *options, const Model *model, MambaError *error) {
  View view = {.module = mlirModuleGetOperation(model->module)};
  const MlirOpPrintingFlags flags = mlirOpPrintingFlagsCreate();
  const MlirBlock body = mambaForwardBody(view.module);
  MambaStatus status = MAMBA_OK;
  mlirOpPrintingFlagsUseLocalScope(flags);
  mlirOpPrintingFlagsPrintNameLocAsPrefix(flags);
  mlirOpPrintingFlagsElideLargeElementsAttrs(flags, 64);
  view.names = mlirAsmStateCreateForOperation(view.module, flags);
  if (mlirBlockIsNull(body)) {
    status = mambaFail(error, MAMBA_INVALID, "%s: expected a function @forward with one block", model->path);
    goto cleanup;
  }
  status = mambaBlockOperations(body, &view.ops, &view.count, error);
  if (!status)
    status = mambaParametersCreate(view.module, (int)options->threads, &view.parameters, error);
  if (status)
    goto cleanup;
  view.groups = calloc((size_t)view.count + 1, sizeof *view.groups);
  if (!view.groups) {
    status = mambaFail(error, MAMBA_NO_MEMORY, "no memory for %" PRIdPTR " ops", view.count);
    goto cleanup;
  }
  view.group_count = findGroups(view.ops, view.count, view.groups);
  mambaHtmlBegin(&view.page, model->path, kStyle);
  writeHead(&view);
  for (intptr_t i = 0; i < view.group_count && !status; i++)
    status = writeGroup(&view, i, error);
  mambaHtmlEnd(&view.page);
  if (!status)
    status = mambaHtmlFinish(&view.page, error);
  if (!status)
    status = mambaOutputFileSave(options->out, view.page.text, view.page.size, error);
cleanup:
  free(view.groups);
  free(view.ops);
  mambaParametersDestroy(view.parameters);
  mambaHtmlDestroy(&view.page);
  mlirAsmStateDestroy(view.names);
  mlirOpPrintingFlagsDestroy(flags);
  return status;
}
