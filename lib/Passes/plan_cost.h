/* How long a GPU will take for one decoded token. */
#ifndef MAMBA_PASSES_PLAN_COST_H
#define MAMBA_PASSES_PLAN_COST_H

#include "mamba/ir.h"
#include "mamba/target.h"

/* What one token of one sequence costs. */
typedef struct DecodeCost {
  int64_t bytes;      /* of memory read and written: weights, states, values between kernels */
  int64_t operations; /* a multiply-add is two */
  int64_t launches, exchanges;
  double seconds;
} DecodeCost;

/* How a GPU runs the layers of a token: a kernel for each step, recorded in a graph, or one for all of them.
 */
typedef enum DecodeWay { DECODE_GRAPH, DECODE_PERSISTENT } DecodeWay;

/* The cost of one op by itself, without its launch. State ops need the module that declares their states. */
DecodeCost decodeCostOf(MlirOperation module, MlirOperation op, const MambaTarget *target);

/* Adds up the kernels of a planned function, each as long as its memory traffic or its arithmetic takes,
 * whichever is more, and its launch; and puts on the last op of each kernel `mamba.decode_ns`. Ops with the
 * same `mamba.decode_group` and `mamba.decode_kernel` are one kernel. In the persistent kernel, which all
 * groups are part of, each has a barrier in place of a launch. */
DecodeCost decodeCostOfProgram(MlirOperation module, MlirOperation *ops, intptr_t count,
                               const MambaTarget *target, DecodeWay way);

#endif
