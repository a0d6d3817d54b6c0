// Ops without effect are merged and removed; ops with a state are neither.
// RUN: mamba-opt %s --cse --canonicalize | FileCheck %s

mamba.checkpoint @ckpt "model" hash "xxh3:0"
mamba.state @conv : tensor<3x8xf32>

// CHECK-LABEL: func.func @forward
// CHECK-SAME: (%[[X:.*]]: tensor<?x?x8xf32>
func.func @forward(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  // CHECK-NEXT: %[[W:.*]] = mamba.weight @ckpt::@w
  // CHECK-NEXT: %[[A:.*]] = mamba.linear %[[X]], %[[W]]
  %w0 = mamba.weight @ckpt::@w : tensor<8x8xf32>
  %w1 = mamba.weight @ckpt::@w : tensor<8x8xf32>
  %a = mamba.linear %x, %w0 : (tensor<?x?x8xf32>, tensor<8x8xf32>) -> tensor<?x?x8xf32>
  %b = mamba.linear %x, %w1 : (tensor<?x?x8xf32>, tensor<8x8xf32>) -> tensor<?x?x8xf32>
  // CHECK-NEXT: %[[S:.*]] = mamba.add %[[A]], %[[A]]
  %s = mamba.add %a, %b : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %unused = mamba.silu %s : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  // Both stay, although they are equal and unused: each moves the state on.
  // CHECK-NEXT: %[[C:.*]] = mamba.weight @ckpt::@c
  // CHECK-NEXT: mamba.causal_conv1d %[[S]], %[[C]] state @conv
  // CHECK-NEXT: mamba.causal_conv1d %[[S]], %[[C]] state @conv
  %c = mamba.weight @ckpt::@c : tensor<8x1x4xf32>
  %d = mamba.causal_conv1d %s, %c state @conv : (tensor<?x?x8xf32>, tensor<8x1x4xf32>) -> tensor<?x?x8xf32>
  %e = mamba.causal_conv1d %s, %c state @conv : (tensor<?x?x8xf32>, tensor<8x1x4xf32>) -> tensor<?x?x8xf32>
  // A slice of everything and a cast to the same type fold; a rotation and its inverse must not,
  // since mamba-fold-hadamard looks for them.
  // CHECK-NEXT: %[[H:.*]] = mamba.hadamard %[[S]] axis 2 :
  // CHECK-NEXT: %[[T:.*]] = mamba.hadamard %[[H]] axis 2 transpose
  // CHECK-NEXT: return %[[T]]
  %all = mamba.slice %s from 0 : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  %same = mamba.cast %all : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  %h = mamba.hadamard %same axis 2 : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  %t = mamba.hadamard %h axis 2 transpose : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  return %t : tensor<?x?x8xf32>
}
