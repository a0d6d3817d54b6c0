// RUN: mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq --mamba-fuse-kernels | FileCheck %s
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-rotate --mamba-fold-hadamard --mamba-insert-qdq="sites=in=token,y=token,head=tensor,x=f16,z=f16,u=f16,ux=tensor,B=f32,C=f32" --mamba-fuse-kernels | FileCheck %s --check-prefix=MIXED
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-clamp-scan=percentile=99.9 --mamba-insert-qdq --mamba-fuse-kernels | FileCheck %s --check-prefix=CLAMP
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq=weights=tensor --mamba-fuse-kernels | FileCheck %s --check-prefix=TENSOR
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq="sites=u=f32,ux=token,y=tensor" --mamba-fuse-kernels | FileCheck %s --check-prefix=ROWS
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq="sites=dt=f32,y=f32" --mamba-fuse-kernels | FileCheck %s --check-prefix=FLOAT
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-fuse-kernels | FileCheck %s --check-prefix=UNQUANTIZED
// Fused again, nothing changes, and the names survive printing and parsing.
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq --mamba-fuse-kernels -o %t.once
// RUN: mamba-opt %t.once --mamba-fuse-kernels -o %t.twice
// RUN: diff %t.once %t.twice

// The convolution's state holds what the convolution reads.
// CHECK: mamba.state @layers.0.conv : tensor<3x8xi8>
// CHECK: mamba.state @layers.0.ssm : tensor<2x8xf32>
// CHECK: %in.inv_scale = mamba.reciprocal %in.scale
// CHECK: %[[GAMMA:.*]] = mamba.cast %norm.weight : tensor<4xf16> -> tensor<4xf32>
// CHECK: %in = mamba.rms_norm_quant %embeddings gamma %[[GAMMA]] inv_scale %in.inv_scale epsilon 9.99999974E-6 : {{.*}} -> tensor<?x?x4xi8>
// CHECK: %in_proj.multiplier = mamba.mul %in_proj.weight.scale, %in.scale : (tensor<16x1xf32>, tensor<f32>) -> tensor<16x1xf32>
// CHECK: %x:2 = mamba.linear_i8 %in, %in_proj.weight.q multiplier %in_proj.multiplier inv_scales %x.inv_scale, %z.inv_scale : {{.*}} -> (tensor<?x?x8xi8>, tensor<?x?x8xi8>) loc(fused["x", "z"])
// CHECK: %conv1d.multiplier = mamba.mul %conv1d.weight.scale, %x.scale
// CHECK: %[[CONV:.*]] = mamba.channels_last %conv1d.weight.q : tensor<8x1x4xi8> -> tensor<4x8xi8>
// CHECK: %u = mamba.conv1d_silu_quant %x#0, %[[CONV]] multiplier %conv1d.multiplier bias %{{.*}} inv_scales %u.inv_scale state @layers.0.conv : {{.*}} -> tensor<?x?x8xi8>
// CHECK: %dt:3 = mamba.linear_i8 %u, %x_proj.weight.q multiplier %x_proj.multiplier inv_scales %dt.inv_scale, %B.inv_scale, %C.inv_scale
// CHECK: %dt_proj = mamba.linear_i8 %dt#0, %dt_proj.weight.q multiplier %dt_proj.multiplier bias %{{.*}} -> tensor<?x?x8xf32>
// CHECK: %[[A:.*]] = mamba.channels_last %A : tensor<8x2xf32> -> tensor<2x8xf32>
// CHECK: %y = mamba.selective_scan_quant %u dt %dt_proj a %[[A]] b %dt#1 c %dt#2 d %{{.*}} gate %x#1 u_scale %u.scale b_scale %B.scale c_scale %C.scale z_scale %z.scale inv_scale %y.inv_scale state @layers.0.ssm : {{.*}} -> tensor<?x?x8xi8>
// CHECK: %out_proj = mamba.linear_i8 %y, %out_proj.weight.q multiplier %out_proj.multiplier :
// CHECK: %layers.0, %{{.*}} = mamba.add_rms_norm_quant %embeddings, %out_proj gamma %norm_f.weight epsilon {{.*}} -> (tensor<?x?x4xf32>, tensor<?x?x4xf32>) loc(fused["layers.0", "norm_f"])
// CHECK-NEXT: %lm_head = mamba.linear %{{.*}}, %embeddings.weight
// CHECK-NOT: mamba.stats

// MIXED: mamba.state @layers.0.conv : tensor<3x8xf16>
// MIXED: %[[IN:.*]], %[[IN_SCALE:.*]] = mamba.rms_norm_quant {{.*}} -> (tensor<?x?x4xi8>, tensor<?x?x1xf32>) loc(fused["in", "in.scale"])
// MIXED: %x:2 = mamba.linear_i8 %[[IN]], %in_proj.weight.q multiplier %in_proj.weight.scale row_scale %[[IN_SCALE]] : {{.*}} -> (tensor<?x?x8xf16>, tensor<?x?x8xf16>)
// MIXED: mamba.channels_last %{{.*}} : tensor<8x1x4xf32> -> tensor<4x8xf32>
// MIXED: mamba.conv1d_silu_quant %x#0, %{{.*}} bias %{{.*}} inv_scales %u.x_proj.inv_scale state @layers.0.conv : {{.*}} -> (tensor<?x?x8xi8>, tensor<?x?x8xf16>) loc(fused["u.x_proj", "u"])
// MIXED: mamba.linear_i8 {{.*}} -> (tensor<?x?x2xi8>, tensor<?x?x2xf32>, tensor<?x?x2xf32>) loc(fused["dt", "B", "C"])
// MIXED: %y = mamba.selective_scan_quant {{.*}} gate %x#1 state @layers.0.ssm : {{.*}} -> tensor<?x?x8xf32>
// MIXED: %[[Y:.*]], %[[Y_SCALE:.*]] = mamba.hadamard_quant %y : (tensor<?x?x8xf32>) -> (tensor<?x?x8xi8>, tensor<?x?x1xf32>)
// MIXED: mamba.linear_i8 %[[Y]], %out_proj.weight.q multiplier %out_proj.weight.scale row_scale %[[Y_SCALE]]
// MIXED: mamba.add_rms_norm_quant {{.*}} inv_scale %norm_f.inv_scale {{.*}} -> (tensor<?x?x4xf32>, tensor<?x?x4xi8>)
// MIXED: mamba.linear_i8 {{.*}} -> tensor<?x?x16xf32> loc("lm_head")

// The clamp is what the integers do anyway.
// CLAMP-NOT: mamba.clamp
// CLAMP: mamba.conv1d_silu_quant {{.*}} inv_scales %u_clamped.inv_scale

// TENSOR: %[[M:.*]] = mamba.mul %in_proj.weight.scale, %in.scale : (tensor<f32>, tensor<f32>) -> tensor<f32>
// TENSOR: mamba.broadcast %[[M]] : tensor<f32> -> tensor<16x1xf32>
// TENSOR: mamba.broadcast %{{.*}} : tensor<f32> -> tensor<8x1x1xf32>

// A kernel that has no scale per token of its own stores f32.
// ROWS: %u = mamba.conv1d_silu_quant {{.*}} -> tensor<?x?x8xf32>
// ROWS: %[[Q:.*]], %[[S:.*]] = mamba.quantize_rows %u : (tensor<?x?x8xf32>) -> (tensor<?x?x8xi8>, tensor<?x?x1xf32>)
// ROWS: mamba.linear_i8 %[[Q]], %x_proj.weight.q multiplier %x_proj.weight.scale row_scale %[[S]]

// Linear layers in floating point stay.
// FLOAT: %dt_proj = mamba.linear %dt#0, %dt_proj.weight bias %{{.*}} : (tensor<?x?x2xf32>, tensor<8x2xf16>, tensor<8xf32>)
// FLOAT: %out_proj = mamba.linear %y, %out_proj.weight

// So they do in a model that nothing was quantized in; one whose result is split becomes one for each part.
// UNQUANTIZED: mamba.state @layers.0.conv : tensor<3x8xf32>
// UNQUANTIZED: %in = mamba.rms_norm_quant %embeddings gamma %{{.*}} epsilon 9.99999974E-6 : {{.*}} -> tensor<?x?x4xf32>
// UNQUANTIZED: %x.weight = mamba.slice_rows %in_proj.weight from 0 : tensor<16x4xf16> -> tensor<8x4xf16>
// UNQUANTIZED: %x = mamba.linear %in, %x.weight : (tensor<?x?x4xf32>, tensor<8x4xf16>) -> tensor<?x?x8xf32>
// UNQUANTIZED: %z.weight = mamba.slice_rows %in_proj.weight from 8 : tensor<16x4xf16> -> tensor<8x4xf16>
// UNQUANTIZED: %z = mamba.linear %in, %z.weight
// UNQUANTIZED: %u = mamba.conv1d_silu_quant %x, %{{.*}} bias %{{.*}} state @layers.0.conv : {{.*}} -> tensor<?x?x8xf32>
// UNQUANTIZED: %dt = mamba.linear %u, %dt.weight
// UNQUANTIZED: %B = mamba.linear %u, %B.weight
// UNQUANTIZED: %C.weight = mamba.slice_rows %x_proj.weight from 4 : tensor<6x8xf16> -> tensor<2x8xf16>
// UNQUANTIZED: %C = mamba.linear %u, %C.weight
// UNQUANTIZED: %dt_proj = mamba.linear %dt, %dt_proj.weight bias
// UNQUANTIZED: %y = mamba.selective_scan_quant %u dt %dt_proj a %{{.*}} b %B c %C d %{{.*}} gate %z state @layers.0.ssm : {{.*}} -> tensor<?x?x8xf32>
// UNQUANTIZED: mamba.linear %y, %out_proj.weight
// UNQUANTIZED: mamba.add_rms_norm_quant {{.*}} -> (tensor<?x?x4xf32>, tensor<?x?x4xf32>)

// Biases are split as their weights are.
// RUN: mamba-opt %S/Inputs/split-bias.mlir --mamba-fuse-kernels | FileCheck %s --check-prefix=BIAS
// BIAS: mamba.slice_rows %{{.*}} from 3 : tensor<4xf32> -> tensor<1xf32>
