// Every op of level 1 prints as it was parsed, twice, and as bytecode.
// RUN: mamba-opt %s | mamba-opt | FileCheck %s
// RUN: mamba-opt %s --emit-bytecode | mamba-opt | FileCheck %s

// CHECK: mamba.checkpoint @ckpt "model" hash "xxh3:0"
mamba.checkpoint @ckpt "model" hash "xxh3:0"
// CHECK: mamba.state @layers.0.conv : tensor<3x8xf32>
mamba.state @layers.0.conv : tensor<3x8xf32>
mamba.state @layers.0.ssm : tensor<2x8xf32>

// CHECK-LABEL: func.func @forward
func.func @forward(%ids: tensor<?x?xi32>) -> tensor<?x?x16xf32> {
  // CHECK: %backbone.embeddings.weight = mamba.weight @ckpt::@backbone.embeddings.weight : tensor<16x4xf16> loc("backbone.embeddings.weight")
  %table = mamba.weight @ckpt::@"backbone.embeddings.weight" : tensor<16x4xf16> loc("backbone.embeddings.weight")
  // CHECK: mamba.embedding %{{.*}}, %backbone.embeddings.weight : (tensor<?x?xi32>, tensor<16x4xf16>) -> tensor<?x?x4xf32>
  %h = mamba.embedding %ids, %table : (tensor<?x?xi32>, tensor<16x4xf16>) -> tensor<?x?x4xf32>
  %gamma = mamba.weight @ckpt::@gamma : tensor<4xbf16>
  // CHECK: mamba.rms_norm %{{.*}} gamma %{{.*}} epsilon 9.99999974E-6 : (tensor<?x?x4xf32>, tensor<4xbf16>) -> tensor<?x?x4xf32>
  %n = mamba.rms_norm %h gamma %gamma epsilon 1.0e-5 : (tensor<?x?x4xf32>, tensor<4xbf16>) -> tensor<?x?x4xf32>
  // CHECK: mamba.rms_norm %{{.*}} epsilon 1.000000e+00 : (tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  %n1 = mamba.rms_norm %h epsilon 1.0 : (tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  %w = mamba.weight @ckpt::@w : tensor<16x4xf32>
  %b = mamba.weight @ckpt::@b : tensor<16xf32>
  // CHECK: mamba.linear %{{.*}}, %{{.*}} bias %{{.*}} : (tensor<?x?x4xf32>, tensor<16x4xf32>, tensor<16xf32>) -> tensor<?x?x16xf32>
  %xz = mamba.linear %n, %w bias %b : (tensor<?x?x4xf32>, tensor<16x4xf32>, tensor<16xf32>) -> tensor<?x?x16xf32>
  // CHECK: mamba.linear %{{.*}}, %{{.*}} : (tensor<?x?x4xf32>, tensor<16x4xf32>) -> tensor<?x?x16xf32>
  %xz1 = mamba.linear %n1, %w : (tensor<?x?x4xf32>, tensor<16x4xf32>) -> tensor<?x?x16xf32>
  // CHECK: mamba.slice %{{.*}} from 8 : tensor<?x?x16xf32> -> tensor<?x?x8xf32>
  %x = mamba.slice %xz from 0 : tensor<?x?x16xf32> -> tensor<?x?x8xf32>
  %z = mamba.slice %xz from 8 : tensor<?x?x16xf32> -> tensor<?x?x8xf32>
  %cw = mamba.weight @ckpt::@cw : tensor<8x1x4xf32>
  %cb = mamba.weight @ckpt::@cb : tensor<8xf32>
  // CHECK: mamba.causal_conv1d %{{.*}}, %{{.*}} bias %{{.*}} state @layers.0.conv :
  %c = mamba.causal_conv1d %x, %cw bias %cb state @layers.0.conv : (tensor<?x?x8xf32>, tensor<8x1x4xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  // CHECK: mamba.silu
  %u = mamba.silu %c : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  // CHECK: mamba.clamp %{{.*}} to 2.500000e+00 : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  %uc = mamba.clamp %u to 2.5 : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  %B = mamba.slice %uc from 0 : tensor<?x?x8xf32> -> tensor<?x?x2xf32>
  %C = mamba.slice %uc from 2 : tensor<?x?x8xf32> -> tensor<?x?x2xf32>
  // CHECK: mamba.softplus
  %dt = mamba.softplus %z : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  %alog = mamba.weight @ckpt::@alog : tensor<8x2xf32>
  // CHECK: mamba.neg_exp
  %A = mamba.neg_exp %alog : tensor<8x2xf32> -> tensor<8x2xf32>
  // CHECK: mamba.selective_scan %{{.*}} dt %{{.*}} a %{{.*}} b %{{.*}} c %{{.*}} d %{{.*}} state @layers.0.ssm :
  %s = mamba.selective_scan %uc dt %dt a %A b %B c %C d %cb state @layers.0.ssm : (tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<8x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  // CHECK: mamba.mul
  %y = mamba.mul %s, %u : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  // CHECK: mamba.hadamard %{{.*}} axis 2 : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  %r = mamba.hadamard %y axis 2 : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  // CHECK: mamba.hadamard %{{.*}} axis 2 transpose : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  %rr = mamba.hadamard %r axis 2 transpose : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  %ow = mamba.weight @ckpt::@ow : tensor<16x8xf32>
  %o = mamba.linear %rr, %ow : (tensor<?x?x8xf32>, tensor<16x8xf32>) -> tensor<?x?x16xf32>
  // CHECK: mamba.add
  %sum = mamba.add %o, %xz1 : (tensor<?x?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  return %sum : tensor<?x?x16xf32>
}
