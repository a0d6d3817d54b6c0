/* Steps that call kernels, and those that move and convert values. */
#include "steps.h"

#include <string.h>

static int32_t rowsOf(const Frame *frame) {
  return frame->batch * frame->tokens;
}

void mambaStepEmbedding(const Step *step, const Frame *frame, mamba_worker worker) {
  const EmbeddingCall *call = &step->call.embedding;
  mamba_embedding(call->ids, call->table, call->type, rowsOf(frame), call->d, call->out, worker);
}

void mambaStepNorm(const Step *step, const Frame *frame, mamba_worker worker) {
  const NormCall *call = &step->call.norm;
  mamba_rms_norm(call->x, call->delta, call->sum, call->gamma, call->epsilon, rowsOf(frame), call->d,
                 call->out, call->row_scale, worker);
}

void mambaStepLinear(const Step *step, const Frame *frame, mamba_worker worker) {
  const LinearCall *call = &step->call.linear;
  mamba_linear_float(call->x, call->w, call->type, call->bias, rowsOf(frame), call->k, call->n, call->out,
                     worker);
}

void mambaStepLinearI8(const Step *step, const Frame *frame, mamba_worker worker) {
  const LinearI8Call *call = &step->call.linear_i8;
  if (call->group)
    mamba_linear_i4(call->x, call->row_scale, call->w, call->multiplier, call->bias, rowsOf(frame), call->k,
                    call->group, call->n, call->outputs, call->output_count, worker);
  else if (call->packed)
    mamba_linear_i8_packed(call->x, call->row_scale, call->w, call->multiplier, call->bias, rowsOf(frame),
                           call->k, call->n, call->outputs, call->output_count, worker);
  else
    mamba_linear_i8(call->x, call->row_scale, call->w, call->multiplier, call->bias, rowsOf(frame), call->k,
                    call->n, call->outputs, call->output_count, worker);
}

void mambaStepLinearW8(const Step *step, const Frame *frame, mamba_worker worker) {
  const LinearW8Call *call = &step->call.linear_w8;
  if (call->group)
    mamba_linear_w4(call->x, call->w, call->multiplier, call->bias, rowsOf(frame), call->k, call->group,
                    call->n, call->out, worker);
  else
    mamba_linear_w8(call->x, call->w, call->multiplier, call->bias, rowsOf(frame), call->k, call->n,
                    call->out, worker);
}

void mambaStepConv(const Step *step, const Frame *frame, mamba_worker worker) {
  const ConvCall *call = &step->call.conv;
  mamba_conv1d(call->x, call->w, call->w_type, call->multiplier, call->bias, call->apply_silu, call->state,
               frame->batch, frame->tokens, call->d, call->width, call->outputs, call->output_count, worker);
}

void mambaStepScan(const Step *step, const Frame *frame, mamba_worker worker) {
  const ScanCall *call = &step->call.scan;
  if (call->state_i8)
    mamba_selective_scan_i8(call->u, call->dt, call->apply_softplus, call->a, call->b, call->c, call->d_skip,
                            call->z, call->state, frame->batch, frame->tokens, call->d, call->n, call->out,
                            worker);
  else
    mamba_selective_scan(call->u, call->dt, call->apply_softplus, call->a, call->b, call->c, call->d_skip,
                         call->z, call->state, frame->batch, frame->tokens, call->d, call->n, call->out,
                         worker);
}

void mambaStepHadamard(const Step *step, const Frame *frame, mamba_worker worker) {
  const HadamardCall *call = &step->call.hadamard;
  mamba_hadamard(call->x, call->transpose, rowsOf(frame), call->d, frame->scratch, call->out, call->row_scale,
                 worker);
}

void mambaStepQuantize(const Step *step, const Frame *frame, mamba_worker worker) {
  const QuantizeCall *call = &step->call.quantize;
  mamba_quantize(call->x, rowsOf(frame), call->d, call->out, call->row_scale, worker);
}

static const char *operandAt(const ElementwiseOperand *operand, bool repeats, int64_t row, int64_t column) {
  return operand->data + (size_t)row * operand->row_bytes +
         (repeats ? 0 : (size_t)column * operand->element_bytes);
}

/* Shared out by elements, so that one row keeps all workers busy. */
void mambaStepElementwise(const Step *step, const Frame *frame, mamba_worker worker) {
  const ElementwiseCall *call = &step->call.elementwise;
  int64_t at, end;
  mambaShare(rowsOf(frame) * call->channels, worker, &at, &end);
  while (at < end) {
    const int64_t row = at / call->channels, column = at % call->channels;
    const int64_t count = call->channels - column < end - at ? call->channels - column : end - at;
    mambaElementwise(&call->what, call->out + (size_t)at * call->out_bytes,
                     operandAt(&call->a, call->what.a_repeats, row, column),
                     call->b.data ? operandAt(&call->b, call->what.b_repeats, row, column) : NULL, count);
    at += count;
  }
}

void mambaStepAbsmax(const Step *step, const Frame *frame, mamba_worker worker) {
  const AbsmaxCall *call = &step->call.absmax;
  const size_t row_bytes = (size_t)call->channels * mambaStoredSize(call->element, call->wide);
  const size_t scale_bytes = mambaStoredSize(MAMBA_ELEMENT_F32, call->wide);
  int64_t row, end;
  for (mambaShare(rowsOf(frame), worker, &row, &end); row < end; row++)
    mambaStoreScale(mambaAbsmax(call->element, call->wide, call->x + (size_t)row * row_bytes, call->channels),
                    call->wide, call->scale + (size_t)row * scale_bytes);
}

void mambaStepSlice(const Step *step, const Frame *frame, mamba_worker worker) {
  const CopyCall *call = &step->call.copy;
  int64_t row, end;
  for (mambaShare(rowsOf(frame), worker, &row, &end); row < end; row++)
    memcpy(call->to + (size_t)row * call->to_stride, call->from + (size_t)row * call->from_stride,
           call->bytes);
}

/* Row i of the selected tokens is this row of all tokens. */
static int64_t selectedRow(const Frame *frame, int64_t i) {
  return i / frame->selected * frame->tokens + frame->tokens - frame->selected + i % frame->selected;
}

void mambaStepSelect(const Step *step, const Frame *frame, mamba_worker worker) {
  const CopyCall *call = &step->call.copy;
  int64_t i, end;
  for (mambaShare((int64_t)frame->batch * frame->selected, worker, &i, &end); i < end; i++)
    memcpy(call->to + (size_t)i * call->bytes, call->from + (size_t)selectedRow(frame, i) * call->bytes,
           call->bytes);
}

void mambaStepStore(const Step *step, const Frame *frame, mamba_worker worker) {
  const StoreCall *call = &step->call.store;
  const int64_t channels = call->channels;
  int64_t i, end;
  for (mambaShare((int64_t)frame->batch * frame->selected, worker, &i, &end); i < end; i++) {
    const int64_t row = call->from_selected ? i : selectedRow(frame, i);
    float *to = frame->logits + i / frame->selected * frame->logits_stride + i % frame->selected * channels;
    if (call->wide)
      for (int64_t c = 0; c < channels; c++)
        to[c] = (float)((const double *)call->from)[row * channels + c];
    else
      memcpy(to, (const float *)call->from + row * channels, (size_t)channels * sizeof *to);
  }
}
