#ifndef MAMBA_PASSES_TD
#define MAMBA_PASSES_TD

// The passes of include/mamba/passes.h: names, options and what docs/passes.md says of them.
include "mlir/Pass/PassBase.td"

class Mamba_Pass<string argument> : Pass<argument, "::mlir::ModuleOp">;

def Calibrate : Mamba_Pass<"mamba-calibrate"> {
  let summary = "run the model over text and note how large its values get";
  let description = [{
    Runs the module in the executor over `samples` sequences of `length` tokens and puts what it saw on the op
    that defines each value, as the attribute `mamba.stats`: absolute maximum, percentiles, minimum, maximum,
    mean, standard deviation and kurtosis. The states of scans are looked at after 16, 48, 80, ... tokens of each
    sequence. With `statistics` the full record, which has every channel's absolute maximum
    and finer percentiles, is written to that file (JSON, and a `.safetensors` file beside it for what is per
    channel), and the module remembers it. A file that was made for the same module and the same options is
    read instead of running again; one that was made for others is refused, with what differs.

    `part=2/4` runs the second of four parts of the samples, for another machine to run the others:
    `mamba-run merge-statistics` makes one file of theirs, equal to that of a run over all.

    `calibration=self` needs no data: the float model writes its own text, sampled from `seed`.
  }];
  let options = [
    Option<"calibration", "calibration", "std::string", "\"self\"",
           "`self`, a text file, or a .safetensors or .npy file of token ids">,
    Option<"samples", "samples", "int64_t", "128", "number of sequences">,
    Option<"length", "length", "int64_t", "512", "tokens of each sequence">,
    Option<"seed", "seed", "int64_t", "0", "seed of the text that the model writes for `self`">,
    Option<"statistics", "statistics", "std::string", "\"\"", "file to write, or to reuse when it exists">,
    Option<"part", "part", "std::string", "\"1/1\"", "I/N: the I-th of N parts of the samples">,
  ];
}

def Search : Mamba_Pass<"mamba-search"> {
  let summary = "choose for every block, by measurement, what costs least and loses next to nothing";
  let description = [{
    Runs the float model once over a short text and keeps what every block reads. Then every block, as a module of its own,
    runs on that input with one decision after another quantized: what in_proj reads, what out_proj reads (rotated or
    not), what x_proj reads, what dt_proj reads, and the values that no matrix reads. The error of a candidate is the energy of the
    difference of the residual stream behind the block over the energy of that stream.

    Of each decision the cheapest candidate wins whose error exceeds the least one by at most `tolerance` of the whole
    error of the best choices; among equals the most exact. Costs count what is left to do when the model runs: static
    scales and smoothing nothing, a maximum for each token a little, a rotation more.

    With `head=search` the head is decided likewise on the first 256 tokens: int8 with an input that is rotated or not, int8 with
    an input in f32 (not on a GPU, which has no kernel for it), or 16 bits. Its error is the energy of the difference of the logits over
    that of the logits, without their means over the vocabulary; it may lose `tolerance` of what all blocks lose together.

    The choices are the attribute `mamba.choices` on the ops, as `mamba-rules` writes it; the errors of all candidates are
    `mamba.search` beside it, and that of the whole block `mamba.error` on out_proj.

    With `budget` the matrices of whole blocks stay in 16 bits, those of the largest error first, as many as it allows:
    bytes (`120MiB`) of the program's weights, or the time of a token (`1.2ms`, also us and s) that `mamba-plan` predicts for
    a GPU as `target`. For a time the rest of the recipe `best` and `mamba-plan` run on copies of the module; one block in 16 bits
    can cost more than the next, because a GPU that computes whole layers at once does so for all layers or for none.
  }];
  let options = [
    Option<"calibration", "calibration", "std::string", "\"self\"", "as of mamba-calibrate">,
    Option<"samples", "samples", "int64_t", "8", "number of sequences, at most 64">,
    Option<"length", "length", "int64_t", "256", "tokens of each sequence">,
    Option<"seed", "seed", "int64_t", "0", "of the text that the model writes for `self`">,
    Option<"tolerance", "tolerance", "double", "0.05", "share of the whole error that a cheaper choice may add">,
    Option<"budget", "budget", "std::string", "\"\"", "bytes of weights, such as 120MiB, or time of a token, such as 1.2ms; empty for int8 everywhere">,
    Option<"head", "head", "std::string", "\"search\"", "search, or token, w8 or 16 where the recipe says what lm_head is">,
    Option<"target", "target", "std::string", "\"cpu\"", "what the program will run on: see mamba-plan">,
  ];
}

def Rules : Mamba_Pass<"mamba-rules"> {
  let summary = "choose for single layers how their values are stored, from a text file";
  let description = [{
    Every line of the file is a pattern of names and what is chosen for the ops that it matches; `*` stands for any
    characters, `?` for one, `#` begins a comment, and the last line that matches wins:

    ```
    layers.0.*        in=token  y=token      # the first block is sensitive
    layers.*.out_proj y=fitted  y.rotate=no
    *.11.mixer.scan   u=channel u.clamp=no
    lm_head           head=f32
    ```

    The name is that of the op that reads the site: in_proj for `in`, conv1d for `x`, gate for `z`, scan for `u`, `B` and
    `C`, x_proj for `ux`, dt_proj for `dt`, out_proj for `y`, lm_head for `head`. A line that matches no op that
    reads its site is an error.

    | chosen | is read by | overrules |
    |---|---|---|
    | `SITE=KIND` | `mamba-insert-qdq`, whose tables list both | its `sites` |
    | `in.rotate`, `y.rotate`, `head.rotate` = `yes` or `no` | `mamba-rotate` | its `sites` |
    | `u.clamp` = percentile or `no` | `mamba-clamp-scan` | its `percentile` |
    | `in.smooth`, `y.smooth` = strength or `no` | `mamba-smooth` | its `sites` and `strength` |

    The choices are the attribute `mamba.choices` of those ops.
  }];
  let options = [
    Option<"file", "file", "std::string", "\"\"", "text file">,
  ];
}

def ReportOutliers : Mamba_Pass<"mamba-report-outliers"> {
  let summary = "say where activations have outliers, and whether layers share them";
  let description = [{
    For every layer and site, from the statistics file of mamba-calibrate: absolute maximum, percentiles of |x|,
    standard deviation, kurtosis, and the channels that have a value more than `sigmas` standard deviations from the
    mean, both over all channels of the site; six is the criterion of Mamba-PTQ (arXiv 2407.12397). Then, for every
    site, the channels that are outliers in several layers. Nothing changes in the module.

    Sites: `in`, `u` (which x_proj and the scan read), `dt` and `y`, the inputs of in_proj, x_proj, dt_proj and
    out_proj; `x`, the convolution's; `z`, the gate; `B`, `C` and `delta`, the scan's; `state`, all numbers of the
    scan's state; `head`, the input of lm_head. A rotated value has a line of its own, as `y_rotated`.
  }];
  let options = [
    Option<"json", "json", "std::string", "\"\"", "file for JSON (include/mamba/report.h describes it)">,
    Option<"text", "text", "std::string", "\"\"", "file for the table; without `json` and `text`: standard error">,
    Option<"sigmas", "sigmas", "double", "6", "standard deviations beyond which a channel is an outlier">,
  ];
}

def FoldNorm : Mamba_Pass<"mamba-fold-norm"> {
  let summary = "fold the gamma of every rms_norm into the linear layers that read it";
  let description = [{
    `linear(rms_norm(x) * gamma, W)` is `linear(rms_norm(x), W * gamma)`, gamma along W's columns. Afterwards
    the norm has no gamma, and a rotation can pass through it. A norm that anything else than linear layers
    reads stays as it is. A table that the embedding and the head share is multiplied for the head only.
  }];
}

def Gptq : Mamba_Pass<"mamba-gptq"> {
  let summary = "quantize matrices to 4 bits, each rounding made up for by the rest of its row";
  let description = [{
    Replaces the weights of in_proj (`in`) and out_proj (`y`) by `dequantize(scale_groups(q, s), r)`: q integers in
    [-8, 7], s one of 15 scales for every `group` columns of a row, r a float scale for the row. The three are
    written to `output`, a safetensors file. In integers a 4-bit weight is `q * s`, which fits 8 bits, so that every
    kernel can take it for an int8 weight.

    The columns of a row are rounded one after the other, and those that are left make up for what each lost, as far as
    the activations of calibration show how (GPTQ, arXiv 2210.17323; in the order of the columns, with a group's scale
    chosen when its turn comes). `damp` times the mean of the diagonal of the activations' products is added to that
    diagonal. With `samples=0` weights are rounded to nearest, for comparison.

    The products of the activations of all matrices are summed while the model runs over the samples. They take
    8 bytes times the square of a matrix's columns: where that is more than `memory`, the model runs again for the
    matrices that are left. The result does not depend on that, nor on the number of processors.
  }];
  let options = [
    Option<"sites", "sites", "std::string", "\"in,y\"", "what reads in 4 bits, separated by commas: in, y">,
    Option<"group", "group", "std::string", "\"128\"", "columns that share a scale, a multiple of 32, or `row`">,
    Option<"calibration", "calibration", "std::string", "\"self\"", "see mamba-calibrate">,
    Option<"samples", "samples", "int64_t", "128", "number of sequences; 0 to round to nearest">,
    Option<"length", "length", "int64_t", "512", "tokens of each sequence">,
    Option<"seed", "seed", "int64_t", "0", "see mamba-calibrate">,
    Option<"damp", "damp", "double", "0.01", "of the diagonal">,
    Option<"memory", "memory", "int64_t", "2048", "MiB that the products may take">,
    Option<"output", "output", "std::string", "\"\"", "safetensors file to write">,
  ];
}

def Rotate : Mamba_Pass<"mamba-rotate"> {
  let summary = "insert pairs of Hadamard transforms that cancel";
  let description = [{
    A linear layer's input x becomes `H^T (H x)`: nothing changes, but the value between the two, which
    carries the suffix `_rotated`, has its outliers spread over all channels and is what `mamba-insert-qdq`
    quantizes. `mamba-fold-hadamard` moves the second transform into the weights.

    Sites: `y`, the input of out_proj; `in`, the input of in_proj; `head`, the input of lm_head; and `residual`, the
    whole residual stream at once, for which `mamba-fold-norm` must have gone before: the embedding and every
    out_proj give H times what they gave, and behind every norm is an H^T, so that `in` and `head` are rotated and
    `mamba-fold-hadamard` leaves nothing of it to be computed (Ashkboos et al., *QuaRot*, arXiv 2404.00456, section 4).
    The number of channels must be 2^k times 1, 12, 20, 28 or 40.
  }];
  let options = [
    Option<"sites", "sites", "std::string", "\"y\"", "where, separated by commas: y, in, head, residual; or none: only where choices say so">,
  ];
}

def FoldHadamard : Mamba_Pass<"mamba-fold-hadamard"> {
  let summary = "move Hadamard transforms into the weights next to them";
  let description = [{
    - `linear(H^T x, W)` becomes `linear(x, W H^T)`;
    - `H linear(x, W, b)` becomes `linear(x, H W, H b)`;
    - `H embedding(ids, E)` becomes `embedding(ids, E H^T)`,

    so the second of a pair moves forward into the weights that read it, the first backward into what produces
    it; were both to move the same way, they would meet in one weight and cancel. A transform that has several
    readers goes into all of them or into none; a linear layer or embedding that is also read untransformed
    keeps its weight. What cannot move, such as the first of a pair at `y`, stays and becomes a kernel.
  }];
}

def ClampScan : Mamba_Pass<"mamba-clamp-scan"> {
  let summary = "clamp the scan's input at a percentile of what calibration saw";
  let description = [{
    The scan input u has a few values far above the rest, and one scale for all of them. Clamping u, for both
    of its readers (the scan and x_proj), at a high percentile of |u| loses those few and keeps the resolution
    of the others (arXiv 2410.13229, section 4.2). Needs `mamba-calibrate` before it; percentiles other than
    99, 99.9, 99.99, 99.999 and 100 are read from the statistics file.
  }];
  let options = [
    Option<"percentile", "percentile", "double", "99.999",
           "of |u|, in (0, 100]; 0 for the paper's own: 99.999, or 99.9 from 5120 channels on (mamba-2.8b)">,
  ];
}

def Smooth : Mamba_Pass<"mamba-smooth"> {
  let summary = "divide what a matrix reads by a factor for each channel, and multiply its columns by it";
  let description = [{
    The factors are max|x|^strength / max|W|^(1 - strength) of each channel (Xiao et al., *SmoothQuant*,
    arXiv 2211.10438, equation 4), the op `mamba.smoothing`: channels with large values share their difficulty with
    the weights. Nothing of it is left when the model runs:

    - `in`: the division goes into the norm's gamma;
    - `y`: the reciprocals become part of the static scale that the scan quantizes y with, channel by channel, which
      that kernel can do anyway. A smoothed y therefore takes the kind `tensor` of `mamba-insert-qdq` only.

    Needs `mamba-calibrate` with `statistics` before it, for the channels' maxima, and goes before `mamba-rotate`. The value carries
    the suffix `_smoothed` and its new absolute maximum.
  }];
  let options = [
    Option<"sites", "sites", "std::string", "\"in,y\"", "where, separated by commas: in, y; or none: only where choices say so">,
    Option<"strength", "strength", "double", "0.5", "from 0 (the weights' columns become equal) to 1 (the channels do)">,
  ];
}

def InsertQdq : Mamba_Pass<"mamba-insert-qdq"> {
  let summary = "quantize weights and activations: level 2, still in float ops";
  let description = [{
    Puts `dequantize(quantize(v))`, or a `cast` to f16 and back, behind every value that the kernels will
    store in fewer bits, and around the weights of in_proj, conv1d, x_proj, dt_proj and out_proj. The result
    runs in the executor as fake quantization.

    | site | value | default |
    |---|---|---|
    | `in` | what in_proj reads | tensor |
    | `x`, `z` | in_proj's results: the convolution's input and the gate | tensor |
    | `u` | the convolution's result, as the scan reads it | tensor |
    | `ux` | the same, as x_proj reads it | as `u` |
    | `dt`, `B`, `C` | x_proj's results | tensor |
    | `y` | what out_proj reads, rotated where `mamba-rotate` did so | tensor |
    | `head` | what lm_head reads; its weight is quantized when this is | f32 |

    | kind | stored as |
    |---|---|
    | `tensor` | i8, one scale from calibration (a clamp's limit, or the absolute maximum) |
    | `fitted` | i8, one scale: the one of least squared error over what calibration saw |
    | `pNN` | i8, one scale: the NN-th percentile of absolute values, such as `p99.99` |
    | `token` | i8, a scale for each token, found at run time: for what a matrix reads, `in`, `ux`, `dt`, `y` and `head` |
    | `channel` | i8, a scale for each channel from calibration: `u`, `z`, `B`, `C`, and `ux`, where x_proj's weight takes it |
    | `w8` | f32, and the matrix that reads it in i8: for `in`, `ux`, `dt`, `y` and `head` |
    | `f16`, `f32` | floats; what a matrix reads is i8 or f32 |

    With `state=i8` a scan's state is kept in int8 from token to token, with a scale for each channel that is found
    after every step: a quarter of the memory that a sequence takes.

    A matrix is quantized where what it reads is in i8 or `w8`; otherwise it stays in floating point, in 16 bits where
    the checkpoint has 16, and its results that would be f16 are f32. One that `mamba-gptq` has quantized stays as that made it. The convolution's weight is
    quantized where x is i8.
  }];
  let options = [
    Option<"weights", "weights", "std::string", "\"row\"", "what shares a weight scale: row or tensor">,
    Option<"sites", "sites", "std::string", "\"\"",
           "site=kind, separated by commas, where it is not the default">,
    Option<"state", "state", "std::string", "\"f32\"", "of a scan: f32 or i8">,
  ];
}

def FuseKernels : Mamba_Pass<"mamba-fuse-kernels"> {
  let summary = "turn quantized float ops into kernel ops: level 3";
  let description = [{
    Gathers the ops of level 2 into one op per kernel. From here on the arithmetic is exact: integers, and f32
    operations in the order that `docs/numerics.md` states. A clamp disappears where the quantization behind
    it saturates at the same limit. A linear layer that is not quantized stays `linear`; where its result is
    split, it becomes one for each part, with its rows of the weight. What does not match is refused, at the
    op, with what was expected.
  }];
}

def Materialize : Mamba_Pass<"mamba-materialize"> {
  let summary = "evaluate what the passes did to the weights into a new file";
  let description = [{
    Evaluates every constant expression over weights, one at a time, into the safetensors file `output`, and
    replaces it by a `mamba.weight` of that file. Weights that nothing was done to are copied, so that the
    module needs no other file. Arithmetic on single scales stays in the IR, where it can be read. Names
    follow the checkpoint: `layers.3.mixer.in_proj.weight`, `.multiplier`, `.bias`.
  }];
  let options = [
    Option<"output", "output", "std::string", "\"\"", "safetensors file to write">,
  ];
}

def Plan : Mamba_Pass<"mamba-plan"> {
  let summary = "pick kernels and give every buffer its place in one arena: level 4";
  let description = [{
    Adds `mamba.kernel` (the C function), `mamba.offsets` (the place in bytes of each result in the arena)
    and, where the kernel needs it, `mamba.scratch` to every op, and `mamba.arena` (the size in bytes),
    `mamba.target`, `mamba.tokens` and `mamba.threads` to the function. Buffers hold `tokens` rows, which the
    sequences of a batch share; those that do not live at the same time share memory, and the residual stream is summed in place.
    Offsets are multiples of 64; -1 stands for what the function returns, which its caller has memory for.

    With `layout=packed` the weights of `linear_i8` get a `mamba.pack`, so that a program reads them from
    its file as they are, in the order of the file; `mamba-materialize` evaluates it, before or after this
    pass. `layout=rows` leaves them as they are. The results are the same bytes.

    For a GPU, kernels are those of `kernels/cuda/mamba_cuda.h` and weights stay in rows. Ops that it computes together when
    it decodes single tokens, of up to `mamba.decode_rows` sequences, have the same `mamba.decode_group` and `mamba.decode_kernel`. `mamba.decode_ns` is the
    predicted time of a token, of each kernel (on its last op) and of the function. `mamba.decode` says how the layers of
    a step are run, `graph` (a kernel for each `mamba.decode_kernel`) or `persistent` (one kernel for all layers, with
    words that blocks exchange), and `mamba.decode_why` why: the one that is predicted to be faster, unless `decode` names one (`docs/cuda.md`).
  }];
  let options = [
    Option<"target", "target", "std::string", "\"cpu\"", "what the program will run on: cpu, orin, h200, ... (docs/cuda.md)">,
    Option<"layout", "layout", "std::string", "\"\"", "of int8 weights: packed (the default for cpu) or rows">,
    Option<"tokens", "tokens", "int64_t", "-1", "tokens that the program processes at a time; -1: 64, or 512 on a GPU">,
    Option<"threads", "threads", "int64_t", "-1", "most threads that the program may use; -1: 16, or 1 on a GPU">,
    Option<"decode", "decode", "std::string", "\"\"", "on a GPU: graph or persistent, instead of the one predicted to be faster">,
  ];
}

#endif
