/* The graph of a file of ONNX. Operators: https://onnx.ai/onnx/operators, opset 13 and later. */
#ifndef MAMBA_LIB_GRAPH_GRAPH_ONNX_H
#define MAMBA_LIB_GRAPH_GRAPH_ONNX_H

#include "graph.h"
#include "onnx.h"

/* Builds the graph into *graph, which is empty and which the caller clears in any case; it borrows weights
 * from the file. An operator that this does not know is refused, with its node. */
MAMBA_MUST_CHECK MambaStatus graphReadOnnx(const Onnx *onnx, Graph *graph, MambaError *error);

/* Writes what the file calls a node: its name, its operator, and the line of source where the file has it. */
void graphDescribeOnnx(const Onnx *onnx, int32_t origin, char *text, size_t size);

#endif
