/* The float ops in f64, written for clarity: for proofs, and as a reference of the kernels. */
#include "steps.h"

#include "mamba/hadamard.h"

#include <math.h>
#include <string.h>

static int64_t rowsOf(const Frame *frame) {
  return (int64_t)frame->batch * frame->tokens;
}

void mambaStepEmbeddingWide(const Step *step, const Frame *frame, mamba_worker worker) {
  const EmbeddingCall *call = &step->call.embedding;
  const double *table = call->table;
  int64_t row, end;
  for (mambaShare(rowsOf(frame), worker, &row, &end); row < end; row++)
    memcpy((double *)call->out + row * call->d, table + (int64_t)call->ids[row] * call->d,
           (size_t)call->d * sizeof *table);
}

void mambaStepNormWide(const Step *step, const Frame *frame, mamba_worker worker) {
  const NormCall *call = &step->call.norm;
  const double *gamma = call->gamma;
  const int32_t d = call->d;
  int64_t row, end;
  for (mambaShare(rowsOf(frame), worker, &row, &end); row < end; row++) {
    const double *x = (const double *)call->x + row * d;
    double *out = (double *)call->out.data + row * d;
    double sum = 0;
    for (int32_t k = 0; k < d; k++)
      sum += x[k] * x[k];
    const double r = 1 / sqrt(sum / d + call->epsilon);
    for (int32_t k = 0; k < d; k++)
      out[k] = x[k] * r * (gamma ? gamma[k] : 1);
  }
}

/* Shared out by columns, so that one row keeps all workers busy. */
void mambaStepLinearWide(const Step *step, const Frame *frame, mamba_worker worker) {
  const LinearCall *call = &step->call.linear;
  const double *x = call->x, *bias = call->bias;
  double *out = call->out;
  const int64_t k = call->k, n = call->n;
  int64_t begin, end;
  mambaShare(n, worker, &begin, &end);
  for (int64_t column = begin; column < end; column++) {
    const double *w = (const double *)call->w + column * k;
    for (int64_t row = 0; row < rowsOf(frame); row++) {
      double sum = 0;
      for (int64_t i = 0; i < k; i++)
        sum += x[row * k + i] * w[i];
      out[row * n + column] = bias ? sum + bias[column] : sum;
    }
  }
}

void mambaStepConvWide(const Step *step, const Frame *frame, mamba_worker worker) {
  const ConvCall *call = &step->call.conv;
  const double *w = call->w, *bias = call->bias;
  const int64_t d = call->d, history = call->width - 1, tokens = frame->tokens;
  int64_t begin, end;
  mambaShare(d, worker, &begin, &end);
  for (int64_t sequence = 0; sequence < frame->batch; sequence++) {
    const double *x = (const double *)call->x.data + sequence * tokens * d;
    double *out = (double *)call->outputs[0].data + sequence * tokens * d;
    double *state = (double *)call->state + sequence * history * d;
    for (int64_t c = begin; c < end; c++) {
      for (int64_t t = 0; t < tokens; t++) {
        double sum = 0;
        for (int64_t j = 0; j <= history; j++) {
          const int64_t at = t - history + j; /* before 0: in the state */
          sum += w[j * d + c] * (at < 0 ? state[(history + at) * d + c] : x[at * d + c]);
        }
        out[t * d + c] = bias ? sum + bias[c] : sum;
      }
      for (int64_t i = 0; i < history; i++) {
        const int64_t at = tokens - history + i;
        state[i * d + c] = at < 0 ? state[(history + at) * d + c] : x[at * d + c];
      }
    }
  }
}

void mambaStepScanWide(const Step *step, const Frame *frame, mamba_worker worker) {
  const ScanCall *call = &step->call.scan;
  const double *a = call->a, *skip = call->d_skip;
  const int64_t d = call->d, n = call->n, tokens = frame->tokens;
  int64_t begin, end;
  mambaShare(d, worker, &begin, &end);
  for (int64_t sequence = 0; sequence < frame->batch; sequence++) {
    double *state = (double *)call->state + sequence * n * d;
    for (int64_t row = sequence * tokens; row < (sequence + 1) * tokens; row++) {
      const double *u = (const double *)call->u.data + row * d, *dt = (const double *)call->dt.data + row * d;
      const double *b = (const double *)call->b.data + row * n, *c = (const double *)call->c.data + row * n;
      double *out = (double *)call->out.data + row * d;
      for (int64_t channel = begin; channel < end; channel++) {
        double y = skip[channel] * u[channel];
        for (int64_t s = 0; s < n; s++) {
          double *h = &state[s * d + channel];
          *h = exp(dt[channel] * a[s * d + channel]) * *h + dt[channel] * u[channel] * b[s];
          y += c[s] * *h;
        }
        out[channel] = y;
      }
    }
  }
}

void mambaStepHadamardWide(const Step *step, const Frame *frame, mamba_worker worker) {
  const HadamardCall *call = &step->call.hadamard;
  int64_t begin, end;
  mambaShare(rowsOf(frame), worker, &begin, &end);
  double *out = (double *)call->out.data + begin * call->d;
  const size_t count = (size_t)((end - begin) * call->d);
  memcpy(out, (const double *)call->x + begin * call->d, count * sizeof *out);
  MambaError error; /* the size was checked when the program was compiled */
  if (mambaHadamardTransform(out, end - begin, call->d, 1, call->transpose, &error) != MAMBA_OK)
    memset(out, 0xff, count * sizeof *out); /* NaN */
}
