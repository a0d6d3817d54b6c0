// A plan for a GPU: weights stay in rows, no scratch, kernels of mamba_cuda.h.
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-rotate --mamba-fold-hadamard --mamba-insert-qdq=sites=y=token --mamba-fuse-kernels --mamba-plan=target=orin-nano | FileCheck %s
// A layer of the sample model is three kernels when it decodes.
// RUN: mamba-opt %source/models/tiny --mamba-rotate --mamba-fold-hadamard --mamba-calibrate="samples=1 length=8" --mamba-insert-qdq --mamba-fuse-kernels --mamba-plan="target=h200 decode=graph" -o %t.h200
// RUN: FileCheck %s --check-prefix=LAYER < %t.h200
// All of them may be one kernel: where launches are dear, and where somebody asks for it.
// RUN: mamba-opt %t.h200 --mamba-plan=target=orin-nano | FileCheck %s --check-prefix=PERSISTENT
// RUN: mamba-opt %t.h200 --mamba-plan="target=h200 decode=persistent" | FileCheck %s --check-prefix=FORCED
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq --mamba-fuse-kernels --mamba-plan="target=orin decode=persistent" 2>&1 | FileCheck %s --check-prefix=SINGLE
// RUN: not mamba-opt %t.h200 --mamba-plan="target=orin decode=both" 2>&1 | FileCheck %s --check-prefix=BOTH
// RUN: not mamba-opt %t.h200 --mamba-plan="decode=graph layout=rows" 2>&1 | FileCheck %s --check-prefix=NOTHING
// Layers that differ cannot be one kernel: the last one's values are 16 bits wide.
// RUN: echo "layers.11.* x=f16 z=f16 u=f16 ux=tensor B=f32 C=f32" > %t.differ
// RUN: mamba-opt %source/models/tiny --mamba-rules=file=%t.differ --mamba-rotate --mamba-fold-hadamard --mamba-calibrate="samples=1 length=8" --mamba-insert-qdq --mamba-fuse-kernels -o %t.fused
// RUN: mamba-opt %t.fused --mamba-plan=target=orin-nano | FileCheck %s --check-prefix=DIFFER
// RUN: not mamba-opt %t.fused --mamba-plan="target=orin decode=persistent" 2>&1 | FileCheck %s --check-prefix=REFUSED
// Those kernels take x, z and u of one type.
// RUN: mamba-opt %source/models/tiny --mamba-rotate --mamba-fold-hadamard --mamba-calibrate="samples=1 length=8" --mamba-insert-qdq=sites=x=f16 --mamba-fuse-kernels --mamba-plan=target=h200 | FileCheck %s --check-prefix=MIXED --implicit-check-not=decode_group
// RUN: echo "layers.1.* dt=token" > %t.rules
// RUN: mamba-opt %source/models/tiny --mamba-rules=file=%t.rules --mamba-rotate --mamba-fold-hadamard --mamba-calibrate="samples=1 length=8" --mamba-insert-qdq --mamba-fuse-kernels --mamba-plan=target=h200 | FileCheck %s --check-prefix=BROKEN --implicit-check-not=decode_group
// Planned again, nothing changes; planned for another target, nothing of the first plan is left.
// RUN: mamba-opt %t.h200 --mamba-plan="target=h200 decode=graph" -o %t.twice
// RUN: diff %t.h200 %t.twice
// RUN: mamba-opt %t.h200 --mamba-plan="target=cpu layout=rows" | FileCheck %s --check-prefix=CPU --implicit-check-not=decode
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-plan=target=orin-nan 2>&1 | FileCheck %s --check-prefix=NEAR
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-plan="target=orin layout=packed" 2>&1 | FileCheck %s --check-prefix=PACKED
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-plan="target=orin threads=2" 2>&1 | FileCheck %s --check-prefix=THREADS
// Weights that were packed for the CPU cannot be unpacked.
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-insert-qdq --mamba-fuse-kernels --mamba-plan -o %t.packed
// RUN: not mamba-opt %t.packed --mamba-plan=target=orin 2>&1 | FileCheck %s --check-prefix=UNPACK

// CHECK: func.func @forward{{.*}} attributes {mamba.arena = {{[0-9]+}} : i64, mamba.decode = "graph", mamba.decode_bytes = {{[0-9]+}} : i64, mamba.decode_launches = 11 : i64, mamba.decode_ns = {{[0-9]+}} : i64, mamba.decode_why = "the layers have a kernel for each op: {{[0-9.]+}} ms", mamba.target = "orin-nano", mamba.threads = 1 : i64, mamba.tokens = 512 : i64}
// CHECK: mamba.embedding {{.*}} {mamba.decode_ns = {{[0-9]+}} : i64, mamba.kernel = "mamba_cuda_embedding", mamba.offsets = array<i64: 0>}
// CHECK-NOT: mamba.pack
// The kernels of a whole layer do not take so small a one.
// CHECK-NOT: mamba.decode_group
// CHECK: %x:2 = mamba.linear_i8 {{.*}} mamba.kernel = "mamba_cuda_linear_i8"
// CHECK: mamba.hadamard_quant {{.*}} mamba.kernel = "mamba_cuda_hadamard", mamba.offsets = array<i64: {{[0-9, ]+}}>}
// CHECK-NOT: mamba.scratch

// One kernel for the embedding, three for each of twelve layers, the last norm and the head.
// LAYER: mamba.decode_launches = 39 : i64, mamba.decode_ns = {{[0-9]+}} : i64, mamba.decode_rows = 64 : i64, mamba.decode_sums = {{[0-9]+}} : i64, {{.*}} mamba.target = "h200"
// LAYER: mamba.rms_norm_quant {{.*}} {mamba.decode_group = 0 : i64, mamba.decode_kernel = "mamba_cuda_layer_in", mamba.kernel = "mamba_cuda_rms_norm"
// LAYER: %layers.0.mixer.x:2 = mamba.linear_i8 {{.*}} {mamba.decode_group = 0 : i64, mamba.decode_kernel = "mamba_cuda_layer_in", mamba.kernel =
// The last op of a kernel has the kernel's cost.
// LAYER: mamba.conv1d_silu_quant {{.*}} {mamba.decode_group = 0 : i64, mamba.decode_kernel = "mamba_cuda_layer_in", mamba.decode_ns = {{[0-9]+}} : i64
// LAYER: %layers.0.mixer.dt:3 = mamba.linear_i8 {{.*}} {mamba.decode_group = 0 : i64, mamba.decode_kernel = "mamba_cuda_layer_scan", mamba.kernel
// LAYER: mamba.linear_i8 {{.*}} {mamba.decode_group = 0 : i64, mamba.decode_kernel = "mamba_cuda_layer_scan", mamba.kernel
// LAYER: mamba.selective_scan_quant {{.*}} {mamba.decode_group = 0 : i64, mamba.decode_kernel = "mamba_cuda_layer_scan", mamba.decode_ns
// LAYER: mamba.hadamard_quant {{.*}} {mamba.decode_group = 0 : i64, mamba.decode_kernel = "mamba_cuda_layer_out", mamba.kernel
// LAYER: %layers.0.mixer.out_proj = mamba.linear_i8 {{.*}} {mamba.decode_group = 0 : i64, mamba.decode_kernel = "mamba_cuda_layer_out", mamba.decode_ns
// LAYER: mamba.add_rms_norm_quant {{.*}} {mamba.decode_group = 1 : i64
// The last norm is in no layer.
// LAYER: mamba.add_rms_norm_quant {{.*}} gamma %backbone.norm_f{{.*}} {mamba.decode_ns = {{[0-9]+}} : i64, mamba.kernel = "mamba_cuda_rms_norm"

// PERSISTENT: mamba.decode = "persistent", {{.*}}mamba.decode_exchanges = 35 : i64, {{.*}}mamba.decode_launches = 4 : i64, {{.*}}mamba.decode_table = {{[0-9]+}} : i64, mamba.decode_why = "predicted to be faster: a graph takes {{[0-9.]+}} ms with 39 launches, a persistent kernel for all layers {{[0-9.]+}} ms with 4 launches and 35 exchanges"
// FORCED: mamba.decode = "persistent", {{.*}} mamba.decode_why = "asked for: a graph takes
// DIFFER: mamba.decode = "graph", {{.*}} mamba.decode_why = "one kernel cannot compute layers that differ in sizes, types or transforms: {{[0-9.]+}} ms with 39 launches"

// MIXED: %layers.3.mixer.out_proj = mamba.linear_i8 {{.*}} mamba.kernel = "mamba_cuda_linear_i8"

// One layer that has to be computed op by op: then all are.
// BROKEN: %layers.3.mixer.out_proj = mamba.linear_i8 {{.*}} mamba.kernel = "mamba_cuda_linear_i8"

// CPU: mamba.target = "cpu"
// CPU: mamba.hadamard_quant {{.*}} mamba.scratch =

// NEAR: mamba-plan: target: expected cpu, orin, {{.*}} or h200, found 'orin-nan' (did you mean orin-nano?)
// PACKED: mamba-plan: layout: expected rows for target orin, found packed
// THREADS: mamba-plan: threads: expected 1 to 1 for target orin, found 2
// UNPACK: expected a weight in rows for target orin, found a packed one
// SINGLE: mamba-plan: decode: expected layers that one kernel can compute, for persistent; found layers that have a kernel for each op (docs/cuda.md)
// REFUSED: mamba-plan: decode: expected layers that one kernel can compute, for persistent; found layers that differ in sizes, types or transforms
// BOTH: mamba-plan: decode: expected graph or persistent, found 'both'
// NOTHING: mamba-plan: decode: expected nothing for target cpu, found 'graph'
