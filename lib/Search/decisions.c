#include "decisions.h"

#include <math.h>

#include "choices.h"

const char *const kUnquantized = "in=f32 in.smooth=no ux=f32 dt=f32 y=f32 y.rotate=no y.smooth=no";

const Decision kDecisions[DECISION_COUNT] = {
    {"in",
     {{"in=tensor in.smooth=no", 0, false},
      {"in=fitted in.smooth=no", 0, false},
      {"in=tensor in.smooth=0.5", 0, false},
      {"in=tensor in.smooth=0.75", 0, false},
      {"in=token in.smooth=no", 1, false}, /* the norm finds a maximum as it goes */
      {NULL, 0, false}}},
    {"y",
     {{"y=tensor y.rotate=no y.smooth=no", 0, false},
      {"y=fitted y.rotate=no y.smooth=no", 0, false},
      {"y=tensor y.rotate=no y.smooth=0.5", 0, false},
      {"y=token y.rotate=no y.smooth=no", 1, false},  /* a pass over y */
      {"y=fitted y.rotate=yes y.smooth=no", 2, true}, /* a transform of y */
      {"y=token y.rotate=yes y.smooth=no", 2, true},  /* the transform finds the maximum as it goes */
      {NULL, 0, false}}},
    {"ux",
     {{"ux=tensor", 0, false},
      {"ux=fitted", 0, false},
      {"ux=p99.999", 0, false},
      {"ux=channel", 0, false},
      {NULL, 0, false}}},
    {"dt", {{"dt=tensor", 0, false}, {"dt=fitted", 0, false}, {NULL, 0, false}}},
    /* What no matrix reads takes one type: kernels that do a whole layer want it so. */
    {"x",
     {{"x=tensor z=channel u=channel B=channel C=channel", 0, false},
      {"x=f16 z=f16 u=f16 B=f32 C=f32", 1, false},
      {NULL, 0, false}}},
};

const Decision kHead = {"head",
                        {{"head=token head.rotate=no", 0, false},
                         {"head=token head.rotate=yes", 1, true},
                         {"head=w8 head.rotate=no", 2, false},  /* sums of floats */
                         {"head=f32 head.rotate=no", 3, false}, /* twice the bytes */
                         {NULL, 0, false}}};

void setChoices(const SiteGroup *group, const char *choices) {
  MlirStringRef entry;
  while (nextEntry(&choices, &entry)) {
    Choice choice;
    MambaError error;
    if (choiceParse(entry, &choice, &error) == MAMBA_OK &&
        !mlirOperationIsNull(group->sites[choice.site].reader))
      choiceSet(group->sites[choice.site].reader, entry);
  }
}

int decisionChoose(const Decision *decision, const double errors[], double slack) {
  const Candidate *candidates = decision->candidates;
  double least = INFINITY;
  int best = -1;
  for (int c = 0; candidates[c].choices; c++)
    least = fmin(least, errors[c]);
  for (int c = 0; candidates[c].choices; c++)
    if (errors[c] <= least + slack &&
        (best < 0 || candidates[c].cost < candidates[best].cost ||
         (candidates[c].cost == candidates[best].cost && errors[c] < errors[best])))
      best = c;
  return best < 0 ? 0 : best;
}

void decisionRecord(const Decision *decision, const double errors[], int chosen, const SiteGroup *group) {
  const MlirOperation reader = group->sites[siteNamed(mambaRef(decision->name))].reader;
  const MlirContext context = mlirOperationGetContext(reader);
  MlirNamedAttribute list[MAX_CANDIDATES];
  intptr_t count = 0;
  for (int c = 0; decision->candidates[c].choices; c++)
    if (!isnan(errors[c])) /* one that was not measured */
      list[count++] =
          mlirNamedAttributeGet(mlirIdentifierGet(context, mambaRef(decision->candidates[c].choices)),
                                mlirFloatAttrDoubleGet(context, mlirF64TypeGet(context), errors[c]));
  mlirOperationSetDiscardableAttributeByName(reader, mambaRef("mamba.search"),
                                             mlirDictionaryAttrGet(context, count, list));
  setChoices(group, decision->candidates[chosen].choices);
}
