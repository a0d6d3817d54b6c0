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

#include "recover_log.h"

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
  if (strcmp(part, "mixer.A") != 0)
    return MAMBA_OK;
  const MambaStatus status = recoverLog(&entry->view, &entry->memory, error);
  if (entry->memory)
    strcat(entry->name, "_log");
  return status;
}

MambaStatus mambaGgufModelCreate(MambaGguf *file, MambaGgufModel **model, MambaError *error) {
  MambaStatus status = MAMBA_OK;
  MambaGgufModel *result = calloc(1, sizeof *result);
  if (!result) {
    status = mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory", mambaGgufGetLabel(file));
    mambaGgufClose(file);
    goto cleanup;
  }
  result->file = file;
  const size_t count = mambaGgufGetCount(file);
  result->entries = calloc(count + 1, sizeof *result->entries);
  if (!result->entries)
    status = mambaFail(error, MAMBA_NO_MEMORY, "%s: out of memory for %zu tensors", mambaGgufGetLabel(file),
                       count);
  for (; result->count < count && status == MAMBA_OK; result->count++)
    status = addEntry(&result->entries[result->count], mambaGgufGet(file, result->count), error);
  if (status != MAMBA_OK)
    goto cleanup;
  *model = result;
  result = NULL;

cleanup:
  mambaGgufModelClose(result);
  return status;
}

MambaStatus mambaGgufModelOpen(const char *path, MambaGgufModel **model, MambaError *error) {
  MambaGguf *file = NULL;
  const MambaStatus status = mambaGgufOpen(path, &file, error);
  return status == MAMBA_OK ? mambaGgufModelCreate(file, model, error) : status;
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
