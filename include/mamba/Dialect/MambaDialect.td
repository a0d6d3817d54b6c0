#ifndef MAMBA_DIALECT_TD
#define MAMBA_DIALECT_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Mamba_Dialect : Dialect {
  let name = "mamba";
  let cppNamespace = "::mamba";
  let summary = "Mamba language models, from trained checkpoint to planned kernels";
  let description = [{
    One dialect holds a model at four levels, each a subset of these ops:

    1. **Model**: the float model as trained (`embedding` ... `selective_scan`).
    2. **Quantized**: the same, with `quantize`, `dequantize` and `cast` where numbers are stored
       in fewer bits. Runs as fake quantization.
    3. **Kernels**: one op per kernel that the program calls (`linear_i8`, `conv1d_silu_quant`, ...).
       This level defines the result, bit for bit.
    4. **Planned**: the same ops, each with `mamba.kernel` and `mamba.offsets` attributes, and
       `mamba.arena` on the function: what runs, and where every buffer lies.

    Activations are `tensor<BxTxC>`: batch, tokens, channels. A weight is named, never spelled out:
    `mamba.weight @ckpt::@"backbone.norm_f.weight"`. What a pass does to a weight is an op on that
    value, so it can be read; `mamba-materialize` evaluates it.

    Scales are values. Their shape says what shares a scale: `tensor<f32>` (the whole tensor),
    `tensor<Cxf32>` (a channel), `tensor<?x?x1xf32>` (a token), `tensor<Ox1xf32>` (a row of weights).
    Weights in 4 bits have two: an integer for each group of columns (`scale_groups`), and one for each row.
  }];
  // An op that does not exist: a guess at the one that was meant.
  let extraClassDeclaration = [{
    std::optional<ParseOpHook> getParseOperationHook(::llvm::StringRef name) const override;
  }];
}

class Mamba_Op<string mnemonic, list<Trait> traits = []> : Op<Mamba_Dialect, mnemonic, traits> {
  let hasVerifier = 1;
}

/// An op without effects: CSE merges it, and it disappears when nothing reads it.
class Mamba_PureOp<string mnemonic, list<Trait> traits = []>
    : Mamba_Op<mnemonic, !listconcat([Pure], traits)>;

/// The memory behind `mamba.state` symbols: ops that carry a state from call to call read and
/// write it, so they stay in order and are never merged or removed.
def StateResource : Resource<"::mamba::StateResource">;
class Mamba_StateOp<string mnemonic, list<Trait> traits = []>
    : Mamba_Op<mnemonic, !listconcat([MemoryEffects<[MemRead<StateResource>, MemWrite<StateResource>]>,
                                      DeclareOpInterfaceMethods<SymbolUserOpInterface>], traits)>;

// Operand and result types. Shapes are checked by the verifiers, which name both sides.
def FloatValue : RankedTensorOf<[F16, BF16, F32]>;
def F32Value : RankedTensorOf<[F32]>;
def I8Value : RankedTensorOf<[I8]>;
def I4Value : RankedTensorOf<[I<4>]>;
def I32Value : RankedTensorOf<[I32]>;
def StoredValue : RankedTensorOf<[I8, F16, F32]>;

#endif
