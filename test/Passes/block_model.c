#include "block_model.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mamba/checkpoint.h"
#include "mamba/executor.h"
#include "mamba/safetensors_writer.h"
#include "mamba/shim.h"

static uint64_t seed = 1;

float blockRandom(const char *tensor) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  const float uniform = (float)((double)(seed >> 40) / (double)(1 << 23) - 1);
  return strstr(tensor, ".absmax") ? 3 + uniform : uniform;
}

MlirContext blockContext(void) {
  const MlirContext context = mlirContextCreate();
  mambaRegisterAll(context);
  return context;
}

static int rankOf(const BlockTensor *tensor) {
  int rank = 0;
  while (rank < 4 && tensor->shape[rank])
    rank++;
  return rank;
}

void blockWriteWeights(const TempDir *dir, const BlockTensor *tensors, size_t count,
                       float (*value)(const char *tensor)) {
  MambaSafetensorsWriter *writer = NULL;
  MambaError error;
  assert_int_equal(mambaSafetensorsWriterCreate(tempDirPath(dir, "model.safetensors"), &writer, &error),
                   MAMBA_OK);
  for (size_t i = 0; i < count; i++)
    assert_int_equal(mambaSafetensorsWriterDeclare(writer, tensors[i].name, MAMBA_DTYPE_F32,
                                                   rankOf(&tensors[i]), tensors[i].shape, &error),
                     MAMBA_OK);
  for (size_t i = 0; i < count; i++) {
    int64_t size = 1;
    for (int axis = 0; axis < rankOf(&tensors[i]); axis++)
      size *= tensors[i].shape[axis];
    for (int64_t k = 0; k < size; k++) {
      const float element = value(tensors[i].name);
      assert_int_equal(
          mambaSafetensorsWriterAppend(writer, tensors[i].name, &element, sizeof element, &error), MAMBA_OK);
    }
  }
  assert_int_equal(mambaSafetensorsWriterFinish(writer, &error), MAMBA_OK);
  mambaSafetensorsWriterDestroy(writer);
}

static const char template[] =
    "mamba.checkpoint @ckpt \"$P\" hash \"$H\"\n"
    "mamba.checkpoint @statistics \"$P\" hash \"$H\"\n"
    "mamba.state @conv : tensor<3x$Ixf32>\n"
    "mamba.state @ssm : tensor<3x$Ixf32>\n"
    "func.func @forward(%ids: tensor<?x?xi32>) -> tensor<?x?x24xf32> {\n"
    "  %table = mamba.weight @ckpt::@table : tensor<24x$Dxf32> loc(\"table\")\n"
    "  %h = mamba.embedding %ids, %table : (tensor<?x?xi32>, tensor<24x$Dxf32>) -> tensor<?x?x$Dxf32> "
    "loc(\"h\")\n"
    "  %gamma = mamba.weight @ckpt::@norm : tensor<$Dxf32> loc(\"norm\")\n"
    "  %in = mamba.rms_norm %h gamma %gamma epsilon 1.0e-5 $S : (tensor<?x?x$Dxf32>, tensor<$Dxf32>) -> "
    "tensor<?x?x$Dxf32> loc(\"in\")\n"
    "  %w_in = mamba.weight @ckpt::@in_proj : tensor<$Jx$Dxf32> loc(\"in_proj.weight\")\n"
    "  %xz = mamba.linear %in, %w_in : (tensor<?x?x$Dxf32>, tensor<$Jx$Dxf32>) -> tensor<?x?x$Jxf32> "
    "loc(\"in_proj\")\n"
    "  %x = mamba.slice %xz from 0 $S : tensor<?x?x$Jxf32> -> tensor<?x?x$Ixf32> loc(\"x\")\n"
    "  %z = mamba.slice %xz from $I $S : tensor<?x?x$Jxf32> -> tensor<?x?x$Ixf32> loc(\"z\")\n"
    "  %w_conv = mamba.weight @ckpt::@conv : tensor<$Ix1x4xf32> loc(\"conv.weight\")\n"
    "  %b_conv = mamba.weight @ckpt::@conv_bias : tensor<$Ixf32> loc(\"conv.bias\")\n"
    "  %conv = mamba.causal_conv1d %x, %w_conv bias %b_conv state @conv : (tensor<?x?x$Ixf32>, "
    "tensor<$Ix1x4xf32>, tensor<$Ixf32>) -> tensor<?x?x$Ixf32> loc(\"conv\")\n"
    "  %u = mamba.silu %conv $S : tensor<?x?x$Ixf32> -> tensor<?x?x$Ixf32> loc(\"u\")\n"
    "  %w_x = mamba.weight @ckpt::@x_proj : tensor<8x$Ixf32> loc(\"x_proj.weight\")\n"
    "  %dbc = mamba.linear %u, %w_x : (tensor<?x?x$Ixf32>, tensor<8x$Ixf32>) -> tensor<?x?x8xf32> "
    "loc(\"x_proj\")\n"
    "  %dt = mamba.slice %dbc from 0 $S : tensor<?x?x8xf32> -> tensor<?x?x2xf32> loc(\"dt\")\n"
    "  %B = mamba.slice %dbc from 2 $S : tensor<?x?x8xf32> -> tensor<?x?x3xf32> loc(\"B\")\n"
    "  %C = mamba.slice %dbc from 5 $S : tensor<?x?x8xf32> -> tensor<?x?x3xf32> loc(\"C\")\n"
    "  %w_dt = mamba.weight @ckpt::@dt_proj : tensor<$Ix2xf32> loc(\"dt_proj.weight\")\n"
    "  %b_dt = mamba.weight @ckpt::@dt_bias : tensor<$Ixf32> loc(\"dt_proj.bias\")\n"
    "  %dtp = mamba.linear %dt, %w_dt bias %b_dt : (tensor<?x?x2xf32>, tensor<$Ix2xf32>, tensor<$Ixf32>) -> "
    "tensor<?x?x$Ixf32> loc(\"dt_proj\")\n"
    "  %delta = mamba.softplus %dtp : tensor<?x?x$Ixf32> -> tensor<?x?x$Ixf32> loc(\"delta\")\n"
    "  %a_log = mamba.weight @ckpt::@A_log : tensor<$Ix3xf32> loc(\"A_log\")\n"
    "  %a = mamba.neg_exp %a_log : tensor<$Ix3xf32> -> tensor<$Ix3xf32> loc(\"A\")\n"
    "  %d = mamba.weight @ckpt::@D : tensor<$Ixf32> loc(\"D\")\n"
    "  %scan = mamba.selective_scan %u dt %delta a %a b %B c %C d %d state @ssm : (tensor<?x?x$Ixf32>, "
    "tensor<?x?x$Ixf32>, tensor<$Ix3xf32>, tensor<?x?x3xf32>, tensor<?x?x3xf32>, tensor<$Ixf32>) -> "
    "tensor<?x?x$Ixf32> loc(\"scan\")\n"
    "  %gate = mamba.silu %z : tensor<?x?x$Ixf32> -> tensor<?x?x$Ixf32> loc(\"gate\")\n"
    "  %y = mamba.mul %scan, %gate $S : (tensor<?x?x$Ixf32>, tensor<?x?x$Ixf32>) -> tensor<?x?x$Ixf32> "
    "loc(\"y\")\n"
    "  %w_out = mamba.weight @ckpt::@out_proj : tensor<$Dx$Ixf32> loc(\"out_proj.weight\")\n"
    "  %out = mamba.linear %y, %w_out : (tensor<?x?x$Ixf32>, tensor<$Dx$Ixf32>) -> tensor<?x?x$Dxf32> "
    "loc(\"out_proj\")\n"
    "  %h1 = mamba.add %h, %out : (tensor<?x?x$Dxf32>, tensor<?x?x$Dxf32>) -> tensor<?x?x$Dxf32> "
    "loc(\"h1\")\n"
    "  %gamma_f = mamba.weight @ckpt::@norm_f : tensor<$Dxf32> loc(\"norm_f.weight\")\n"
    "  %norm_f = mamba.rms_norm %h1 gamma %gamma_f epsilon 1.0e-5 $S : (tensor<?x?x$Dxf32>, tensor<$Dxf32>) "
    "-> "
    "tensor<?x?x$Dxf32> loc(\"norm_f\")\n"
    "  %logits = mamba.linear %norm_f, %table : (tensor<?x?x$Dxf32>, tensor<24x$Dxf32>) -> "
    "tensor<?x?x24xf32> "
    "loc(\"logits\")\n"
    "  return %logits : tensor<?x?x24xf32>\n"
    "}\n";

/* The template with $D, $I, $J (d, 2 d, 4 d), $P and $H (the file and its hash) and $S (statistics) filled
 * in. */
static const char *fill(const BlockModel *model, const char *path, const char *hash) {
  static char text[32768];
  size_t used = 0;
  for (const char *c = template; *c; c++) {
    const size_t room = sizeof text - used;
    if (*c != '$') {
      text[used++] = *c;
      continue;
    }
    switch (*++c) {
    case 'P':
      used += (size_t)snprintf(text + used, room, "%s", path);
      break;
    case 'H':
      used += (size_t)snprintf(text + used, room, "%s", hash);
      break;
    case 'S':
      used += (size_t)snprintf(text + used, room, "{mamba.stats = {absmax = 4.0, p99.9 = 3.0}}");
      break;
    default:
      used += (size_t)snprintf(text + used, room, "%lld",
                               (long long)(model->d * (*c == 'D'   ? 1
                                                       : *c == 'I' ? 2
                                                                   : 4)));
    }
    assert_true(used + 256 < sizeof text);
  }
  text[used] = 0;
  return text;
}

void blockModelCreate(BlockModel *model, int64_t d) {
  const int64_t di = 2 * d;
  const BlockTensor tensors[] = {
      {"table", {24, d}},  {"norm", {d}},       {"in_proj", {4 * d, d}}, {"conv", {di, 1, 4}},
      {"conv_bias", {di}}, {"x_proj", {8, di}}, {"dt_proj", {di, 2}},    {"dt_bias", {di}},
      {"A_log", {di, 3}},  {"D", {di}},         {"out_proj", {d, di}},   {"norm_f", {d}},
      {"u.absmax", {di}},
  };
  MambaCheckpoint *checkpoint = NULL;
  MambaError error;
  model->d = d;
  tempDirCreate(&model->dir);
  blockWriteWeights(&model->dir, tensors, sizeof tensors / sizeof *tensors, blockRandom);
  model->context = blockContext();
  const char *path = tempDirPath(&model->dir, "model.safetensors");
  assert_int_equal(mambaCheckpointOpen(path, &checkpoint, &error), MAMBA_OK);
  model->text = fill(model, path, mambaCheckpointGetHash(checkpoint));
  mambaCheckpointClose(checkpoint);
}

void blockModelDestroy(BlockModel *model) {
  mlirContextDestroy(model->context);
  tempDirRemove(&model->dir);
}

MlirModule blockParse(MlirContext context, const char *text) {
  const MlirModule module = mlirModuleCreateParse(context, mambaRef(text));
  assert_false(mlirModuleIsNull(module));
  return module;
}

static void collect(MlirStringRef piece, void *user) {
  char **text = user;
  const size_t old = strlen(*text);
  char *longer = realloc(*text, old + piece.length + 1);
  assert_non_null(longer);
  memcpy(longer + old, piece.data, piece.length);
  longer[old + piece.length] = 0;
  *text = longer;
}

char *blockPrint(MlirModule module) {
  char *text = calloc(1, 1);
  const MlirOpPrintingFlags flags = mlirOpPrintingFlagsCreate();
  mlirOpPrintingFlagsEnableDebugInfo(flags, true, false);
  mlirOperationPrintWithFlags(mlirModuleGetOperation(module), flags, collect, &text);
  mlirOpPrintingFlagsDestroy(flags);
  return text;
}

static void keepLogits(void *context, const MambaObservation *observation) {
  double *logits = context;
  if (mambaRefIs(observation->name, "logits") && observation->wide)
    memcpy(logits, observation->data, sizeof(double) * BLOCK_TOKENS * BLOCK_VOCABULARY);
}

double *blockRun(MlirModule module, bool wide) {
  MambaExecutor *executor = NULL;
  MambaError error;
  const MambaExecutorOptions options = {.threads = 1, .wide = wide};
  double *logits = calloc(BLOCK_TOKENS * BLOCK_VOCABULARY, sizeof *logits);
  float narrow[BLOCK_TOKENS * BLOCK_VOCABULARY];
  int32_t ids[BLOCK_TOKENS];
  for (int i = 0; i < BLOCK_TOKENS; i++)
    ids[i] = (i * 7 + 3) % BLOCK_VOCABULARY;
  if (mambaExecutorCreate(mlirModuleGetOperation(module), 1, options, &executor, &error) != MAMBA_OK)
    fail_msg("%s", error.message);
  if (wide)
    mambaExecutorObserve(executor, keepLogits, logits);
  if (mambaExecutorRun(executor, ids, BLOCK_TOKENS, MAMBA_LOGITS_ALL, narrow, &error) != MAMBA_OK)
    fail_msg("%s", error.message);
  for (int i = 0; !wide && i < BLOCK_TOKENS * BLOCK_VOCABULARY; i++)
    logits[i] = narrow[i];
  mambaExecutorDestroy(executor);
  return logits;
}
