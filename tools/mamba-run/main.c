/* mamba-run: runs a model at any level of IR in the reference executor, or a bundle by its own program. */
#include "cli.h"
#include "cli_pages.h"
#include "run.h"

#include "mamba/calibrate.h"
#include "mamba/suggest.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

typedef enum Command {
  GENERATE,
  PERPLEXITY,
  EVALUATE,
  COMPARE,
  LOGITS,
  SELFTEST,
  VIEW,
  MERGE,
  COMMAND_COUNT
} Command;

static const struct {
  const char *name;
  int operands; /* MERGE: at least */
  const char *takes;
} kCommands[COMMAND_COUNT] = {
    [GENERATE] = {"generate", 2, "INPUT PROMPT"}, [PERPLEXITY] = {"perplexity", 2, "INPUT FILE"},
    [EVALUATE] = {"evaluate", 1, "INPUT"},        [MERGE] = {"merge-statistics", 2, "FILE FILE ..."},
    [COMPARE] = {"compare", 2, "INPUT INPUT"},    [LOGITS] = {"logits", 1, "INPUT"},
    [SELFTEST] = {"selftest", 1, "INPUT"},        [VIEW] = {"view", 1, "INPUT"},
};

/* The options, from 256 on, in the order of kOptions. */
enum {
  KEY_TOKENS = 256,
  KEY_TEMPERATURE,
  KEY_TOP_K,
  KEY_TOP_P,
  KEY_SEED,
  KEY_WINDOW,
  KEY_STRIDE,
  KEY_LIMIT,
  KEY_LAMBADA,
  KEY_EXAMPLES,
  KEY_AGAINST,
  KEY_IDS,
  KEY_TEXT,
  KEY_DATA,
  KEY_OUT,
  KEY_SPLIT,
  KEY_JSON,
  KEY_TOKENIZER,
  KEY_THREADS,
  KEY_END,
};

static const MambaCliOption kOptions[KEY_END - KEY_TOKENS] = {
    {KEY_TOKENS, "tokens", "N", "generate: the most tokens to write (100)"},
    {KEY_TEMPERATURE, "temperature", "T", "generate: 0 (the default) takes the most probable token"},
    {KEY_TOP_K, "top-k", "K", "generate: one of the K most probable tokens; 0 (the default): of all"},
    {KEY_TOP_P, "top-p", "P", "generate: of the fewest tokens with probability P together (1)"},
    {KEY_SEED, "seed", "N", "generate: the same seed gives the same text (0)"},
    {KEY_WINDOW, "window", "N", "perplexity, evaluate: tokens that are read together (1024)"},
    {KEY_STRIDE, "stride", "N",
     "evaluate: windows begin at every N-th token, and predict what earlier ones\nhave not; the default is "
     "the window"},
    {KEY_LIMIT, "limit-tokens", "N",
     "perplexity, evaluate, compare, logits: only the first N tokens;\n0 (the default): all"},
    {KEY_LAMBADA, "lambada", "FILE",
     "evaluate: texts as {\"text\": ...}, one a line, whose last words are to be found"},
    {KEY_EXAMPLES, "limit-examples", "N", "evaluate: only the first N of them; 0 (the default): all"},
    {KEY_AGAINST, "against", "INPUT",
     "evaluate: another model, such as the float one, to measure the distance from"},
    {KEY_IDS, "ids", "LIST", "compare, logits: token ids, as 1,2,3, or a file of them"},
    {KEY_TEXT, "text", "TEXT", "compare, logits: a text instead"},
    {KEY_DATA, "data", "FILE",
     "evaluate, compare, logits: a file of text, or .safetensors or .npy of\ntoken ids"},
    {'o', "out", "FILE",
     "logits: where to write float32 [tokens, vocabulary]; view: the page;\nmerge-statistics: the file"},
    {KEY_SPLIT, "split", "N", "logits: give the model N tokens at a time"},
    {KEY_JSON, "json", NULL, "perplexity, evaluate, compare: print JSON"},
    {KEY_TOKENIZER, "tokenizer", "FILE", "tokenizer.json or tokenizer.bin (default: beside the checkpoint)"},
    {KEY_THREADS, "threads", "N", "workers; 0 (the default): one per processor"},
};

/* Bit c of entry i: command c takes option i. */
static const unsigned kTakenBy[KEY_END - KEY_TOKENS] = {
    [KEY_TOKENS - 256] = 1 << GENERATE,
    [KEY_TEMPERATURE - 256] = 1 << GENERATE,
    [KEY_TOP_K - 256] = 1 << GENERATE,
    [KEY_TOP_P - 256] = 1 << GENERATE,
    [KEY_SEED - 256] = 1 << GENERATE,
    [KEY_WINDOW - 256] = 1 << PERPLEXITY | 1 << EVALUATE,
    [KEY_STRIDE - 256] = 1 << EVALUATE,
    [KEY_LAMBADA - 256] = 1 << EVALUATE,
    [KEY_EXAMPLES - 256] = 1 << EVALUATE,
    [KEY_AGAINST - 256] = 1 << EVALUATE,
    [KEY_LIMIT - 256] = 1 << PERPLEXITY | 1 << EVALUATE | 1 << COMPARE | 1 << LOGITS,
    [KEY_IDS - 256] = 1 << COMPARE | 1 << LOGITS,
    [KEY_TEXT - 256] = 1 << COMPARE | 1 << LOGITS,
    [KEY_DATA - 256] = 1 << EVALUATE | 1 << COMPARE | 1 << LOGITS,
    [KEY_OUT - 256] = 1 << LOGITS | 1 << VIEW | 1 << MERGE,
    [KEY_SPLIT - 256] = 1 << LOGITS,
    [KEY_JSON - 256] = 1 << PERPLEXITY | 1 << EVALUATE | 1 << COMPARE,
    [KEY_TOKENIZER - 256] = 1 << GENERATE | 1 << PERPLEXITY | 1 << EVALUATE | 1 << COMPARE | 1 << LOGITS,
    [KEY_THREADS - 256] = 1 << GENERATE | 1 << PERPLEXITY | 1 << EVALUATE | 1 << COMPARE | 1 << LOGITS,
};

static bool takes(const char *command, size_t option) {
  unsigned c = 0;
  while (c < COMMAND_COUNT && strcmp(command, kCommands[c].name) != 0)
    c++;
  return kTakenBy[option] >> c & 1;
}

static const MambaCli kCli = {
    .program = "mamba-run",
    .usage = "generate INPUT PROMPT [OPTION ...]\n"
             "perplexity INPUT FILE [OPTION ...]\n"
             "evaluate INPUT --data=FILE [--against=INPUT] [--lambada=FILE] [OPTION ...]\n"
             "compare INPUT INPUT --data=FILE [OPTION ...]\n"
             "logits INPUT --ids=LIST --out=FILE [OPTION ...]\n"
             "selftest INPUT [OPTION ...]\n"
             "view INPUT -o FILE.html\n"
             "merge-statistics FILE FILE ... -o FILE\n"
             "bench BUNDLE [OPTION ...]",
    .summary =
        "Runs a Mamba language model. INPUT is a checkpoint (a folder or a GGUF file), IR (.mlir or\n"
        "bytecode; - for standard input), or a bundle that mamba-compile wrote and that was built.\n\n"
        "  generate    continue a text\n"
        "  perplexity  how well the model predicts a text (FILE: -, text, .safetensors or .npy)\n"
        "  evaluate    the same with strides, LAMBADA's last words, and the distance from another model\n"
        "  compare     the error of every value of the second model, worst first\n"
        "  logits      the model's raw output\n"
        "  selftest    threads, batches and the split into calls must not change a bit\n"
        "  view        a page (HTML) that shows the module: layers, ops, scales, weights\n"
        "  merge-statistics  one file from those of calibrations in parts\n"
        "  bench       how fast a bundle is on this machine; its options: BUNDLE/run --help\n",
    .footer = "  mamba-run generate models/tiny 'The old man' --tokens=32\n"
              "  mamba-run perplexity tiny.int8.mlir wiki.test.raw --limit-tokens=20480\n"
              "  mamba-run compare models/tiny tiny.int8.mlir --data=calib.txt --limit-tokens=1024\n"
              "\nA bundle takes its program's own options and defaults: BUNDLE/run --help.\n"
              "Exit codes: 0 ok, 1 bad input, 2 bad usage.\n",
    .options = kOptions,
    .option_count = sizeof kOptions / sizeof kOptions[0],
    .takes = takes,
};

typedef struct Invocation {
  Command command;
  char **operands;
  int operand_count;
  RunOptions options;
  bool given[KEY_END - KEY_TOKENS];
} Invocation;

/* ---- Options ---------------------------------------------------------------------------------------- */

static bool setOption(RunOptions *o, int key, const char *value) {
  switch (key) {
  case KEY_TOKENS:
    return mambaCliInteger(&kCli, "tokens", value, 0, INT32_MAX, &o->tokens);
  case KEY_TEMPERATURE:
    return mambaCliNumber(&kCli, "temperature", value, 0, 1e6, &o->temperature);
  case KEY_TOP_K:
    return mambaCliInteger(&kCli, "top-k", value, 0, INT32_MAX, &o->top_k);
  case KEY_TOP_P:
    return mambaCliNumber(&kCli, "top-p", value, 0, 1, &o->top_p);
  case KEY_SEED:
    return mambaCliInteger(&kCli, "seed", value, 0, INT64_MAX, &o->seed);
  case KEY_WINDOW:
    return mambaCliInteger(&kCli, "window", value, 2, INT32_MAX, &o->window);
  case KEY_LIMIT:
    return mambaCliInteger(&kCli, "limit-tokens", value, 0, INT64_MAX, &o->limit);
  case KEY_STRIDE:
    return mambaCliInteger(&kCli, "stride", value, 1, INT32_MAX, &o->stride);
  case KEY_EXAMPLES:
    return mambaCliInteger(&kCli, "limit-examples", value, 0, INT64_MAX, &o->limit_examples);
  case KEY_LAMBADA:
    o->lambada = value;
    return true;
  case KEY_AGAINST:
    o->against = value;
    return true;
  case KEY_SPLIT:
    return mambaCliInteger(&kCli, "split", value, 0, INT32_MAX, &o->split);
  case KEY_THREADS:
    return mambaCliInteger(&kCli, "threads", value, 0, 1024, &o->threads);
  case KEY_IDS:
    o->ids = value;
    return true;
  case KEY_TEXT:
    o->text = value;
    return true;
  case KEY_DATA:
    o->data = value;
    return true;
  case 'o':
    o->out = value;
    return true;
  case KEY_TOKENIZER:
    o->tokenizer = value;
    return true;
  default:
    o->json = true;
    return true;
  }
}

static int checkUsage(const Invocation *in) {
  const char *command = kCommands[in->command].name;
  const RunOptions *o = &in->options;
  const int sources = (o->ids != NULL) + (o->text != NULL) + (o->data != NULL);
  for (size_t i = 0; i < kCli.option_count; i++)
    if (in->given[i] && !(kTakenBy[i] >> in->command & 1))
      return mambaCliUsageError(&kCli, "%s has no option --%s", command, kOptions[i].name);
  if ((in->command == COMPARE || in->command == LOGITS) && sources != 1)
    return mambaCliUsageError(&kCli, "%s takes one of --ids, --text and --data, found %d", command, sources);
  if (in->command == EVALUATE && !o->data && !o->lambada)
    return mambaCliUsageError(&kCli, "evaluate needs --data=FILE or --lambada=FILE");
  if ((in->command == LOGITS || in->command == VIEW || in->command == MERGE) && !o->out)
    return mambaCliUsageError(&kCli, "%s needs --out=FILE", command);
  return -1;
}

static int refuseCommand(const char *name) {
  const char *names[COMMAND_COUNT + 1] = {[COMMAND_COUNT] = "bench"};
  char expected[256];
  for (int c = 0; c < COMMAND_COUNT; c++)
    names[c] = kCommands[c].name;
  mambaSuggestDescribe(name, strlen(name), names, COMMAND_COUNT + 1, sizeof *names, expected,
                       sizeof expected);
  return mambaCliUsageError(&kCli, "command: %s", expected);
}

/* Reads the command line; gives an exit code, or -1 to go on. */
static int readCommandLine(int argc, char **argv, Invocation *in) {
  const char *value;
  for (int key; (key = mambaCliNext(&kCli, argc, argv, &value)) != MAMBA_CLI_END;) {
    if (key == MAMBA_CLI_DONE)
      return MAMBA_EXIT_OK;
    if (key == MAMBA_CLI_ERROR || !setOption(&in->options, key, value))
      return MAMBA_EXIT_USAGE;
    in->given[(key == 'o' ? KEY_OUT : key) - KEY_TOKENS] = true;
  }
  const int count = argc - optind - 1;
  if (count < 0)
    return mambaCliUsageError(
        &kCli, "expected a command: generate, perplexity, compare, logits, selftest, view or bench");
  const char *name = argv[optind];
  while (in->command < COMMAND_COUNT && strcmp(name, kCommands[in->command].name) != 0)
    in->command++;
  if (in->command == COMMAND_COUNT)
    return refuseCommand(name);
  in->operand_count = count;
  if (count != kCommands[in->command].operands &&
      !(in->command == MERGE && count > kCommands[MERGE].operands))
    return mambaCliUsageError(&kCli, "%s takes %s, found %d operands", name, kCommands[in->command].takes,
                              count);
  in->operands = argv + optind + 1;
  return checkUsage(in);
}

/* ---- Running ---------------------------------------------------------------------------------------- */

/* "run COMMAND OPTIONS -- OPERANDS" from an argv that getopt has sorted: options, perhaps "--", operands. */
static MambaStatus forwardToBundle(const Invocation *in, int argc, char **argv, MambaError *error) {
  static char separator[] = "--";
  char **arguments = calloc((size_t)argc + 2, sizeof *arguments);
  int n = 1;
  if (!arguments)
    return mambaFail(error, MAMBA_NO_MEMORY, "no memory for %d arguments", argc);
  arguments[n++] = argv[optind];
  for (int i = 1; i < optind; i++)
    if (i != optind - 1 || strcmp(argv[i], separator) != 0)
      arguments[n++] = argv[i];
  arguments[n++] = separator;
  for (int i = optind + 2; i < argc; i++)
    arguments[n++] = argv[i];
  const MambaStatus status = runBundle(in->operands[0], arguments, error);
  free(arguments);
  return status;
}

static MambaStatus runCommand(const Invocation *in, MambaError *error) {
  Model model = {0}, other = {0};
  MambaStatus status = in->command == EVALUATE ? modelOpen(in->operands[0], &in->options, &model, error)
                                               : modelLoad(in->operands[0], &in->options, &model, error);
  if (status)
    goto cleanup;
  switch (in->command) {
  case EVALUATE:
    if (in->options.against)
      status = modelOpen(in->options.against, &in->options, &other, error);
    if (!status)
      status = runEvaluate(&in->options, &model, in->options.against ? &other : NULL, error);
    break;
  case GENERATE:
    status = runGenerate(&in->options, &model, in->operands[1], error);
    break;
  case PERPLEXITY:
    status = runPerplexity(&in->options, &model, in->operands[1], error);
    break;
  case COMPARE:
    status = modelLoad(in->operands[1], &in->options, &other, error);
    if (!status)
      status = runCompare(&in->options, &model, &other, error);
    break;
  case LOGITS:
    status = runLogits(&in->options, &model, error);
    break;
  case VIEW:
    status = runView(&in->options, &model, error);
    break;
  default:
    status = runSelftest(&model, error);
    break;
  }
cleanup:
  modelDestroy(&other);
  modelDestroy(&model);
  return status;
}

/* "bench BUNDLE OPTIONS", with options that are the bundle's own. */
static int runBench(int argc, char **argv) {
  MambaError error = {.status = MAMBA_OK};
  char *const bundle = argc > 2 ? argv[2] : NULL;
  if (!bundle || *bundle == '-')
    return mambaCliUsageError(&kCli, "bench takes BUNDLE, then options, which BUNDLE/run --help lists");
  if (!isBundle(bundle))
    return mambaCliUsageError(&kCli, "bench takes a bundle, which mamba-compile makes; found '%s'", bundle);
  argv[2] = argv[1];
  return runBundle(bundle, argv + 1, &error) ? mambaCliInputError(&kCli, &error) : MAMBA_EXIT_OK;
}

int main(int argc, char **argv) {
  if (mambaCliPages(&kCli, argc, argv))
    return MAMBA_EXIT_OK;
  if (argc > 1 && !strcmp(argv[1], "bench"))
    return runBench(argc, argv);
  Invocation in = {.options = {.tokens = 100, .top_p = 1, .window = 1024}};
  MambaError error = {.status = MAMBA_OK};
  const int early = readCommandLine(argc, argv, &in);
  if (early >= 0)
    return early;
  if (in.command == MERGE) {
    const MambaStatus merged = mambaStatisticsFilesMerge((const char *const *)in.operands,
                                                         (size_t)in.operand_count, in.options.out, &error);
    return merged ? mambaCliInputError(&kCli, &error) : MAMBA_EXIT_OK;
  }
  if (in.command == COMPARE && (isBundle(in.operands[0]) || isBundle(in.operands[1])))
    return mambaCliUsageError(&kCli, "compare takes checkpoints and IR: a bundle keeps its IR in model.mlir");
  if (in.command == VIEW && isBundle(in.operands[0]))
    return mambaCliUsageError(&kCli, "view takes checkpoints and IR: a bundle keeps its IR in model.mlir");
  if (in.command != EVALUATE && isBundle(in.operands[0]))
    return forwardToBundle(&in, argc, argv, &error) ? mambaCliInputError(&kCli, &error) : MAMBA_EXIT_OK;
  return runCommand(&in, &error) ? mambaCliInputError(&kCli, &error) : MAMBA_EXIT_OK;
}
