/* Compiling @forward into steps.
 *
 * Values are buffers of [batch, tokens, channels] for a chunk of tokens; a buffer is used again when the last
 * reader of its value has been compiled. Constants are evaluated once, in the form in which a step reads
 * them. Compiling goes on after an error with values that are never used: the first error is kept. */
#ifndef MAMBA_EXECUTE_PROGRAM_H
#define MAMBA_EXECUTE_PROGRAM_H

#include "mamba/executor.h"
#include "mamba/mapped_file.h"
#include "mamba/parameters.h"
#include "steps.h"

/* A value computed at run time. */
typedef struct Slot {
  MlirValue value;
  MambaElement element;
  int64_t channels;
  void *data;
  int buffer;
  intptr_t uses; /* not compiled yet */
  float scale;   /* of an i8 value where the IR tells it, else 0 */
} Slot;

typedef struct Buffer {
  void *data;
  size_t bytes;
  bool in_use;
} Buffer;

typedef enum Form {
  FORM_STORED,        /* as its type says */
  FORM_REAL,          /* f32, or f64 in a wide program */
  FORM_CHANNELS_LAST, /* the same, [C, ..., K] as [K, C] */
} Form;

typedef struct Prepared {
  MlirValue value;
  Form form;
  MambaConstant constant;
  bool borrowed;           /* the memory is not the program's, */
  MambaMappedFile spilled; /* or that of this temporary file */
  bool leaves;             /* memory, when an op has read it */
} Prepared;

typedef struct State {
  MlirOperation op;
  MambaConstant memory; /* [batch, steps, channels] */
} State;

/* A growing array. */
#define MAMBA_ARRAY(type)                                                                                    \
  struct {                                                                                                   \
    type *items;                                                                                             \
    size_t count, capacity;                                                                                  \
  }

typedef struct Program {
  int64_t batch, chunk; /* sequences, and tokens of each that one pass over the steps can take */
  bool wide;
  int64_t vocabulary; /* channels of the result */
  int64_t id_limit;   /* token ids are below this */
  int32_t *ids;       /* [batch, chunk] */
  int64_t scratch;    /* floats per worker */
  size_t kept;        /* bytes of weights that stay in memory */
  MambaParameters *parameters; /* whose files constants may be borrowed from */
  MAMBA_ARRAY(Step) steps;
  MAMBA_ARRAY(Slot) slots;
  MAMBA_ARRAY(Buffer) buffers;
  MAMBA_ARRAY(Prepared) constants;
  MAMBA_ARRAY(State) states;
} Program;

MAMBA_MUST_CHECK MambaStatus mambaProgramCompile(MlirOperation module, int64_t batch,
                                                 const MambaExecutorOptions *options, Program *program,
                                                 MambaError *error);
void mambaProgramDestroy(Program *program);

/* ---- For the functions that compile one op ------------------------------------------------------ */

typedef struct Compiler {
  Program *program;
  const MambaExecutorOptions *options;
  MlirOperation module;
  MlirValue result;   /* what @forward returns */
  MlirOperation head; /* computes it, for selected tokens only; null when that cannot be */
  MlirOperation op;   /* being compiled */
  int temporaries[MAMBA_MAX_OPERANDS * 2]; /* buffers that are free after it */
  int temporary_count;
  int made[MAX_OBSERVED]; /* slots of its results */
  int made_count;
  MappedBytes leaving[MAMBA_MAX_OPERANDS]; /* weights that it reads and nothing keeps */
  int leaving_count;
  MambaStatus status;
  MambaError *error;
} Compiler;

/* Reports an error at the op being compiled as an MLIR diagnostic, unless there was one. */
void mambaCompileFail(Compiler *c, MambaStatus status, const char *format, ...) MAMBA_PRINTF(3, 4);

/* Every function below returns something harmless after an error. `name` is an operand's in ops.def. */

/* The run-time value of an operand. */
Slot mambaCompileValue(Compiler *c, MlirValue value);
/* The data of a float operand as f32 (f64 in a wide program), converted first where it is stored otherwise.
 */
const void *mambaCompileReal(Compiler *c, const char *name);
/* An operand as kernels read it; `scale` names the one for an i8 operand, or is NULL. */
mamba_input mambaCompileInput(Compiler *c, const char *name, const char *scale);

/* A constant value. */
const MambaConstant *mambaCompileConstant(Compiler *c, MlirValue value, Form form);
/* The data of a constant operand; NULL when it is absent. */
const void *mambaCompileWeight(Compiler *c, const char *name, Form form);
/* A constant scale, one number or one per channel; 0 and NULL when it is absent. */
void mambaCompileScale(Compiler *c, MlirValue value, float *scale, const float **scales);

/* The buffer of result `index`. */
Slot mambaCompileResult(Compiler *c, intptr_t index);
/* The same as kernels write it, quantized with `inv_scale` when that is not null. */
mamba_output mambaCompileOutput(Compiler *c, intptr_t index, MlirValue inv_scale);
/* The state of the symbol in the op's attribute `state`. */
void *mambaCompileState(Compiler *c);

/* Notes the scale of the only result, an i8 value, for observers. */
void mambaCompileRememberScale(Compiler *c, MlirValue scale);
/* Asks for a row of `floats` of scratch per worker. */
void mambaCompileScratch(Compiler *c, int64_t floats);
/* Checks a scan's number of states against the kernel's limit. */
void mambaCompileScanStates(Compiler *c, int64_t states);

mamba_type mambaKernelType(MambaElement element);

/* Appends a step that computes the results of the op. */
void mambaCompileStep(Compiler *c, Step step);

typedef void CompileFunction(Compiler *c, MlirOperation op);
CompileFunction mambaCompileEmbedding, mambaCompileRmsNorm, mambaCompileLinear, mambaCompileSlice,
    mambaCompileCausalConv1d, mambaCompileSelectiveScan, mambaCompileHadamard, mambaCompileAbsmaxScale,
    mambaCompileElementwise;
CompileFunction mambaCompileQuantizeRows, mambaCompileRmsNormQuant, mambaCompileLinearI8,
    mambaCompileLinearW8, mambaCompileConv1dSiluQuant, mambaCompileSelectiveScanQuant,
    mambaCompileHadamardQuant;

#endif
