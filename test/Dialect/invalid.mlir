// Each verifier names the operand, what was expected and what was found.
// RUN: mamba-opt %s --split-input-file --verify-diagnostics

// expected-error @+1 {{path: expected a file or folder, found an empty string}}
mamba.checkpoint @ckpt "" hash "h"

// -----

// expected-error @+1 {{type: expected [steps, channels] with static sizes, found [?, 8]}}
mamba.state @s : tensor<?x8xf32>

// -----

func.func @f() {
  // expected-error @+1 {{checkpoint @nowhere is not declared: expected `mamba.checkpoint @nowhere`}}
  %w = mamba.weight @nowhere::@w : tensor<4xf32>
  return
}

// -----

mamba.checkpoint @ckpt "m" hash "h"
func.func @f() {
  // expected-error @+1 {{key: expected @checkpoint::@"name", found @ckpt}}
  %w = mamba.weight @ckpt : tensor<4xf32>
  return
}

// -----

mamba.checkpoint @ckpt "m" hash "h"
func.func @f() {
  // expected-error @+1 {{result: expected a static shape, found [?]}}
  %w = mamba.weight @ckpt::@w : tensor<?xf32>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{value: expected a positive number, found 0}}
  %s = mamba.scale 0.0 : tensor<f32>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{value: expected a positive number, found -1}}
  %s = mamba.scale -1.0 : tensor<f32>
  return
}

// -----

func.func @f(%x: tensor<?x?x8xf32>) {
  // expected-error @+1 {{result: expected rank 0, or the input's rank with every dimension equal or 1; found [?, ?, 4] for [?, ?, 8]}}
  %s = mamba.absmax_scale %x : tensor<?x?x8xf32> -> tensor<?x?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x8xf32>, %s: tensor<4xf32>) {
  // expected-error @+1 {{scale: expected a scale of shape [], [8], or that of the value with 1 where a scale is shared; found [4] for a value of shape [?, ?, 8]}}
  %q = mamba.quantize %x, %s : tensor<?x?x8xf32>, tensor<4xf32> -> tensor<?x?x8xi8>
  return
}

// -----

func.func @f(%x: tensor<?x?x8xf32>, %s: tensor<f32>) {
  // expected-error @+1 {{result: expected shape [?, ?, 8], found [?, ?, 4]}}
  %q = mamba.quantize %x, %s : tensor<?x?x8xf32>, tensor<f32> -> tensor<?x?x4xi8>
  return
}

// -----

func.func @f(%x: tensor<?x?x8xi8>, %s: tensor<3x1xf32>) {
  // expected-error @+1 {{found [3, 1] for a value of shape [?, ?, 8]}}
  %q = mamba.dequantize %x, %s : tensor<?x?x8xi8>, tensor<3x1xf32> -> tensor<?x?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error @+1 {{result: expected shape [8], found [4]}}
  %q = mamba.cast %x : tensor<8xf32> -> tensor<4xf16>
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error @+1 {{cannot repeat [8] to [8, 1]}}
  %q = mamba.broadcast %x : tensor<8xf32> -> tensor<8x1xf32>
  return
}

// -----

func.func @f(%x: tensor<8x2x4xf32>) {
  // expected-error @+1 {{input: expected [channels, 1..., n], found [8, 2, 4]}}
  %q = mamba.channels_last %x : tensor<8x2x4xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @f(%x: tensor<8x4xf32>) {
  // expected-error @+1 {{result: expected shape [4, 8], found [8, 4]}}
  %q = mamba.channels_last %x : tensor<8x4xf32> -> tensor<8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<8x4xf32>) {
  // expected-error @+1 {{result: expected elements of type 'f32', found 'f16'}}
  %q = mamba.channels_last %x : tensor<8x4xf32> -> tensor<4x8xf16>
  return
}

// -----

func.func @f(%x: tensor<8x4xf32>) {
  // expected-error @+1 {{result: expected shape [8, 4], found [4, 8]}}
  %q = mamba.neg_exp %x : tensor<8x4xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @f(%i: tensor<?x?xi32>, %t: tensor<16x4xf32>) {
  // expected-error @+1 {{result: expected shape [?, ?, 4], found [?, ?, 16]}}
  %q = mamba.embedding %i, %t : (tensor<?x?xi32>, tensor<16x4xf32>) -> tensor<?x?x16xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x4xf32>, %g: tensor<8xf32>) {
  // expected-error @+1 {{gamma: expected 4 values along one dimension, found shape [8]}}
  %q = mamba.rms_norm %x gamma %g epsilon 1.0 : (tensor<?x?x4xf32>, tensor<8xf32>) -> tensor<?x?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x4xf32>) {
  // expected-error @+1 {{epsilon: expected a positive number, found 0}}
  %q = mamba.rms_norm %x epsilon 0.0 : (tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x4xf32>, %w: tensor<8x5xf32>) {
  // expected-error @+1 {{weight: expected shape [8, 4], found [8, 5]}}
  %q = mamba.linear %x, %w : (tensor<?x?x4xf32>, tensor<8x5xf32>) -> tensor<?x?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x4xf32>, %w: tensor<8x4xf32>, %b: tensor<4xf32>) {
  // expected-error @+1 {{bias: expected 8 values along one dimension, found shape [4]}}
  %q = mamba.linear %x, %w bias %b : (tensor<?x?x4xf32>, tensor<8x4xf32>, tensor<4xf32>) -> tensor<?x?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x4xf32>, %w: tensor<8x4xf32>) {
  // expected-error @+1 {{result: expected shape [?, ?, 8], found [?, ?, 4]}}
  %q = mamba.linear %x, %w : (tensor<?x?x4xf32>, tensor<8x4xf32>) -> tensor<?x?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x8xf32>) {
  // expected-error @+1 {{expected channels within [0, 8), found [6, 10)}}
  %q = mamba.slice %x from 6 : tensor<?x?x8xf32> -> tensor<?x?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x8xf32>) {
  // expected-error @+1 {{expected channels within [0, 8), found [-1, 3)}}
  %q = mamba.slice %x from -1 : tensor<?x?x8xf32> -> tensor<?x?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x8xf32>, %w: tensor<8x1x4xf32>) {
  // expected-error @+1 {{state @none is not declared: expected `mamba.state @none`}}
  %q = mamba.causal_conv1d %x, %w state @none : (tensor<?x?x8xf32>, tensor<8x1x4xf32>) -> tensor<?x?x8xf32>
  return
}

// -----

mamba.state @s : tensor<4x8xf32>
func.func @f(%x: tensor<?x?x8xf32>, %w: tensor<8x1x4xf32>) {
  // expected-error @+1 {{state @s: expected [3, 8] of 'f32', found [4, 8] of 'f32'}}
  %q = mamba.causal_conv1d %x, %w state @s : (tensor<?x?x8xf32>, tensor<8x1x4xf32>) -> tensor<?x?x8xf32>
  return
}

// -----

mamba.state @s : tensor<3x8xf32>
func.func @f(%x: tensor<?x?x8xf32>, %w: tensor<8x2x4xf32>) {
  // expected-error @+1 {{weight: expected shape [8, 1, 4], found [8, 2, 4]}}
  %q = mamba.causal_conv1d %x, %w state @s : (tensor<?x?x8xf32>, tensor<8x2x4xf32>) -> tensor<?x?x8xf32>
  return
}

// -----

mamba.state @s : tensor<2x8xf32>
func.func @f(%u: tensor<?x?x8xf32>, %a: tensor<2x8xf32>, %b: tensor<?x?x2xf32>, %d: tensor<8xf32>) {
  // expected-error @+1 {{a: expected shape [8, 2], found [2, 8]}}
  %q = mamba.selective_scan %u dt %u a %a b %b c %b d %d state @s : (tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<2x8xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  return
}

// -----

mamba.state @s : tensor<2x8xf16>
func.func @f(%u: tensor<?x?x8xf32>, %a: tensor<8x2xf32>, %b: tensor<?x?x2xf32>, %d: tensor<8xf32>) {
  // expected-error @+1 {{state @s: expected [2, 8] of 'f32', found [2, 8] of 'f16'}}
  %q = mamba.selective_scan %u dt %u a %a b %b c %b d %d state @s : (tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<8x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x8xf32>, %y: tensor<4xf32>) {
  // expected-error @+1 {{cannot multiply [?, ?, 8] by [4] to [?, ?, 8]}}
  %q = mamba.mul %x, %y : (tensor<?x?x8xf32>, tensor<4xf32>) -> tensor<?x?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x8xf32>, %y: tensor<?x?x4xf32>) {
  // expected-error @+1 {{rhs: expected shape [?, ?, 8], found [?, ?, 4]}}
  %q = mamba.add %x, %y : (tensor<?x?x8xf32>, tensor<?x?x4xf32>) -> tensor<?x?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x36xf32>) {
  // expected-error @+1 {{no Hadamard matrix for size [36]: expected 2^k times 1, 12, 20, 28 or 40}}
  %q = mamba.hadamard %x axis 2 : tensor<?x?x36xf32> -> tensor<?x?x36xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x8xf32>) {
  // expected-error @+1 {{axis: expected within [0, 3), found 3}}
  %q = mamba.hadamard %x axis 3 : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x8xf32>) {
  // expected-error @+1 {{limit: expected a positive number, found -1}}
  %q = mamba.clamp %x to -1.0 : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x8xf32>) {
  // expected-error @+1 {{row scale: expected shape [?, ?, 1], found [?, ?, 8]}}
  %q, %s = mamba.quantize_rows %x : (tensor<?x?x8xf32>) -> (tensor<?x?x8xi8>, tensor<?x?x8xf32>)
  return
}

// -----

func.func @f(%x: tensor<?x?x8xf32>) {
  // expected-error @+1 {{expected either inv_scale or a row scale result for a result of 'i8'}}
  %q = mamba.rms_norm_quant %x epsilon 1.0 : (tensor<?x?x8xf32>) -> tensor<?x?x8xi8>
  return
}

// -----

func.func @f(%x: tensor<?x?x8xf32>, %s: tensor<f32>) {
  // expected-error @+1 {{expected no scale for a result of 'f32'}}
  %q = mamba.rms_norm_quant %x inv_scale %s epsilon 1.0 : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x8xf32>, %d: tensor<?x?x4xf32>) {
  // expected-error @+1 {{delta: expected shape [?, ?, 8], found [?, ?, 4]}}
  %q, %n = mamba.add_rms_norm_quant %x, %d epsilon 1.0 : (tensor<?x?x8xf32>, tensor<?x?x4xf32>) -> (tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  return
}

// -----

func.func @f(%x: tensor<?x?x4xi8>, %w: tensor<8x4xi8>, %m: tensor<4xf32>, %s: tensor<f32>) {
  // expected-error @+1 {{multiplier: expected 8 values along one dimension, found shape [4]}}
  %q = mamba.linear_i8 %x, %w multiplier %m : (tensor<?x?x4xi8>, tensor<8x4xi8>, tensor<4xf32>) -> tensor<?x?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x4xi8>, %w: tensor<8x4xi8>, %m: tensor<8x1xf32>, %s: tensor<f32>) {
  // expected-error @+1 {{results: expected 8 columns in all, the weight's rows, found 6}}
  %q = mamba.linear_i8 %x, %w multiplier %m : (tensor<?x?x4xi8>, tensor<8x4xi8>, tensor<8x1xf32>) -> tensor<?x?x6xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x4xi8>, %w: tensor<8x4xi8>, %m: tensor<8x1xf32>, %s: tensor<f32>) {
  // expected-error @+1 {{inv_scales: expected one per i8 result, 1, found 0}}
  %q = mamba.linear_i8 %x, %w multiplier %m : (tensor<?x?x4xi8>, tensor<8x4xi8>, tensor<8x1xf32>) -> tensor<?x?x8xi8>
  return
}

// -----

func.func @f(%x: tensor<?x?x4xi8>, %w: tensor<8x4xi8>, %m: tensor<8x1xf32>, %s: tensor<f32>) {
  // expected-error @+1 {{inv_scales: expected one per i8 result, 0, found 1}}
  %q = mamba.linear_i8 %x, %w multiplier %m inv_scales %s : (tensor<?x?x4xi8>, tensor<8x4xi8>, tensor<8x1xf32>, tensor<f32>) -> tensor<?x?x8xf32>
  return
}

// -----

mamba.state @s : tensor<3x8xi8>
func.func @f(%x: tensor<?x?x8xi8>, %w: tensor<4x8xi8>) {
  // expected-error @+1 {{multiplier: expected one for an i8 weight}}
  %q = mamba.conv1d_silu_quant %x, %w state @s : (tensor<?x?x8xi8>, tensor<4x8xi8>) -> tensor<?x?x8xf32>
  return
}

// -----

mamba.state @s : tensor<3x8xi8>
func.func @f(%x: tensor<?x?x8xf32>, %w: tensor<4x8xi8>) {
  // expected-error @+1 {{weight: expected f32 for an input of 'f32', found i8}}
  %q = mamba.conv1d_silu_quant %x, %w state @s : (tensor<?x?x8xf32>, tensor<4x8xi8>) -> tensor<?x?x8xf32>
  return
}

// -----

mamba.state @s : tensor<3x8xi8>
func.func @f(%x: tensor<?x?x8xi8>, %w: tensor<4x8xf32>) {
  // expected-error @+1 {{input_scale: expected exactly for an i8 input with a float weight}}
  %q = mamba.conv1d_silu_quant %x, %w state @s : (tensor<?x?x8xi8>, tensor<4x8xf32>) -> tensor<?x?x8xf32>
  return
}

// -----

mamba.state @s : tensor<3x8xi8>
func.func @f(%x: tensor<?x?x8xf32>, %w: tensor<4x8xf32>) {
  // expected-error @+1 {{state @s: expected [3, 8] of 'f32', found [3, 8] of 'i8'}}
  %q = mamba.conv1d_silu_quant %x, %w state @s : (tensor<?x?x8xf32>, tensor<4x8xf32>) -> tensor<?x?x8xf32>
  return
}

// -----

mamba.state @s : tensor<2x8xf32>
func.func @f(%u: tensor<?x?x8xi8>, %dt: tensor<?x?x8xf32>, %a: tensor<2x8xf32>, %b: tensor<?x?x2xf32>, %d: tensor<8xf32>) {
  // expected-error @+1 {{u_scale: expected a scale for an operand of 'i8'}}
  %q = mamba.selective_scan_quant %u dt %dt a %a b %b c %b d %d gate %dt state @s : (tensor<?x?x8xi8>, tensor<?x?x8xf32>, tensor<2x8xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return
}

// -----

mamba.state @s : tensor<2x8xf32>
func.func @f(%u: tensor<?x?x8xf32>, %a: tensor<8x2xf32>, %b: tensor<?x?x2xf32>, %d: tensor<8xf32>) {
  // expected-error @+1 {{a: expected shape [2, 8], found [8, 2]}}
  %q = mamba.selective_scan_quant %u dt %u a %a b %b c %b d %d gate %u state @s : (tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<8x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x36xf32>, %s: tensor<f32>) {
  // expected-error @+1 {{no Hadamard matrix for size [36]: expected 2^k times 1, 12, 20, 28 or 40}}
  %q = mamba.hadamard_quant %x inv_scale %s : (tensor<?x?x36xf32>, tensor<f32>) -> tensor<?x?x36xi8>
  return
}

// -----

func.func @f(%x: tensor<?x?x133145xi8>, %w: tensor<8x133145xi8>, %m: tensor<8xf32>) {
  // expected-error @+1 {{input: expected at most 133144 channels, so that int32 sums cannot overflow, found 133145}}
  %q = mamba.linear_i8 %x, %w multiplier %m : (tensor<?x?x133145xi8>, tensor<8x133145xi8>, tensor<8xf32>) -> tensor<?x?x8xf32>
  return
}

// -----

func.func @f(%w: tensor<8x4xf16>) {
  // expected-error @+1 {{expected rows within [0, 8), found [6, 10)}}
  %r = mamba.slice_rows %w from 6 : tensor<8x4xf16> -> tensor<4x4xf16>
  return
}

// -----

func.func @f(%w: tensor<8x4xf16>) {
  // expected-error @+1 {{result: expected shape [2, 4], found [2, 3]}}
  %r = mamba.slice_rows %w from 0 : tensor<8x4xf16> -> tensor<2x3xf16>
  return
}

// -----

func.func @f(%s: tensor<f32>) {
  // expected-error @+1 {{input: expected rows, found a tensor of rank 0}}
  %r = mamba.slice_rows %s from 0 : tensor<f32> -> tensor<f32>
  return
}

// -----

func.func @f(%w: tensor<17x9xi8>) {
  // 2 groups of 3 blocks, and 2 blocks of offsets.
  // expected-error @+1 {{result: expected shape [8, 16, 4], found [6, 16, 4]}}
  %p = mamba.pack %w : tensor<17x9xi8> -> tensor<6x16x4xi8>
  return
}

// -----

func.func @f(%w: tensor<4x0xi8>) {
  // expected-error @+1 {{result: expected weights of 1 to 2^31 - 1 rows and columns, found [4, 0]}}
  %p = mamba.pack %w : tensor<4x0xi8> -> tensor<1x16x4xi8>
  return
}

// -----

func.func @f(%w: tensor<4x1x4xi8>) {
  // expected-error @+1 {{input: expected rank 2, found shape [4, 1, 4]}}
  %p = mamba.pack %w : tensor<4x1x4xi8> -> tensor<2x16x4xi8>
  return
}

// -----

func.func @f(%x: tensor<?x?x9xi8>, %w: tensor<6x16x4xi8>, %m: tensor<17xf32>) {
  // expected-error @+1 {{weight: expected shape [8, 16, 4], found [6, 16, 4]}}
  %q = mamba.linear_i8 %x, %w multiplier %m : (tensor<?x?x9xi8>, tensor<6x16x4xi8>, tensor<17xf32>) -> tensor<?x?x17xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x9xi8>, %w: tensor<9xi8>, %m: tensor<1xf32>) {
  // expected-error @+1 {{weight: expected rank 2, found shape [9]}}
  %q = mamba.linear_i8 %x, %w multiplier %m : (tensor<?x?x9xi8>, tensor<9xi8>, tensor<1xf32>) -> tensor<?x?x1xf32>
  return
}

// -----

func.func @smoothing(%x: tensor<4xf32>, %w: tensor<1x3xf32>) -> tensor<4xf32> {
  // expected-error@below {{weight_absmax: expected shape [1, 4], found [1, 3]}}
  %s = mamba.smoothing %x, %w strength 5.0e-01 : (tensor<4xf32>, tensor<1x3xf32>) -> tensor<4xf32>
  return %s : tensor<4xf32>
}

// -----

func.func @f(%w: tensor<4x64xi4>, %s: tensor<4x4xi8>) {
  // expected-error @+1 {{groups: expected a multiple of 32 columns to each, found 4 for a weight of shape [4, 64]}}
  %p = mamba.scale_groups %w, %s : (tensor<4x64xi4>, tensor<4x4xi8>) -> tensor<4x64xi8>
  return
}

// -----

func.func @smoothing(%x: tensor<4xf32>, %w: tensor<1x4xf32>) -> tensor<4xf32> {
  // expected-error@below {{strength: expected a number from 0 to 1, found 1.5}}
  %s = mamba.smoothing %x, %w strength 1.5 : (tensor<4xf32>, tensor<1x4xf32>) -> tensor<4xf32>
  return %s : tensor<4xf32>
}

// -----

func.func @f(%w: tensor<4x64xi4>, %s: tensor<3x2xi8>) {
  // expected-error @+1 {{scales: expected shape [4, 2], found [3, 2]}}
  %p = mamba.scale_groups %w, %s : (tensor<4x64xi4>, tensor<3x2xi8>) -> tensor<4x64xi8>
  return
}

// -----

func.func @f(%w: tensor<4x64xi4>, %s: tensor<4x2xi8>) {
  // expected-error @+1 {{layout: expected blocks or rows, found columns}}
  %p = mamba.pack_i4 %w, %s layout "columns" : (tensor<4x64xi4>, tensor<4x2xi8>) -> tensor<4x2x17xi8>
  return
}

// -----

func.func @f(%w: tensor<4x64xi4>, %s: tensor<4x2xi8>) {
  // expected-error @+1 {{result: expected shape [16, 2, 17], found [4, 2, 17]}}
  %p = mamba.pack_i4 %w, %s layout "blocks" : (tensor<4x64xi4>, tensor<4x2xi8>) -> tensor<4x2x17xi8>
  return
}

// -----

func.func @f(%x: tensor<?x?x64xi8>, %w: tensor<16x2x33xi8>, %m: tensor<4xf32>) {
  // expected-error @+1 {{weight: expected shape [16, 2, 17], found [16, 2, 33]}}
  %q = mamba.linear_i8 %x, %w multiplier %m : (tensor<?x?x64xi8>, tensor<16x2x33xi8>, tensor<4xf32>) -> tensor<?x?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x64xf32>, %w: tensor<4x32xi8>, %m: tensor<4xf32>) {
  // expected-error @+1 {{weight: expected shape [4, 64], found [4, 32]}}
  %q = mamba.linear_w8 %x, %w multiplier %m : (tensor<?x?x64xf32>, tensor<4x32xi8>, tensor<4xf32>) -> tensor<?x?x4xf32>
  return
}

// -----

mamba.state @ssm : tensor<3x8xi8>
func.func @f(%u: tensor<?x?x8xf32>, %a: tensor<8x2xf32>, %b: tensor<?x?x2xf32>, %d: tensor<8xf32>) {
  // expected-error @+1 {{state @ssm: expected [6, 8] of 'i8', found [3, 8] of 'i8'}}
  %y = mamba.selective_scan %u dt %u a %a b %b c %b d %d state @ssm : (tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<8x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  return
}
