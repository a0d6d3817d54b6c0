// RUN: mamba-opt %tiny --pass-pipeline='builtin.module(mamba-fold-norm,mamba-rotate,mamba-fold-hadamard,mamba-materialize{output=%t.a.safetensors})' -o %t.a.mlir
// RUN: FileCheck %s < %t.a.mlir
// The same file again, from the first module, printed and parsed.
// RUN: mamba-opt %tiny --mamba-fold-norm --mamba-rotate | mamba-opt --mamba-fold-hadamard --mamba-materialize=output=%t.b.safetensors -o %t.b.mlir
// RUN: cmp %t.a.safetensors %t.b.safetensors
// A materialized module is the source of the next.
// RUN: mamba-opt %t.a.mlir --mamba-materialize=output=%t.c.safetensors | FileCheck %s --check-prefix=AGAIN
// RUN: cmp %t.a.safetensors %t.c.safetensors
// RUN: sed 's/loc("lm_head.weight")/loc("embeddings.weight")/' %t.a.mlir | mamba-opt --mamba-materialize=output=%t.e.safetensors | FileCheck %s --check-prefix=NUMBER
// RUN: not mamba-opt %tiny --mamba-materialize 2>&1 | FileCheck %s --check-prefix=EMPTY
// RUN: not mamba-opt %tiny --mamba-materialize=output=%t.none/w.safetensors 2>&1 | FileCheck %s --check-prefix=FOLDER
// RUN: sed s/d1bd0403/d1bd0404/ %S/Inputs/block.mlir | not mamba-opt --mamba-materialize=output=%t.d.safetensors 2>&1 | FileCheck %s --check-prefix=MISSING

// One file that holds everything, under the checkpoint's names.
// CHECK: mamba.checkpoint @weights "{{.*}}.a.safetensors" hash "xxh3:{{[0-9a-f]+}}"
// CHECK-NOT: @ckpt
// CHECK: %embeddings.weight = mamba.weight @weights::@embeddings.weight : tensor<4096x256xf16>
// CHECK: mamba.embedding %{{.*}}, %embeddings.weight
// CHECK-NOT: mamba.mul %{{.*}}weight
// CHECK: mamba.linear %{{.*}}, %layers.0.mixer.in_proj.weight : (tensor<?x?x256xf32>, tensor<1024x256xf32>)
// CHECK: mamba.selective_scan %{{.*}} a %layers.0.mixer.A b
// CHECK: mamba.linear %layers.0.mixer.y_rotated, %layers.0.mixer.out_proj.weight
// The head's weight is another tensor than the embedding's now.
// CHECK: %lm_head.weight = mamba.weight @weights::@lm_head.weight : tensor<4096x256xf32>
// AGAIN: mamba.checkpoint @weights_2 "{{.*}}.c.safetensors"
// AGAIN-NOT: @weights "

// Of two tensors with one name the second has a number.
// NUMBER: %embeddings.weight_2 = mamba.weight @weights_2::@embeddings.weight_2 : tensor<4096x256xf32>

// EMPTY: mamba-materialize: output: expected the path of a file to write
// FOLDER: mamba-materialize: {{.*}}/w.safetensors
// MISSING: mamba-materialize: {{.*}}model
