/* The sites of a model: the places where the passes change what an op reads.
 *
 * A site is one operand of one op. The passes find it by what the op does, not by its name, and through the
 * ops that earlier passes have put in between (clamp, hadamard, quantize, dequantize, cast). */
#ifndef MAMBA_PASSES_SITES_H
#define MAMBA_PASSES_SITES_H

#include "mamba/ir.h"

typedef enum SiteKind {
  SITE_IN,   /* in_proj reads the normalised residual stream */
  SITE_X,    /* the convolution reads the first half of in_proj */
  SITE_Z,    /* the gate's silu reads the second half */
  SITE_U,    /* the scan reads silu of the convolution */
  SITE_UX,   /* x_proj reads the same */
  SITE_DT,   /* dt_proj, */
  SITE_B,    /* the scan, */
  SITE_C,    /* and the scan read the slices of x_proj */
  SITE_Y,    /* out_proj reads the gated scan */
  SITE_HEAD, /* lm_head reads the last norm */
  SITE_COUNT
} SiteKind;

extern const char *const kSiteNames[SITE_COUNT]; /* "in", "x", ... as options spell them */

typedef struct Site {
  MlirOperation reader; /* null where there is none */
  intptr_t operand;
} Site;

/* The sites of one block; SITE_HEAD is in the entry that findSites appends for the head. */
typedef struct SiteGroup {
  Site sites[SITE_COUNT];
  MlirOperation conv; /* the convolution and the scan of a block, null in the head's entry */
  MlirOperation scan;
} SiteGroup;

/* Finds the sites of every block (one per scan) and the head's (a linear layer that @forward returns), in
 * program order. The caller frees *groups. False after a diagnostic where a block has another shape or
 * nothing is found. */
bool findSites(MlirOperation module, SiteGroup **groups, intptr_t *count);

/* What the reader gets. */
static inline MlirValue siteOperand(Site site) {
  return mlirOperationGetOperand(site.reader, site.operand);
}

/* Where a new value goes: the reader's operand, or, where a transform restores a rotated value for the
 * reader, that transform's operand, so that the rotated value is the one that changes. */
Site siteTarget(Site site);
static inline void siteReplace(Site site, MlirValue value) {
  mlirOperationSetOperand(site.reader, site.operand, value);
}

/* ---- Lists in options ("a=b,c=d") ------------------------------------------------------------------ */

/* Takes the next entry of a list off *rest, without spaces around it. False at the end. */
bool nextEntry(const char **rest, MlirStringRef *entry);
/* The site of that name, or SITE_COUNT. */
SiteKind siteNamed(MlirStringRef name);

#endif
