#include "weights_file.h"

#include "bundle/weights.h"

#include <stdio.h>

/* Writes one tensor, filled up to the alignment, and adds the same bytes to the hash. */
static MambaStatus writeTensor(const MambaPlan *plan, const MambaPlanTensor *tensor, FILE *file,
                               mamba_hash *hash, MambaError *error) {
  MambaConstant constant;
  MambaStatus status = mambaParametersEvaluate(plan->parameters, tensor->value, false, &constant, error);
  if (status)
    return mambaFailContext(error, "%s", tensor->name);
  if (constant.count * mambaElementSize(constant.element) != tensor->bytes) {
    status = mambaFail(error, MAMBA_INVALID, "%s: expected %zu bytes, found %zu elements", tensor->name,
                       tensor->bytes, constant.count);
  } else {
    const size_t whole = tensor->bytes / MAMBA_WEIGHTS_ALIGNMENT * MAMBA_WEIGHTS_ALIGNMENT;
    const size_t rest = tensor->bytes > whole ? MAMBA_WEIGHTS_ALIGNMENT : 0;
    unsigned char last[MAMBA_WEIGHTS_ALIGNMENT] = {0};
    memcpy(last, (const unsigned char *)constant.data + whole, tensor->bytes - whole);
    mamba_hash_add(hash, constant.data, whole);
    mamba_hash_add(hash, last, rest);
    if (fwrite(constant.data, 1, whole, file) != whole || fwrite(last, 1, rest, file) != rest)
      status = mambaFailErrno(error, "weights.bin");
  }
  mambaConstantDestroy(&constant);
  return status;
}

MambaStatus mambaWriteWeights(MambaPlan *plan, const char *path, MambaError *error) {
  MambaStatus status = MAMBA_OK;
  mamba_hash hash = mamba_hash_begin();
  mamba_weights_header header = {
      .magic = MAMBA_WEIGHTS_MAGIC,
      .version = MAMBA_WEIGHTS_VERSION,
      .header_bytes = sizeof header,
      .tensor_bytes = plan->weights_bytes,
  };
  FILE *file = fopen(path, "wb");
  if (!file)
    return mambaFailErrno(error, "%s", path);
  if (fwrite(&header, sizeof header, 1, file) != 1)
    status = mambaFailErrno(error, "%s", path);
  for (size_t i = 0; i < plan->tensor_count && !status; i++)
    status = writeTensor(plan, &plan->tensors[i], file, &hash, error);
  /* The header again, now that the hash is known. */
  header.hash = mamba_hash_end(&hash);
  if (!status && (fseek(file, 0, SEEK_SET) || fwrite(&header, sizeof header, 1, file) != 1))
    status = mambaFailErrno(error, "%s", path);
  if (fclose(file) && !status)
    status = mambaFailErrno(error, "%s", path);
  plan->weights_hash = header.hash;
  return status ? status : mambaMappedFileOpen(path, &plan->weights, error);
}
