// RUN: mamba-opt %s --mamba-fuse-kernels | FileCheck %s
// RUN: mamba-opt %s --mamba-fuse-kernels --mamba-plan | FileCheck %s --check-prefix=PLAN
// RUN: mamba-opt %s --mamba-fuse-kernels --mamba-plan=layout=rows | FileCheck %s --check-prefix=ROWS
// RUN: not mamba-opt %s --mamba-fuse-kernels --mamba-plan=target=orin 2>&1 | FileCheck %s --check-prefix=CUDA

// Weights in 4 bits stay so: what reads them reads an expression, of which the plan makes a layout.

// CHECK: %w.q = mamba.scale_groups %w.q4, %w.group_scale : (tensor<16x64xi4>, tensor<16x2xi8>) -> tensor<16x64xi8>
// CHECK: %x.weight = mamba.slice_rows %v.q4 from 0 : tensor<64x32xi4> -> tensor<48x32xi4>
// CHECK: %x.group_scale = mamba.slice_rows %v.group_scale from 0 : tensor<64x1xi8> -> tensor<48x1xi8>
// CHECK: %x.weight.q = mamba.scale_groups %x.weight, %x.group_scale
// CHECK: %x.multiplier = mamba.slice_rows %v.scale from 0 : tensor<64x1xf32> -> tensor<48x1xf32>
// CHECK: %x = mamba.linear_w8 %{{.*}}, %x.weight.q multiplier %x.multiplier : (tensor<?x?x32xf32>, tensor<48x32xi8>, tensor<48x1xf32>) -> tensor<?x?x48xf32>
// CHECK: mamba.slice_rows %v.q4 from 48
// CHECK: %z = mamba.linear_w8
// CHECK: %y = mamba.linear_i8 %in, %w.q multiplier %y.multiplier

// PLAN-NOT: scale_groups
// PLAN: mamba.pack_i4 %x.weight, %x.group_scale layout "rows" : (tensor<48x32xi4>, tensor<48x1xi8>) -> tensor<48x1x17xi8>
// PLAN: mamba.linear_w8 {{.*}} {mamba.kernel = "mamba_linear_w4"
// PLAN: mamba.pack_i4 %w.q4, %w.group_scale layout "blocks" : (tensor<16x64xi4>, tensor<16x2xi8>) -> tensor<16x2x17xi8>
// PLAN: mamba.linear_i8 {{.*}} {mamba.kernel = "mamba_linear_i4"

// ROWS: mamba.scale_groups
// ROWS: mamba.linear_w8 {{.*}} {mamba.kernel = "mamba_linear_w8"
// ROWS: mamba.linear_i8 {{.*}} {mamba.kernel = "mamba_linear_i8"

// CUDA: target orin has no kernel for 4-bit weights

mamba.checkpoint @ckpt "model" hash "xxh3:0"
func.func @forward(%ids: tensor<?x?xi32>) -> tensor<?x?x16xf32> {
  %table = mamba.weight @ckpt::@table : tensor<16x32xf32> loc("table")
  %h = mamba.embedding %ids, %table : (tensor<?x?xi32>, tensor<16x32xf32>) -> tensor<?x?x32xf32> loc("h")
  %v4 = mamba.weight @ckpt::@v.q4 : tensor<64x32xi4> loc("v.q4")
  %vs = mamba.weight @ckpt::@v.group_scale : tensor<64x1xi8> loc("v.group_scale")
  %vr = mamba.weight @ckpt::@v.scale : tensor<64x1xf32> loc("v.scale")
  %v8 = mamba.scale_groups %v4, %vs : (tensor<64x32xi4>, tensor<64x1xi8>) -> tensor<64x32xi8> loc("v.q")
  %v = mamba.dequantize %v8, %vr : tensor<64x32xi8>, tensor<64x1xf32> -> tensor<64x32xf32> loc("v.dq")
  %w4 = mamba.weight @ckpt::@w.q4 : tensor<16x64xi4> loc("w.q4")
  %ws = mamba.weight @ckpt::@w.group_scale : tensor<16x2xi8> loc("w.group_scale")
  %wr = mamba.weight @ckpt::@w.scale : tensor<16x1xf32> loc("w.scale")
  %w8 = mamba.scale_groups %w4, %ws : (tensor<16x64xi4>, tensor<16x2xi8>) -> tensor<16x64xi8> loc("w.q")
  %w = mamba.dequantize %w8, %wr : tensor<16x64xi8>, tensor<16x1xf32> -> tensor<16x64xf32> loc("w.dq")
  %s = mamba.scale 0.5 : tensor<f32> loc("in.scale")
  %xz = mamba.linear %h, %v : (tensor<?x?x32xf32>, tensor<64x32xf32>) -> tensor<?x?x64xf32> loc("xz")
  %x = mamba.slice %xz from 0 : tensor<?x?x64xf32> -> tensor<?x?x48xf32> loc("x")
  %z = mamba.slice %xz from 48 : tensor<?x?x64xf32> -> tensor<?x?x16xf32> loc("z")
  %e = mamba.weight @ckpt::@e : tensor<64x48xf32> loc("e")
  %f = mamba.linear %x, %e : (tensor<?x?x48xf32>, tensor<64x48xf32>) -> tensor<?x?x64xf32> loc("f")
  %fq = mamba.quantize %f, %s : tensor<?x?x64xf32>, tensor<f32> -> tensor<?x?x64xi8> loc("in")
  %fd = mamba.dequantize %fq, %s : tensor<?x?x64xi8>, tensor<f32> -> tensor<?x?x64xf32> loc("in.dq")
  %y = mamba.linear %fd, %w : (tensor<?x?x64xf32>, tensor<16x64xf32>) -> tensor<?x?x16xf32> loc("y")
  %g = mamba.weight @ckpt::@g : tensor<16xf32> loc("g")
  %t, %o = mamba.add_rms_norm_quant %y, %z gamma %g epsilon 1.0e-5 : (tensor<?x?x16xf32>, tensor<?x?x16xf32>, tensor<16xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x16xf32>) loc(fused["t", "o"])
  return %o : tensor<?x?x16xf32>
}
