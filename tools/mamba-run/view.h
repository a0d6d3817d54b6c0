/* What the parts of mamba-run view share. */
#ifndef MAMBA_VIEW_H
#define MAMBA_VIEW_H

#include "mamba/html.h"
#include "mamba/parameters.h"

/* A run of @forward's ops that belong together: "Embedding", "Layer 3", "Head". */
typedef struct ViewGroup {
  int64_t layer; /* -1 outside of layers */
  intptr_t begin, end;
} ViewGroup;

/* What an op does, for its colour. */
typedef enum ViewKind { VIEW_MATRIX, VIEW_SCAN, VIEW_CONV, VIEW_NORM, VIEW_QUANTIZE, VIEW_OTHER } ViewKind;
ViewKind viewKindOf(MlirOperation op);
/* The style's class of a kind: "matrix". */
const char *viewKindName(ViewKind kind);
/* True for what happens at run time: ops on weights and scales alone do not. */
bool viewIsActivation(MlirOperation op);
/* A value's name without "layers.3.mixer." or "backbone.layers.3.". */
MlirStringRef viewShortName(MlirStringRef name);

/* The run-time ops among `ops` [count] as boxes with arrows, top to bottom. */
MAMBA_MUST_CHECK MambaStatus viewDiagram(MambaHtml *page, const MlirOperation *ops, intptr_t count,
                                         MambaError *error);

/* A histogram, with extremes and moments, of a constant. MAMBA_OK and a remark on the page where it cannot be
 * read. */
MAMBA_MUST_CHECK MambaStatus viewWeight(MambaHtml *page, MambaParameters *parameters, MlirValue weight,
                                        MambaError *error);

#endif
