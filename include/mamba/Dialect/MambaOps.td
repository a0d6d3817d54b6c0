#ifndef MAMBA_OPS_TD
#define MAMBA_OPS_TD

include "mamba/Dialect/MambaDialect.td"

//===----------------------------------------------------------------------===//
// Symbols
//===----------------------------------------------------------------------===//

def CheckpointOp : Mamba_Op<"checkpoint", [Symbol, HasParent<"::mlir::ModuleOp">]> {
  let summary = "a file, or a folder of files, that holds weights";
  let description = [{
    `path` is a `.safetensors` file or a Hugging Face folder, relative to the working directory. `hash`
    (XXH3-64 over names, shapes and bytes) is what the passes compare before they trust the file.

    ```mlir
    mamba.checkpoint @ckpt "models/tiny" hash "xxh3:0123456789abcdef"
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$path, StrAttr:$hash);
  let assemblyFormat = "$sym_name $path `hash` $hash attr-dict";
}

def StateOp : Mamba_Op<"state", [Symbol, HasParent<"::mlir::ModuleOp">]> {
  let summary = "memory of one sequence that a layer carries from call to call";
  let description = [{
    Zero at the start of a sequence. The convolution's holds its last `d_conv - 1` inputs, oldest first
    (`[d_conv - 1, d_inner]`); the scan's is `[d_state, d_inner]`, or in i8 `[d_state + 4, d_inner]`: the last four
    rows are the bytes of a float scale for each channel. One such tensor exists per sequence of a batch.

    ```mlir
    mamba.state @layers.0.ssm : tensor<16x512xf32>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<StoredValue>:$type);
  let assemblyFormat = "$sym_name `:` $type attr-dict";
}

//===----------------------------------------------------------------------===//
// Weights, scales and what passes do to them
//===----------------------------------------------------------------------===//

def WeightOp : Mamba_PureOp<"weight", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a tensor of a checkpoint, by name";
  let description = [{
    ```mlir
    %w = mamba.weight @ckpt::@"backbone.layers.0.mixer.in_proj.weight" : tensor<1024x256xf16>
    ```
  }];
  let arguments = (ins SymbolRefAttr:$key);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$key attr-dict `:` type($result)";
}

def ScaleOp : Mamba_PureOp<"scale"> {
  let summary = "a constant scale";
  let description = [{
    ```mlir
    %s = mamba.scale 1.250000e-02 : tensor<f32>
    ```
  }];
  let arguments = (ins F32Attr:$value);
  let results = (outs 0DTensorOf<[F32]>:$result);
  let assemblyFormat = "$value attr-dict `:` type($result)";
}

def ReciprocalOp : Mamba_PureOp<"reciprocal", [SameOperandsAndResultType]> {
  let summary = "1 / x in f32; what a quantizing kernel multiplies by";
  let description = [{ 0 where x is 0 or below 2^-100. }];
  let arguments = (ins F32Value:$input);
  let results = (outs F32Value:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}

def AbsmaxScaleOp : Mamba_PureOp<"absmax_scale"> {
  let summary = "the scale max |x| / 127 over every dimension that the result has as 1";
  let description = [{
    A result of rank 0 has one scale for the whole tensor; otherwise the ranks agree, and each
    dimension of the result is that of the input or 1.

    ```mlir
    %s = mamba.absmax_scale %w : tensor<1024x256xf16> -> tensor<1024x1xf32>   // per row of weights
    %t = mamba.absmax_scale %x : tensor<?x?x256xf32> -> tensor<?x?x1xf32>     // per token
    ```
  }];
  let arguments = (ins FloatValue:$input);
  let results = (outs F32Value:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

def QuantizeOp : Mamba_PureOp<"quantize"> {
  let summary = "q = clamp(rne(x * (1 / scale)), -127, 127)";
  let description = [{
    Symmetric int8, round to nearest, ties to even, the reciprocal in f32 (see `docs/numerics.md`).
    The scale has rank 0, one element per channel (last dimension), or the input's rank with each
    dimension equal or 1.

    ```mlir
    %q = mamba.quantize %x, %s : tensor<?x?x256xf32>, tensor<f32> -> tensor<?x?x256xi8>
    ```
  }];
  let arguments = (ins FloatValue:$input, F32Value:$scale);
  let results = (outs I8Value:$result);
  let assemblyFormat = "$input `,` $scale attr-dict `:` type($input) `,` type($scale) `->` type($result)";
}

def DequantizeOp : Mamba_PureOp<"dequantize"> {
  let summary = "x = q * scale";
  let arguments = (ins I8Value:$input, F32Value:$scale);
  let results = (outs F32Value:$result);
  let assemblyFormat = "$input `,` $scale attr-dict `:` type($input) `,` type($scale) `->` type($result)";
}

def CastOp : Mamba_PureOp<"cast"> {
  let summary = "the same values in another float type, rounded to nearest even";
  let arguments = (ins FloatValue:$input);
  let results = (outs FloatValue:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasFolder = 1;
}

def BroadcastOp : Mamba_PureOp<"broadcast"> {
  let summary = "repeats a tensor along dimensions of 1, or a scalar everywhere";
  let arguments = (ins F32Value:$input);
  let results = (outs F32Value:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

def ChannelsLastOp : Mamba_PureOp<"channels_last"> {
  let summary = "a weight [C, ..., K] as the kernels read it: [K, C]";
  let description = [{
    Dimensions of 1 in between are dropped: `conv1d.weight` is `[d_inner, 1, d_conv]` in a checkpoint
    and `[d_conv, d_inner]` in memory, so that neighbouring channels are neighbours.
  }];
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

def SliceRowsOp : Mamba_PureOp<"slice_rows"> {
  let summary = "rows [offset, offset + size) of a weight or bias; the size is the result's";
  let description = [{
    A slice of what a linear layer computes is a linear layer with those rows of its weight:

    ```mlir
    %wz = mamba.slice_rows %w from 512 : tensor<1024x256xf16> -> tensor<512x256xf16>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$offset);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input `from` $offset attr-dict `:` type($input) `->` type($result)";
}

def PackOp : Mamba_PureOp<"pack"> {
  let summary = "int8 weights in the layout that the kernels of every instruction set read";
  let description = [{
    `[N, K]` becomes blocks of 16 rows and 4 columns, filled up with zeros, in the order in which a product
    reads them: `[ceil(N/16)][ceil(K/4)][16][4]`. Behind them, `ceil(N/16)` more blocks hold an int32 for
    each row, `-128 * sum_k w[n, k]`, for dot products that take one operand unsigned (`kernels/pack.h`).
    `mamba-plan` puts it behind the weights of `linear_i8`.

    ```mlir
    %p = mamba.pack %w : tensor<1024x256xi8> -> tensor<4160x16x4xi8>
    ```
  }];
  let arguments = (ins I8Value:$input);
  let results = (outs I8Value:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

def SmoothingOp : Mamba_PureOp<"smoothing"> {
  let summary = "factors between a matrix's input and its columns: absmax^strength / weight_absmax^(1 - strength)";
  let description = [{
    One for each channel, at least 1e-5; 1 where either maximum is zero (Xiao et al., *SmoothQuant*, arXiv 2211.10438,
    equation 4). `weight_absmax` may be the maxima in any unit.

    ```mlir
    %s = mamba.smoothing %in.absmax, %w.columns strength 5.0e-01 : (tensor<256xf32>, tensor<1x256xf32>) -> tensor<256xf32>
    ```
  }];
  let arguments = (ins F32Value:$absmax, F32Value:$weight_absmax, F32Attr:$strength);
  let results = (outs F32Value:$result);
  let assemblyFormat = "$absmax `,` $weight_absmax `strength` $strength attr-dict `:` functional-type(operands, results)";
}

def ScaleGroupsOp : Mamba_PureOp<"scale_groups"> {
  let summary = "the int8 weights that 4-bit ones stand for: q * scale of the group";
  let description = [{
    `w[n, k] = q[n, k] * scales[n, k / group]`, with q in [-8, 7], scales in [0, 15] and as many columns to a group as
    make K of the scales' columns. The result is an integer of at most 127, so that everything that reads int8
    weights reads these; `mamba-plan` replaces it by `pack_i4`, which keeps the 4 bits.

    ```mlir
    %w = mamba.scale_groups %q, %s : (tensor<1024x256xi4>, tensor<1024x2xi8>) -> tensor<1024x256xi8>
    ```
  }];
  let arguments = (ins I4Value:$input, I8Value:$scales);
  let results = (outs I8Value:$result);
  let assemblyFormat = "$input `,` $scales attr-dict `:` functional-type(operands, results)";
}

def PackI4Op : Mamba_PureOp<"pack_i4"> {
  let summary = "4-bit weights and their groups' scales in the layout that the kernels read";
  let description = [{
    Two weights to a byte. `blocks`, for `linear_i8`: blocks of 16 rows and 8 columns, the rows filled up to a
    multiple of 16; `rows`, for `linear_w8`: row by row. The scales follow behind all weights (`kernels/pack_i4.h`
    states both). The shape of the result is what it holds of each row and group, `[rows, K / group, group / 2 + 1]`.

    ```mlir
    %p = mamba.pack_i4 %q, %s layout "blocks" : (tensor<1024x256xi4>, tensor<1024x2xi8>) -> tensor<1024x2x65xi8>
    ```
  }];
  let arguments = (ins I4Value:$input, I8Value:$scales, StrAttr:$layout);
  let results = (outs I8Value:$result);
  let assemblyFormat = "$input `,` $scales `layout` $layout attr-dict `:` functional-type(operands, results)";
}

def NegExpOp : Mamba_PureOp<"neg_exp"> {
  let summary = "-exp(x): the scan's A from the checkpoint's A_log";
  let arguments = (ins FloatValue:$input);
  let results = (outs F32Value:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

//===----------------------------------------------------------------------===//
// Level 1: the model in floating point
//===----------------------------------------------------------------------===//

def EmbeddingOp : Mamba_PureOp<"embedding"> {
  let summary = "rows of a table by token id";
  let description = [{
    ```mlir
    %h = mamba.embedding %ids, %table : (tensor<?x?xi32>, tensor<4096x256xf16>) -> tensor<?x?x256xf32>
    ```
  }];
  let arguments = (ins I32Value:$ids, FloatValue:$table);
  let results = (outs F32Value:$result);
  let assemblyFormat = "$ids `,` $table attr-dict `:` functional-type(operands, results)";
}

def RmsNormOp : Mamba_PureOp<"rms_norm"> {
  let summary = "x / sqrt(mean(x^2) + epsilon) * gamma, over channels";
  let description = [{
    Zhang and Sennrich, *Root Mean Square Layer Normalization*, 2019. Without gamma, gamma is 1.
  }];
  let arguments = (ins FloatValue:$input, Optional<FloatValue>:$gamma, F32Attr:$epsilon);
  let results = (outs F32Value:$result);
  let assemblyFormat = "$input (`gamma` $gamma^)? `epsilon` $epsilon attr-dict `:` functional-type(operands, results)";
}

def LinearOp : Mamba_PureOp<"linear"> {
  let summary = "x W^T + bias over channels";
  let description = [{
    ```mlir
    %y = mamba.linear %x, %w : (tensor<?x?x256xf32>, tensor<1024x256xf16>) -> tensor<?x?x1024xf32>
    ```
  }];
  let arguments = (ins FloatValue:$input, FloatValue:$weight, Optional<FloatValue>:$bias);
  let results = (outs F32Value:$result);
  let assemblyFormat = "$input `,` $weight (`bias` $bias^)? attr-dict `:` functional-type(operands, results)";
}

def SliceOp : Mamba_PureOp<"slice"> {
  let summary = "channels [offset, offset + size) of a tensor; the size is the result's";
  let description = [{
    ```mlir
    %z = mamba.slice %xz from 512 : tensor<?x?x1024xf32> -> tensor<?x?x512xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$offset);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input `from` $offset attr-dict `:` type($input) `->` type($result)";
  let hasFolder = 1;
}

def CausalConv1dOp : Mamba_StateOp<"causal_conv1d"> {
  let summary = "depthwise convolution over the last d_conv tokens";
  let description = [{
    `y[t, c] = bias[c] + sum_j w[c, j] x[t - d_conv + 1 + j, c]`; what lies before the first token comes
    from the state, which afterwards holds the last `d_conv - 1` inputs.
  }];
  let arguments = (ins FloatValue:$input, FloatValue:$weight, Optional<FloatValue>:$bias,
                       FlatSymbolRefAttr:$state);
  let results = (outs F32Value:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` $bias^)? `state` $state attr-dict `:` functional-type(operands, results)
  }];
}

def SiluOp : Mamba_PureOp<"silu"> {
  let summary = "x / (1 + exp(-x))";
  let arguments = (ins FloatValue:$input);
  let results = (outs F32Value:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

def SoftplusOp : Mamba_PureOp<"softplus"> {
  let summary = "log(1 + exp(x)); x itself above 20";
  let arguments = (ins FloatValue:$input);
  let results = (outs F32Value:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

def SelectiveScanOp : Mamba_StateOp<"selective_scan"> {
  let summary = "the state space recurrence with input-dependent dt, B and C";
  let description = [{
    Per channel c and state n, for every token in order (Gu and Dao, *Mamba*, 2023, section 3.2):
    `h[n] = exp(dt A[c, n]) h[n] + dt u B[n]`, `y = sum_n C[n] h[n] + D[c] u`. The state is `h`.
  }];
  let arguments = (ins FloatValue:$u, FloatValue:$dt, FloatValue:$a, FloatValue:$b, FloatValue:$c,
                       FloatValue:$d, FlatSymbolRefAttr:$state);
  let results = (outs F32Value:$result);
  let assemblyFormat = [{
    $u `dt` $dt `a` $a `b` $b `c` $c `d` $d `state` $state attr-dict `:` functional-type(operands, results)
  }];
}

def MulOp : Mamba_PureOp<"mul"> {
  let summary = "element by element product, broadcast as NumPy does";
  let arguments = (ins FloatValue:$lhs, FloatValue:$rhs);
  let results = (outs F32Value:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` functional-type(operands, results)";
}

def AddOp : Mamba_PureOp<"add"> {
  let summary = "element by element sum of equal shapes";
  let arguments = (ins FloatValue:$lhs, FloatValue:$rhs);
  let results = (outs F32Value:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` functional-type(operands, results)";
}

def HadamardOp : Mamba_PureOp<"hadamard"> {
  let summary = "multiplication by an orthonormal Hadamard matrix along one dimension";
  let description = [{
    Replaces every vector v along `axis` by `H v / sqrt(n)`, or `H^T v / sqrt(n)` with `transpose`. H is
    `H_m (x) Sylvester`, n = m 2^k with m one of 1, 12, 20, 28 (40 is 20 times 2).
    Along the last axis of a weight W this is `W H^T / sqrt(n)`, so that
    `linear(hadamard(x), hadamard(W))` is `linear(x, W)`.
  }];
  let arguments = (ins FloatValue:$input, I64Attr:$axis, UnitAttr:$transpose);
  let results = (outs F32Value:$result);
  let assemblyFormat = "$input `axis` $axis (`transpose` $transpose^)? attr-dict `:` type($input) `->` type($result)";
}

def ClampOp : Mamba_PureOp<"clamp"> {
  let summary = "min(max(x, -limit), limit)";
  let arguments = (ins FloatValue:$input, F32Attr:$limit);
  let results = (outs F32Value:$result);
  let assemblyFormat = "$input `to` $limit attr-dict `:` type($input) `->` type($result)";
}

//===----------------------------------------------------------------------===//
// Level 3: kernels. Their arithmetic is that of kernels/mamba_kernels.h, bit for bit.
//===----------------------------------------------------------------------===//

def QuantizeRowsOp : Mamba_PureOp<"quantize_rows"> {
  let summary = "quantizes every token with a scale of its own";
  let description = [{ The results are the integers and `max |x| / 127` of each token. }];
  let arguments = (ins StoredValue:$input);
  let results = (outs I8Value:$result, F32Value:$row_scale);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
}

def RmsNormQuantOp : Mamba_PureOp<"rms_norm_quant", [AttrSizedOperandSegments]> {
  let summary = "rms_norm, then an optional quantization";
  let description = [{
    With `inv_scale` the result is i8 of one static scale; with a second result it is i8 with a scale
    per token, which is that result; otherwise it is f32 or f16.
  }];
  let arguments = (ins F32Value:$input, Optional<F32Value>:$gamma, Optional<F32Value>:$inv_scale,
                       F32Attr:$epsilon);
  let results = (outs StoredValue:$result, Variadic<F32Value>:$row_scale);
  let assemblyFormat = [{
    $input (`gamma` $gamma^)? (`inv_scale` $inv_scale^)? `epsilon` $epsilon attr-dict `:`
    functional-type(operands, results)
  }];
}

def AddRmsNormQuantOp : Mamba_PureOp<"add_rms_norm_quant", [AttrSizedOperandSegments]> {
  let summary = "adds a layer's output to the residual stream, then rms_norm_quant";
  let description = [{ The first result is the sum, the next residual stream. }];
  let arguments = (ins F32Value:$input, F32Value:$delta, Optional<F32Value>:$gamma,
                       Optional<F32Value>:$inv_scale, F32Attr:$epsilon);
  let results = (outs F32Value:$sum, StoredValue:$result, Variadic<F32Value>:$row_scale);
  let assemblyFormat = [{
    $input `,` $delta (`gamma` $gamma^)? (`inv_scale` $inv_scale^)? `epsilon` $epsilon attr-dict `:`
    functional-type(operands, results)
  }];
}

def LinearI8Op : Mamba_PureOp<"linear_i8", [AttrSizedOperandSegments]> {
  let summary = "integer matrix product, rescaled, split, and quantized where a result is i8";
  let description = [{
    `v = (x w^T) * multiplier * row_scale + bias`. The results are consecutive columns of v: f32, f16, or
    i8, for which `inv_scales` has one value per i8 result, in order. The weight is `[N, K]`, or what
    `mamba.pack` makes of that, or `mamba.pack_i4` of 4-bit weights.

    ```mlir
    %x, %z = mamba.linear_i8 %q, %w multiplier %m inv_scales %rx, %rz : ...
    ```
  }];
  let arguments = (ins I8Value:$input, I8Value:$weight, F32Value:$multiplier, Optional<F32Value>:$row_scale,
                       Optional<F32Value>:$bias, Variadic<F32Value>:$inv_scales);
  let results = (outs Variadic<StoredValue>:$outputs);
  let assemblyFormat = [{
    $input `,` $weight `multiplier` $multiplier (`row_scale` $row_scale^)? (`bias` $bias^)?
    (`inv_scales` $inv_scales^)? attr-dict `:` functional-type(operands, results)
  }];
}

def LinearW8Op : Mamba_PureOp<"linear_w8"> {
  let summary = "matrix product of floats with integer weights";
  let description = [{
    `v = (x w^T) * multiplier + bias`, the sum in f32. The weight is `[N, K]`, or what `mamba.pack_i4` makes of
    4-bit weights.

    ```mlir
    %y = mamba.linear_w8 %x, %w multiplier %m
        : (tensor<?x?x256xf32>, tensor<1024x256xi8>, tensor<1024x1xf32>) -> tensor<?x?x1024xf32>
    ```
  }];
  let arguments = (ins F32Value:$input, I8Value:$weight, F32Value:$multiplier, Optional<F32Value>:$bias);
  let results = (outs F32Value:$result);
  let assemblyFormat = [{
    $input `,` $weight `multiplier` $multiplier (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
}

def Conv1dSiluQuantOp : Mamba_StateOp<"conv1d_silu_quant", [AttrSizedOperandSegments]> {
  let summary = "causal_conv1d, silu, and an optional quantization";
  let description = [{
    The weight is channels-last. An i8 input with an i8 weight is summed in integers and multiplied by
    `multiplier`; otherwise the sum is in f32, and an i8 input has its scale in `input_scale`. One or two results of the
    same values (the scan and x_proj may store them differently), with one of `inv_scales` per i8 result.
  }];
  let arguments = (ins StoredValue:$input, StoredValue:$weight, Optional<F32Value>:$input_scale,
                       Optional<F32Value>:$multiplier, Optional<F32Value>:$bias, Variadic<F32Value>:$inv_scales,
                       FlatSymbolRefAttr:$state);
  let results = (outs Variadic<StoredValue>:$outputs);
  let assemblyFormat = [{
    $input `,` $weight (`input_scale` $input_scale^)? (`multiplier` $multiplier^)? (`bias` $bias^)?
    (`inv_scales` $inv_scales^)? `state` $state attr-dict `:` functional-type(operands, results)
  }];
}

def SelectiveScanQuantOp : Mamba_StateOp<"selective_scan_quant", [AttrSizedOperandSegments]> {
  let summary = "softplus of dt, selective_scan, gate by silu(z), and an optional quantization";
  let description = [{
    `a` is channels-last. An i8 operand has its scale in the operand named for it. The result is f32,
    f16, or i8 with `inv_scale`.
  }];
  let arguments = (ins StoredValue:$u, StoredValue:$dt, F32Value:$a, StoredValue:$b, StoredValue:$c,
                       F32Value:$d, StoredValue:$z, Optional<F32Value>:$u_scale, Optional<F32Value>:$dt_scale,
                       Optional<F32Value>:$b_scale, Optional<F32Value>:$c_scale, Optional<F32Value>:$z_scale,
                       Optional<F32Value>:$inv_scale, FlatSymbolRefAttr:$state);
  let results = (outs StoredValue:$result);
  let assemblyFormat = [{
    $u `dt` $dt `a` $a `b` $b `c` $c `d` $d `gate` $z (`u_scale` $u_scale^)? (`dt_scale` $dt_scale^)?
    (`b_scale` $b_scale^)? (`c_scale` $c_scale^)? (`z_scale` $z_scale^)? (`inv_scale` $inv_scale^)?
    `state` $state attr-dict `:` functional-type(operands, results)
  }];
}

def HadamardQuantOp : Mamba_PureOp<"hadamard_quant"> {
  let summary = "hadamard over channels, then an optional quantization";
  let description = [{ Quantizes as `rms_norm_quant` does. }];
  let arguments = (ins F32Value:$input, Optional<F32Value>:$inv_scale, UnitAttr:$transpose);
  let results = (outs StoredValue:$result, Variadic<F32Value>:$row_scale);
  let assemblyFormat = [{
    $input (`inv_scale` $inv_scale^)? (`transpose` $transpose^)? attr-dict `:` functional-type(operands, results)
  }];
}

#endif
