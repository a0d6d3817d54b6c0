/* What is chosen for single sites, by a user's rules or by a search: it overrules the options of the passes.
 *
 * The op that reads a site carries it as `mamba.choices`, a dictionary of strings:
 *   {y = "token", y.rotate = "no"}. */
#ifndef MAMBA_PASSES_CHOICES_H
#define MAMBA_PASSES_CHOICES_H

#include "storage.h"

typedef enum ChoiceProperty {
  CHOICE_STORAGE, /* "y=token": mamba-insert-qdq */
  CHOICE_ROTATE,  /* "y.rotate=yes" or "no": mamba-rotate */
  CHOICE_SMOOTH,  /* "in.smooth=0.5" or "no": mamba-smooth */
  CHOICE_CLAMP,   /* "u.clamp=99.99" or "no": mamba-clamp-scan */
  CHOICE_PROPERTIES
} ChoiceProperty;

typedef struct Choice {
  SiteKind site;
  ChoiceProperty property;
  SiteStorage storage; /* of CHOICE_STORAGE */
  bool enabled;        /* of the others */
  double number;       /* a strength in [0, 1] or a percentile in (0, 100] */
} Choice;

/* Reads "site=kind" or "site.property=value". MAMBA_INVALID with what was expected. */
MAMBA_MUST_CHECK MambaStatus choiceParse(MlirStringRef entry, Choice *choice, MambaError *error);

/* The choice on the op that reads a site; *given tells whether there is one. False after a diagnostic at that
 * op. */
bool choiceGet(Site site, SiteKind kind, ChoiceProperty property, Choice *choice, bool *given);

/* Puts "site.property=value" on the op, in place of an earlier one of that site and property. */
void choiceSet(MlirOperation reader, MlirStringRef entry);

#endif
