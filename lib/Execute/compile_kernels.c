/* The kernels (level 3) as steps: each op is one call. */
#include "program.h"

static int32_t channelsOf(MlirValue value) {
  return (int32_t)mambaChannels(value);
}

/* The scales per token that an op gives as its result `index`, or NULL when it does not have that many. */
static float *rowScale(Compiler *c, MlirOperation op, intptr_t index) {
  return index < mlirOperationGetNumResults(op) ? mambaCompileResult(c, index).data : NULL;
}

/* The kernel outputs for all results; the i8 ones take the `inv_scales` in turn. */
static int32_t outputs(Compiler *c, MlirOperation op, mamba_output *out, intptr_t max) {
  const MlirValue none = {NULL};
  const intptr_t count = mlirOperationGetNumResults(op);
  intptr_t next = mambaOperandIndex(op, "inv_scales");
  if (count > max) {
    mambaCompileFail(c, MAMBA_UNSUPPORTED, "expected at most %td results, found %td", max, count);
    return 0;
  }
  for (intptr_t i = 0; i < count; i++) {
    const bool integers = mambaElementOf(mlirOperationGetResult(op, i)) == MAMBA_ELEMENT_I8;
    out[i] = mambaCompileOutput(c, i, integers ? mlirOperationGetOperand(op, next++) : none);
  }
  return (int32_t)count;
}

void mambaCompileQuantizeRows(Compiler *c, MlirOperation op) {
  const MlirValue none = {NULL}, input = mambaOperand(op, "input");
  if (mambaElementOf(input) == MAMBA_ELEMENT_I8) {
    mambaCompileFail(c, MAMBA_UNSUPPORTED, "input: expected f16 or f32, found i8, whose scale is not known");
    return;
  }
  Step step = {.run = mambaStepQuantize};
  step.call.quantize = (QuantizeCall){.x = mambaCompileInput(c, "input", NULL),
                                      .d = channelsOf(input),
                                      .out = mambaCompileOutput(c, 0, none),
                                      .row_scale = rowScale(c, op, 1)};
  mambaCompileStep(c, step);
}

/* rms_norm_quant, and add_rms_norm_quant, whose results begin with the sum. */
void mambaCompileRmsNormQuant(Compiler *c, MlirOperation op) {
  const bool adds = mambaOpIs(op, MAMBA_OP_ADD_RMS_NORM_QUANT);
  Step step = {.run = mambaStepNorm};
  step.call.norm = (NormCall){.x = mambaCompileReal(c, "input"),
                              .delta = adds ? mambaCompileReal(c, "delta") : NULL,
                              .gamma = mambaCompileWeight(c, "gamma", FORM_REAL),
                              .sum = adds ? mambaCompileResult(c, 0).data : NULL,
                              .epsilon = (float)mambaFloatAttribute(op, "epsilon"),
                              .d = channelsOf(mambaOperand(op, "input")),
                              .out = mambaCompileOutput(c, adds, mambaOperand(op, "inv_scale")),
                              .row_scale = rowScale(c, op, adds + 1)};
  mambaCompileStep(c, step);
}

void mambaCompileLinearI8(Compiler *c, MlirOperation op) {
  const MlirValue input = mambaOperand(op, "input"), row_scale = mambaOperand(op, "row_scale");
  const bool per_token = !mlirValueIsNull(row_scale);
  Step step = {.run = mambaStepLinearI8};
  LinearI8Call *call = &step.call.linear_i8;
  *call = (LinearI8Call){.x = mambaCompileValue(c, input).data,
                         .w = mambaCompileWeight(c, "weight", FORM_STORED),
                         .packed = mambaIsPacked(mambaOperand(op, "weight")),
                         .group = (int32_t)mambaPackedGroup(mambaOperand(op, "weight")),
                         .row_scale = per_token ? mambaCompileValue(c, row_scale).data : NULL,
                         .multiplier = mambaCompileWeight(c, "multiplier", FORM_REAL),
                         .bias = mambaCompileWeight(c, "bias", FORM_REAL),
                         .k = channelsOf(input),
                         .n = (int32_t)mambaElementCount(mambaOperand(op, "multiplier"))};
  if (call->k > MAMBA_LINEAR_I8_MAX_K)
    mambaCompileFail(c, MAMBA_UNSUPPORTED, "input: expected at most %d channels, found %d",
                     MAMBA_LINEAR_I8_MAX_K, call->k);
  call->output_count = outputs(c, op, call->outputs, MAMBA_MAX_RESULTS);
  mambaCompileStep(c, step);
}

void mambaCompileLinearW8(Compiler *c, MlirOperation op) {
  Step step = {.run = mambaStepLinearW8};
  step.call.linear_w8 = (LinearW8Call){.x = mambaCompileReal(c, "input"),
                                       .w = mambaCompileWeight(c, "weight", FORM_STORED),
                                       .group = (int32_t)mambaPackedGroup(mambaOperand(op, "weight")),
                                       .multiplier = mambaCompileWeight(c, "multiplier", FORM_REAL),
                                       .bias = mambaCompileWeight(c, "bias", FORM_REAL),
                                       .k = channelsOf(mambaOperand(op, "input")),
                                       .n = channelsOf(mlirOperationGetResult(op, 0)),
                                       .out = mambaCompileResult(c, 0).data};
  mambaCompileStep(c, step);
}

void mambaCompileConv1dSiluQuant(Compiler *c, MlirOperation op) {
  const MlirValue weight = mambaOperand(op, "weight");
  const bool integers = mambaElementOf(weight) == MAMBA_ELEMENT_I8;
  Step step = {.run = mambaStepConv};
  ConvCall *call = &step.call.conv;
  *call = (ConvCall){.x = mambaCompileInput(c, "input", "input_scale"),
                     .w = mambaCompileWeight(c, "weight", integers ? FORM_STORED : FORM_REAL),
                     .multiplier = mambaCompileWeight(c, "multiplier", FORM_REAL),
                     .bias = mambaCompileWeight(c, "bias", FORM_REAL),
                     .w_type = integers ? MAMBA_I8 : MAMBA_F32,
                     .apply_silu = true,
                     .state = mambaCompileState(c),
                     .d = channelsOf(weight),
                     .width = (int32_t)mambaDim(weight, 0)};
  call->output_count = outputs(c, op, call->outputs, 2);
  mambaCompileStep(c, step);
}

void mambaCompileSelectiveScanQuant(Compiler *c, MlirOperation op) {
  Step step = {.run = mambaStepScan};
  step.call.scan = (ScanCall){.u = mambaCompileInput(c, "u", "u_scale"),
                              .dt = mambaCompileInput(c, "dt", "dt_scale"),
                              .b = mambaCompileInput(c, "b", "b_scale"),
                              .c = mambaCompileInput(c, "c", "c_scale"),
                              .z = mambaCompileInput(c, "z", "z_scale"),
                              .apply_softplus = true,
                              .a = mambaCompileWeight(c, "a", FORM_REAL),
                              .d_skip = mambaCompileWeight(c, "d", FORM_REAL),
                              .state = mambaCompileState(c),
                              .state_i8 = mambaStateElement(op) == MAMBA_ELEMENT_I8,
                              .d = channelsOf(mambaOperand(op, "u")),
                              .n = channelsOf(mambaOperand(op, "b")),
                              .out = mambaCompileOutput(c, 0, mambaOperand(op, "inv_scale"))};
  mambaCompileScanStates(c, step.call.scan.n);
  mambaCompileStep(c, step);
}

void mambaCompileHadamardQuant(Compiler *c, MlirOperation op) {
  Step step = {.run = mambaStepHadamard};
  step.call.hadamard = (HadamardCall){.x = mambaCompileReal(c, "input"),
                                      .transpose = mambaHasAttribute(op, "transpose"),
                                      .d = channelsOf(mambaOperand(op, "input")),
                                      .out = mambaCompileOutput(c, 0, mambaOperand(op, "inv_scale")),
                                      .row_scale = rowScale(c, op, 1)};
  mambaCompileScratch(c, step.call.hadamard.d);
  mambaCompileStep(c, step);
}
