// A scale per channel comes from the file of mamba-calibrate and goes into x_proj's columns.
// RUN: sed 's/^mamba.checkpoint @ckpt/mamba.checkpoint @statistics "s" hash "xxh3:1"\nmamba.checkpoint @ckpt/' %S/Inputs/block.mlir > %t.mlir
// RUN: mamba-opt %t.mlir --mamba-insert-qdq="sites=u=f16,ux=channel" | FileCheck %s
// RUN: mamba-opt %t.mlir --mamba-insert-qdq="sites=u=channel" --cse --mamba-fuse-kernels | FileCheck %s --check-prefix=FUSED
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq="sites=u=f16,ux=channel" 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not mamba-opt %t.mlir --mamba-clamp-scan=percentile=99.9 --mamba-insert-qdq="sites=u=f16,ux=channel" 2>&1 | FileCheck %s --check-prefix=CLAMP

// CHECK: %u.absmax = mamba.weight @statistics::@u.absmax : tensor<8xf32>
// CHECK: %[[UNIT:.*]] = mamba.scale 0.00787401571
// CHECK: %[[SCALE:.*]] = mamba.mul %u.absmax, %[[UNIT]] : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
// CHECK: %[[ONE:.*]] = mamba.scale 1.000000e+00
// CHECK: %u.x_proj.q = mamba.quantize %u, %[[SCALE]] : tensor<?x?x8xf32>, tensor<8xf32> -> tensor<?x?x8xi8>
// CHECK: %u.x_proj.dq = mamba.dequantize %u.x_proj.q, %[[ONE]]
// CHECK: %[[W:.*]] = mamba.mul %x_proj.weight, %[[SCALE]] : (tensor<6x8xf16>, tensor<8xf32>) -> tensor<6x8xf32>
// CHECK: mamba.absmax_scale %[[W]]

// The scan and x_proj share the integers; the scan multiplies by the scales.
// FUSED: mamba.conv1d_silu_quant {{.*}} -> tensor<?x?x8xi8>
// FUSED: mamba.selective_scan_quant %[[U:[^ ]*]] dt {{.*}} u_scale %[[S:[^ ]*]] {{.*}} tensor<8xf32>

// NONE: no statistics of the channels of 'u': run mamba-calibrate with statistics=FILE first
// CLAMP: a clamped value has one limit: expected kind tensor, f16 or f32 for it, found channel
