// What a scan's surroundings must be; see lib/Passes/sites.c.
// RUN: mamba-opt %s --split-input-file --verify-diagnostics --mamba-rotate

mamba.checkpoint @ckpt "model" hash "xxh3:0"
mamba.state @ssm : tensor<2x4xf32>
func.func @forward(%x: tensor<?x?x4xf32>, %b: tensor<?x?x2xf32>) -> tensor<?x?x4xf32> {
  %a = mamba.weight @ckpt::@a : tensor<4x2xf32>
  %d = mamba.weight @ckpt::@d : tensor<4xf32>
  // expected-error@below {{not a Mamba block: expected `u` to come from a `silu`, found `(another dialect's op)`}}
  %s = mamba.selective_scan %x dt %x a %a b %b c %b d %d state @ssm : (tensor<?x?x4xf32>, tensor<?x?x4xf32>, tensor<4x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<4xf32>) -> tensor<?x?x4xf32>
  return %s : tensor<?x?x4xf32>
}

// -----

mamba.checkpoint @ckpt "model" hash "xxh3:0"
mamba.state @ssm : tensor<2x4xf32>
mamba.state @conv : tensor<1x4xf32>
func.func @forward(%in: tensor<?x?x4xf32>) -> tensor<?x?x4xf32> {
  %w = mamba.weight @ckpt::@w : tensor<8x4xf32>
  %w_conv = mamba.weight @ckpt::@conv : tensor<4x1x2xf32>
  %xz = mamba.linear %in, %w : (tensor<?x?x4xf32>, tensor<8x4xf32>) -> tensor<?x?x8xf32>
  %x = mamba.slice %xz from 0 : tensor<?x?x8xf32> -> tensor<?x?x4xf32>
  %c = mamba.causal_conv1d %x, %w_conv state @conv : (tensor<?x?x4xf32>, tensor<4x1x2xf32>) -> tensor<?x?x4xf32>
  %u = mamba.silu %c : tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %dbc = mamba.linear %u, %w : (tensor<?x?x4xf32>, tensor<8x4xf32>) -> tensor<?x?x8xf32>
  %dt = mamba.slice %dbc from 0 : tensor<?x?x8xf32> -> tensor<?x?x4xf32>
  %b = mamba.slice %dbc from 4 : tensor<?x?x8xf32> -> tensor<?x?x2xf32>
  %w_dt = mamba.weight @ckpt::@dt : tensor<4x4xf32>
  %dtp = mamba.linear %dt, %w_dt : (tensor<?x?x4xf32>, tensor<4x4xf32>) -> tensor<?x?x4xf32>
  %delta = mamba.softplus %dtp : tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %a = mamba.weight @ckpt::@a : tensor<4x2xf32>
  %d = mamba.weight @ckpt::@d : tensor<4xf32>
  // expected-error@below {{not a Mamba block: expected a `mul` with the gate to read the scan}}
  %s = mamba.selective_scan %u dt %delta a %a b %b c %b d %d state @ssm : (tensor<?x?x4xf32>, tensor<?x?x4xf32>, tensor<4x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<4xf32>) -> tensor<?x?x4xf32>
  return %s : tensor<?x?x4xf32>
}

// -----

mamba.checkpoint @ckpt "model" hash "xxh3:0"
mamba.state @ssm : tensor<2x4xf32>
mamba.state @conv : tensor<1x4xf32>
func.func @forward(%in: tensor<?x?x4xf32>) -> tensor<?x?x4xf32> {
  %w = mamba.weight @ckpt::@w : tensor<8x4xf32>
  %w_conv = mamba.weight @ckpt::@conv : tensor<4x1x2xf32>
  %xz = mamba.linear %in, %w : (tensor<?x?x4xf32>, tensor<8x4xf32>) -> tensor<?x?x8xf32>
  %x = mamba.slice %xz from 0 : tensor<?x?x8xf32> -> tensor<?x?x4xf32>
  %c = mamba.causal_conv1d %x, %w_conv state @conv : (tensor<?x?x4xf32>, tensor<4x1x2xf32>) -> tensor<?x?x4xf32>
  %u = mamba.silu %c : tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %dbc = mamba.linear %u, %w : (tensor<?x?x4xf32>, tensor<8x4xf32>) -> tensor<?x?x8xf32>
  %dt = mamba.slice %dbc from 0 : tensor<?x?x8xf32> -> tensor<?x?x4xf32>
  %b = mamba.slice %dbc from 4 : tensor<?x?x8xf32> -> tensor<?x?x2xf32>
  %w_dt = mamba.weight @ckpt::@dt : tensor<4x4xf32>
  %dtp = mamba.linear %dt, %w_dt : (tensor<?x?x4xf32>, tensor<4x4xf32>) -> tensor<?x?x4xf32>
  %delta = mamba.softplus %dtp : tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %a = mamba.weight @ckpt::@a : tensor<4x2xf32>
  %d = mamba.weight @ckpt::@d : tensor<4xf32>
  %s = mamba.selective_scan %u dt %delta a %a b %b c %b d %d state @ssm : (tensor<?x?x4xf32>, tensor<?x?x4xf32>, tensor<4x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<4xf32>) -> tensor<?x?x4xf32>
  %gate = mamba.silu %x : tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  // expected-error@below {{not a Mamba block: expected a `linear` to read the gated scan}}
  %y = mamba.mul %s, %gate : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  return %y : tensor<?x?x4xf32>
}
