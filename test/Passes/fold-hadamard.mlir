// RUN: mamba-opt %S/Inputs/block.mlir --mamba-rotate=sites=y,in --mamba-fold-hadamard | FileCheck %s --check-prefix=BLOCK
// RUN: mamba-opt %s --mamba-fold-hadamard | FileCheck %s

// The second of each pair is in the weights; the first stays where no linear layer makes the value.
// BLOCK: %in_rotated = mamba.hadamard %in axis 2 :
// BLOCK: %[[IN:.*]] = mamba.hadamard %in_proj.weight axis 1 : tensor<16x4xf16> -> tensor<16x4xf32>
// BLOCK: mamba.linear %in_rotated, %[[IN]] :
// BLOCK: %y_rotated = mamba.hadamard %y axis 2 :
// BLOCK-NOT: _restored
// BLOCK: %[[OUT:.*]] = mamba.hadamard %out_proj.weight axis 1 :
// BLOCK: mamba.linear %y_rotated, %[[OUT]] :

mamba.checkpoint @ckpt "model" hash "xxh3:0"

// CHECK-LABEL: func.func @forward
func.func @forward(%ids: tensor<?x?xi32>) -> (tensor<?x?x12xf32>, tensor<?x?x12xf32>, tensor<?x?x12xf32>, tensor<?x?x12xf32>) {
  %table = mamba.weight @ckpt::@table : tensor<16x12xf16> loc("table")
  %w = mamba.weight @ckpt::@w : tensor<12x12xf32> loc("w")
  %b = mamba.weight @ckpt::@b : tensor<12xf32> loc("b")
  // Backward into the embedding's table, along its rows.
  // CHECK: %[[TABLE:.*]] = mamba.hadamard %table axis 1 :
  // CHECK: %h = mamba.embedding %{{.*}}, %[[TABLE]] :
  %h = mamba.embedding %ids, %table : (tensor<?x?xi32>, tensor<16x12xf16>) -> tensor<?x?x12xf32> loc("h")
  %hr = mamba.hadamard %h axis 2 : tensor<?x?x12xf32> -> tensor<?x?x12xf32> loc("hr")
  // Backward into a linear layer's outputs and bias.
  // CHECK: %[[W:.*]] = mamba.hadamard %w axis 0 :
  // CHECK: %[[B:.*]] = mamba.hadamard %b axis 0 :
  // CHECK: %l = mamba.linear %h, %[[W]] bias %[[B]] :
  %l = mamba.linear %hr, %w bias %b : (tensor<?x?x12xf32>, tensor<12x12xf32>, tensor<12xf32>) -> tensor<?x?x12xf32> loc("l")
  %lr = mamba.hadamard %l axis 2 : tensor<?x?x12xf32> -> tensor<?x?x12xf32> loc("lr")
  // CHECK: %s = mamba.silu %l
  %s = mamba.silu %lr : tensor<?x?x12xf32> -> tensor<?x?x12xf32> loc("s")
  // Forward into all of two readers.
  // CHECK-NOT: transpose
  %st = mamba.hadamard %s axis 2 transpose : tensor<?x?x12xf32> -> tensor<?x?x12xf32> loc("st")
  // CHECK: %[[W1:.*]] = mamba.hadamard %w axis 1 :
  // CHECK: %l1 = mamba.linear %s, %[[W1]] :
  %l1 = mamba.linear %st, %w : (tensor<?x?x12xf32>, tensor<12x12xf32>) -> tensor<?x?x12xf32> loc("l1")
  // CHECK: %l2 = mamba.linear %s, %{{.*}} :
  %l2 = mamba.linear %st, %w : (tensor<?x?x12xf32>, tensor<12x12xf32>) -> tensor<?x?x12xf32> loc("l2")
  // Not every reader is a linear layer: left alone.
  // CHECK: %l1t = mamba.hadamard %l1 axis 2 transpose
  %l1t = mamba.hadamard %l1 axis 2 transpose : tensor<?x?x12xf32> -> tensor<?x?x12xf32> loc("l1t")
  %l3 = mamba.linear %l1t, %w : (tensor<?x?x12xf32>, tensor<12x12xf32>) -> tensor<?x?x12xf32> loc("l3")
  // The producer is read untransformed too: left alone.
  // CHECK: %l2r = mamba.hadamard %l2 axis 2 :
  %l2r = mamba.hadamard %l2 axis 2 : tensor<?x?x12xf32> -> tensor<?x?x12xf32> loc("l2r")
  return %l1t, %l2, %l2r, %l3 : tensor<?x?x12xf32>, tensor<?x?x12xf32>, tensor<?x?x12xf32>, tensor<?x?x12xf32>
}
