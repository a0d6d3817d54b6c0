// RUN: mamba-opt %S/Inputs/block.mlir --mamba-clamp-scan=percentile=99.9 | FileCheck %s
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-clamp-scan=percentile=100 | FileCheck %s --check-prefix=MAX
// RUN: sed s/508.0/0.0/ %S/Inputs/block.mlir | mamba-opt --mamba-clamp-scan=percentile=100 | FileCheck %s --check-prefix=ZERO
// RUN: sed s/p99.9/p99.999/ %S/Inputs/block.mlir | mamba-opt --mamba-clamp-scan=percentile=0 | FileCheck %s
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-clamp-scan=percentile=99.5 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-clamp-scan=percentile=101 2>&1 | FileCheck %s --check-prefix=RANGE
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-clamp-scan=percentile=nan 2>&1 | FileCheck %s --check-prefix=NAN
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-clamp-scan=percentile=99.9 --mamba-clamp-scan=percentile=99.9 2>&1 | FileCheck %s --check-prefix=TWICE

// Both readers of u get the clamped one; the gate's silu is not u.
// CHECK: %u = mamba.silu %conv1d
// CHECK-NEXT: %u_clamped = mamba.clamp %u to 2.540000e+02
// CHECK: mamba.linear %u_clamped, %x_proj.weight
// CHECK: mamba.selective_scan %u_clamped dt
// CHECK-NOT: mamba.clamp
// MAX: mamba.clamp %u to 5.080000e+02

// A value that was always zero has no range to clamp to.
// ZERO-NOT: mamba.clamp
// NONE: no statistics of 'u': run mamba-calibrate first, with statistics=FILE for what its summary lacks
// RANGE: mamba-clamp-scan: percentile: expected a number in (0, 100], or 0 for the paper's own, found 101
// NAN: percentile: expected a number in (0, 100], or 0 for the paper's own, found {{-?}}nan
// TWICE: expected the scan and x_proj to read the convolution's `silu` itself, found `clamp` and `clamp`: clamp before quantizing, and once
