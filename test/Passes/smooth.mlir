// The division goes into gamma and into the scan's scales, the multiplication into the weights' columns.
// RUN: mamba-opt %tiny --mamba-calibrate='samples=1 length=16 statistics=%t.json' -o %t.mlir
// RUN: mamba-opt %t.mlir --mamba-smooth | FileCheck %s
// RUN: mamba-opt %t.mlir --mamba-smooth=strength=0.75 --mamba-insert-qdq --cse --mamba-fuse-kernels | FileCheck %s --check-prefix=FUSED
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-smooth 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not mamba-opt %t.mlir --mamba-smooth=sites=z 2>&1 | FileCheck %s --check-prefix=SITE
// RUN: not mamba-opt %t.mlir --mamba-smooth=strength=2 2>&1 | FileCheck %s --check-prefix=STRENGTH
// RUN: not mamba-opt %t.mlir --mamba-rotate=sites=y --mamba-smooth 2>&1 | FileCheck %s --check-prefix=ROTATED
// RUN: not mamba-opt %t.mlir --mamba-smooth=sites=y --mamba-smooth=sites=y 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: not mamba-opt %t.mlir --mamba-smooth --mamba-insert-qdq=sites=y=token 2>&1 | FileCheck %s --check-prefix=TOKEN

// CHECK: %[[X:layers.3.mixer.in.absmax]] = mamba.weight @statistics::@layers.3.mixer.in.absmax : tensor<256xf32>
// CHECK: %[[W:[^ ]*]] = mamba.absmax_scale %backbone.layers.3.mixer.in_proj.weight : tensor<1024x256xf16> -> tensor<1x256xf32>
// CHECK: %[[S:[^ ]*]] = mamba.smoothing %[[X]], %[[W]] strength 5.000000e-01
// CHECK: %[[R:[^ ]*]] = mamba.reciprocal %[[S]]
// CHECK: %[[G:[^ ]*]] = mamba.mul %backbone.layers.3.norm.weight, %[[R]]
// CHECK: %layers.3.mixer.in_smoothed = mamba.rms_norm %layers.2 gamma %[[G]] {{.*}} {mamba.stats = {absmax = {{[0-9.e-]+}} : f64}}
// CHECK: mamba.mul %backbone.layers.3.mixer.in_proj.weight, %[[S]]
// CHECK: %[[YS:[^ ]*]] = mamba.smoothing %layers.3.mixer.y.absmax
// CHECK: %[[YR:[^ ]*]] = mamba.reciprocal %[[YS]]
// CHECK: %layers.3.mixer.y_smoothed = mamba.mul %layers.3.mixer.y, %[[YR]] {mamba.stats

// FUSED: %[[YS:[^ ]*]] = mamba.smoothing {{.*}} strength 7.500000e-01 {{.*}} loc("layers.3.mixer.y.smoothing")
// FUSED: %[[ONE:layers.3.mixer.y_smoothed.scale]] = mamba.scale
// FUSED: %[[ALL:[^ ]*]] = mamba.mul %[[YS]], %[[ONE]] : (tensor<512xf32>, tensor<f32>) -> tensor<512xf32>
// FUSED: %[[INVERSE:[^ ]*]] = mamba.reciprocal %[[ALL]]
// FUSED: mamba.selective_scan_quant {{.*}} inv_scale %[[INVERSE]] {{.*}} -> tensor<?x?x512xi8>
// FUSED: mamba.mul {{.*}}, %[[ONE]] {{.*}} loc("layers.3.mixer.out_proj.multiplier")

// NONE: no statistics of the channels of 'in': run mamba-calibrate with statistics=FILE first
// SITE: mamba-smooth: sites: expected in or y, found 'z'
// STRENGTH: mamba-smooth: strength: expected a number from 0 to 1, found 2
// ROTATED: expected to smooth a `mul` that nothing else reads, before other passes change it; found 'layers.0.mixer.y_restored', from a `hadamard`
// TWICE: expected to smooth a `mul` that nothing else reads, before other passes change it; found 'layers.0.mixer.y_smoothed'
// TOKEN: 'layers.0.mixer.y_smoothed' is smoothed, which is free with one static scale only: expected kind tensor
