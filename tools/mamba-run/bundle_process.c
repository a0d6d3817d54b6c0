/* A bundle's program that runs beside this one, which asks it for logits and for what its layers put out. */
#include "predictor.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_VOCABULARY = 1 << 24, MAX_NAME = 512, MAX_CHANNELS = 1 << 24 };

struct BundleProcess {
  const char *path;
  pid_t pid;
  FILE *to, *from;
  int32_t vocabulary;
  float *rows; /* of one layer */
  size_t capacity;
};

/* In the new process; returns only when the program cannot be run. */
static void become(const char *program, int64_t threads, int in, int out) {
  char option[32];
  snprintf(option, sizeof option, "--threads=%" PRId64, threads);
  if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
    execl(program, program, "stream", option, (char *)NULL);
}

/* The pipes' other ends are closed here and, by the flag, in the program. */
static MambaStatus start(BundleProcess *p, const char *program, int64_t threads, MambaError *error) {
  int in[2] = {-1, -1}, out[2] = {-1, -1}; /* as the program sees them */
  MambaStatus status = MAMBA_OK;
  if (pipe(in) || pipe(out)) {
    status = mambaFailErrno(error, "%s: pipes", program);
    goto cleanup;
  }
  fflush(NULL);
  p->pid = fork();
  if (p->pid == 0) {
    close(in[1]);
    close(out[0]);
    become(program, threads, in[0], out[1]);
    _exit(127);
  }
  if (p->pid < 0) {
    status = mambaFailErrno(error, "%s", program);
    goto cleanup;
  }
  p->to = fdopen(in[1], "w");
  p->from = fdopen(out[0], "r");
  if (!p->to || !p->from) {
    status = mambaFailErrno(error, "%s: pipes", program);
    goto cleanup;
  }
  in[1] = out[0] = -1; /* the streams' now */
cleanup:
  for (int i = 0; i < 2; i++) {
    if (in[i] >= 0)
      close(in[i]);
    if (out[i] >= 0)
      close(out[i]);
  }
  return status;
}

static MambaStatus receive(BundleProcess *p, void *data, size_t size, size_t count, MambaError *error) {
  if (fread(data, size, count, p->from) == count)
    return MAMBA_OK;
  return mambaFail(error, MAMBA_INVALID, "%s: its program ended early; what it printed is above", p->path);
}

MambaStatus bundleProcessStart(const char *path, int64_t threads, BundleProcess **process,
                               MambaError *error) {
  char program[4096];
  MambaStatus status = bundleProgram(path, program, sizeof program, error);
  BundleProcess *p = status ? NULL : calloc(1, sizeof *p);
  if (!status && !p)
    status = mambaFail(error, MAMBA_NO_MEMORY, "no memory for a process");
  if (status)
    return status;
  p->path = path;
  signal(SIGPIPE, SIG_IGN); /* a program that ended is an error of ours, not our end */
  status = start(p, program, threads, error);
  if (!status)
    status = receive(p, &p->vocabulary, sizeof p->vocabulary, 1, error);
  if (!status && (p->vocabulary < 1 || p->vocabulary > MAX_VOCABULARY))
    status = mambaFail(error, MAMBA_INVALID,
                       "%s: expected a program of this version, which tells its vocabulary", path);
  if (status)
    bundleProcessEnd(p);
  else
    *process = p;
  return status;
}

void bundleProcessEnd(BundleProcess *p) {
  if (!p)
    return;
  if (p->to)
    fclose(p->to); /* the end of its input ends it */
  if (p->from)
    fclose(p->from);
  if (p->pid > 0)
    waitpid(p->pid, NULL, 0);
  free(p->rows);
  free(p);
}

static MambaStatus finishLine(BundleProcess *p, MambaError *error) {
  putc('\n', p->to);
  return fflush(p->to) ? mambaFailErrno(error, "%s: its program", p->path) : MAMBA_OK;
}

static MambaStatus reset(void *process, MambaError *error) {
  return finishLine(process, error);
}

static MambaStatus sendLine(BundleProcess *p, const char *begin, const int32_t *ids, int64_t tokens,
                            MambaError *error) {
  fputs(begin, p->to);
  for (int64_t i = 0; i < tokens; i++)
    fprintf(p->to, " %" PRId32, ids[i]);
  return finishLine(p, error);
}

static MambaStatus run(void *process, const int32_t *ids, int64_t tokens, float *logits, MambaError *error) {
  BundleProcess *p = process;
  const MambaStatus status = sendLine(p, logits ? "" : "-", ids, tokens, error);
  return status || !logits
             ? status
             : receive(p, logits, (size_t)p->vocabulary * sizeof *logits, (size_t)tokens, error);
}

MambaPredictor bundleProcessPredictor(BundleProcess *p) {
  return (MambaPredictor){.context = p, .batch = 1, .vocabulary = p->vocabulary, .reset = reset, .run = run};
}

/* ---- Layers ------------------------------------------------------------------------------------------- */

/* A layer's name of `length` bytes, and its rows, at most `tokens` of them. */
static MambaStatus receiveLayer(BundleProcess *p, int32_t length, int64_t tokens, char name[MAX_NAME],
                                int32_t shape[2], MambaError *error) {
  MambaStatus status = MAMBA_OK;
  if (length >= 0 && length < MAX_NAME)
    status = receive(p, name, 1, (size_t)length, error);
  if (!status && length >= 0 && length < MAX_NAME)
    status = receive(p, shape, sizeof *shape, 2, error);
  if (status)
    return status;
  if (length < 0 || length >= MAX_NAME || shape[0] < 1 || shape[0] > tokens || shape[1] < 1 ||
      shape[1] > MAX_CHANNELS)
    return mambaFail(error, MAMBA_INVALID,
                     "%s: expected layers of at most %" PRId64 " rows, found another answer", p->path,
                     tokens);
  const size_t count = (size_t)shape[0] * (size_t)shape[1];
  if (count > p->capacity) {
    float *larger = realloc(p->rows, count * sizeof *larger);
    if (!larger)
      return mambaFail(error, MAMBA_NO_MEMORY, "no memory for a layer of %zu values", count);
    p->rows = larger;
    p->capacity = count;
  }
  return receive(p, p->rows, sizeof *p->rows, count, error);
}

static MambaStatus runLayers(void *process, const int32_t *ids, int64_t tokens, MambaObserver observer,
                             void *observer_context, MambaError *error) {
  BundleProcess *p = process;
  char name[MAX_NAME];
  int32_t length = 0, shape[2] = {0, 0};
  MambaStatus status = sendLine(p, "+", ids, tokens, error);
  while (!status && !(status = receive(p, &length, sizeof length, 1, error)) && length > 0) {
    status = receiveLayer(p, length, tokens, name, shape, error);
    if (!status)
      observer(observer_context, &(MambaObservation){.name = mlirStringRefCreate(name, (size_t)length),
                                                     .element = MAMBA_ELEMENT_F32,
                                                     .rows = shape[0],
                                                     .channels = shape[1],
                                                     .data = p->rows});
  }
  if (!status && length < 0)
    status = mambaFail(
        error, MAMBA_UNSUPPORTED,
        "%s: its program does not show its layers, as none on a GPU does; model.mlir in its place does",
        p->path);
  return status;
}

MambaComparable bundleProcessComparable(BundleProcess *p) {
  return (MambaComparable){.context = p, .run = runLayers};
}
