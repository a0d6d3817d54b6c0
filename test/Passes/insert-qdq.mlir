// RUN: mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq | FileCheck %s
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq=weights=tensor | FileCheck %s --check-prefix=TENSOR
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq="sites=in=token,x=f16,u=f16,ux=tensor,y=f32,B=f32,head=token" | FileCheck %s --check-prefix=MIXED
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-clamp-scan=percentile=99.9 --mamba-insert-qdq | FileCheck %s --check-prefix=CLAMP
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-rotate=sites=in --mamba-insert-qdq="sites=in=token" | FileCheck %s --check-prefix=PAIR
// RUN: mamba-opt %s --mamba-insert-qdq=sites=head=f32 | FileCheck %s --check-prefix=ALONE

// Every site has the scale absmax / 127; the head stays in floating point.
// CHECK: %in.scale = mamba.scale 1.000000e+00
// CHECK-NEXT: %in.q = mamba.quantize %in, %in.scale : tensor<?x?x4xf32>, tensor<f32> -> tensor<?x?x4xi8>
// CHECK-NEXT: %in.dq = mamba.dequantize %in.q, %in.scale
// CHECK: %in_proj.weight.scale = mamba.absmax_scale %in_proj.weight : tensor<16x4xf16> -> tensor<16x1xf32>
// CHECK: %in_proj.weight.q = mamba.quantize %in_proj.weight, %in_proj.weight.scale
// CHECK: %in_proj = mamba.linear %in.dq, %in_proj.weight.dq
// CHECK: %x.scale = mamba.scale 2.000000e+00
// CHECK: %z.scale = mamba.scale 3.000000e+00
// CHECK: mamba.absmax_scale %conv1d.weight : tensor<8x1x4xf16> -> tensor<8x1x1xf32>
// CHECK: mamba.causal_conv1d %x.dq, %conv1d.weight.dq
// CHECK: %u.scale = mamba.scale 4.000000e+00
// CHECK-COUNT-1: mamba.quantize %u,
// CHECK: mamba.linear %u.dq, %x_proj.weight.dq
// CHECK: %dt.scale = mamba.scale 5.000000e+00
// CHECK: %B.scale = mamba.scale 6.000000e+00
// CHECK: %C.scale = mamba.scale 7.000000e+00
// CHECK: mamba.linear %dt.dq, %dt_proj.weight.dq bias %dt_proj.bias
// CHECK: mamba.selective_scan %u.dq dt %delta a %A b %B.dq c %C.dq d %D
// CHECK: mamba.silu %z.dq
// CHECK: %y.scale = mamba.scale 8.000000e+00
// CHECK: mamba.linear %y.dq, %out_proj.weight.dq
// CHECK: mamba.linear %norm_f, %embeddings.weight :

// TENSOR: mamba.absmax_scale %in_proj.weight : tensor<16x4xf16> -> tensor<f32>
// TENSOR: mamba.absmax_scale %conv1d.weight : tensor<8x1x4xf16> -> tensor<f32>

// MIXED: %in.scale = mamba.absmax_scale %in : tensor<?x?x4xf32> -> tensor<?x?x1xf32>
// MIXED: mamba.quantize %in, %in.scale
// MIXED: %x.f16 = mamba.cast %x : tensor<?x?x8xf32> -> tensor<?x?x8xf16>
// The convolution's weight stays in floating point with its input.
// MIXED: mamba.causal_conv1d %x.dq, %conv1d.weight bias
// MIXED-DAG: %u.f16 = mamba.cast %u
// MIXED-DAG: %u.x_proj.q = mamba.quantize %u,
// MIXED: mamba.linear %u.x_proj.dq, %x_proj.weight.dq
// MIXED: mamba.selective_scan %u.dq dt %delta a %A b %B c %C.dq
// A matrix whose input is not i8 keeps its weight.
// MIXED: mamba.linear %y, %out_proj.weight :
// MIXED: mamba.linear %norm_f.dq, %lm_head.weight.dq

// The clamp's limit is the range.
// CLAMP: %u_clamped.scale = mamba.scale 2.000000e+00
// CLAMP: mamba.quantize %u_clamped, %u_clamped.scale

// Between the transforms of a pair, the rotated value is quantized.
// PAIR: mamba.quantize %in_rotated, %in_rotated.scale
// PAIR: %in_restored = mamba.hadamard %in_rotated.dq axis 2 transpose
// PAIR: mamba.linear %in_restored, %in_proj.weight.dq

mamba.checkpoint @ckpt "model" hash "xxh3:0"

// A linear layer that is not part of a block is nobody's site.
// ALONE-LABEL: func.func @forward
// ALONE-NOT: mamba.quantize
func.func @forward(%x: tensor<?x?x4xf32>) -> tensor<?x?x4xf32> {
  %w = mamba.weight @ckpt::@w : tensor<4x4xf32>
  %l = mamba.linear %x, %w : (tensor<?x?x4xf32>, tensor<4x4xf32>) -> tensor<?x?x4xf32>
  %head = mamba.linear %l, %w : (tensor<?x?x4xf32>, tensor<4x4xf32>) -> tensor<?x?x4xf32>
  return %head : tensor<?x?x4xf32>
}
