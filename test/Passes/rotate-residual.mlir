// The residual stream goes into Hadamard space, and nothing of that is left to compute.
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-fold-norm --mamba-rotate=sites=residual | FileCheck %s
// RUN: mamba-opt %S/Inputs/block.mlir --mamba-fold-norm --mamba-rotate=sites=residual --mamba-fold-hadamard --mamba-insert-qdq --cse --mamba-fuse-kernels | FileCheck %s --check-prefix=FOLDED
// RUN: not mamba-opt %S/Inputs/block.mlir --mamba-rotate=sites=residual 2>&1 | FileCheck %s --check-prefix=GAMMA
// RUN: sed 's/linear .norm_f, /linear %h1, /' %S/Inputs/block.mlir | not mamba-opt --mamba-fold-norm --mamba-rotate=sites=residual 2>&1 | FileCheck %s --check-prefix=READER

// CHECK: %embeddings_rotated = mamba.hadamard %embeddings axis 2 :
// CHECK: %in = mamba.rms_norm %embeddings_rotated epsilon
// CHECK: %in_restored = mamba.hadamard %in axis 2 transpose
// CHECK: mamba.linear %in_restored
// CHECK: %out_proj_rotated = mamba.hadamard %out_proj axis 2 :
// CHECK: %layers.0 = mamba.add %embeddings_rotated, %out_proj_rotated
// CHECK: %norm_f = mamba.rms_norm %layers.0 epsilon
// CHECK: %norm_f_restored = mamba.hadamard %norm_f axis 2 transpose
// CHECK: mamba.linear %norm_f_restored

// The table of the embedding, and the head, which shares it but has gamma in it, are in 16 bits again.
// FOLDED: mamba.hadamard %embeddings.weight axis 1 : tensor<16x4xf16> -> tensor<16x4xf32>
// FOLDED: mamba.cast {{.*}} : tensor<16x4xf32> -> tensor<16x4xf16>
// FOLDED: mamba.embedding {{.*}} tensor<16x4xf16>) -> tensor<?x?x4xf32>
// FOLDED-NOT: axis 2
// FOLDED: %lm_head = mamba.linear {{.*}} (tensor<?x?x4xf32>, tensor<16x4xf16>)

// GAMMA: a rotation does not pass through gamma: run mamba-fold-norm first
// READER: expected only `add` and `rms_norm` to read the residual stream
