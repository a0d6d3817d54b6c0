#include "selftest.h"

#include "failure.h"
#include "program.h"
#include "weights.h"

#include <inttypes.h>
#include <stdlib.h>

/* The logits of a sequence that is given in pieces of `piece` tokens. */
static mamba_code compare(mamba_model *model, const mamba_golden *golden, int32_t piece, float *logits,
                          mamba_error *error) {
  const size_t vocabulary = (size_t)mamba_model_vocabulary();
  mamba_code code = mamba_model_reset(model, error);
  for (int32_t done = 0; done < golden->count && !code;) {
    const int32_t tokens = golden->count - done < piece ? golden->count - done : piece;
    code = mamba_model_forward(model, golden->ids + done, (size_t)tokens, logits + (size_t)done * vocabulary,
                               error);
    done += tokens;
  }
  if (code)
    return code;
  const size_t values = (size_t)golden->count * vocabulary;
  const uint64_t digest = mamba_hash_of(logits, values * sizeof *logits);
  if (digest == golden->digest)
    return MAMBA_CODE_OK;
  return mamba_failure(error, MAMBA_CODE_BUILD,
                       "selftest: %s in pieces of %" PRId32 ": expected logits with digest %016" PRIx64
                       ", found %016" PRIx64 "; the first logit after the last token is %.9g, found %.9g",
                       golden->name, piece, golden->digest, digest, golden->last,
                       logits[values - vocabulary]);
}

mamba_code mamba_selftest(mamba_model *model, mamba_error *error) {
  mamba_code code = MAMBA_CODE_OK;
  for (int i = 0; i < mamba_golden_count && !code; ++i) {
    const mamba_golden *golden = &mamba_golden_sequences[i];
    const size_t values = (size_t)golden->count * (size_t)mamba_model_vocabulary();
    float *logits = malloc(values * sizeof *logits);
    if (!logits)
      return mamba_failure(error, MAMBA_CODE_MEMORY, "no memory for %zu logits", values);
    code = compare(model, golden, golden->count, logits, error);
    if (!code)
      code = compare(model, golden, 1, logits, error);
    if (!code)
      printf("%s: %" PRId32 " tokens, logits %016" PRIx64 ", at once and token by token: equal\n",
             golden->name, golden->count, golden->digest);
    free(logits);
  }
  return code;
}
