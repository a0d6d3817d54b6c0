// RUN: mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq=state=i8 -o %t.mlir
// RUN: FileCheck %s < %t.mlir
// RUN: mamba-opt %t.mlir --mamba-fuse-kernels --mamba-plan | FileCheck %s --check-prefix=PLAN
// RUN: not mamba-opt %t.mlir --mamba-fuse-kernels --mamba-plan=target=orin 2>&1 | FileCheck %s --check-prefix=CUDA
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq=state=f16 2>&1 | FileCheck %s --check-prefix=KIND

// A state that is stored in integers has no statistics of its own; the values have.
// RUN: mamba-opt %tiny --mamba-calibrate='samples=1 length=2' --mamba-insert-qdq=state=i8 --mamba-calibrate='samples=1 length=2' -o /dev/null

// Two states of 8 channels, and four rows with the bytes of the channels' scales.
// CHECK: mamba.state @layers.0.conv : tensor<3x8xf32>
// CHECK: mamba.state @layers.0.ssm : tensor<6x8xi8>
// CHECK: mamba.selective_scan {{.*}} state @layers.0.ssm
// PLAN: mamba.selective_scan_quant {{.*}}mamba.kernel = "mamba_selective_scan_i8"
// CUDA: target orin has no kernel for a scan's state in int8
// KIND: mamba-insert-qdq: state: expected f32 or i8, found 'f16'
