/* mamba-run generate: continues a text. */
#include "run.h"

#include "bundle/sampling.h"
#include "mamba/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PART = 64 };

/* Prints the characters that are complete. */
static void printToken(const MambaTokenizer *tokenizer, MambaUtf8Stream *stream, int32_t id) {
  size_t size;
  const char *bytes = mambaTokenizerGetBytes(tokenizer, id, &size);
  for (size_t done = 0; done < size; done += PART) {
    char out[MAMBA_UTF8_STREAM_CAPACITY(PART)];
    fwrite(out, 1, mambaUtf8StreamPush(stream, bytes + done, size - done < PART ? size - done : PART, out),
           stdout);
  }
  fflush(stdout);
}

MambaStatus runGenerate(const RunOptions *options, const Model *model, const char *prompt,
                        MambaError *error) {
  const int32_t end = modelEndOfText(model);
  MambaTokenIds ids = {0};
  MambaTokenizer *tokenizer = NULL;
  MambaExecutor *executor = NULL;
  float *logits = NULL;
  MambaStatus status =
      mambaTokenIdsEncode(prompt, strlen(prompt), "the prompt", modelTokenizer(model), &ids, error);
  if (!status && !ids.columns && end < 0)
    status = mambaFail(error, MAMBA_INVALID, "expected a prompt: the model has no token that begins a text");
  if (!status)
    status = mambaTokenizerOpen(modelTokenizer(model), &tokenizer, error);
  if (!status)
    status = modelExecutor(model, 1, options->threads, &executor, error);
  if (status)
    goto cleanup;
  const int64_t vocabulary = mambaExecutorVocabulary(executor);
  mamba_sampler sampler = mamba_sampler_start((mamba_sampling){.temperature = options->temperature,
                                                               .top_k = (int32_t)options->top_k,
                                                               .top_p = options->top_p,
                                                               .seed = (uint64_t)options->seed});
  logits = malloc((size_t)vocabulary * sizeof *logits);
  if (!logits) {
    status = mambaFail(error, MAMBA_NO_MEMORY, "no memory for the logits");
    goto cleanup;
  }
  status = ids.columns ? mambaExecutorRun(executor, ids.ids, ids.columns, MAMBA_LOGITS_LAST, logits, error)
                       : mambaExecutorRun(executor, &end, 1, MAMBA_LOGITS_LAST, logits, error);
  if (status)
    goto cleanup;
  fputs(prompt, stdout);
  MambaUtf8Stream stream = {.count = 0};
  for (int64_t i = 0; i < options->tokens && !status; i++) {
    const mamba_draw draw = mamba_sampler_draw(&sampler);
    const int32_t id = mamba_draw_token(&draw, logits, (int32_t)vocabulary);
    if (id == end)
      break;
    printToken(tokenizer, &stream, id);
    status = mambaExecutorRun(executor, &id, 1, MAMBA_LOGITS_LAST, logits, error);
  }
  char rest[MAMBA_UTF8_STREAM_CAPACITY(0)];
  fwrite(rest, 1, mambaUtf8StreamFlush(&stream, rest), stdout);
  putchar('\n');
cleanup:
  free(logits);
  mambaExecutorDestroy(executor);
  mambaTokenizerDestroy(tokenizer);
  mambaTokenIdsDestroy(&ids);
  return status;
}
