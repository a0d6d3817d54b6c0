// RUN: mamba-opt %S/Inputs/block.mlir --mamba-rotate | FileCheck %s --check-prefix=Y
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-rotate="sites=in,head" | FileCheck %s --check-prefix=OTHERS

// Y-COUNT-1: mamba.rms_norm
// Y-NOT: mamba.hadamard
// Y: %y = mamba.mul
// Y-NEXT: %y_rotated = mamba.hadamard %y axis 2 : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
// Y-NEXT: %y_restored = mamba.hadamard %y_rotated axis 2 transpose :
// Y: mamba.linear %y_restored, %out_proj.weight
// Y: mamba.linear %norm_f,

// OTHERS: %in_restored = mamba.hadamard %in_rotated axis 2 transpose
// OTHERS: mamba.linear %in_restored, %in_proj.weight
// OTHERS: mamba.linear %y, %out_proj.weight
// OTHERS: mamba.linear %norm_f_restored,
