// RUN: rm -rf %t && split-file %s %t
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-rules=file=%t/good | FileCheck %s
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-rules=file=%t/good --mamba-rotate=sites=y --mamba-fold-hadamard --mamba-clamp-scan=percentile=99.9 --mamba-insert-qdq --cse --mamba-fuse-kernels | FileCheck %s --check-prefix=APPLIED
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-rules=file=%t/float --mamba-rotate=sites=none --mamba-rotate=sites=head --mamba-fold-hadamard --mamba-insert-qdq --cse --mamba-fuse-kernels | FileCheck %s --check-prefix=FLOAT
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-rules=file=%t/site 2>&1 | FileCheck %s --check-prefix=SITE -DDIR=%t
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-rules=file=%t/property 2>&1 | FileCheck %s --check-prefix=PROPERTY -DDIR=%t
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-rules=file=%t/kind 2>&1 | FileCheck %s --check-prefix=KIND -DDIR=%t
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-rules=file=%t/answer 2>&1 | FileCheck %s --check-prefix=ANSWER -DDIR=%t
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-rules=file=%t/number 2>&1 | FileCheck %s --check-prefix=NUMBER -DDIR=%t
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-rules=file=%t/nothing 2>&1 | FileCheck %s --check-prefix=NOTHING -DDIR=%t
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-rules=file=%t/nowhere 2>&1 | FileCheck %s --check-prefix=NOWHERE -DDIR=%t
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-rules=file=%t/missing 2>&1 | FileCheck %s --check-prefix=MISSING

// What was chosen stands on the ops that read the sites; the last line wins.
// CHECK: mamba.linear %in, {{.*}} {mamba.choices = {in = "token"}}
// CHECK: mamba.causal_conv1d {{.*}} {mamba.choices = {x = "f16"}}
// CHECK: mamba.linear %u, {{.*}} {mamba.choices = {ux = "p99.9"}}
// CHECK: mamba.selective_scan {{.*}} {mamba.choices = {C = "f32", u = "f16", u.clamp = "no"}}
// CHECK: mamba.linear %y, {{.*}} {mamba.choices = {y = "tensor", y.rotate = "no"}}
// CHECK: mamba.linear %norm_f, {{.*}} {mamba.choices = {head = "token"}}

// And the passes do it.
// APPLIED-NOT: mamba.choices
// APPLIED: mamba.rms_norm_quant {{.*}} -> (tensor<?x?x4xi8>, tensor<?x?x1xf32>)
// APPLIED: mamba.scale 2.000000e+00 {{.*}} loc("u.x_proj.scale")
// APPLIED: mamba.conv1d_silu_quant {{.*}} -> (tensor<?x?x8xi8>, tensor<?x?x8xf16>)
// APPLIED-NOT: mamba.hadamard_quant
// APPLIED: mamba.linear_i8 {{.*}} -> tensor<?x?x16xf32>

// Matrices in 16 bits read and give f32; a choice to rotate is done once.
// FLOAT: %x = mamba.linear %in, {{.*}} tensor<8x4xf16>) -> tensor<?x?x8xf32>
// FLOAT: %z = mamba.linear %in, {{.*}} tensor<8x4xf16>) -> tensor<?x?x8xf32>
// FLOAT: mamba.hadamard_quant %y
// FLOAT-NOT: mamba.hadamard_quant %y
// FLOAT: mamba.hadamard_quant %layers.0

// SITE: mamba-rules: [[DIR]]/site:2: expected in, x, z, u, ux, dt, B, C, y or head, found 'q'
// PROPERTY: mamba-rules: [[DIR]]/property:1: expected x, found 'x.rotate'
// KIND: mamba-rules: [[DIR]]/kind:1: expected y=tensor, fitted, pNN, token, w8, f32, found 'f16'
// ANSWER: mamba-rules: [[DIR]]/answer:1: y.rotate: expected yes or no, found 'maybe'
// NUMBER: mamba-rules: [[DIR]]/number:1: u.clamp: expected a percentile from 0 to 100, or no, found '101'
// NOTHING: mamba-rules: [[DIR]]/nothing:3: expected site=kind behind the pattern 'in_proj', found nothing
// NOWHERE: mamba-rules: [[DIR]]/nowhere:1: 'y=token' for 'layers.9.*': expected a pattern that matches the name of an op that reads y, such as 'layers.3.*'; it matches none
// MISSING: missing: cannot open: No such file

//--- good
# everything, then what differs
*            in=f32    y=token
in_proj      in=token  # per token after all
out_p?oj     y=tensor  y.rotate=no
conv1d       x=f16
scan         u=f16     C=f32   u.clamp=no
x_proj       ux=p99.9

lm_head      head=token
//--- float
*  in=f32 x=f16 z=f16 ux=f32 dt=f32 u=f16 B=f16 C=f16 y=token y.rotate=yes
//--- site
# a comment
*  q=token
//--- property
*  x.rotate=no
//--- kind
out_proj  y=f16
//--- answer
out_proj  y.rotate=maybe
//--- number
scan  u.clamp=101
//--- nothing


in_proj   # what of it?
//--- nowhere
layers.9.*  y=token
