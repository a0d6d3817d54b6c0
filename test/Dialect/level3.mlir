// Weights, scales, level 2 and every kernel op, with and without their optional operands.
// RUN: mamba-opt %s | mamba-opt | FileCheck %s
// RUN: mamba-opt %s --emit-bytecode | mamba-opt | FileCheck %s

mamba.checkpoint @w "weights.safetensors" hash "xxh3:0"
mamba.state @conv.i8 : tensor<3x8xi8>
mamba.state @conv.f16 : tensor<3x8xf16>
mamba.state @ssm : tensor<2x8xf32>

// CHECK-LABEL: func.func @weights
func.func @weights(%x: tensor<?x?x8xf32>) -> (tensor<?x?x8xf32>, tensor<4x8xi8>, tensor<8x1xf32>) {
  // CHECK: mamba.scale 2.500000e-01 : tensor<f32>
  %s = mamba.scale 0.25 : tensor<f32>
  // CHECK: mamba.reciprocal %{{.*}} : tensor<f32>
  %r = mamba.reciprocal %s : tensor<f32>
  %w = mamba.weight @w::@conv : tensor<8x1x4xf16>
  // CHECK: mamba.channels_last %{{.*}} : tensor<8x1x4xf16> -> tensor<4x8xf16>
  %cl = mamba.channels_last %w : tensor<8x1x4xf16> -> tensor<4x8xf16>
  // CHECK: mamba.slice_rows %{{.*}} from 1 : tensor<4x8xf16> -> tensor<2x8xf16>
  %rows = mamba.slice_rows %cl from 1 : tensor<4x8xf16> -> tensor<2x8xf16>
  // CHECK: mamba.absmax_scale %{{.*}} : tensor<4x8xf16> -> tensor<1x8xf32>
  %ws = mamba.absmax_scale %cl : tensor<4x8xf16> -> tensor<1x8xf32>
  // CHECK: mamba.quantize %{{.*}}, %{{.*}} : tensor<4x8xf16>, tensor<1x8xf32> -> tensor<4x8xi8>
  %q = mamba.quantize %cl, %ws : tensor<4x8xf16>, tensor<1x8xf32> -> tensor<4x8xi8>
  // CHECK: mamba.pack %{{.*}} : tensor<4x8xi8> -> tensor<3x16x4xi8>
  %packed = mamba.pack %q : tensor<4x8xi8> -> tensor<3x16x4xi8>
  // CHECK: mamba.broadcast %{{.*}} : tensor<f32> -> tensor<8x1xf32>
  %b = mamba.broadcast %r : tensor<f32> -> tensor<8x1xf32>
  // CHECK: mamba.absmax_scale %{{.*}} : tensor<?x?x8xf32> -> tensor<?x?x1xf32>
  %ts = mamba.absmax_scale %x : tensor<?x?x8xf32> -> tensor<?x?x1xf32>
  %tq = mamba.quantize %x, %ts : tensor<?x?x8xf32>, tensor<?x?x1xf32> -> tensor<?x?x8xi8>
  // CHECK: mamba.dequantize %{{.*}}, %{{.*}} : tensor<?x?x8xi8>, tensor<?x?x1xf32> -> tensor<?x?x8xf32>
  %td = mamba.dequantize %tq, %ts : tensor<?x?x8xi8>, tensor<?x?x1xf32> -> tensor<?x?x8xf32>
  // CHECK: mamba.cast %{{.*}} : tensor<?x?x8xf32> -> tensor<?x?x8xf16>
  %h = mamba.cast %td : tensor<?x?x8xf32> -> tensor<?x?x8xf16>
  // CHECK: mamba.cast %{{.*}} : tensor<?x?x8xf16> -> tensor<?x?x8xf32>
  %f = mamba.cast %h : tensor<?x?x8xf16> -> tensor<?x?x8xf32>
  return %f, %q, %b : tensor<?x?x8xf32>, tensor<4x8xi8>, tensor<8x1xf32>
}

// CHECK-LABEL: func.func @kernels
func.func @kernels(%x: tensor<?x?x4xf32>, %gamma: tensor<4xf32>, %w: tensor<16x4xi8>, %m: tensor<16x1xf32>,
                   %c: tensor<4x8xi8>, %cf: tensor<4x8xf32>, %cm: tensor<8xf32>, %a: tensor<2x8xf32>, %s: tensor<f32>,
                   %v: tensor<8xf32>, %bc: tensor<?x?x2xf32>, %dt: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  // CHECK: mamba.rms_norm_quant %{{.*}} gamma %{{.*}} inv_scale %{{.*}} epsilon 1.000000e+00 : (tensor<?x?x4xf32>, tensor<4xf32>, tensor<f32>) -> tensor<?x?x4xi8>
  %q0 = mamba.rms_norm_quant %x gamma %gamma inv_scale %s epsilon 1.0 : (tensor<?x?x4xf32>, tensor<4xf32>, tensor<f32>) -> tensor<?x?x4xi8>
  // CHECK: mamba.rms_norm_quant %{{.*}} epsilon 1.000000e+00 : (tensor<?x?x4xf32>) -> (tensor<?x?x4xi8>, tensor<?x?x1xf32>)
  %q1, %rs = mamba.rms_norm_quant %x epsilon 1.0 : (tensor<?x?x4xf32>) -> (tensor<?x?x4xi8>, tensor<?x?x1xf32>)
  // CHECK: mamba.add_rms_norm_quant %{{.*}}, %{{.*}} gamma %{{.*}} epsilon 1.000000e+00 : (tensor<?x?x4xf32>, tensor<?x?x4xf32>, tensor<4xf32>) -> (tensor<?x?x4xf32>, tensor<?x?x4xf32>)
  %sum, %n = mamba.add_rms_norm_quant %x, %x gamma %gamma epsilon 1.0 : (tensor<?x?x4xf32>, tensor<?x?x4xf32>, tensor<4xf32>) -> (tensor<?x?x4xf32>, tensor<?x?x4xf32>)
  // CHECK: mamba.quantize_rows %{{.*}} : (tensor<?x?x4xf32>) -> (tensor<?x?x4xi8>, tensor<?x?x1xf32>)
  %q2, %rs2 = mamba.quantize_rows %n : (tensor<?x?x4xf32>) -> (tensor<?x?x4xi8>, tensor<?x?x1xf32>)
  // CHECK: mamba.linear_i8 %{{.*}}, %{{.*}} multiplier %{{.*}} row_scale %{{.*}} inv_scales %{{.*}}, %{{.*}} : (tensor<?x?x4xi8>, tensor<16x4xi8>, tensor<16x1xf32>, tensor<?x?x1xf32>, tensor<f32>, tensor<8xf32>) -> (tensor<?x?x8xi8>, tensor<?x?x8xi8>)
  %xi, %zi = mamba.linear_i8 %q1, %w multiplier %m row_scale %rs inv_scales %s, %v : (tensor<?x?x4xi8>, tensor<16x4xi8>, tensor<16x1xf32>, tensor<?x?x1xf32>, tensor<f32>, tensor<8xf32>) -> (tensor<?x?x8xi8>, tensor<?x?x8xi8>)
  // CHECK: mamba.linear_i8 %{{.*}}, %{{.*}} multiplier %{{.*}} : (tensor<?x?x4xi8>, tensor<16x4xi8>, tensor<16x1xf32>) -> (tensor<?x?x8xf16>, tensor<?x?x8xf32>)
  %xh, %zf = mamba.linear_i8 %q0, %w multiplier %m : (tensor<?x?x4xi8>, tensor<16x4xi8>, tensor<16x1xf32>) -> (tensor<?x?x8xf16>, tensor<?x?x8xf32>)
  // CHECK: mamba.pack %{{.*}} : tensor<16x4xi8> -> tensor<2x16x4xi8>
  %p = mamba.pack %w : tensor<16x4xi8> -> tensor<2x16x4xi8>
  // CHECK: mamba.linear_i8 %{{.*}}, %{{.*}} multiplier %{{.*}} : (tensor<?x?x4xi8>, tensor<2x16x4xi8>, tensor<16x1xf32>) -> tensor<?x?x16xf32>
  %xp = mamba.linear_i8 %q0, %p multiplier %m : (tensor<?x?x4xi8>, tensor<2x16x4xi8>, tensor<16x1xf32>) -> tensor<?x?x16xf32>
  // CHECK: mamba.linear_w8 %{{.*}}, %{{.*}} multiplier %{{.*}} bias %{{.*}} : (tensor<?x?x4xf32>, tensor<16x4xi8>, tensor<16x1xf32>, tensor<16x1xf32>) -> tensor<?x?x16xf32>
  %xw = mamba.linear_w8 %n, %w multiplier %m bias %m : (tensor<?x?x4xf32>, tensor<16x4xi8>, tensor<16x1xf32>, tensor<16x1xf32>) -> tensor<?x?x16xf32>
  // CHECK: mamba.conv1d_silu_quant %{{.*}}, %{{.*}} multiplier %{{.*}} bias %{{.*}} inv_scales %{{.*}} state @conv.i8 :
  %u = mamba.conv1d_silu_quant %xi, %c multiplier %cm bias %cm inv_scales %s state @conv.i8 : (tensor<?x?x8xi8>, tensor<4x8xi8>, tensor<8xf32>, tensor<8xf32>, tensor<f32>) -> tensor<?x?x8xi8>
  // CHECK: mamba.conv1d_silu_quant %{{.*}}, %{{.*}} inv_scales %{{.*}} state @conv.f16 : (tensor<?x?x8xf16>, tensor<4x8xf32>, tensor<8xf32>) -> (tensor<?x?x8xf16>, tensor<?x?x8xi8>)
  %uf, %uq = mamba.conv1d_silu_quant %xh, %cf inv_scales %v state @conv.f16 : (tensor<?x?x8xf16>, tensor<4x8xf32>, tensor<8xf32>) -> (tensor<?x?x8xf16>, tensor<?x?x8xi8>)
  // CHECK: mamba.selective_scan_quant %{{.*}} dt %{{.*}} a %{{.*}} b %{{.*}} c %{{.*}} d %{{.*}} gate %{{.*}} u_scale %{{.*}} z_scale %{{.*}} state @ssm :
  %y = mamba.selective_scan_quant %u dt %dt a %a b %bc c %bc d %cm gate %zi u_scale %s z_scale %s state @ssm : (tensor<?x?x8xi8>, tensor<?x?x8xf32>, tensor<2x8xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<8xf32>, tensor<?x?x8xi8>, tensor<f32>, tensor<f32>) -> tensor<?x?x8xf32>
  // CHECK: mamba.selective_scan_quant {{.*}} inv_scale %{{.*}} state @ssm
  %yq = mamba.selective_scan_quant %uf dt %dt a %a b %bc c %bc d %cm gate %zf inv_scale %s state @ssm : (tensor<?x?x8xf16>, tensor<?x?x8xf32>, tensor<2x8xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<8xf32>, tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xi8>
  // CHECK: mamba.hadamard_quant %{{.*}} inv_scale %{{.*}} transpose : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xi8>
  %h = mamba.hadamard_quant %y inv_scale %s transpose : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xi8>
  // CHECK: mamba.hadamard_quant %{{.*}} : (tensor<?x?x8xf32>) -> (tensor<?x?x8xi8>, tensor<?x?x1xf32>)
  %h1, %rs3 = mamba.hadamard_quant %y : (tensor<?x?x8xf32>) -> (tensor<?x?x8xi8>, tensor<?x?x1xf32>)
  return %y : tensor<?x?x8xf32>
}

// 4-bit weights in groups of 32 columns.
// CHECK-LABEL: @int4
func.func @int4(%x: tensor<?x?x64xf32>, %q: tensor<?x?x64xi8>, %w: tensor<17x64xi4>, %s: tensor<17x2xi8>, %m: tensor<17x1xf32>) {
  // CHECK: mamba.scale_groups %{{.*}}, %{{.*}} : (tensor<17x64xi4>, tensor<17x2xi8>) -> tensor<17x64xi8>
  %w8 = mamba.scale_groups %w, %s : (tensor<17x64xi4>, tensor<17x2xi8>) -> tensor<17x64xi8>
  // CHECK: mamba.pack_i4 %{{.*}}, %{{.*}} layout "blocks" : (tensor<17x64xi4>, tensor<17x2xi8>) -> tensor<32x2x17xi8>
  %b = mamba.pack_i4 %w, %s layout "blocks" : (tensor<17x64xi4>, tensor<17x2xi8>) -> tensor<32x2x17xi8>
  // CHECK: mamba.pack_i4 %{{.*}}, %{{.*}} layout "rows" : (tensor<17x64xi4>, tensor<17x2xi8>) -> tensor<17x2x17xi8>
  %r = mamba.pack_i4 %w, %s layout "rows" : (tensor<17x64xi4>, tensor<17x2xi8>) -> tensor<17x2x17xi8>
  // CHECK: mamba.linear_i8 %{{.*}} : (tensor<?x?x64xi8>, tensor<32x2x17xi8>, tensor<17x1xf32>) -> tensor<?x?x17xf32>
  %y = mamba.linear_i8 %q, %b multiplier %m : (tensor<?x?x64xi8>, tensor<32x2x17xi8>, tensor<17x1xf32>) -> tensor<?x?x17xf32>
  // CHECK: mamba.linear_w8 %{{.*}} : (tensor<?x?x64xf32>, tensor<17x2x17xi8>, tensor<17x1xf32>) -> tensor<?x?x17xf32>
  %z = mamba.linear_w8 %x, %r multiplier %m : (tensor<?x?x64xf32>, tensor<17x2x17xi8>, tensor<17x1xf32>) -> tensor<?x?x17xf32>
  return
}
