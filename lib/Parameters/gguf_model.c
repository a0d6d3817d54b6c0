/* What llama.cpp changes when it converts a Mamba, and how it is undone here:
 *
 *   names      a table
 *   conv1d     [d_inner, 1, d_conv] loses its middle dimension: put back
 *   A          stored as -exp(A_log) in F32. Where every element is the image of an A_log in 16 bits, as near
 *              as float functions are, that A_log is what the model was stored with, and is given back; else
 * A appears as "mixer.A". lm_head    left out where it is the embedding: a tied model
 *
 * Names that are not in the table stay as they are; the configuration's check refuses them. */
#include "gguf_model.h"

#include "mamba/half.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KEY = 96 };

typedef struct Entry {
  MambaTensorView view;
  char name[MAX_KEY];
  uint16_t *memory; /* of a recovered A_log */
} Entry;

struct MambaGgufModel {
  MambaGguf *file;
  size_t count;
  Entry *entries;
};

static const struct {
  const char *gguf, *key;
} kOfModel[] =
    {
        {"token_embd.weight", "backbone.embeddings.weight"},
        {"output_norm.weight", "backbone.norm_f.weight"},
        {"output.weight", "lm_head.weight"},
},
  kOfLayer[] = {
      {"attn_norm.weight", "norm.weight"},
      {"ssm_in.weight", "mixer.in_proj.weight"},
      {"ssm_conv1d.weight", "mixer.conv1d.weight"},
      {"ssm_conv1d.bias", "mixer.conv1d.bias"},
      {"ssm_x.weight", "mixer.x_proj.weight"},
      {"ssm_dt.weight", "mixer.dt_proj.weight"},
      {"ssm_dt.bias", "mixer.dt_proj.bias"},
      {"ssm_a", "mixer.A"},
      {"ssm_d", "mixer.D"},
      {"ssm_out.weight", "mixer.out_proj.weight"},
};

/* Writes the checkpoint's name of a tensor; gives the part behind the layer, or the whole. */
static const char *translate(const char *name, char key[MAX_KEY]) {
  int layer, used = 0;
  if (sscanf(name, "blk.%6d.%n", &layer, &used) == 1 && used > 0 && layer >= 0) {
    for (size_t i = 0; i < sizeof kOfLayer / sizeof *kOfLayer; i++) {
      char spelled[MAX_KEY];
      snprintf(spelled, sizeof spelled, "blk.%d.%s", layer, kOfLayer[i].gguf);
      if (strcmp(name, spelled) == 0) { /* and not blk.+1 or blk.01 */
        snprintf(key, MAX_KEY, "backbone.layers.%d.%s", layer, kOfLayer[i].key);
        return kOfLayer[i].key;
      }
    }
  }
  for (size_t i = 0; i < sizeof kOfModel / sizeof *kOfModel; i++) {
    if (strcmp(name, kOfModel[i].gguf) == 0) {
      snprintf(key, MAX_KEY, "%s", kOfModel[i].key);
      return kOfModel[i].key;
    }
  }
  snprintf(key, MAX_KEY, "%s", name);
  return key;
}

/* ---- A ------------------------------------------------------------------------------------------ */

/* The A_log in F16 whose -exp is `a`, where there is one: within 4 units in the last place, where the images
 * of neighbours are some thousand apart. A BF16 in the range that matters is an F16, too. */
static bool logOf(float a, uint16_t *bits) {
  if (!(a <= 0) || isinf(a))
    return false;
  *bits = mambaFloatToHalf((float)log(-(double)a));
  const double exact = -exp((double)mambaHalfToFloat(*bits));
  return fabs(exact - (double)a) <= 4 * fabs((double)nextafterf(a, -INFINITY) - (double)a);
}

/* Whether all of the first `count` elements are images of an F16; *bits are those where it is not NULL. */
static bool areLogs(const MambaTensorView *a, size_t count, uint16_t *bits) {
  for (size_t i = 0; i < count; i++) {
    MambaError ignored;
    float value;
    uint16_t one;
    if (mambaTensorReadF32(a, i, 1, &value, &ignored) != MAMBA_OK || !logOf(value, &one))
      return false;
    if (bits)
      bits[i] = one;
  }
  return true;
}

static MambaStatus recoverLog(Entry *entry, MambaError *error) {
  const size_t count = mambaTensorGetCount(&entry->view);
  if (!areLogs(&entry->view, count < 64 ? count : 64, NULL)) /* before memory is taken */
    return MAMBA_OK;
  entry->memory = malloc(count * sizeof *entry->memory + 1);
  if (!entry->memory)
    return mambaFail(error, MAMBA_NO_MEMORY, "tensor '%s': out of memory", entry->view.name);
  if (!areLogs(&entry->view, count, entry->memory))
    return MAMBA_OK;
  entry->view.data = entry->memory;
  entry->view.dtype = MAMBA_DTYPE_F16;
  entry->view.bytes = count * sizeof *entry->memory;
  entry->view.resident = true;
  strcat(entry->name, "_log");
  return MAMBA_OK;
}

/* ---- The model ---------------------------------------------------------------------------------- */

static MambaStatus addEntry(Entry *entry, const MambaTensorView *tensor, MambaError *error) {
  const char *part = translate(tensor->name, entry->name);
  entry->view = *tensor;
  entry->view.name = entry->name;
  if (strcmp(part, "mixer.conv1d.weight") == 0 && tensor->rank == 2) {
    entry->view.rank = 3;
    entry->view.shape[2] = tensor->shape[1];
    entry->view.shape[1] = 1;
  }
  return strcmp(part, "mixer.A") == 0 ? recoverLog(entry, error) : MAMBA_OK;
}

MambaStatus mambaGgufModelOpen(const char *path, MambaGgufModel **model, MambaError *error) {
  MambaStatus status;
  MambaGgufModel *result = calloc(1, sizeof *result);
  if (!result) {
    status = mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory", path);
    goto cleanup;
  }
  status = mambaGgufOpen(path, &result->file, error);
  if (status != MAMBA_OK)
    goto cleanup;
  const size_t count = mambaGgufGetCount(result->file);
  result->entries = calloc(count + 1, sizeof *result->entries);
  if (!result->entries)
    status = mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory for %zu tensors", path, count);
  for (; result->count < count && status == MAMBA_OK; result->count++)
    status = addEntry(&result->entries[result->count], mambaGgufGet(result->file, result->count), error);
  if (status != MAMBA_OK)
    goto cleanup;
  *model = result;
  result = NULL;

cleanup:
  mambaGgufModelClose(result);
  return status;
}

void mambaGgufModelClose(MambaGgufModel *model) {
  if (!model)
    return;
  for (size_t i = 0; i < model->count; i++)
    free(model->entries[i].memory);
  free(model->entries);
  mambaGgufClose(model->file);
  free(model);
}

const MambaGguf *mambaGgufModelGetFile(const MambaGgufModel *model) {
  return model->file;
}

size_t mambaGgufModelGetCount(const MambaGgufModel *model) {
  return model->count;
}

const MambaTensorView *mambaGgufModelGet(const MambaGgufModel *model, size_t index) {
  return &model->entries[index].view;
}
