// RUN: mamba-opt %s --split-input-file --verify-diagnostics --mamba-fuse-kernels
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-rotate --mamba-insert-qdq=sites=y=token --mamba-fuse-kernels 2>&1 | FileCheck %s --check-prefix=PAIR
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-clamp-scan=percentile=99.9 --mamba-insert-qdq=sites=u=f16,ux=tensor --mamba-fuse-kernels 2>&1 | FileCheck %s --check-prefix=CLAMP

// PAIR: block.mlir: error: y_restored: expected a transform of an f32 value's channels, found one of a stored value: run mamba-fold-hadamard first
// CLAMP: block.mlir: error: u_clamped: expected every reader of the clamp to quantize with the scale limit / 127, which makes it unnecessary; found `cast`

mamba.checkpoint @ckpt "model" hash "xxh3:0"
func.func @forward(%q: tensor<?x?x4xi8>, %s: tensor<f32>) -> tensor<?x?x4xf32> {
  %w = mamba.weight @ckpt::@w : tensor<4x4xf32>
  %x = mamba.dequantize %q, %s : tensor<?x?x4xi8>, tensor<f32> -> tensor<?x?x4xf32>
  // expected-error@below {{expected the weight to come from `dequantize`, as the input does}}
  %y = mamba.linear %x, %w : (tensor<?x?x4xf32>, tensor<4x4xf32>) -> tensor<?x?x4xf32>
  return %y : tensor<?x?x4xf32>
}

// -----

mamba.checkpoint @ckpt "model" hash "xxh3:0"
func.func @forward(%q: tensor<?x?x4xi8>) -> tensor<?x?x4xf32> {
  %w = mamba.weight @ckpt::@w : tensor<4x4xi8>
  %s = mamba.weight @ckpt::@s : tensor<4xf32>
  %one = mamba.scale 1.0 : tensor<f32>
  %wf = mamba.dequantize %w, %one : tensor<4x4xi8>, tensor<f32> -> tensor<4x4xf32>
  %x = mamba.dequantize %q, %s : tensor<?x?x4xi8>, tensor<4xf32> -> tensor<?x?x4xf32>
  // expected-error@below {{input: expected one scale, or one per token}}
  %y = mamba.linear %x, %wf : (tensor<?x?x4xf32>, tensor<4x4xf32>) -> tensor<?x?x4xf32>
  return %y : tensor<?x?x4xf32>
}

// -----

mamba.checkpoint @ckpt "model" hash "xxh3:0"
func.func @forward(%q: tensor<?x?x4xi8>) -> tensor<?x?x4xf32> {
  %w = mamba.weight @ckpt::@w : tensor<4x4xi8>
  %s = mamba.weight @ckpt::@s : tensor<4xf32>
  %one = mamba.scale 1.0 : tensor<f32>
  %wf = mamba.dequantize %w, %s : tensor<4x4xi8>, tensor<4xf32> -> tensor<4x4xf32>
  %x = mamba.dequantize %q, %one : tensor<?x?x4xi8>, tensor<f32> -> tensor<?x?x4xf32>
  // expected-error@below {{weight: expected one scale, or one per row}}
  %y = mamba.linear %x, %wf : (tensor<?x?x4xf32>, tensor<4x4xf32>) -> tensor<?x?x4xf32>
  return %y : tensor<?x?x4xf32>
}

// -----

mamba.checkpoint @ckpt "model" hash "xxh3:0"
func.func @forward(%q: tensor<?x?x4xi8>) -> tensor<?x?x2xf32> {
  %w = mamba.weight @ckpt::@w : tensor<4x4xi8>
  %one = mamba.scale 1.0 : tensor<f32>
  %wf = mamba.dequantize %w, %one : tensor<4x4xi8>, tensor<f32> -> tensor<4x4xf32>
  %x = mamba.dequantize %q, %one : tensor<?x?x4xi8>, tensor<f32> -> tensor<?x?x4xf32>
  // expected-error@below {{expected slices that cover its 4 channels once and in at most 8 parts}}
  %y = mamba.linear %x, %wf : (tensor<?x?x4xf32>, tensor<4x4xf32>) -> tensor<?x?x4xf32>
  %z = mamba.slice %y from 1 : tensor<?x?x4xf32> -> tensor<?x?x2xf32>
  return %z : tensor<?x?x2xf32>
}

// -----

func.func @forward(%x: tensor<?x?x4xf32>) -> (tensor<?x?x4xi8>, tensor<?x?x4xi8>) {
  %one = mamba.scale 1.0 : tensor<f32>
  %two = mamba.scale 2.0 : tensor<f32>
  // expected-error@below {{expected '' to be stored in at most 1 form, found more}}
  %n = mamba.rms_norm %x epsilon 1.0 : (tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  %a = mamba.quantize %n, %one : tensor<?x?x4xf32>, tensor<f32> -> tensor<?x?x4xi8>
  %b = mamba.quantize %n, %two : tensor<?x?x4xf32>, tensor<f32> -> tensor<?x?x4xi8>
  return %a, %b : tensor<?x?x4xi8>, tensor<?x?x4xi8>
}

// -----

func.func @forward(%x: tensor<?x?x4xf32>, %gamma: tensor<4xf32>) -> tensor<?x?x4xf32> {
  // expected-error@below {{gamma: expected a weight}}
  %n = mamba.rms_norm %x gamma %gamma epsilon 1.0 : (tensor<?x?x4xf32>, tensor<4xf32>) -> tensor<?x?x4xf32>
  return %n : tensor<?x?x4xf32>
}

// -----

mamba.checkpoint @ckpt "model" hash "xxh3:0"
mamba.state @conv : tensor<1x4xf32>
func.func @forward(%x: tensor<?x?x4xf32>) -> tensor<?x?x4xf32> {
  %w = mamba.weight @ckpt::@conv : tensor<4x1x2xf32>
  // expected-error@below {{expected one reader, a `silu`}}
  %c = mamba.causal_conv1d %x, %w state @conv : (tensor<?x?x4xf32>, tensor<4x1x2xf32>) -> tensor<?x?x4xf32>
  return %c : tensor<?x?x4xf32>
}

// -----

mamba.checkpoint @ckpt "model" hash "xxh3:0"
mamba.state @conv : tensor<1x4xf32>
func.func @forward(%q: tensor<?x?x4xi8>, %s: tensor<f32>) -> tensor<?x?x4xf32> {
  %w = mamba.weight @ckpt::@conv : tensor<4x1x2xf32>
  %x = mamba.dequantize %q, %s : tensor<?x?x4xi8>, tensor<f32> -> tensor<?x?x4xf32>
  // expected-error@below {{input: expected one constant scale}}
  %c = mamba.causal_conv1d %x, %w state @conv : (tensor<?x?x4xf32>, tensor<4x1x2xf32>) -> tensor<?x?x4xf32>
  %u = mamba.silu %c : tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  return %u : tensor<?x?x4xf32>
}

// -----

mamba.checkpoint @ckpt "model" hash "xxh3:0"
mamba.state @ssm : tensor<2x4xf32>
func.func @forward(%x: tensor<?x?x4xf32>, %b: tensor<?x?x2xf32>) -> tensor<?x?x4xf32> {
  %a = mamba.weight @ckpt::@a : tensor<4x2xf32>
  %d = mamba.weight @ckpt::@d : tensor<4xf32>
  // expected-error@below {{dt: expected a `softplus`, found a `(another dialect's op)`}}
  %s = mamba.selective_scan %x dt %x a %a b %b c %b d %d state @ssm : (tensor<?x?x4xf32>, tensor<?x?x4xf32>, tensor<4x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<4xf32>) -> tensor<?x?x4xf32>
  return %s : tensor<?x?x4xf32>
}

// -----

mamba.checkpoint @ckpt "model" hash "xxh3:0"
mamba.state @ssm : tensor<2x4xf32>
func.func @forward(%x: tensor<?x?x4xf32>, %b: tensor<?x?x2xf32>) -> tensor<?x?x4xf32> {
  %a = mamba.weight @ckpt::@a : tensor<4x2xf32>
  %d = mamba.weight @ckpt::@d : tensor<4xf32>
  %dt = mamba.softplus %x : tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %s = mamba.selective_scan %x dt %dt a %a b %b c %b d %d state @ssm : (tensor<?x?x4xf32>, tensor<?x?x4xf32>, tensor<4x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<4xf32>) -> tensor<?x?x4xf32>
  // expected-error@below {{rhs: expected a `silu`, found a `softplus`}}
  %y = mamba.mul %s, %dt : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  return %y : tensor<?x?x4xf32>
}

// -----

func.func @forward(%x: tensor<?x?x4xf32>) -> tensor<?x?x4xf32> {
  // expected-error@below {{no kernel computes `softplus` by itself: expected level 3, as mamba-fuse-kernels makes it}}
  %y = mamba.softplus %x : tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  return %y : tensor<?x?x4xf32>
}

// -----

mamba.checkpoint @ckpt "model" hash "xxh3:0"
func.func @forward(%x: tensor<?x?x4xf16>) -> tensor<?x?x4xf32> {
  %w = mamba.weight @ckpt::@w : tensor<4x4xf32>
  // expected-error@below {{a `linear` in floating point: expected an f32 input}}
  %y = mamba.linear %x, %w : (tensor<?x?x4xf16>, tensor<4x4xf32>) -> tensor<?x?x4xf32>
  return %y : tensor<?x?x4xf32>
}

// -----

func.func @forward(%x: tensor<?x?x4xf32>, %s: tensor<f32>) -> tensor<?x?x4xi8> {
  // expected-error@below {{`quantize` by a scale found at run time: expected `quantize_rows`}}
  %y = mamba.quantize %x, %s : tensor<?x?x4xf32>, tensor<f32> -> tensor<?x?x4xi8>
  return %y : tensor<?x?x4xi8>
}
