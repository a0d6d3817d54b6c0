// RUN: mamba-opt %S/Inputs/block.mlir --mamba-fold-norm | FileCheck %s --check-prefix=BLOCK
// RUN: mamba-opt %s --mamba-fold-norm | FileCheck %s

// gamma goes into in_proj's columns, and for the head into its own copy of the shared table.
// BLOCK: %embeddings = mamba.embedding %{{.*}}, %[[TABLE:[^ ]*]] :
// BLOCK: %in = mamba.rms_norm %embeddings epsilon
// BLOCK: %[[W:.*]] = mamba.mul %in_proj.weight, %norm.weight : (tensor<16x4xf16>, tensor<4xf16>) -> tensor<16x4xf32>
// BLOCK: mamba.linear %in, %[[W]] :
// BLOCK: %norm_f = mamba.rms_norm %layers.0 epsilon
// BLOCK: %[[HEAD:.*]] = mamba.mul %[[TABLE]], %norm_f.weight
// BLOCK: mamba.linear %norm_f, %[[HEAD]] :

mamba.checkpoint @ckpt "model" hash "xxh3:0"

// Something else than a linear layer reads the norm, or a linear layer reads it as its weight: left alone.
// CHECK-LABEL: func.func @forward
func.func @forward(%x: tensor<?x?x4xf32>) -> (tensor<?x?x4xf32>, tensor<?x?x4xf32>) {
  %gamma = mamba.weight @ckpt::@gamma : tensor<4xf32>
  %w = mamba.weight @ckpt::@w : tensor<4x4xf32>
  // CHECK: mamba.rms_norm %{{.*}} gamma %{{.*}} epsilon
  %n = mamba.rms_norm %x gamma %gamma epsilon 1.0 : (tensor<?x?x4xf32>, tensor<4xf32>) -> tensor<?x?x4xf32>
  // CHECK-NOT: mamba.mul
  %l = mamba.linear %n, %w : (tensor<?x?x4xf32>, tensor<4x4xf32>) -> tensor<?x?x4xf32>
  %s = mamba.silu %n : tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  // A norm without gamma has nothing to fold.
  %n1 = mamba.rms_norm %s epsilon 1.0 : (tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  %l1 = mamba.linear %n1, %w : (tensor<?x?x4xf32>, tensor<4x4xf32>) -> tensor<?x?x4xf32>
  return %l, %l1 : tensor<?x?x4xf32>, tensor<?x?x4xf32>
}
