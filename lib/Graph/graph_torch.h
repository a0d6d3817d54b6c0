/* The program of an archive of torch.export as a graph. Schema: torch/_export/serde/schema.py, operators:
 * ATen. */
#ifndef MAMBA_LIB_GRAPH_GRAPH_TORCH_H
#define MAMBA_LIB_GRAPH_GRAPH_TORCH_H

#include "graph.h"
#include "pt2.h"

/* Builds the graph into *graph, which is empty and which the caller clears in any case; it borrows weights
 * from the archive. Operators that this does not know become GRAPH_OPAQUE. */
MAMBA_MUST_CHECK MambaStatus graphReadTorch(const Pt2 *archive, Graph *graph, MambaError *error);

/* Writes what the file calls a node: its name, its target, and the line of source that it was recorded from.
 */
void graphDescribeTorch(const Pt2 *archive, int32_t origin, char *text, size_t size);

#endif
