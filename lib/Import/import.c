#include "mamba/import.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "mamba/config.h"
#include "mamba/ir.h"
#include "mamba/mapped_file.h"

/* The symbol of the model's own files. */
#define CHECKPOINT "ckpt"

typedef struct Import {
  MambaBuilder builder;
  const MambaConfig *config;
  const MambaCheckpoint *checkpoint;
  int64_t layer;
} Import;

static bool isFolder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool mambaImportIsModel(const char *path) {
  return isFolder(path) || mambaGgufIsFile(path) || mambaGraphIsFile(path) ||
         mambaFileLooksLike(path, NULL, ".safetensors");
}

/* Blocks of Q8_0 are read as the floats that they stand for. */
static MambaElement elementOf(MambaDtype dtype) {
  return dtype == MAMBA_DTYPE_F16    ? MAMBA_ELEMENT_F16
         : dtype == MAMBA_DTYPE_BF16 ? MAMBA_ELEMENT_BF16
                                     : MAMBA_ELEMENT_F32;
}

/* A parameter of the current layer, or a null value when the model has no such parameter. */
static MlirValue weight(Import *im, MambaParameter parameter) {
  const MambaTensorView *view = mambaConfigFindTensor(im->config, im->checkpoint, parameter, im->layer);
  MambaParameterSpec spec;
  const MlirValue none = {NULL};
  if (!view || !mambaConfigGetParameter(im->config, parameter, im->layer, &spec))
    return none;
  const MlirType type = mambaTensorType(im->builder.context, elementOf(view->dtype), view->rank, view->shape);
  return mambaBuildWeight(&im->builder, mambaRef(CHECKPOINT), mambaRef(view->name), type);
}

/* The location "layers.N.<suffix>" of the current layer. */
static MlirLocation name(const Import *im, const char *suffix) {
  return mambaName(im->builder.context, "layers.%lld.%s", (long long)im->layer, suffix);
}

static MlirType activation(const Import *im, int64_t channels) {
  const int64_t shape[] = {MAMBA_DYNAMIC, MAMBA_DYNAMIC, channels};
  return mambaTensorType(im->builder.context, MAMBA_ELEMENT_F32, 3, shape);
}

static MlirValue build(Import *im, MambaOpState *state, MlirType type) {
  state->results[0] = type;
  state->result_count = 1;
  return mlirOperationGetResult(mambaBuild(&im->builder, state), 0);
}

static MlirValue rmsNorm(Import *im, MlirLocation location, MlirValue x, MlirValue gamma, double epsilon) {
  MambaOpState state = {.kind = MAMBA_OP_RMS_NORM, .location = location, .operands = {x, gamma}};
  mambaSetFloat(&state, "epsilon", epsilon);
  return build(im, &state, mlirValueGetType(x));
}

static MlirValue linear(Import *im, MlirLocation location, MlirValue x, MlirValue w, MlirValue bias) {
  MambaOpState state = {.kind = MAMBA_OP_LINEAR, .location = location, .operands = {x, w, bias}};
  return build(im, &state, activation(im, mambaDim(w, 0)));
}

static MlirValue slice(Import *im, MlirLocation location, MlirValue x, int64_t offset, int64_t size) {
  MambaOpState state = {.kind = MAMBA_OP_SLICE, .location = location, .operands = {x}};
  mambaSetInt(&state, "offset", offset);
  return build(im, &state, activation(im, size));
}

static MlirValue unary(Import *im, MambaOp kind, const char *suffix, MlirValue x) {
  const MlirValue none = {NULL};
  const MlirType type = mambaWithElement(mlirValueGetType(x), MAMBA_ELEMENT_F32);
  return mambaBuildSimple(&im->builder, kind, name(im, suffix), type, x, none);
}

/* One of the parts of x_proj: "layers.N.mixer.<which>". FalconMamba has a norm behind it, whose result bears
 * that name; what the norm reads is "layers.N.mixer.<which>.in". */
static MlirValue scanParameter(Import *im, const char *which, MlirValue x_proj, int64_t offset,
                               int64_t size) {
  const MlirValue none = {NULL};
  const double epsilon = im->config->mixer_epsilon;
  char suffix[32];
  snprintf(suffix, sizeof suffix, "mixer.%s%s", which, epsilon > 0 ? ".in" : "");
  const MlirValue part = slice(im, name(im, suffix), x_proj, offset, size);
  snprintf(suffix, sizeof suffix, "mixer.%s", which);
  return epsilon > 0 ? rmsNorm(im, name(im, suffix), part, none, epsilon) : part;
}

static void setState(const Import *im, MambaOpState *state, const char *which) {
  char symbol[64];
  snprintf(symbol, sizeof symbol, "layers.%lld.%s", (long long)im->layer, which);
  mambaSetFlatSymbol(state, "state", mambaRef(symbol));
}

/* One block: norm, mixer, residual (Gu and Dao 2023, figure 3; MambaForCausalLM). */
static MlirValue block(Import *im, MlirValue h) {
  const MambaConfig *c = im->config;
  const MlirValue in =
      rmsNorm(im, name(im, "mixer.in"), h, weight(im, MAMBA_PARAMETER_NORM), c->norm_epsilon);
  const MlirValue w_in = weight(im, MAMBA_PARAMETER_IN_PROJ), b_in = weight(im, MAMBA_PARAMETER_IN_PROJ_BIAS);
  const MlirValue xz = linear(im, name(im, "mixer.in_proj"), in, w_in, b_in);
  const MlirValue x = slice(im, name(im, "mixer.x"), xz, 0, c->d_inner);
  const MlirValue z = slice(im, name(im, "mixer.z"), xz, c->d_inner, c->d_inner);

  const MlirValue w_conv = weight(im, MAMBA_PARAMETER_CONV), b_conv = weight(im, MAMBA_PARAMETER_CONV_BIAS);
  MambaOpState conv = {
      .kind = MAMBA_OP_CAUSAL_CONV1D, .location = name(im, "mixer.conv1d"), .operands = {x, w_conv, b_conv}};
  setState(im, &conv, "conv");
  const MlirValue u = unary(im, MAMBA_OP_SILU, "mixer.u", build(im, &conv, mlirValueGetType(x)));

  const MlirValue none = {NULL};
  const MlirValue x_proj = linear(im, name(im, "mixer.x_proj"), u, weight(im, MAMBA_PARAMETER_X_PROJ), none);
  const MlirValue dt = scanParameter(im, "dt", x_proj, 0, c->dt_rank);
  const MlirValue b = scanParameter(im, "B", x_proj, c->dt_rank, c->d_state);
  const MlirValue cc = scanParameter(im, "C", x_proj, c->dt_rank + c->d_state, c->d_state);
  const MlirValue w_dt = weight(im, MAMBA_PARAMETER_DT_PROJ), b_dt = weight(im, MAMBA_PARAMETER_DT_PROJ_BIAS);
  const MlirValue dt_proj = linear(im, name(im, "mixer.dt_proj"), dt, w_dt, b_dt);
  const MlirValue delta = unary(im, MAMBA_OP_SOFTPLUS, "mixer.delta", dt_proj);

  const MlirValue a = c->stores_a ? weight(im, MAMBA_PARAMETER_A)
                                  : unary(im, MAMBA_OP_NEG_EXP, "mixer.A", weight(im, MAMBA_PARAMETER_A_LOG));
  const MlirValue d = weight(im, MAMBA_PARAMETER_D);
  MambaOpState scan = {.kind = MAMBA_OP_SELECTIVE_SCAN,
                       .location = name(im, "mixer.scan"),
                       .operands = {u, delta, a, b, cc, d}};
  setState(im, &scan, "ssm");
  const MlirValue scanned = build(im, &scan, mlirValueGetType(u));
  const MlirValue gate = unary(im, MAMBA_OP_SILU, "mixer.gate", z);
  const MlirValue y = mambaBuildSimple(&im->builder, MAMBA_OP_MUL, name(im, "mixer.y"),
                                       mlirValueGetType(gate), scanned, gate);

  const MlirValue w_out = weight(im, MAMBA_PARAMETER_OUT_PROJ),
                  b_out = weight(im, MAMBA_PARAMETER_OUT_PROJ_BIAS);
  const MlirValue out = linear(im, name(im, "mixer.out_proj"), y, w_out, b_out);
  const MlirLocation residual = mambaName(im->builder.context, "layers.%lld", (long long)im->layer);
  return mambaBuildSimple(&im->builder, MAMBA_OP_ADD, residual, mlirValueGetType(h), h, out);
}

static MlirOperation buildFunction(Import *im, MlirBlock parent) {
  const MlirContext context = im->builder.context;
  const int64_t shape[] = {MAMBA_DYNAMIC, MAMBA_DYNAMIC};
  const MlirType ids = mambaTensorType(context, MAMBA_ELEMENT_I32, 2, shape);
  const MlirType logits = activation(im, im->config->vocab_size);
  MlirOperationState state = mlirOperationStateGet(mambaRef("func.func"), mambaName(context, "forward"));
  const MlirNamedAttribute attributes[] = {
      mlirNamedAttributeGet(mlirIdentifierGet(context, mambaRef("sym_name")),
                            mlirStringAttrGet(context, mambaRef("forward"))),
      mlirNamedAttributeGet(mlirIdentifierGet(context, mambaRef("function_type")),
                            mlirTypeAttrGet(mlirFunctionTypeGet(context, 1, &ids, 1, &logits))),
  };
  mlirOperationStateAddAttributes(&state, 2, attributes);
  MlirRegion region = mlirRegionCreate();
  const MlirLocation ids_name = mambaName(context, "ids");
  mlirRegionAppendOwnedBlock(region, mlirBlockCreate(1, &ids, &ids_name));
  mlirOperationStateAddOwnedRegions(&state, 1, &region);
  const MlirOperation function = mlirOperationCreate(&state);
  mlirBlockAppendOwnedOperation(parent, function);
  return function;
}

static void buildForward(Import *im, MlirBlock module_body) {
  const MlirContext context = im->builder.context;
  const MlirOperation function = buildFunction(im, module_body);
  im->builder.block = mlirRegionGetFirstBlock(mlirOperationGetRegion(function, 0));

  const MlirValue ids = mlirBlockGetArgument(im->builder.block, 0), none = {NULL};
  const MlirValue table = weight(im, MAMBA_PARAMETER_EMBEDDING);
  MlirValue h = mambaBuildSimple(&im->builder, MAMBA_OP_EMBEDDING, mambaName(context, "embeddings"),
                                 activation(im, im->config->d_model), ids, table);
  for (im->layer = 0; im->layer < im->config->n_layer; im->layer++)
    h = block(im, h);
  h = rmsNorm(im, mambaName(context, "norm_f"), h, weight(im, MAMBA_PARAMETER_FINAL_NORM),
              im->config->norm_epsilon);
  const MlirValue head = im->config->tie_embeddings ? table : weight(im, MAMBA_PARAMETER_HEAD);
  const MlirValue logits = linear(im, mambaName(context, "lm_head"), h, head, none);

  MlirOperationState end = mlirOperationStateGet(mambaRef("func.return"), mambaName(context, "logits"));
  mlirOperationStateAddOperands(&end, 1, &logits);
  mlirBlockAppendOwnedOperation(im->builder.block, mlirOperationCreate(&end));
}

static void buildSymbol(Import *im, MambaOp kind, const char *symbol, const char *key, MlirAttribute value,
                        const char *hash) {
  MambaOpState state = {.kind = kind, .location = mambaName(im->builder.context, "%s", symbol)};
  mambaSetString(&state, "sym_name", mambaRef(symbol));
  mambaSetAttribute(&state, key, value);
  if (hash)
    mambaSetString(&state, "hash", mambaRef(hash));
  mambaBuild(&im->builder, &state);
}

static void buildStates(Import *im) {
  const MlirContext context = im->builder.context;
  const int64_t conv[] = {im->config->d_conv - 1, im->config->d_inner};
  const int64_t ssm[] = {im->config->d_state, im->config->d_inner};
  const MlirAttribute conv_type = mlirTypeAttrGet(mambaTensorType(context, MAMBA_ELEMENT_F32, 2, conv));
  const MlirAttribute ssm_type = mlirTypeAttrGet(mambaTensorType(context, MAMBA_ELEMENT_F32, 2, ssm));
  for (int64_t i = 0; i < im->config->n_layer; i++) {
    char symbol[64];
    snprintf(symbol, sizeof symbol, "layers.%lld.conv", (long long)i);
    buildSymbol(im, MAMBA_OP_STATE, symbol, "type", conv_type, NULL);
    snprintf(symbol, sizeof symbol, "layers.%lld.ssm", (long long)i);
    buildSymbol(im, MAMBA_OP_STATE, symbol, "type", ssm_type, NULL);
  }
}

/* The folder that is a model, or that its file is in. False where the path is too long. */
static bool folderOf(MlirStringRef model, char *folder, size_t size) {
  if (snprintf(folder, size, "%.*s", (int)model.length, model.data) >= (int)size)
    return false;
  char *slash = strrchr(folder, '/');
  if (isFolder(folder))
    return true;
  if (slash)
    slash[slash == folder] = '\0'; /* the root keeps its slash */
  else
    snprintf(folder, size, ".");
  return true;
}

/* A graph does not say which token ends a text: the configuration that lies beside it may, where it is of
 * such a model. */
static void readEndOfText(MlirStringRef model, MambaConfig *config) {
  char folder[4096];
  MambaConfig beside;
  MambaError ignored;
  if (folderOf(model, folder, sizeof folder) && mambaConfigRead(folder, &beside, &ignored) == MAMBA_OK &&
      beside.vocab_size == config->vocab_size && beside.n_layer == config->n_layer)
    config->eos_token_id = beside.eos_token_id;
}

/* What a program needs to know beside the graph: the token that ends a text, and the tokenizer. */
static void setModuleAttributes(MlirModule module, const MambaConfig *config, const MambaGguf *gguf,
                                MlirStringRef model) {
  const MlirOperation op = mlirModuleGetOperation(module);
  const MlirContext context = mlirModuleGetContext(module);
  if (config->eos_token_id >= 0)
    mlirOperationSetDiscardableAttributeByName(
        op, mambaRef("mamba.eos"), mlirIntegerAttrGet(mlirIntegerTypeGet(context, 64), config->eos_token_id));
  char path[4096], folder[4096];
  const bool inside = gguf && mambaGgufHas(gguf, "tokenizer.ggml.model");
  int n = inside ? snprintf(path, sizeof path, "%.*s", (int)model.length, model.data) : (int)sizeof path;
  if (!inside && folderOf(model, folder, sizeof folder))
    n = snprintf(path, sizeof path, "%s/tokenizer.json", folder);
  struct stat info;
  if (n < (int)sizeof path && stat(path, &info) == 0 && S_ISREG(info.st_mode))
    mlirOperationSetDiscardableAttributeByName(op, mambaRef("mamba.tokenizer"),
                                               mlirStringAttrGet(context, mambaRef(path)));
}

/* "models/tiny/" and "models/tiny" are one model. */
static MlirStringRef withoutTrailingSlash(const char *path) {
  size_t n = strlen(path);
  while (n > 1 && path[n - 1] == '/')
    n--;
  return mlirStringRefCreate(path, n);
}

MambaStatus mambaImport(MlirContext context, const char *path, MlirModule *module, MambaError *error) {
  MambaConfig config;
  MambaCheckpoint *checkpoint = NULL;
  const bool folder = isFolder(path);
  MambaStatus status = folder ? mambaConfigRead(path, &config, error) : MAMBA_OK;
  if (status == MAMBA_OK)
    status = mambaCheckpointOpen(path, &checkpoint, error);
  if (status == MAMBA_OK && !folder)
    status = mambaCheckpointGetGraph(checkpoint) ? mambaConfigReadGraph(checkpoint, &config, error)
             : mambaCheckpointGetGguf(checkpoint)
                 ? mambaConfigReadGguf(checkpoint, &config, error)
                 : mambaFail(error, MAMBA_INVALID,
                             "%s: weights alone: expected the folder that they "
                             "are in, with config.json",
                             path);
  if (status == MAMBA_OK && (status = mambaConfigCheckTensors(&config, checkpoint, error)) != MAMBA_OK)
    status = mambaFailContext(error, "%s", path);
  if (status != MAMBA_OK)
    goto cleanup;

  const MlirStringRef model = withoutTrailingSlash(path);
  if (mambaCheckpointGetGraph(checkpoint))
    readEndOfText(model, &config);
  const MlirModule result = mlirModuleCreateEmpty(mambaName(context, "model"));
  const MlirBlock body = mlirModuleGetBody(result);
  Import im = {.builder = {.context = context, .block = body}, .config = &config, .checkpoint = checkpoint};
  buildSymbol(&im, MAMBA_OP_CHECKPOINT, CHECKPOINT, "path", mlirStringAttrGet(context, model),
              mambaCheckpointGetHash(checkpoint));
  buildStates(&im);
  buildForward(&im, body);
  setModuleAttributes(result, &config, mambaCheckpointGetGguf(checkpoint), model);
  *module = result;

cleanup:
  mambaCheckpointClose(checkpoint);
  return status;
}
