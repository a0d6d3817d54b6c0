/* A checkpoint against a configuration: every tensor, no other, each with its shape. */
#include "mamba/config.h"
#include "mamba/safetensors_writer.h"
#include "tempdir.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_TENSORS = 64, MAX_BYTES = 1024 };

typedef struct Tensor {
  char name[MAMBA_PARAMETER_MAX_KEY];
  MambaDtype dtype;
  int rank;
  int64_t shape[3];
  unsigned char fill;
} Tensor;

/* A model on paper: tests change it, then write and check it. */
typedef struct Model {
  MambaConfig config;
  Tensor tensors[MAX_TENSORS];
  size_t count;
} Model;

static TempDir dir;

static int createDir(void **state) {
  (void)state;
  tempDirCreate(&dir);
  return 0;
}

static int removeDir(void **state) {
  (void)state;
  tempDirRemove(&dir);
  return 0;
}

static Tensor *addTensor(Model *model, const char *name, int rank, int64_t a, int64_t b, int64_t c) {
  assert_true(model->count < MAX_TENSORS);
  Tensor *tensor = &model->tensors[model->count++];
  *tensor = (Tensor){.dtype = MAMBA_DTYPE_F16, .rank = rank, .shape = {a, b, c}};
  snprintf(tensor->name, sizeof tensor->name, "%s", name);
  return tensor;
}

/* The tensors of transformers' MambaForCausalLM, spelled out: d 3, di 4, N 2, R 5, k 6, V 7, 2 layers. */
static Model createModel(void) {
  static const struct {
    const char *name;
    int rank;
    int64_t a, b, c;
  } layer[] = {{"norm.weight", 1, 3, 0, 0},
               {"mixer.in_proj.weight", 2, 8, 3, 0},
               {"mixer.conv1d.weight", 3, 4, 1, 6},
               {"mixer.conv1d.bias", 1, 4, 0, 0},
               {"mixer.x_proj.weight", 2, 9, 4, 0},
               {"mixer.dt_proj.weight", 2, 4, 5, 0},
               {"mixer.dt_proj.bias", 1, 4, 0, 0},
               {"mixer.A_log", 2, 4, 2, 0},
               {"mixer.D", 1, 4, 0, 0},
               {"mixer.out_proj.weight", 2, 3, 4, 0}};
  Model model = {.config = {.flavour = MAMBA_CONFIG_HF,
                            .d_model = 3,
                            .n_layer = 2,
                            .vocab_size = 7,
                            .d_state = 2,
                            .d_conv = 6,
                            .d_inner = 4,
                            .dt_rank = 5,
                            .norm_epsilon = 1e-5,
                            .tie_embeddings = true,
                            .use_conv_bias = true}};
  addTensor(&model, "backbone.embeddings.weight", 2, 7, 3, 0);
  for (int i = 0; i < 2; i++) {
    for (size_t j = 0; j < sizeof layer / sizeof *layer; j++) {
      char name[MAMBA_PARAMETER_MAX_KEY];
      snprintf(name, sizeof name, "backbone.layers.%d.%s", i, layer[j].name);
      addTensor(&model, name, layer[j].rank, layer[j].a, layer[j].b, layer[j].c);
    }
  }
  addTensor(&model, "backbone.norm_f.weight", 1, 3, 0, 0);
  return model;
}

static Tensor *findTensor(Model *model, const char *name) {
  for (size_t i = 0; i < model->count; i++) {
    if (strcmp(model->tensors[i].name, name) == 0)
      return &model->tensors[i];
  }
  fail_msg("no tensor %s", name);
  return NULL;
}

static void removeTensor(Model *model, const char *name) {
  Tensor *tensor = findTensor(model, name);
  *tensor = model->tensors[--model->count];
}

static MambaCheckpoint *writeAndOpen(const Model *model) {
  unsigned char data[MAX_BYTES];
  MambaSafetensorsWriter *writer;
  MambaCheckpoint *checkpoint;
  MambaError error;
  const char *path = tempDirPath(&dir, "model.safetensors");
  assert_int_equal(mambaSafetensorsWriterCreate(path, &writer, &error), MAMBA_OK);
  for (size_t i = 0; i < model->count; i++) {
    const Tensor *t = &model->tensors[i];
    assert_int_equal(mambaSafetensorsWriterDeclare(writer, t->name, t->dtype, t->rank, t->shape, &error),
                     MAMBA_OK);
  }
  for (size_t i = 0; i < model->count; i++) {
    const Tensor *t = &model->tensors[i];
    size_t bytes;
    assert_true(mambaShapeGetBytes(t->dtype, t->rank, t->shape, &bytes) && bytes <= sizeof data);
    memset(data, t->fill, bytes);
    assert_int_equal(mambaSafetensorsWriterAppend(writer, t->name, data, bytes, &error), MAMBA_OK);
  }
  assert_int_equal(mambaSafetensorsWriterFinish(writer, &error), MAMBA_OK);
  mambaSafetensorsWriterDestroy(writer);
  assert_int_equal(mambaCheckpointOpen(path, &checkpoint, &error), MAMBA_OK);
  return checkpoint;
}

static void expectAccepted(const Model *model) {
  MambaError error;
  MambaCheckpoint *checkpoint = writeAndOpen(model);
  if (mambaConfigCheckTensors(&model->config, checkpoint, &error) != MAMBA_OK)
    fail_msg("%s", error.message);
  mambaCheckpointClose(checkpoint);
}

static void expectRefused(const Model *model, MambaStatus status, const char *message) {
  MambaError error = {0};
  MambaCheckpoint *checkpoint = writeAndOpen(model);
  assert_int_equal(mambaConfigCheckTensors(&model->config, checkpoint, &error), status);
  assert_string_equal(error.message, message);
  mambaCheckpointClose(checkpoint);
}

static void testComplete(void **state) {
  (void)state;
  const Model model = createModel();
  expectAccepted(&model);
}

static void testEveryMissingTensorIsNamed(void **state) {
  (void)state;
  const Model whole = createModel();
  for (size_t i = 0; i < whole.count; i++) {
    Model model = whole;
    char start[160];
    MambaError error = {0};
    removeTensor(&model, whole.tensors[i].name);
    MambaCheckpoint *checkpoint = writeAndOpen(&model);
    assert_int_equal(mambaConfigCheckTensors(&model.config, checkpoint, &error), MAMBA_INVALID);
    snprintf(start, sizeof start, "tensor '%s': expected shape [", whole.tensors[i].name);
    assert_memory_equal(error.message, start, strlen(start));
    assert_non_null(strstr(error.message, "found no such tensor"));
    mambaCheckpointClose(checkpoint);
  }
}

static void testEveryWrongShapeIsNamed(void **state) {
  (void)state;
  const Model whole = createModel();
  for (size_t i = 0; i < whole.count; i++) {
    for (int j = 0; j < whole.tensors[i].rank; j++) {
      Model model = whole;
      char start[160];
      MambaError error = {0};
      model.tensors[i].shape[j]++;
      MambaCheckpoint *checkpoint = writeAndOpen(&model);
      assert_int_equal(mambaConfigCheckTensors(&model.config, checkpoint, &error), MAMBA_INVALID);
      snprintf(start, sizeof start, "tensor '%s': expected shape [", whole.tensors[i].name);
      assert_memory_equal(error.message, start, strlen(start));
      mambaCheckpointClose(checkpoint);
    }
  }
}

static void testShapesInMessages(void **state) {
  (void)state;
  Model model = createModel();
  Tensor *conv = findTensor(&model, "backbone.layers.1.mixer.conv1d.weight");
  conv->rank = 2;
  conv->shape[1] = 6;
  expectRefused(
      &model, MAMBA_INVALID,
      "tensor 'backbone.layers.1.mixer.conv1d.weight': expected shape [4, 1, 6] by the configuration, "
      "found [4, 6]");
}

static void testExtraTensorIsNamed(void **state) {
  (void)state;
  Model model = createModel();
  addTensor(&model, "backbone.layers.2.norm.weight", 1, 3, 0, 0);
  expectRefused(&model, MAMBA_INVALID,
                "tensor 'backbone.layers.2.norm.weight': not a tensor of this configuration");
  model = createModel();
  addTensor(&model, "backbone.layers.0.mixer.in_proj.bias", 1, 8, 0, 0);
  expectRefused(&model, MAMBA_INVALID,
                "tensor 'backbone.layers.0.mixer.in_proj.bias': not a tensor of this configuration");
}

static void testDtypes(void **state) {
  (void)state;
  Model model = createModel();
  findTensor(&model, "backbone.norm_f.weight")->dtype = MAMBA_DTYPE_F32;
  findTensor(&model, "backbone.embeddings.weight")->dtype = MAMBA_DTYPE_BF16;
  expectAccepted(&model);
  findTensor(&model, "backbone.norm_f.weight")->dtype = MAMBA_DTYPE_F64;
  expectRefused(&model, MAMBA_UNSUPPORTED,
                "tensor 'backbone.norm_f.weight': expected F32, F16 or BF16, found F64");
  findTensor(&model, "backbone.norm_f.weight")->dtype = MAMBA_DTYPE_I8;
  expectRefused(&model, MAMBA_UNSUPPORTED,
                "tensor 'backbone.norm_f.weight': expected F32, F16 or BF16, found I8");
}

static void testBiases(void **state) {
  (void)state;
  Model model = createModel();
  model.config.use_bias = true;
  expectRefused(&model, MAMBA_INVALID,
                "tensor 'backbone.layers.0.mixer.in_proj.bias': expected shape [8] by the configuration, "
                "found no such tensor");
  for (int i = 0; i < 2; i++) {
    char name[MAMBA_PARAMETER_MAX_KEY];
    snprintf(name, sizeof name, "backbone.layers.%d.mixer.in_proj.bias", i);
    addTensor(&model, name, 1, 8, 0, 0);
    snprintf(name, sizeof name, "backbone.layers.%d.mixer.out_proj.bias", i);
    addTensor(&model, name, 1, 3, 0, 0);
  }
  expectAccepted(&model);
  model.config.use_conv_bias = false;
  expectRefused(&model, MAMBA_INVALID,
                "tensor 'backbone.layers.0.mixer.conv1d.bias': not a tensor of this configuration");
  removeTensor(&model, "backbone.layers.0.mixer.conv1d.bias");
  removeTensor(&model, "backbone.layers.1.mixer.conv1d.bias");
  expectAccepted(&model);
}

static void testTiedHead(void **state) {
  (void)state;
  Model model = createModel();
  Tensor *head = addTensor(&model, "lm_head.weight", 2, 7, 3, 0);
  expectAccepted(&model);
  head->fill = 1;
  expectRefused(
      &model, MAMBA_INVALID,
      "tensor 'lm_head.weight': expected the same data as 'backbone.embeddings.weight', to which the "
      "configuration ties it; found others");
  head->fill = 0;
  head->dtype = MAMBA_DTYPE_BF16;
  expectRefused(
      &model, MAMBA_INVALID,
      "tensor 'lm_head.weight': expected the same data as 'backbone.embeddings.weight', to which the "
      "configuration ties it; found others");
  head->shape[0] = 8;
  expectRefused(&model, MAMBA_INVALID,
                "tensor 'lm_head.weight': expected shape [7, 3] by the configuration, found [8, 3]");
}

static void testUntiedHead(void **state) {
  (void)state;
  Model model = createModel();
  model.config.tie_embeddings = false;
  expectRefused(&model, MAMBA_INVALID,
                "tensor 'lm_head.weight': expected shape [7, 3] by the configuration, found no such tensor");
  addTensor(&model, "lm_head.weight", 2, 7, 3, 0)->fill = 1;
  expectAccepted(&model);
}

/* Either flavour's configuration comes with either key, never with both. */
static void testEmbeddingNames(void **state) {
  (void)state;
  Model model = createModel();
  model.config.flavour = MAMBA_CONFIG_ORIGINAL;
  expectAccepted(&model);
  strcpy(findTensor(&model, "backbone.embeddings.weight")->name, "backbone.embedding.weight");
  expectAccepted(&model);
  model.config.flavour = MAMBA_CONFIG_HF;
  expectAccepted(&model);
  MambaCheckpoint *checkpoint = writeAndOpen(&model);
  const MambaTensorView *found =
      mambaConfigFindTensor(&model.config, checkpoint, MAMBA_PARAMETER_EMBEDDING, 0);
  assert_string_equal(found->name, "backbone.embedding.weight");
  mambaCheckpointClose(checkpoint);
  addTensor(&model, "backbone.embeddings.weight", 2, 7, 3, 0);
  expectRefused(&model, MAMBA_INVALID,
                "tensor 'backbone.embedding.weight': not a tensor of this configuration");
}

static void testParameters(void **state) {
  (void)state;
  Model model = createModel();
  MambaParameterSpec spec;
  assert_true(mambaConfigGetParameter(&model.config, MAMBA_PARAMETER_X_PROJ, 1, &spec));
  assert_string_equal(spec.key, "backbone.layers.1.mixer.x_proj.weight");
  assert_int_equal(spec.rank, 2);
  assert_int_equal(spec.shape[0], 9);
  assert_int_equal(spec.shape[1], 4);
  assert_true(mambaParameterIsPerLayer(MAMBA_PARAMETER_NORM));
  assert_true(mambaParameterIsPerLayer(MAMBA_PARAMETER_OUT_PROJ_BIAS));
  assert_false(mambaParameterIsPerLayer(MAMBA_PARAMETER_FINAL_NORM));
  assert_false(mambaConfigGetParameter(&model.config, MAMBA_PARAMETER_HEAD, 0, &spec));
  assert_false(mambaConfigGetParameter(&model.config, MAMBA_PARAMETER_IN_PROJ_BIAS, 0, &spec));
  model.config.flavour = MAMBA_CONFIG_ORIGINAL;
  assert_true(mambaConfigGetParameter(&model.config, MAMBA_PARAMETER_EMBEDDING, 0, &spec));
  assert_string_equal(spec.key, "backbone.embedding.weight");
}

static void checkFolder(const char *path) {
  MambaConfig config;
  MambaCheckpoint *checkpoint = NULL;
  MambaError error;
  if (mambaConfigRead(path, &config, &error) != MAMBA_OK ||
      mambaCheckpointOpen(path, &checkpoint, &error) != MAMBA_OK ||
      mambaConfigCheckTensors(&config, checkpoint, &error) != MAMBA_OK)
    fail_msg("%s: %s", path, error.message);
  mambaCheckpointClose(checkpoint);
}

static void testSampleModel(void **state) {
  (void)state;
  checkFolder("../models/tiny");
}

static void testLargerModel(void **state) {
  (void)state;
  char path[1024];
  const char *folder = getenv("MAMBA_TEST_DATA");
  if (!folder || !*folder) {
    print_message("MAMBA_TEST_DATA is not set: the larger model is not checked\n");
    skip();
  }
  snprintf(path, sizeof path, "%s/models/mid", folder);
  checkFolder(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testComplete),
      cmocka_unit_test(testEveryMissingTensorIsNamed),
      cmocka_unit_test(testEveryWrongShapeIsNamed),
      cmocka_unit_test(testShapesInMessages),
      cmocka_unit_test(testExtraTensorIsNamed),
      cmocka_unit_test(testDtypes),
      cmocka_unit_test(testBiases),
      cmocka_unit_test(testTiedHead),
      cmocka_unit_test(testUntiedHead),
      cmocka_unit_test(testEmbeddingNames),
      cmocka_unit_test(testParameters),
      cmocka_unit_test(testSampleModel),
      cmocka_unit_test(testLargerModel),
  };
  return cmocka_run_group_tests(tests, createDir, removeDir);
}
