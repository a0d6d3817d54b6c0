// RUN: mamba-opt %S/Inputs/block.mlir --mamba-rotate --mamba-fold-hadamard --mamba-insert-qdq="sites=y=token" --mamba-fuse-kernels --mamba-plan="tokens=64 threads=2" | FileCheck %s
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq --mamba-fuse-kernels --mamba-plan="tokens=1" | FileCheck %s --check-prefix=ONE
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq --mamba-fuse-kernels --mamba-plan="layout=rows" | FileCheck %s --check-prefix=LAYOUT-ROWS
// Planned again, nothing changes.
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq --mamba-fuse-kernels --mamba-plan -o %t.once
// RUN: mamba-opt %t.once --mamba-plan -o %t.twice
// RUN: diff %t.once %t.twice
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-plan=layout=columns 2>&1 | FileCheck %s --check-prefix=LAYOUT
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-plan 2>&1 | FileCheck %s --check-prefix=LEVEL1
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-plan=target=tpu 2>&1 | FileCheck %s --check-prefix=TARGET
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-plan=tokens=0 2>&1 | FileCheck %s --check-prefix=TOKENS
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-plan=threads=1025 2>&1 | FileCheck %s --check-prefix=THREADS

// 64 tokens of 4 floats are 1024 bytes. The residual stream lies at 0 from the first op to the last, sums in place.
// CHECK: func.func @forward{{.*}} attributes {mamba.arena = [[ARENA:[0-9]+]] : i64, mamba.target = "cpu", mamba.threads = 2 : i64, mamba.tokens = 64 : i64}
// CHECK: mamba.embedding {{.*}} {mamba.kernel = "mamba_embedding", mamba.offsets = array<i64: 0>}
// CHECK: mamba.rms_norm_quant {{.*}} {mamba.kernel = "mamba_rms_norm", mamba.offsets = array<i64: 1024>}
// [16, 4] is one group of 16 rows, one block deep, and a block of offsets.
// CHECK: %in_proj.weight.packed = mamba.pack %in_proj.weight.q : tensor<16x4xi8> -> tensor<2x16x4xi8>
// 64 x 4 bytes behind it, then x and z.
// CHECK: %x:2 = mamba.linear_i8 %{{.*}}, %in_proj.weight.packed multiplier {{.*}} {mamba.kernel = "mamba_linear_i8_packed", mamba.offsets = array<i64: 1280, 1792>}
// CHECK: mamba.conv1d_silu_quant {{.*}} {mamba.kernel = "mamba_conv1d", mamba.offsets = array<i64: 2304>}
// CHECK: %dt:3 = mamba.linear_i8 {{.*}} {mamba.kernel = "mamba_linear_i8_packed", mamba.offsets = array<i64: 1024, 1152, 1280>}
// CHECK: %y = mamba.selective_scan_quant {{.*}} {mamba.kernel = "mamba_selective_scan", mamba.offsets = array<i64: [[Y:[0-9]+]]>}
// Integers, their scales, and 2 workers' rows of 8 floats.
// CHECK: mamba.hadamard_quant %y {mamba.kernel = "mamba_hadamard", mamba.offsets = array<i64: 1024, 1536>, mamba.scratch = 1792 : i64}
// CHECK: mamba.add_rms_norm_quant {{.*}} {mamba.kernel = "mamba_rms_norm", mamba.offsets = array<i64: 0, {{[1-9][0-9]*}}>}
// The caller provides the memory of the logits.
// CHECK: mamba.linear {{.*}} {mamba.kernel = "mamba_linear_float", mamba.offsets = array<i64: -1>}

// Offsets are multiples of 64.
// ONE: mamba.embedding {{.*}} array<i64: 0>
// ONE: mamba.rms_norm_quant {{.*}} array<i64: 64>
// ONE: %x:2 = mamba.linear_i8 {{.*}} array<i64: 128, 192>

// LAYOUT-ROWS-NOT: mamba.pack
// LAYOUT-ROWS: %x:2 = mamba.linear_i8 %in, %in_proj.weight.q {{.*}} {mamba.kernel = "mamba_linear_i8",

// LAYOUT: mamba-plan: layout: expected packed or rows, found 'columns'
// LEVEL1: no kernel computes `rms_norm` by itself: expected level 3
// TARGET: mamba-plan: target: expected cpu, orin, {{.*}} or h200, found 'tpu'
// TOKENS: mamba-plan: tokens: expected 1 to 1048576, found 0
// THREADS: mamba-plan: threads: expected 1 to 1024 for target cpu, found 1025
