/* `run`: the model on the command line. Exit codes: 0 ok, 1 bad input, 2 bad usage. */
#if defined(__unix__) || defined(__APPLE__)
#define _POSIX_C_SOURCE 200809L
#include <unistd.h>
#define is_terminal(file) isatty(fileno(file))
#else
#define is_terminal(file) 0
#endif

#include "backend.h"
#include "bench.h"
#include "failure.h"
#include "model.h"
#include "options.h"
#include "perplexity.h"
#include "sampling.h"
#include "selftest.h"
#include "stream.h"
#include "token_list.h"
#include "tokenizer.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_OK = 0, EXIT_INPUT = 1, EXIT_USAGE = 2 };

enum {
  WEIGHTS,
  TOKENIZER,
  THREADS,
  TOKENS,
  TEMPERATURE,
  TOP_K,
  TOP_P,
  SEED,
  WINDOW,
  LIMIT,
  IDS,
  OUT,
  SPLIT,
  DECODE,
  PREFILL,
  BENCH_THREADS,
  BATCH,
  REPEAT,
  GREEDY,
  JSON,
  OPTIONS
};

/* clang-format off */
static mamba_option options[OPTIONS] = {
    [WEIGHTS] = {"weights", MAMBA_OPTION_TEXT, NULL, 0, 0,
                 "FILE", "weights.bin (default: beside the program)", {NULL}},
    [TOKENIZER] = {"tokenizer", MAMBA_OPTION_TEXT, "generate perplexity", 0, 0,
                   "FILE", "tokenizer.bin (default: beside the program)", {NULL}},
    [THREADS] = {"threads", MAMBA_OPTION_INTEGER, "generate perplexity logits stream selftest", 0, 1024,
                 "N", "workers; 0 (default): one for each processor", {.integer = 0}},
    [TOKENS] = {"tokens", MAMBA_OPTION_INTEGER, "generate", 0, 1e9,
                "N", "the most tokens to write (100)", {.integer = 100}},
    [TEMPERATURE] = {"temperature", MAMBA_OPTION_NUMBER, "generate", 0, 1e6,
                     "T", "0 takes the most probable token (0.7)", {.number = 0.7}},
    [TOP_K] = {"top-k", MAMBA_OPTION_INTEGER, "generate", 0, 1e9,
               "K", "of the K most probable tokens; 0: of all (40)", {.integer = 40}},
    [TOP_P] = {"top-p", MAMBA_OPTION_NUMBER, "generate", 0, 1,
               "P", "of the fewest tokens with probability P together (1)", {.number = 1}},
    [SEED] = {"seed", MAMBA_OPTION_INTEGER, "generate", 0, 9e15,
              "N", "the same seed gives the same text (0)", {.integer = 0}},
    [WINDOW] = {"window", MAMBA_OPTION_INTEGER, "perplexity", 2, 1e9,
                "N", "tokens that are read together (1024)", {.integer = 1024}},
    [LIMIT] = {"limit-tokens", MAMBA_OPTION_INTEGER, "perplexity", 0, 1e15,
               "N", "only the first N tokens; 0 (default): all", {.integer = 0}},
    [IDS] = {"ids", MAMBA_OPTION_TEXT, "logits", 0, 0,
             "LIST", "token ids, as 1,2,3, or a file of them", {NULL}},
    [OUT] = {"out", MAMBA_OPTION_TEXT, "logits", 0, 0,
             "FILE", "for float32 [ids, vocabulary]", {NULL}},
    [SPLIT] = {"split", MAMBA_OPTION_INTEGER, "logits", 0, 1e9,
               "N", "give the model N ids at a time; 0 (default): all at once", {.integer = 0}},
    [DECODE] = {"decode", MAMBA_OPTION_INTEGER, "bench", 0, 1e6,
                "N", "write N tokens, one at a time (64); 0: do not", {.integer = 64}},
    [PREFILL] = {"prefill", MAMBA_OPTION_INTEGER, "bench", 0, 1e6,
                 "N", "read a prompt of N tokens (512); 0: do not", {.integer = 512}},
    [BENCH_THREADS] = {"threads", MAMBA_OPTION_TEXT, "bench", 0, 0,
                       "LIST", "with each of these numbers of threads, as 1,2 (1)", {.text = "1"}},
    [BATCH] = {"batch", MAMBA_OPTION_TEXT, "bench", 0, 0,
               "LIST", "with each of these numbers of sequences, as 1,8 (1)", {.text = "1"}},
    [REPEAT] = {"repeat", MAMBA_OPTION_INTEGER, "bench", 1, 1000,
                "N", "measure N times and give the median (5)", {.integer = 5}},
    [GREEDY] = {"greedy", MAMBA_OPTION_FLAG, "bench", 0, 0,
                "", "decode: fetch the most probable token, not the logits", {.integer = 0}},
    [JSON] = {"json", MAMBA_OPTION_FLAG, "bench", 0, 0, "", "print JSON", {.integer = 0}},
};
/* clang-format on */

/* What a command works with. */
typedef struct session {
  const char *folder; /* of the program, with a slash at its end; or "" */
  mamba_model *model;
  MambaTokenizer *tokenizer;
  mamba_error error;
} session;

/* ---- Files -------------------------------------------------------------------------------------- */

/* The whole file, or standard input for "-"; the caller frees *bytes. */
static bool read_file(const char *path, char **bytes, size_t *size, mamba_error *error) {
  const bool standard = !strcmp(path, "-");
  FILE *file = standard ? stdin : fopen(path, "rb");
  char *data = NULL;
  size_t used = 0, capacity = 0;
  bool ok = false;
  if (!file) {
    mamba_failure(error, MAMBA_CODE_FILE, "%s: %s", path, strerror(errno));
    goto cleanup;
  }
  for (;;) {
    if (used == capacity) {
      char *larger =
          capacity > SIZE_MAX / 2 ? NULL : realloc(data, capacity = capacity ? 2 * capacity : 1 << 16);
      if (!larger) {
        mamba_failure(error, MAMBA_CODE_MEMORY, "%s: too large for the memory", path);
        goto cleanup;
      }
      data = larger;
    }
    const size_t got = fread(data + used, 1, capacity - used, file);
    used += got;
    if (!got)
      break;
  }
  if (ferror(file)) {
    mamba_failure(error, MAMBA_CODE_FILE, "%s: %s", path, strerror(errno));
    goto cleanup;
  }
  *bytes = data;
  *size = used;
  data = NULL;
  ok = true;
cleanup:
  free(data);
  if (file && !standard)
    fclose(file);
  return ok;
}

/* `option`'s value, or `name` beside the program; NULL when memory is short. The caller frees it. */
static char *beside(const session *s, int option, const char *name) {
  const char *given = options[option].value.text;
  const char *folder = given ? "" : s->folder;
  const size_t size = strlen(folder) + strlen(given ? given : name) + 1;
  char *path = malloc(size);
  if (path)
    snprintf(path, size, "%s%s", folder, given ? given : name);
  return path;
}

static bool open_model(session *s) {
  char *path = beside(s, WEIGHTS, "weights.bin");
  mamba_code code = MAMBA_CODE_MEMORY;
  if (path)
    code = mamba_model_create(path, (int)options[THREADS].value.integer, 1, &s->model, &s->error);
  else
    mamba_failure(&s->error, MAMBA_CODE_MEMORY, "out of memory");
  free(path);
  return !code;
}

static bool open_tokenizer(session *s) {
  char *path = beside(s, TOKENIZER, "tokenizer.bin");
  char *bytes = NULL;
  size_t size = 0;
  const char *reason = NULL;
  bool ok = false;
  if (!path) {
    mamba_failure(&s->error, MAMBA_CODE_MEMORY, "out of memory");
    goto cleanup;
  }
  if (!read_file(path, &bytes, &size, &s->error)) {
    if (!options[TOKENIZER].value.text)
      mamba_failure(&s->error, MAMBA_CODE_FILE,
                    "%s: cannot be read; without a tokenizer the model knows token ids only: there are "
                    "bench, logits and selftest",
                    path);
    goto cleanup;
  }
  const MambaTokenizerResult result = mambaTokenizerCreate(bytes, size, &s->tokenizer, &reason);
  ok = result == MAMBA_TOKENIZER_OK;
  if (!ok)
    mamba_failure(&s->error, MAMBA_CODE_FILE, "%s: %s%s%s", path, mambaTokenizerResultMessage(result),
                  reason ? ": " : "", reason ? reason : "");
cleanup:
  free(bytes);
  free(path);
  return ok;
}

static bool encode(session *s, const char *text, size_t size, int32_t **ids, size_t *count) {
  const MambaTokenizerResult result = mambaTokenizerEncode(s->tokenizer, text, size, ids, count);
  if (result != MAMBA_TOKENIZER_OK)
    mamba_failure(&s->error, MAMBA_CODE_ARGUMENT, "the text: %s", mambaTokenizerResultMessage(result));
  return result == MAMBA_TOKENIZER_OK;
}

/* ---- generate ----------------------------------------------------------------------------------- */

/* Prints the characters that are complete. */
static void print_token(session *s, MambaUtf8Stream *stream, int32_t id) {
  size_t size;
  const char *bytes = mambaTokenizerGetBytes(s->tokenizer, id, &size);
  while (size) {
    char out[MAMBA_UTF8_STREAM_CAPACITY(64)];
    const size_t part = size < 64 ? size : 64;
    fwrite(out, 1, mambaUtf8StreamPush(stream, bytes, part, out), stdout);
    bytes += part;
    size -= part;
  }
  fflush(stdout);
}

/* Writes tokens behind the prompt whose logits are given; logits: [vocabulary]. */
static bool write_tokens(session *s, const float *logits) {
  const bool greedy = options[TEMPERATURE].value.number <= 0;
  const int32_t end = mamba_model_end_of_text();
  MambaUtf8Stream stream = {.count = 0};
  mamba_sampler sampler = mamba_sampler_start((mamba_sampling){
      .temperature = options[TEMPERATURE].value.number,
      .top_k = (int32_t)options[TOP_K].value.integer,
      .top_p = options[TOP_P].value.number,
      .seed = (uint64_t)options[SEED].value.integer,
  });
  mamba_draw draw = mamba_sampler_draw(&sampler);
  int32_t id = mamba_draw_token(&draw, logits, mamba_model_vocabulary());
  for (int64_t i = 0; i < options[TOKENS].value.integer && id != end; ++i) {
    print_token(s, &stream, id);
    draw = mamba_sampler_draw(&sampler);
    if (greedy ? mamba_model_step_greedy(s->model, &id, &id, &s->error)
               : mamba_model_step_sample(s->model, &id, &draw, &id, &s->error))
      return false;
  }
  char rest[MAMBA_UTF8_STREAM_CAPACITY(0)];
  fwrite(rest, 1, mambaUtf8StreamFlush(&stream, rest), stdout);
  putchar('\n');
  return true;
}

static bool generate(session *s, char **operands) {
  const int32_t end = mamba_model_end_of_text();
  int32_t *ids = NULL;
  size_t count = 0;
  bool ok = false;
  float *logits = malloc((size_t)mamba_model_vocabulary() * sizeof *logits);
  if (!logits) {
    mamba_failure(&s->error, MAMBA_CODE_MEMORY, "out of memory");
    goto cleanup;
  }
  if (!open_tokenizer(s) || !open_model(s) || !encode(s, operands[0], strlen(operands[0]), &ids, &count))
    goto cleanup;
  if (!count && end < 0) {
    mamba_failure(&s->error, MAMBA_CODE_ARGUMENT,
                  "expected a prompt: the model has no token that begins a text");
    goto cleanup;
  }
  if (mamba_model_prefill(s->model, count ? ids : &end, count ? count : 1, logits, &s->error))
    goto cleanup;
  fputs(operands[0], stdout);
  ok = write_tokens(s, logits);
cleanup:
  free(logits);
  free(ids);
  return ok;
}

/* ---- perplexity --------------------------------------------------------------------------------- */

static void show_progress(const mamba_perplexity *so_far, size_t windows) {
  fprintf(stderr, "\r%zu of %zu windows, perplexity %.4f%s", so_far->windows, windows, exp(so_far->nll),
          so_far->windows == windows ? "\n" : "");
}

static bool perplexity(session *s, char **operands) {
  char *text = NULL;
  size_t size = 0, count = 0;
  int32_t *ids = NULL;
  mamba_perplexity result;
  bool ok = read_file(operands[0], &text, &size, &s->error) && open_tokenizer(s) && open_model(s) &&
            encode(s, text, size, &ids, &count);
  const int64_t limit = options[LIMIT].value.integer;
  if (limit && count > (uint64_t)limit)
    count = (size_t)limit;
  ok = ok && !mamba_measure_perplexity(s->model, ids, count, (size_t)options[WINDOW].value.integer,
                                       is_terminal(stderr) ? show_progress : NULL, &result, &s->error);
  if (ok)
    printf("nll %.6f  perplexity %.4f  predictions %zu  windows %zu  tokens %zu\n", result.nll,
           exp(result.nll), result.predictions, result.windows, count);
  free(ids);
  free(text);
  return ok;
}

/* ---- logits ------------------------------------------------------------------------------------- */

/* The caller frees *ids. */
static bool parse_ids(const char *text, int32_t **ids, size_t *count, mamba_error *error) {
  size_t length;
  const char *wrong;
  const bool ok = mambaTokenListParse(text, ids, count, &wrong, &length);
  if (!ok && wrong)
    mamba_failure(error, MAMBA_CODE_ARGUMENT, "token %zu: expected an id, found '%.*s'", *count, (int)length,
                  wrong);
  else if (!ok)
    mamba_failure(error, MAMBA_CODE_MEMORY, "out of memory");
  return ok;
}

/* Ids from the option: a list where it has digits and separators only, else a file. */
static bool read_ids(int32_t **ids, size_t *count, mamba_error *error) {
  const char *given = options[IDS].value.text;
  if (!given[strspn(given, "0123456789, ")])
    return parse_ids(given, ids, count, error);
  char *text = NULL;
  size_t size = 0;
  if (!read_file(given, &text, &size, error))
    return false;
  bool ok = false;
  char *terminated = memchr(text, 0, size) ? NULL : realloc(text, size + 1);
  if (terminated) {
    text = terminated;
    text[size] = 0;
    ok = parse_ids(text, ids, count, error);
  } else {
    mamba_failure(error, MAMBA_CODE_ARGUMENT, "%s: expected a text of ids", given);
  }
  free(text);
  return ok;
}

static bool write_logits(session *s, const int32_t *ids, size_t count, FILE *file) {
  const size_t vocabulary = (size_t)mamba_model_vocabulary(), chunk = (size_t)mamba_model_max_sequences();
  const size_t split = options[SPLIT].value.integer ? (size_t)options[SPLIT].value.integer : chunk;
  float *logits = malloc((split < count ? split : count) * vocabulary * sizeof *logits);
  bool ok = logits;
  if (!logits)
    mamba_failure(&s->error, MAMBA_CODE_MEMORY, "no memory for the logits of %zu tokens", split);
  for (size_t done = 0; done < count && ok;) {
    const size_t tokens = count - done < split ? count - done : split;
    ok = !mamba_model_forward(s->model, ids + done, tokens, logits, &s->error);
    if (ok && fwrite(logits, sizeof *logits * vocabulary, tokens, file) != tokens) {
      mamba_failure(&s->error, MAMBA_CODE_FILE, "%s: %s", options[OUT].value.text, strerror(errno));
      ok = false;
    }
    done += tokens;
  }
  free(logits);
  return ok;
}

static bool logits(session *s, char **operands) {
  (void)operands;
  const char *path = options[OUT].value.text;
  int32_t *ids = NULL;
  size_t count = 0;
  FILE *file = NULL;
  bool ok = false;
  if (!options[IDS].value.text || !path) {
    mamba_failure(&s->error, MAMBA_CODE_ARGUMENT, "logits needs --ids and --out");
    goto cleanup;
  }
  if (!read_ids(&ids, &count, &s->error) || !open_model(s))
    goto cleanup;
  if (!count) {
    mamba_failure(&s->error, MAMBA_CODE_ARGUMENT, "expected at least one id");
    goto cleanup;
  }
  file = fopen(path, "wb");
  if (!file) {
    mamba_failure(&s->error, MAMBA_CODE_FILE, "%s: %s", path, strerror(errno));
    goto cleanup;
  }
  ok = write_logits(s, ids, count, file);
cleanup:
  if (file && fclose(file) && ok) {
    mamba_failure(&s->error, MAMBA_CODE_FILE, "%s: %s", path, strerror(errno));
    ok = false;
  }
  if (file && !ok)
    remove(path);
  free(ids);
  return ok;
}

/* ---- stream ------------------------------------------------------------------------------------- */

static bool stream(session *s, char **operands) {
  (void)operands;
  return open_model(s) && !mamba_stream(s->model, stdin, stdout, &s->error);
}

/* ---- selftest ----------------------------------------------------------------------------------- */

static bool selftest(session *s, char **operands) {
  (void)operands;
  if (!open_model(s) || mamba_selftest(s->model, &s->error))
    return false;
  printf("selftest: ok (%s)\n", mamba_backend_name());
  return true;
}

/* ---- bench -------------------------------------------------------------------------------------- */

static bool parse_counts(session *s, int option, mamba_bench_list *list) {
  if (mamba_bench_parse_list(options[option].value.text, list))
    return true;
  mamba_failure(&s->error, MAMBA_CODE_ARGUMENT, "--%s: expected at most %d counts, as 1,2,8, found '%s'",
                options[option].name, MAMBA_BENCH_LIST, options[option].value.text);
  return false;
}

static bool bench(session *s, char **operands) {
  (void)operands;
  mamba_bench what = {
      .decode = options[DECODE].value.integer,
      .prefill = options[PREFILL].value.integer,
      .repeats = options[REPEAT].value.integer,
      .greedy = options[GREEDY].value.integer,
      .json = options[JSON].value.integer,
      .progress = is_terminal(stderr),
  };
  if (!parse_counts(s, BENCH_THREADS, &what.threads) || !parse_counts(s, BATCH, &what.batch))
    return false;
  char *path = beside(s, WEIGHTS, "weights.bin");
  mamba_code code = MAMBA_CODE_MEMORY;
  what.weights_path = path;
  if (path)
    code = mamba_bench_run(&what, stdout, &s->error);
  else
    mamba_failure(&s->error, MAMBA_CODE_MEMORY, "out of memory");
  free(path);
  return !code;
}

/* ---- Commands ----------------------------------------------------------------------------------- */

static const struct {
  const char *name, *operand, *help;
  bool (*run)(session *s, char **operands);
} commands[] = {
    {"generate", "PROMPT", "continue a text", generate},
    {"perplexity", "FILE", "how well the model predicts a text; - for standard input", perplexity},
    {"logits", NULL, "the model's raw output", logits},
    {"stream", NULL, "for programs: lines of token ids in, logits out (stream.h)", stream},
    {"bench", NULL, "how fast the model is on this machine", bench},
    {"selftest", NULL, "compare with the compiler's reference, bit for bit", selftest},
};

static void print_help(void) {
  puts("usage: run COMMAND [OPTION ...]\n");
  for (size_t c = 0; c < sizeof commands / sizeof commands[0]; ++c) {
    printf("run %s%s%s\n    %s\n", commands[c].name, commands[c].operand ? " " : "",
           commands[c].operand ? commands[c].operand : "", commands[c].help);
    for (int i = 0; i < OPTIONS; ++i)
      if (options[i].commands && mamba_option_applies(&options[i], commands[c].name))
        printf("    --%-13s %-5s %s\n", options[i].name, options[i].argument, options[i].help);
  }
  puts("every command");
  for (int i = 0; i < OPTIONS; ++i)
    if (!options[i].commands)
      printf("    --%-13s %-5s %s\n", options[i].name, options[i].argument, options[i].help);
  puts("\nExit codes: 0 ok, 1 bad input, 2 bad usage.");
}

static bool asks_for_help(int argc, char **argv) {
  for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; ++i)
    if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
      return true;
  return false;
}

int main(int argc, char **argv) {
  if (argc < 2 || asks_for_help(argc, argv)) {
    print_help();
    return argc < 2 ? EXIT_USAGE : EXIT_OK;
  }
  size_t c = 0;
  while (c < sizeof commands / sizeof commands[0] && strcmp(argv[1], commands[c].name) != 0)
    ++c;
  if (c == sizeof commands / sizeof commands[0]) {
    fprintf(stderr, "run: unknown command '%s'; 'run --help' lists them\n", argv[1]);
    return EXIT_USAGE;
  }
  const int expected = commands[c].operand ? 1 : 0;
  const int count = mamba_options_parse(commands[c].name, argv + 2, argc - 2, options, OPTIONS);
  if (count < 0)
    return EXIT_USAGE;
  if (count != expected) {
    fprintf(stderr, "run: %s takes %s, found %d operands\n", commands[c].name,
            expected ? commands[c].operand : "no operands", count);
    return EXIT_USAGE;
  }
  session s = {.folder = ""};
  char *slash = strrchr(argv[0], '/');
  if (slash) {
    slash[1] = 0; /* argv[0] is ours to cut */
    s.folder = argv[0];
  }
  const bool ok = commands[c].run(&s, argv + 2);
  if (!ok)
    fprintf(stderr, "run: %s\n", s.error.message);
  mamba_model_destroy(s.model);
  mambaTokenizerDestroy(s.tokenizer);
  return ok ? EXIT_OK : EXIT_INPUT;
}
