/* manifest.json: what the bundle was made from, and the memory that it needs. */
#include "emit.h"

#include "mamba/version.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *text(MlirStringRef ref) {
  return json_stringn(ref.data, ref.length);
}

/* The files that the constants come from. */
static json_t *checkpoints(const MambaPlan *plan) {
  const MlirBlock body = mlirRegionGetFirstBlock(mlirOperationGetRegion(plan->module, 0));
  json_t *list = json_array();
  for (MlirOperation op = mlirBlockGetFirstOperation(body); !mlirOperationIsNull(op);
       op = mlirOperationGetNextInBlock(op))
    if (mambaOpIs(op, MAMBA_OP_CHECKPOINT))
      json_array_append_new(list, json_pack("{so so}", "path", text(mambaStringAttribute(op, "path")), "hash",
                                            text(mambaStringAttribute(op, "hash"))));
  return list;
}

/* The model's sizes, as its kernels show them. */
static json_t *sizes(const MambaPlan *plan) {
  json_t *model = json_pack("{sI}", "vocabulary", (json_int_t)plan->vocabulary);
  json_int_t layers = 0;
  for (intptr_t i = 0; i < plan->call_count; i++) {
    const MlirOperation call = plan->calls[i];
    switch (mambaOpKind(call)) {
    case MAMBA_OP_EMBEDDING:
      json_object_set_new(model, "d_model", json_integer(mambaChannels(mlirOperationGetResult(call, 0))));
      break;
    case MAMBA_OP_CONV1D_SILU_QUANT:
      json_object_set_new(model, "d_conv", json_integer(mambaDim(mambaOperand(call, "weight"), 0)));
      break;
    case MAMBA_OP_SELECTIVE_SCAN_QUANT:
      json_object_set_new(model, "d_inner", json_integer(mambaChannels(mambaOperand(call, "u"))));
      json_object_set_new(model, "d_state", json_integer(mambaChannels(mambaOperand(call, "b"))));
      json_object_set_new(model, "layers", json_integer(++layers));
      break;
    default:
      break;
    }
  }
  return model;
}

static const char *dtype(MlirValue value) {
  switch (mambaElementOf(value)) {
  case MAMBA_ELEMENT_I8:
    return "I8";
  case MAMBA_ELEMENT_F16:
    return "F16";
  case MAMBA_ELEMENT_BF16:
    return "BF16";
  default:
    return "F32";
  }
}

/* Where every tensor lies in weights.bin. */
static json_t *tensors(const MambaPlan *plan) {
  json_t *list = json_array();
  for (size_t i = 0; i < plan->tensor_count; i++) {
    const MambaPlanTensor *tensor = &plan->tensors[i];
    json_t *shape = json_array();
    for (int axis = 0, rank = mambaRank(tensor->value); axis < rank; axis++)
      json_array_append_new(shape, json_integer(mambaDim(tensor->value, axis)));
    json_array_append_new(list,
                          json_pack("{ss ss so sI}", "name", tensor->name, "dtype", dtype(tensor->value),
                                    "shape", shape, "offset", (json_int_t)tensor->offset));
  }
  return list;
}

MambaStatus mambaEmitManifest(const MambaPlan *plan, const MambaBundleOptions *options,
                              const MambaBundleSummary *summary, FILE *file, MambaError *error) {
  char hash[17];
  snprintf(hash, sizeof hash, "%016" PRIx64, plan->weights_hash);
  json_t *manifest = json_pack(
      "{ss ss ss ss ss so so s{sI sI sI sI sI sI sI} so}", "generator", "mamba-opt", "version", MAMBA_VERSION,
      "target", plan->target->name, "name", options->name, "recipe", options->recipe, "checkpoints",
      checkpoints(plan), "model", sizes(plan), "memory", "weights_bytes", (json_int_t)summary->weights,
      "arena_bytes", (json_int_t)summary->arena, "state_bytes", (json_int_t)summary->state, "tokenizer_bytes",
      (json_int_t)summary->tokenizer, "device_bytes", (json_int_t)summary->device, "tokens_per_chunk",
      (json_int_t)plan->chunk, "max_threads", (json_int_t)plan->threads, "weights",
      json_pack("{ss so}", "hash", hash, "tensors", tensors(plan)));
  if (!manifest)
    return mambaFail(error, MAMBA_NO_MEMORY,
                     "the manifest cannot be built: out of memory, or a name is not UTF-8");
  const int failed = json_dumpf(manifest, file, JSON_INDENT(1));
  json_decref(manifest);
  fputc('\n', file);
  return failed ? mambaFailErrno(error, "manifest.json") : MAMBA_OK;
}
