/* Level 3 to 4: the layout of every weight, the kernel of every op, and a place in one arena for every buffer
 * between kernels. */
#include "mamba/passes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "attributes.h"
#include "builders.h"
#include "cuda/limits.h"
#include "kernel_ops.h"
#include "mamba/target.h"
#include "mamba_kernels.h"
#include "pack_i4.h"
#include "plan_cost.h"
#include "plan_decode.h"

/* Bounds that keep every size far below 2^63: the importer allows 2^20 channels. */
enum { MAX_TOKENS = 1 << 20, MAX_THREADS = 1024 };

typedef struct Planner {
  const MambaTarget *target;
  int64_t tokens, threads;
  bool pack; /* the weights of linear_i8, and 4-bit ones */
  MlirOperation *ops;
  intptr_t op_count;
  ArenaBuffer *buffers;
  size_t count;
  size_t *first_buffer; /* of op i: its results' in order, then its scratch; see hasBuffer */
  /* Of a GPU that decodes: */
  int64_t layers;         /* that fused kernels compute: all or none */
  int64_t sums_bytes;     /* of a layer's integer sums */
  int64_t exchange_bytes; /* of what the persistent kernel's blocks hand each other */
  const char *apart;      /* why one kernel cannot compute all of them, or NULL */
  const char *forced;     /* "graph", "persistent" or "": the cheaper one */
  DecodeWay way;
  DecodeCost costs[2]; /* of both ways */
} Planner;

static bool isKernel(MlirOperation op) {
  return mlirOperationGetNumResults(op) > 0 && kernelName(op) &&
         !mambaIsConstant(mlirOperationGetResult(op, 0));
}

static int64_t scratchBytes(const Planner *p, MlirOperation op) {
  return mambaOpIs(op, MAMBA_OP_HADAMARD_QUANT) && !mambaTargetIsCuda(p->target)
             ? p->threads * mambaChannels(mambaOperand(op, "input")) * (int64_t)sizeof(float)
             : 0;
}

static intptr_t indexOf(const Planner *p, MlirOperation op) {
  intptr_t low = 0, high = p->op_count;
  while (low + 1 < high) {
    const intptr_t middle = low + (high - low) / 2;
    if (mlirOperationEqual(p->ops[middle], op) || mlirOperationIsBeforeInBlock(p->ops[middle], op))
      low = middle;
    else
      high = middle;
  }
  return low;
}

static intptr_t lastUse(const Planner *p, MlirValue value, intptr_t at) {
  intptr_t last = at;
  MlirOpOperand use = mlirValueGetFirstUse(value);
  for (; !mlirOpOperandIsNull(use); use = mlirOpOperandGetNextUse(use)) {
    const intptr_t index = indexOf(p, mlirOpOperandGetOwner(use));
    last = index > last ? index : last;
  }
  return last;
}

/* ---- Weights ---------------------------------------------------------------------------------------- */

static bool canPack(MlirValue weight) {
  return !mambaIsPacked(weight) && mambaIsConstant(weight) && mambaDim(weight, 0) >= 1 &&
         mambaDim(weight, 0) <= INT32_MAX && mambaDim(weight, 1) >= 1 &&
         mambaDim(weight, 1) <= MAMBA_LINEAR_I8_MAX_K;
}

/* The weight in the layout of pack.h, by an earlier op where there is one. */
static MlirValue packed(MlirOperation op, MlirValue weight) {
  MlirOpOperand use = mlirValueGetFirstUse(weight);
  for (; !mlirOpOperandIsNull(use); use = mlirOpOperandGetNextUse(use)) {
    const MlirOperation user = mlirOpOperandGetOwner(use);
    if (mambaOpIs(user, MAMBA_OP_PACK) && mlirOperationIsBeforeInBlock(user, op))
      return mlirOperationGetResult(user, 0);
  }
  MambaBuilder builder = builderAfter(weight, mlirOperationGetBlock(op));
  const size_t bytes = mamba_packed_i8_bytes((int32_t)mambaDim(weight, 0), (int32_t)mambaDim(weight, 1));
  const int64_t shape[] = {(int64_t)(bytes / MAMBA_PACK_BLOCK), MAMBA_PACK_ROWS, MAMBA_PACK_DEPTH};
  const MlirStringRef name = withoutSuffix(mambaValueName(weight), ".q");
  const MlirValue none = {NULL};
  return mambaBuildSimple(&builder, MAMBA_OP_PACK, suffixed(builder.context, name, ".packed"),
                          mambaTensorType(builder.context, MAMBA_ELEMENT_I8, 3, shape), weight, none);
}

/* The 4-bit weights that `weight` stands for, in the layout of pack_i4.h that suits the op. */
static MlirValue packedI4(MlirOperation op, MlirValue weight) {
  const MlirOperation scaled = mambaDefiningOp(weight);
  const MlirValue q = mambaOperand(scaled, "input"), scales = mambaOperand(scaled, "scales");
  const bool blocks = mambaOpIs(op, MAMBA_OP_LINEAR_I8);
  const int64_t rows = mambaDim(q, 0), groups = mambaDim(scales, 1);
  const int64_t shape[] = {blocks ? (int64_t)mamba_pack_groups((int32_t)rows) * MAMBA_PACK_ROWS : rows,
                           groups, mambaDim(q, 1) / groups / 2 + 1};
  MambaBuilder builder = mambaBuilderBefore(op);
  const MlirStringRef name = withoutSuffix(mambaValueName(weight), ".q");
  MambaOpState state = {.kind = MAMBA_OP_PACK_I4,
                        .location = suffixed(builder.context, name, ".packed"),
                        .operands = {q, scales},
                        .results = {mambaTensorType(builder.context, MAMBA_ELEMENT_I8, 3, shape)},
                        .result_count = 1};
  mambaSetString(&state, "layout", mambaRef(blocks ? "blocks" : "rows"));
  return mlirOperationGetResult(mambaBuild(&builder, &state), 0);
}

static MambaStatus packWeights(MlirBlock body, MambaError *error) {
  for (MlirOperation op = mlirBlockGetFirstOperation(body); !mlirOperationIsNull(op);
       op = mlirOperationGetNextInBlock(op)) {
    const MlirValue weight = mambaOperand(op, "weight");
    const bool integers = mambaOpIs(op, MAMBA_OP_LINEAR_I8);
    if (!integers && !mambaOpIs(op, MAMBA_OP_LINEAR_W8))
      continue;
    if (mambaDefiningKind(weight) == MAMBA_OP_SCALE_GROUPS)
      mlirOperationSetOperand(op, mambaOperandIndex(op, "weight"), packedI4(op, weight));
    else if (integers && canPack(weight))
      mlirOperationSetOperand(op, mambaOperandIndex(op, "weight"), packed(op, weight));
  }
  return mambaEraseUnused(body, error);
}

/* ---- Buffers ---------------------------------------------------------------------------------------- */

static ArenaBuffer *bufferOf(const Planner *p, MlirValue value) {
  const MlirOperation op = mambaDefiningOp(value);
  if (mlirOperationIsNull(op) || !isKernel(op) || valueIsReturned(value))
    return NULL;
  return &p->buffers[p->first_buffer[indexOf(p, op)] + (size_t)mlirOpResultGetResultNumber(value)];
}

/* add_rms_norm_quant may write the sum over the residual stream that it reads, where nothing else reads that
 * later: the two are one buffer, that of the first. */
static ArenaBuffer *sharedBuffer(const Planner *p, MlirOperation op, intptr_t at, intptr_t result) {
  if (!mambaOpIs(op, MAMBA_OP_ADD_RMS_NORM_QUANT) || result != 0)
    return NULL;
  const MlirValue input = mambaOperand(op, "input");
  return lastUse(p, input, at) == at ? bufferOf(p, input) : NULL;
}

static void addBuffer(Planner *p, int64_t bytes, intptr_t first, intptr_t last) {
  p->buffers[p->count++] = (ArenaBuffer){.bytes = bytes, .first = first, .last = last};
}

static void addOp(Planner *p, intptr_t at) {
  const MlirOperation op = p->ops[at];
  p->first_buffer[at] = p->count;
  for (intptr_t i = 0, n = mlirOperationGetNumResults(op); i < n; i++) {
    const MlirValue value = mlirOperationGetResult(op, i);
    const int64_t bytes = p->tokens * mambaChannels(value) * (int64_t)mambaElementSize(mambaElementOf(value));
    /* The caller of the program has the memory of what @forward returns. */
    addBuffer(p, valueIsReturned(value) ? 0 : bytes, at, lastUse(p, value, at));
  }
  if (scratchBytes(p, op))
    addBuffer(p, scratchBytes(p, op), at, at);
}

/* A chain of sums in place is one buffer from the first sum to the last use; the links keep no memory of
 * their own. */
static void joinSums(Planner *p, ArenaBuffer **root) {
  for (intptr_t at = 0; at < p->op_count; at++) {
    if (!isKernel(p->ops[at]))
      continue;
    ArenaBuffer *shared = sharedBuffer(p, p->ops[at], at, 0);
    if (!shared)
      continue;
    const size_t sum = p->first_buffer[at];
    root[sum] = root[shared - p->buffers] ? root[shared - p->buffers] : shared;
    root[sum]->last = p->buffers[sum].last > root[sum]->last ? p->buffers[sum].last : root[sum]->last;
    p->buffers[sum].bytes = 0;
  }
}

/* ---- Decode on a GPU -------------------------------------------------------------------------------- */

/* The results of an op stay until op `last` has run, too. */
static void keepResults(Planner *p, MlirOperation op, intptr_t last) {
  ArenaBuffer *buffers = &p->buffers[p->first_buffer[indexOf(p, op)]];
  for (intptr_t i = 0, n = mlirOperationGetNumResults(op); i < n; i++)
    buffers[i].last = buffers[i].last > last ? buffers[i].last : last;
}

/* Marks the layers that fused kernels compute for single tokens: all layers or none, since the last of the
 * three adds the layer's result to the residual stream and the first counts on that. */
static void groupLayers(Planner *p) {
  DecodeLayer layer, first;
  int64_t scans = 0;
  p->apart = NULL;
  for (intptr_t at = 0; at < p->op_count; at++) {
    decodeUnmark(p->ops[at]);
    scans += mambaOpIs(p->ops[at], MAMBA_OP_SELECTIVE_SCAN_QUANT);
  }
  for (intptr_t at = 0; at < p->op_count && mambaTargetIsCuda(p->target); at++) {
    if (!decodeLayerMatch(p->ops[at], &layer) ||
        !sharedBuffer(p, layer.next, indexOf(p, layer.next), 0)) /* so that the sum can be in place */
      continue;
    first = p->layers ? first : layer;
    if (!p->apart)
      p->apart = !decodeLayerPersists(&layer) ? "layers of a type or transform that it does not take"
                 : !decodeLayersAreAlike(&first, &layer) ? "layers that differ in sizes, types or transforms"
                                                         : NULL;
    p->exchange_bytes = decodeLayerExchange(&layer);
    decodeLayerMark(&layer, p->layers++);
    keepResults(p, layer.norm, indexOf(p, layer.conv)); /* one kernel reads them and convolves */
    const int64_t sums = decodeLayerSums(&layer, mambaCudaLayerRows(p->tokens));
    p->sums_bytes = sums > p->sums_bytes ? sums : p->sums_bytes;
  }
  if (p->layers == scans)
    return;
  p->layers = 0;
  for (intptr_t at = 0; at < p->op_count; at++)
    decodeUnmark(p->ops[at]);
}

/* Takes the cheaper way, or the one that is asked for. */
static bool chooseWay(Planner *p, MlirOperation module) {
  const bool can_persist = p->layers > 0 && !p->apart;
  if (!strcmp(p->forced, "persistent") && !can_persist) {
    mambaEmitError(
        module, "mamba-plan: decode: expected layers that one kernel can compute, for persistent; found %s",
        p->layers ? p->apart : "layers that have a kernel for each op (docs/cuda.md)");
    return false;
  }
  for (int way = DECODE_GRAPH; way <= (can_persist ? DECODE_PERSISTENT : DECODE_GRAPH); way++)
    p->costs[way] = decodeCostOfProgram(module, p->ops, p->op_count, p->target, (DecodeWay)way);
  const bool is_cheaper = can_persist && p->costs[DECODE_PERSISTENT].seconds < p->costs[DECODE_GRAPH].seconds;
  p->way = *p->forced   ? (!strcmp(p->forced, "persistent") ? DECODE_PERSISTENT : DECODE_GRAPH)
           : is_cheaper ? DECODE_PERSISTENT
                        : DECODE_GRAPH;
  if (p->way == DECODE_GRAPH && can_persist) /* for what it says about each kernel */
    decodeCostOfProgram(module, p->ops, p->op_count, p->target, DECODE_GRAPH);
  return true;
}

/* Integer sums, which are zero between layers and between runs, and the table of layers that the persistent
 * kernel reads, with what its blocks hand each other behind it, get memory that nothing else uses: the last
 * buffers. */
static void addDecodeBuffers(Planner *p) {
  if (p->layers)
    addBuffer(p, p->sums_bytes, 0, p->op_count);
  if (p->way == DECODE_PERSISTENT)
    addBuffer(p, p->layers * MAMBA_CUDA_LAYER_BYTES + p->exchange_bytes, 0, p->op_count);
}

/* ---- Attributes ------------------------------------------------------------------------------------- */

static void nameKernel(const Planner *p, MlirOperation op) {
  char kernel[64]; /* mamba_cuda_NAME for mamba_NAME */
  snprintf(kernel, sizeof kernel, "mamba_%s%s", mambaTargetIsCuda(p->target) ? "cuda_" : "",
           kernelName(op) + strlen("mamba_"));
  setStringAttribute(op, "mamba.kernel", kernel);
}

static void annotate(const Planner *p, intptr_t at, ArenaBuffer *const *root) {
  const MlirOperation op = p->ops[at];
  const intptr_t results = mlirOperationGetNumResults(op);
  int64_t offsets[MAMBA_MAX_RESULTS];
  for (intptr_t i = 0; i < results; i++) {
    const size_t index = p->first_buffer[at] + (size_t)i;
    const ArenaBuffer *buffer = root[index] ? root[index] : &p->buffers[index];
    offsets[i] = valueIsReturned(mlirOperationGetResult(op, i)) ? -1 : buffer->offset;
  }
  mlirOperationSetDiscardableAttributeByName(
      op, mambaRef("mamba.offsets"), mlirDenseI64ArrayGet(mlirOperationGetContext(op), results, offsets));
  removeAttribute(op, "mamba.scratch"); /* of an earlier plan */
  if (scratchBytes(p, op))
    setIntAttribute(op, "mamba.scratch", p->buffers[p->first_buffer[at] + (size_t)results].offset);
}

/* Why the layers are run as they are. */
static void explainWay(const Planner *p, char *why, size_t size) {
  const DecodeCost *graph = &p->costs[DECODE_GRAPH], *persistent = &p->costs[DECODE_PERSISTENT];
  if (!p->layers)
    snprintf(why, size, "the layers have a kernel for each op: %.3f ms", 1e3 * graph->seconds);
  else if (p->apart)
    snprintf(why, size, "one kernel cannot compute %s: %.3f ms with %lld launches", p->apart,
             1e3 * graph->seconds, (long long)graph->launches);
  else
    snprintf(why, size,
             "%s: a graph takes %.3f ms with %lld launches, a persistent kernel for all layers %.3f ms with "
             "%lld launches and %lld exchanges",
             *p->forced ? "asked for" : "predicted to be faster", 1e3 * graph->seconds,
             (long long)graph->launches, 1e3 * persistent->seconds, (long long)persistent->launches,
             (long long)persistent->exchanges);
}

/* How a token is decoded on a GPU, and what that will cost: for the program, people, and mamba-compile. */
static void annotateDecode(const Planner *p, MlirOperation forward) {
  static const char *const names[] = {"mamba.decode",       "mamba.decode_why",      "mamba.decode_ns",
                                      "mamba.decode_bytes", "mamba.decode_launches", "mamba.decode_exchanges",
                                      "mamba.decode_sums",  "mamba.decode_rows",     "mamba.decode_table"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    removeAttribute(forward, names[i]);
  if (!mambaTargetIsCuda(p->target))
    return;
  const DecodeCost *cost = &p->costs[p->way];
  const ArenaBuffer *last = &p->buffers[p->count - 1];
  const bool is_persistent = p->way == DECODE_PERSISTENT;
  char why[256];
  explainWay(p, why, sizeof why);
  setStringAttribute(forward, "mamba.decode", is_persistent ? "persistent" : "graph");
  setStringAttribute(forward, "mamba.decode_why", why);
  setIntAttribute(forward, "mamba.decode_ns", (int64_t)(1e9 * cost->seconds));
  setIntAttribute(forward, "mamba.decode_bytes", cost->bytes);
  setIntAttribute(forward, "mamba.decode_launches", cost->launches);
  if (p->layers) {
    setIntAttribute(forward, "mamba.decode_sums", last[-(int)is_persistent].offset);
    setIntAttribute(forward, "mamba.decode_rows", mambaCudaLayerRows(p->tokens));
  }
  if (is_persistent) {
    setIntAttribute(forward, "mamba.decode_exchanges", cost->exchanges);
    setIntAttribute(forward, "mamba.decode_table", last->offset);
  }
}

/* ---- The pass --------------------------------------------------------------------------------------- */

/* Options that are not given take the target's defaults. */
static bool readOptions(MlirOperation module, const MambaPlanOptions *options, Planner *p) {
  enum { CPU_TOKENS = 64, CUDA_TOKENS = 512, CPU_THREADS = 16 };
  p->target = mambaTargetFind(options->target);
  if (!p->target) {
    char expected[512];
    mambaTargetDescribeUnknown(options->target, expected, sizeof expected);
    mambaEmitError(module, "mamba-plan: target: %s", expected);
    return false;
  }
  const bool cuda = mambaTargetIsCuda(p->target);
  p->forced = options->decode;
  const int64_t max_threads = cuda ? 1 : MAX_THREADS;
  p->pack = *options->layout ? !strcmp(options->layout, "packed") : !cuda;
  p->tokens = options->tokens != -1 ? options->tokens : cuda ? CUDA_TOKENS : CPU_TOKENS;
  p->threads = options->threads != -1 ? options->threads : cuda ? 1 : CPU_THREADS;
  if (*options->layout && !p->pack && strcmp(options->layout, "rows"))
    mambaEmitError(module, "mamba-plan: layout: expected packed or rows, found '%s'", options->layout);
  else if (cuda && p->pack)
    mambaEmitError(module, "mamba-plan: layout: expected rows for target %s, found packed", p->target->name);
  else if (*options->decode &&
           (!cuda || (strcmp(options->decode, "graph") && strcmp(options->decode, "persistent"))))
    mambaEmitError(module, "mamba-plan: decode: expected %s, found '%s'",
                   cuda ? "graph or persistent" : "nothing for target cpu", options->decode);
  else if (p->tokens < 1 || p->tokens > MAX_TOKENS)
    mambaEmitError(module, "mamba-plan: tokens: expected 1 to %d, found %lld", MAX_TOKENS,
                   (long long)p->tokens);
  else if (p->threads < 1 || p->threads > max_threads)
    mambaEmitError(module, "mamba-plan: threads: expected 1 to %lld for target %s, found %lld",
                   (long long)max_threads, p->target->name, (long long)p->threads);
  else
    return true;
  return false;
}

/* What only the CPU's kernels do; NULL for the rest. */
static const char *missingOnCuda(MlirOperation op) {
  switch (mambaOpKind(op)) {
  case MAMBA_OP_LINEAR_W8:
    return "integer weights with float activations";
  case MAMBA_OP_SCALE_GROUPS:
  case MAMBA_OP_PACK_I4:
    return "4-bit weights";
  case MAMBA_OP_SELECTIVE_SCAN_QUANT:
    return mambaStateElement(op) == MAMBA_ELEMENT_I8 ? "a scan's state in int8" : NULL;
  default:
    return NULL;
  }
}

static bool checkOps(const Planner *p) {
  for (intptr_t i = 0; i < p->op_count; i++) {
    const MlirOperation op = p->ops[i];
    if (!checkKernelLevel(op))
      return false;
    if (mambaTargetIsCuda(p->target) && mambaOpIs(op, MAMBA_OP_LINEAR_I8) &&
        mambaIsPacked(mambaOperand(op, "weight"))) {
      mambaEmitError(op, "expected a weight in rows for target %s, found a packed one", p->target->name);
      return false;
    }
    const char *missing = mambaTargetIsCuda(p->target) ? missingOnCuda(op) : NULL;
    if (missing) {
      mambaEmitError(op, "target %s has no kernel for %s: compile for the CPU, or with another recipe",
                     p->target->name, missing);
      return false;
    }
    for (intptr_t r = 0, n = mlirOperationGetNumResults(op); isKernel(op) && r < n; r++)
      if (mambaChannels(mlirOperationGetResult(op, r)) == MAMBA_DYNAMIC ||
          mambaChannels(mlirOperationGetResult(op, r)) > (int64_t)1 << 31) {
        mambaEmitError(op, "expected a static number of channels, at most 2^31");
        return false;
      }
  }
  return true;
}

bool mambaPassPlan(MlirOperation module, const MambaPlanOptions *options) {
  const MlirBlock body = mambaForwardBody(module);
  Planner p = {.target = NULL};
  ArenaBuffer **root = NULL;
  MambaError error;
  bool ok = false;
  if (!readOptions(module, options, &p))
    return false;
  if (mlirBlockIsNull(body)) {
    mambaEmitError(module, "expected a function @forward with one block");
    return false;
  }
  if ((p.pack && packWeights(body, &error) != MAMBA_OK) ||
      mambaBlockOperations(body, &p.ops, &p.op_count, &error) != MAMBA_OK) {
    mambaEmitError(module, "%s", error.message);
    return false;
  }
  if (!checkOps(&p))
    goto cleanup;
  size_t most = 3;
  for (intptr_t i = 0; i < p.op_count; i++)
    most += (size_t)mlirOperationGetNumResults(p.ops[i]) + 1;
  p.buffers = calloc(most, sizeof *p.buffers);
  p.first_buffer = calloc((size_t)p.op_count + 1, sizeof *p.first_buffer);
  root = calloc(most, sizeof(ArenaBuffer *));
  if (!p.buffers || !p.first_buffer || !root) {
    mambaEmitError(module, "cannot allocate a plan of %zu buffers", most);
    goto cleanup;
  }
  for (intptr_t i = 0; i < p.op_count; i++)
    if (isKernel(p.ops[i])) {
      nameKernel(&p, p.ops[i]);
      addOp(&p, i);
    }
  joinSums(&p, root);
  groupLayers(&p);
  if (mambaTargetIsCuda(p.target) && !chooseWay(&p, module))
    goto cleanup;
  addDecodeBuffers(&p);
  const int64_t arena = arenaPack(p.buffers, p.count);
  for (intptr_t i = 0; i < p.op_count; i++)
    if (isKernel(p.ops[i]))
      annotate(&p, i, root);
  const MlirOperation forward = mambaForward(module);
  setIntAttribute(forward, "mamba.arena", arena);
  setStringAttribute(forward, "mamba.target", p.target->name);
  setIntAttribute(forward, "mamba.tokens", p.tokens);
  setIntAttribute(forward, "mamba.threads", p.threads);
  annotateDecode(&p, forward);
  ok = true;

cleanup:
  free(root);
  free(p.first_buffer);
  free(p.buffers);
  free(p.ops);
  return ok;
}
