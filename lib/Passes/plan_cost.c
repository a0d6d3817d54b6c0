#include "plan_cost.h"

#include "attributes.h"

#include <math.h>

/* Operations for each value, counted in the kernels: exp is 9, softplus 25, SiLU 14. */
enum {
  SCAN_STATE_OPERATIONS = 15,
  SCAN_CHANNEL_OPERATIONS = 45,
  CONV_CHANNEL_OPERATIONS = 20,
  NORM_OPERATIONS = 6
};

static int64_t bytesOf(MlirValue value) {
  return mambaElementCount(value) * (int64_t)mambaElementSize(mambaElementOf(value));
}

/* Of one token of a buffer, or all of a constant. */
static int64_t bytesRead(MlirOperation op, MlirValue value) {
  if (!mambaIsConstant(value))
    return mambaElementOf(value) == MAMBA_ELEMENT_I32
               ? (int64_t)sizeof(int32_t)
               : mambaChannels(value) * (int64_t)mambaElementSize(mambaElementOf(value));
  return mambaOpIs(op, MAMBA_OP_EMBEDDING) ? bytesOf(value) / mambaDim(value, 0) : bytesOf(value);
}

/* A state is read and written. */
static int64_t stateBytes(MlirOperation module, MlirOperation op) {
  const MlirBlock body = mlirRegionGetFirstBlock(mlirOperationGetRegion(module, 0));
  const MlirStringRef name = mambaStringAttribute(op, "state");
  for (MlirOperation state = mlirBlockGetFirstOperation(body); !mlirOperationIsNull(state);
       state = mlirOperationGetNextInBlock(state)) {
    if (!mambaOpIs(state, MAMBA_OP_STATE) ||
        !mlirStringRefEqual(mambaStringAttribute(state, "sym_name"), name))
      continue;
    const MlirType type = mlirTypeAttrGetValue(mlirOperationGetAttributeByName(state, mambaRef("type")));
    return 2 * mlirShapedTypeGetDimSize(type, 0) * mlirShapedTypeGetDimSize(type, 1) *
           (int64_t)mambaElementSize(mambaElementOfType(type));
  }
  return 0;
}

static int64_t operationsOf(MlirOperation op) {
  const MlirValue result = mlirOperationGetResult(op, 0);
  const int64_t channels = mambaChannels(result);
  switch (mambaOpKind(op)) {
  case MAMBA_OP_LINEAR:
  case MAMBA_OP_LINEAR_I8:
  case MAMBA_OP_LINEAR_W8:
    return 2 * mambaElementCount(mambaOperand(op, "weight"));
  case MAMBA_OP_SELECTIVE_SCAN_QUANT:
    return channels *
           (SCAN_STATE_OPERATIONS * mambaChannels(mambaOperand(op, "b")) + SCAN_CHANNEL_OPERATIONS);
  case MAMBA_OP_CONV1D_SILU_QUANT:
    return channels * (CONV_CHANNEL_OPERATIONS + 2 * mambaDim(mambaOperand(op, "weight"), 0));
  case MAMBA_OP_HADAMARD_QUANT:
    return channels * (int64_t)ceil(log2((double)channels));
  default:
    return NORM_OPERATIONS * channels;
  }
}

/* Operations a second without tensor cores: a lane does a multiply-add of floats, or of four pairs of int8.
 */
static double rateOf(MlirOperation op, const MambaTarget *target) {
  const double lanes = 2.0 * target->multiprocessors * target->clock * target->f32_lanes;
  return mambaOpIs(op, MAMBA_OP_LINEAR_I8) ? 4 * lanes : lanes;
}

DecodeCost decodeCostOf(MlirOperation module, MlirOperation op, const MambaTarget *target) {
  DecodeCost cost = {.operations = operationsOf(op)};
  for (intptr_t i = 0, count = mlirOperationGetNumOperands(op); i < count; i++)
    cost.bytes += bytesRead(op, mlirOperationGetOperand(op, i));
  for (intptr_t i = 0, count = mlirOperationGetNumResults(op); i < count; i++)
    cost.bytes += bytesRead(op, mlirOperationGetResult(op, i));
  if (mambaHasAttribute(op, "state"))
    cost.bytes += stateBytes(module, op);
  cost.seconds = (double)cost.operations / rateOf(op, target);
  return cost;
}

static bool isSameKernel(MlirOperation a, MlirOperation b) {
  return mambaHasAttribute(a, "mamba.decode_group") && mambaHasAttribute(b, "mamba.decode_group") &&
         mambaIntAttribute(a, "mamba.decode_group") == mambaIntAttribute(b, "mamba.decode_group") &&
         mlirStringRefEqual(mambaStringAttribute(a, "mamba.decode_kernel"),
                            mambaStringAttribute(b, "mamba.decode_kernel"));
}

DecodeCost decodeCostOfProgram(MlirOperation module, MlirOperation *ops, intptr_t count,
                               const MambaTarget *target, DecodeWay way) {
  DecodeCost total = {0}, kernel = {0};
  MlirOperation last = {NULL}; /* the last kernel op that was seen */
  bool is_running = false;     /* the persistent kernel */
  for (intptr_t i = 0; i <= count; i++) {
    const bool is_kernel = i < count && mambaHasAttribute(ops[i], "mamba.kernel");
    if (i < count && !is_kernel)
      continue;
    if (!mlirOperationIsNull(last) && (i == count || !isSameKernel(last, ops[i]))) {
      const double memory = (double)kernel.bytes / (target->bandwidth * target->reachable);
      const bool is_inside = way == DECODE_PERSISTENT && mambaHasAttribute(last, "mamba.decode_group");
      const bool is_exchange = is_inside && is_running;
      const double seconds = (is_exchange ? target->exchange : target->launch) +
                             (memory > kernel.seconds ? memory : kernel.seconds);
      setIntAttribute(last, "mamba.decode_ns", (int64_t)llround(seconds * 1e9));
      total.bytes += kernel.bytes;
      total.operations += kernel.operations;
      total.launches += !is_exchange;
      total.exchanges += is_exchange;
      is_running = is_inside;
      total.seconds += seconds;
      kernel = (DecodeCost){0};
    }
    if (i == count)
      break;
    const DecodeCost cost = decodeCostOf(module, ops[i], target);
    kernel.bytes += cost.bytes;
    kernel.operations += cost.operations;
    kernel.seconds += cost.seconds;
    last = ops[i];
  }
  return total;
}
