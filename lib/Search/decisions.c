#include "decisions.h"

#include <stddef.h>

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
