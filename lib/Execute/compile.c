/* The float ops (levels 1 and 2) as steps. */
#include "program.h"

static int32_t channelsOf(MlirValue value) {
  return (int32_t)mambaChannels(value);
}

void mambaCompileEmbedding(Compiler *c, MlirOperation op) {
  const MlirValue ids = mambaOperand(op, "ids"), table = mambaOperand(op, "table");
  if (!mlirValueIsABlockArgument(ids)) {
    mambaCompileFail(c, MAMBA_UNSUPPORTED, "expected the ids that @forward is given, found another value");
    return;
  }
  Step step = {.run = c->program->wide ? mambaStepEmbeddingWide : mambaStepEmbedding};
  step.call.embedding = (EmbeddingCall){.ids = c->program->ids,
                                        .table = mambaCompileWeight(c, "table", FORM_STORED),
                                        .type = mambaKernelType(mambaElementOf(table)),
                                        .d = channelsOf(table),
                                        .out = mambaCompileResult(c, 0).data};
  if (c->status == MAMBA_OK && mambaDim(table, 0) < c->program->id_limit)
    c->program->id_limit = mambaDim(table, 0);
  mambaCompileStep(c, step);
}

void mambaCompileRmsNorm(Compiler *c, MlirOperation op) {
  const MlirValue none = {NULL};
  Step step = {.run = c->program->wide ? mambaStepNormWide : mambaStepNorm};
  step.call.norm = (NormCall){.x = mambaCompileReal(c, "input"),
                              .gamma = mambaCompileWeight(c, "gamma", FORM_REAL),
                              .epsilon = (float)mambaFloatAttribute(op, "epsilon"),
                              .d = channelsOf(mambaOperand(op, "input")),
                              .out = mambaCompileOutput(c, 0, none)};
  mambaCompileStep(c, step);
}

void mambaCompileLinear(Compiler *c, MlirOperation op) {
  const MlirValue weight = mambaOperand(op, "weight");
  Step step = {.run = c->program->wide ? mambaStepLinearWide : mambaStepLinear};
  step.call.linear = (LinearCall){.x = mambaCompileReal(c, "input"),
                                  .w = mambaCompileWeight(c, "weight", FORM_STORED),
                                  .bias = mambaCompileWeight(c, "bias", FORM_REAL),
                                  .type = mambaKernelType(mambaElementOf(weight)),
                                  .k = channelsOf(weight),
                                  .n = channelsOf(mlirOperationGetResult(op, 0)),
                                  .out = mambaCompileResult(c, 0).data};
  mambaCompileStep(c, step);
}

void mambaCompileSlice(Compiler *c, MlirOperation op) {
  const Slot from = mambaCompileValue(c, mambaOperand(op, "input")), to = mambaCompileResult(c, 0);
  const size_t size = mambaStoredSize(from.element, c->program->wide);
  Step step = {.run = mambaStepSlice};
  step.call.copy = (CopyCall){.from = from.data,
                              .to = to.data,
                              .from_stride = (size_t)from.channels * size,
                              .to_stride = (size_t)to.channels * size,
                              .bytes = (size_t)to.channels * size};
  if (c->status == MAMBA_OK)
    step.call.copy.from += (size_t)mambaIntAttribute(op, "offset") * size;
  mambaCompileStep(c, step);
}

void mambaCompileCausalConv1d(Compiler *c, MlirOperation op) {
  const MlirValue none = {NULL};
  Step step = {.run = c->program->wide ? mambaStepConvWide : mambaStepConv};
  step.call.conv = (ConvCall){.x = {.data = mambaCompileReal(c, "input"), .type = MAMBA_F32},
                              .w = mambaCompileWeight(c, "weight", FORM_CHANNELS_LAST),
                              .bias = mambaCompileWeight(c, "bias", FORM_REAL),
                              .w_type = MAMBA_F32,
                              .state = mambaCompileState(c),
                              .d = channelsOf(mambaOperand(op, "input")),
                              .width = channelsOf(mambaOperand(op, "weight")),
                              .output_count = 1,
                              .outputs = {mambaCompileOutput(c, 0, none)}};
  mambaCompileStep(c, step);
}

void mambaCompileSelectiveScan(Compiler *c, MlirOperation op) {
  const MlirValue none = {NULL};
  Step step = {.run = c->program->wide ? mambaStepScanWide : mambaStepScan};
  step.call.scan = (ScanCall){.u = mambaCompileInput(c, "u", NULL),
                              .dt = mambaCompileInput(c, "dt", NULL),
                              .b = mambaCompileInput(c, "b", NULL),
                              .c = mambaCompileInput(c, "c", NULL),
                              .a = mambaCompileWeight(c, "a", FORM_CHANNELS_LAST),
                              .d_skip = mambaCompileWeight(c, "d", FORM_REAL),
                              .state = mambaCompileState(c),
                              .state_i8 = mambaStateElement(op) == MAMBA_ELEMENT_I8,
                              .d = channelsOf(mambaOperand(op, "u")),
                              .n = channelsOf(mambaOperand(op, "b")),
                              .out = mambaCompileOutput(c, 0, none)};
  mambaCompileScanStates(c, step.call.scan.n);
  if (c->program->wide && step.call.scan.state_i8)
    mambaCompileFail(c, MAMBA_UNSUPPORTED, "expected a state of floats for a run in f64, found i8");
  mambaCompileStep(c, step);
}

void mambaCompileHadamard(Compiler *c, MlirOperation op) {
  const MlirValue none = {NULL};
  if (mambaIntAttribute(op, "axis") != 2) {
    mambaCompileFail(c, MAMBA_UNSUPPORTED, "axis: expected 2, the channels of an activation, found %lld",
                     (long long)mambaIntAttribute(op, "axis"));
    return;
  }
  Step step = {.run = c->program->wide ? mambaStepHadamardWide : mambaStepHadamard};
  step.call.hadamard = (HadamardCall){.x = mambaCompileReal(c, "input"),
                                      .transpose = mambaHasAttribute(op, "transpose"),
                                      .d = channelsOf(mambaOperand(op, "input")),
                                      .out = mambaCompileOutput(c, 0, none)};
  mambaCompileScratch(c, step.call.hadamard.d);
  mambaCompileStep(c, step);
}

/* One scale per token. One for the whole tensor would depend on how a sequence is cut into runs. */
void mambaCompileAbsmaxScale(Compiler *c, MlirOperation op) {
  const MlirValue result = mlirOperationGetResult(op, 0);
  if (mambaRank(result) != 3 || mambaChannels(result) != 1) {
    mambaCompileFail(c, MAMBA_UNSUPPORTED,
                     "expected a scale per token, tensor<?x?x1xf32>, for a value computed at run time");
    return;
  }
  const Slot x = mambaCompileValue(c, mambaOperand(op, "input"));
  Step step = {.run = mambaStepAbsmax};
  step.call.absmax = (AbsmaxCall){.x = x.data,
                                  .scale = mambaCompileResult(c, 0).data,
                                  .element = x.element,
                                  .wide = c->program->wide,
                                  .channels = x.channels};
  mambaCompileStep(c, step);
}

/* A run-time value, or a constant that is the same for every token: one number or one per channel. */
static ElementwiseOperand elementwiseOperand(Compiler *c, MlirValue value, int64_t channels,
                                             MambaElement *element, bool *repeats) {
  const bool wide = c->program->wide;
  *element = mambaElementOf(value);
  const size_t size = mambaStoredSize(*element, wide);
  *repeats = mambaChannels(value) == 1;
  if (!mambaIsConstant(value)) {
    const Slot slot = mambaCompileValue(c, value);
    return (ElementwiseOperand){slot.data, (size_t)slot.channels * size, size};
  }
  const MambaConstant *constant = mambaCompileConstant(c, value, FORM_STORED);
  if (constant->count != 1 && (constant->count != (size_t)channels || mambaChannels(value) != channels))
    mambaCompileFail(c, MAMBA_UNSUPPORTED,
                     "expected a constant of 1 or %lld values, one per channel, found %zu",
                     (long long)channels, constant->count);
  return (ElementwiseOperand){constant->data, 0, size};
}

void mambaCompileElementwise(Compiler *c, MlirOperation op) {
  const MambaOp kind = mambaOpKind(op);
  const Slot out = mambaCompileResult(c, 0);
  ElementwiseCall call = {.what = {.kind = kind, .wide = c->program->wide, .out = out.element},
                          .out = out.data,
                          .out_bytes = mambaStoredSize(out.element, c->program->wide),
                          .channels = out.channels};
  if (kind == MAMBA_OP_CLAMP)
    call.what.limit = (float)mambaFloatAttribute(op, "limit");
  call.a =
      elementwiseOperand(c, mlirOperationGetOperand(op, 0), out.channels, &call.what.a, &call.what.a_repeats);
  if (mlirOperationGetNumOperands(op) > 1)
    call.b = elementwiseOperand(c, mlirOperationGetOperand(op, 1), out.channels, &call.what.b,
                                &call.what.b_repeats);
  if (kind == MAMBA_OP_QUANTIZE)
    mambaCompileRememberScale(c, mlirOperationGetOperand(op, 1));
  Step step = {.run = mambaStepElementwise, .call.elementwise = call};
  mambaCompileStep(c, step);
}
