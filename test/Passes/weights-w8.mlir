// RUN: mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq="sites=in=w8,ux=w8,dt=w8,y=w8,head=w8,x=f32,z=f32,u=f32,B=f32,C=f32" --mamba-fuse-kernels -o %t.mlir
// RUN: FileCheck %s < %t.mlir
// RUN: not mamba-opt %t.mlir --mamba-plan=target=orin 2>&1 | FileCheck %s --check-prefix=CUDA
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq=sites=x=w8 2>&1 | FileCheck %s --check-prefix=SITE

// Integer weights, float activations: a layer for each part of a projection, with its rows and their scales.
// CHECK: %in = mamba.rms_norm_quant {{.*}} -> tensor<?x?x4xf32>
// CHECK: mamba.slice_rows %in_proj.weight.q from 0 : tensor<16x4xi8> -> tensor<8x4xi8>
// CHECK: %x.multiplier = mamba.slice_rows %in_proj.weight.scale from 0 : tensor<16x1xf32> -> tensor<8x1xf32>
// CHECK: %x = mamba.linear_w8 %in, %{{.*}} multiplier %x.multiplier : (tensor<?x?x4xf32>, tensor<8x4xi8>, tensor<8x1xf32>) -> tensor<?x?x8xf32>
// CHECK: %z = mamba.linear_w8
// CHECK: %dt_proj = mamba.linear_w8 %dt, %dt_proj.weight.q multiplier %dt_proj.weight.scale bias
// CHECK: %out_proj = mamba.linear_w8
// CHECK: %lm_head = mamba.linear_w8 {{.*}} -> tensor<?x?x16xf32>

// CUDA: target orin has no kernel for integer weights with float activations
// SITE: expected x=tensor, fitted, pNN, f16, f32, found 'w8'
