/* mamba-run view: the ops of a layer as boxes, an op below those that it reads, with arrows between them. */
#include "view.h"

#include <stdlib.h>
#include <string.h>

enum { BOX_WIDTH = 172, BOX_HEIGHT = 40, GAP_X = 28, GAP_Y = 28, MARGIN = 14, ASIDE = 84 };

typedef struct Node {
  MlirOperation op;
  int row, column;
  bool from_outside; /* reads what another group computes */
} Node;

static int left(const Node *node) {
  return MARGIN + node->column * (BOX_WIDTH + GAP_X);
}

static int top(const Node *node) {
  return MARGIN + node->row * (BOX_HEIGHT + GAP_Y);
}

static const Node *nodeOf(const Node *nodes, int count, MlirOperation op) {
  for (int i = 0; i < count; i++)
    if (mlirOperationEqual(nodes[i].op, op))
      return &nodes[i];
  return NULL;
}

/* Rows by the longest way from the top; columns in the order of the program. Gives the number of columns. */
static int place(Node *nodes, int count, int *columns_of_row) {
  int columns = 1;
  for (int i = 0; i < count; i++) {
    Node *node = &nodes[i];
    for (intptr_t k = 0; k < mlirOperationGetNumOperands(node->op); k++) {
      const MlirValue operand = mlirOperationGetOperand(node->op, k);
      const Node *source = nodeOf(nodes, i, mambaDefiningOp(operand));
      if (source && source->row >= node->row)
        node->row = source->row + 1;
      node->from_outside |= !source && !mambaIsConstant(operand);
    }
    node->column = columns_of_row[node->row]++;
    columns = columns_of_row[node->row] > columns ? columns_of_row[node->row] : columns;
  }
  return columns;
}

static void drawText(MambaHtml *page, MlirStringRef text) {
  enum { MOST = 24 }; /* characters of the box's width */
  const size_t shown = text.length > MOST ? MOST - 1 : text.length;
  mambaHtmlText(page, text.data, shown);
  if (shown < text.length)
    mambaHtmlMarkup(page, "…");
}

/* `aside`: how far to the right the arrow passes boxes that are between its ends; 0 for none. */
static void drawArrow(MambaHtml *page, double x0, double y0, double x1, double y1, double aside,
                      MlirStringRef name) {
  const double bend = (y1 - y0) / 2;
  mambaHtmlMarkup(
      page, "<path class=\"edge\" d=\"M%.0f %.0fC%.0f %.0f %.0f %.0f %.0f %.0fm-4 -7l4 7l4 -7\"><title>", x0,
      y0, x0 + aside, y0 + bend / (aside > 0 ? 2 : 1), x1 + aside, y1 - bend / (aside > 0 ? 2 : 1), x1, y1);
  mambaHtmlText(page, name.data, name.length);
  mambaHtmlMarkup(page, "</title></path>");
}

static void drawArrows(MambaHtml *page, const Node *nodes, int count, const Node *node) {
  const int operands = (int)mlirOperationGetNumOperands(node->op);
  int drawn = 0, activations = 0;
  for (int k = 0; k < operands; k++)
    activations += !mambaIsConstant(mlirOperationGetOperand(node->op, k));
  for (int k = 0; k < operands; k++) {
    const MlirValue operand = mlirOperationGetOperand(node->op, k);
    const Node *source = nodeOf(nodes, count, mambaDefiningOp(operand));
    if (mambaIsConstant(operand))
      continue;
    const double x = left(node) + BOX_WIDTH * (++drawn) / (activations + 1.0);
    if (source && source->row + 1 < node->row && source->column == node->column)
      drawArrow(page, left(source) + BOX_WIDTH * 0.8, top(source) + BOX_HEIGHT, left(node) + BOX_WIDTH * 0.8,
                top(node), ASIDE, mambaValueName(operand));
    else if (source)
      drawArrow(page, left(source) + BOX_WIDTH / 2.0, top(source) + BOX_HEIGHT, x, top(node), 0,
                mambaValueName(operand));
    else /* from above */
      drawArrow(page, x, top(node) - GAP_Y / 2.0, x, top(node), 0, mambaValueName(operand));
  }
}

static void drawBox(MambaHtml *page, const Node *node) {
  const MlirStringRef name = mambaOpName(node->op);
  const MlirStringRef op = mlirIdentifierStr(mlirOperationGetName(node->op));
  const bool ours = op.length > 6 && !strncmp(op.data, "mamba.", 6);
  const double middle = left(node) + BOX_WIDTH / 2.0;
  mambaHtmlMarkup(page, "<g class=\"%s\"><title>", viewKindName(viewKindOf(node->op)));
  mambaHtmlText(page, name.data, name.length);
  mambaHtmlMarkup(page, "</title><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"7\"/>", left(node),
                  top(node), BOX_WIDTH, BOX_HEIGHT);
  mambaHtmlMarkup(page, "<text class=\"op\" x=\"%.0f\" y=\"%d\" text-anchor=\"middle\">", middle,
                  top(node) + 17);
  drawText(page, mlirStringRefCreate(op.data + (ours ? 6 : 0), op.length - (ours ? 6 : 0)));
  mambaHtmlMarkup(page, "</text><text x=\"%.0f\" y=\"%d\" text-anchor=\"middle\">", middle, top(node) + 32);
  drawText(page, viewShortName(name));
  mambaHtmlMarkup(page, "</text></g>\n");
}

MambaStatus viewDiagram(MambaHtml *page, const MlirOperation *ops, intptr_t op_count, MambaError *error) {
  Node *nodes = calloc((size_t)op_count + 1, sizeof *nodes);
  int *columns_of_row = calloc((size_t)op_count + 1, sizeof *columns_of_row);
  MambaStatus status = MAMBA_OK;
  int count = 0, rows = 0;
  if (!nodes || !columns_of_row) {
    status = mambaFail(error, MAMBA_NO_MEMORY, "no memory to draw %lld ops", (long long)op_count);
    goto cleanup;
  }
  for (intptr_t i = 0; i < op_count; i++)
    if (viewIsActivation(ops[i]))
      nodes[count++].op = ops[i];
  if (!count)
    goto cleanup;
  const int columns = place(nodes, count, columns_of_row);
  for (int i = 0; i < count; i++)
    rows = nodes[i].row >= rows ? nodes[i].row + 1 : rows;
  mambaHtmlMarkup(page,
                  "<div class=\"scroll\"><svg class=\"diagram\" role=\"img\" width=\"%d\" height=\"%d\">\n",
                  2 * MARGIN + columns * (BOX_WIDTH + GAP_X) + ASIDE / 2,
                  2 * MARGIN + rows * (BOX_HEIGHT + GAP_Y) - GAP_Y);
  for (int i = 0; i < count; i++)
    drawArrows(page, nodes, count, &nodes[i]);
  for (int i = 0; i < count; i++)
    drawBox(page, &nodes[i]);
  mambaHtmlMarkup(page, "</svg></div>\n");
cleanup:
  free(columns_of_row);
  free(nodes);
  return status;
}
